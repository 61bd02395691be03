"""The verification API in the shape of Twilio Verify, version 2."""
