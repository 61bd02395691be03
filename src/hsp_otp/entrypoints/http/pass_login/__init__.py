"""The routes of pass login."""
