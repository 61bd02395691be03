"""What a port could not do. The driver's error is chained, and its text reaches no caller."""


class Unavailable(Exception):  # noqa: N818 - a state of the world, not an error of ours
    """
    A store did not answer in time.

    The step may or may not have happened; the caller must treat it as refused.
    """


class SmsFailed(Exception):  # noqa: N818
    """No provider took the message."""


class SmsRejected(SmsFailed):
    """The provider refused this number or this message; another one would too."""
