"""Twilio's own SDKs against the service; for script/test-sdks."""
