"""The commands of `hsp-otp`, a file per group."""
