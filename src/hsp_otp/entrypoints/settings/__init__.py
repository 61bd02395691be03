"""The settings: their sources, accepted values and meanings."""
