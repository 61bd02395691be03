"""The clients against started services; for script/test-clients."""
