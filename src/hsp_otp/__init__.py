"""Proves that somebody holds a phone number right now, and turns the proof into a login."""
