"""
Ports whose calls are told to whoever listens: the request's log line always, metrics and traces
where they are on.

Those who listen know nothing of each other, nor of this room: they keep the promises of
`Listener` or `Counts`.
"""
