"""Access tokens, verified by an implementation that shares nothing with the service."""
