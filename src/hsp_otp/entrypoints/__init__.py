"""Where the service is entered: HTTP, the command line, the settings and the wiring."""
