"""
Wrappers around ports that report each call: always to the request's log line, and to metrics and
traces if these are on.

The receivers know neither each other nor this package; they implement `Listener` or `Counts`.
"""
