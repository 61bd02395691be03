"""Migrations, oldest first; alembic runs them."""
