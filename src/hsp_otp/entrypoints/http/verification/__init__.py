"""The routes by which other backends verify contacts."""
