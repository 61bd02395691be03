"""The routes of whoever is signed in."""
