"""The routes of signup."""
