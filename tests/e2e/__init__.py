"""A started server, by its real command."""
