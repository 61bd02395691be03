"""
Traces for OpenTelemetry.

Its libraries are an extra, `hsp-otp[traces]`, and this package needs them. It is therefore imported
late, and only if traces are on.
"""
