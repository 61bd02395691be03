"""Access tokens, verified by an implementation that shares no code with the service."""
