"""The entry points of the service: HTTP, the command line, the settings and the wiring."""
