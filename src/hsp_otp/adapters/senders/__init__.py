"""Senders of text messages: one file per provider."""
