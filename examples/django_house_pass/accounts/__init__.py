"""Customers and their passes."""
