"""
What is measured, for Prometheus.

Whoever imports this loads its library, which decides then, by the environment, whether values
stand in files that several processes share. So it is imported late, and only where metrics are on.
"""
