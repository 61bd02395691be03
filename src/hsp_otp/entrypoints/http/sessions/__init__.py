"""The routes for signed-in users."""
