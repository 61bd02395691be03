"""The routes by which the house's backend keeps passes and users."""
