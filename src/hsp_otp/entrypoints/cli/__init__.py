"""The commands of `hsp-otp`, one file per group."""
