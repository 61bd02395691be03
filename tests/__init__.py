"""The tests of hsp-otp."""
