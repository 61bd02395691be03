"""
Metrics for Prometheus.

Importing this package loads its library, which then decides by the environment whether values are
kept in files that several processes share. It is therefore imported late, and only if metrics are
on.
"""
