"""
Traces, for OpenTelemetry.

Its libraries are an extra, `hsp-otp[traces]`: whoever imports what is here needs it. So it is
imported late, and only where traces are on.
"""
