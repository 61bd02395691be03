"""The failures of ports. The driver's error is chained, and its text never reaches a caller."""

from typing import ClassVar


class Unavailable(Exception):  # noqa: N818 - a state of the outside world, not a bug
    """
    A store did not answer in time.

    The step may or may not have happened; the caller must treat it as refused.
    """


class SendFailed(Exception):  # noqa: N818
    """
    The sender did not take the message, because of a problem of its own.

    There was no connection, no timely or valid answer, a 5xx or 429, or the account was refused:
    its credentials, its status or its credit. Two questions are independent: whether another sender
    may take the message, and whether the failure counts against this sender. The subclasses answer
    them differently.

    Attributes:
        tries_next: Another sender may take the message.
        tries_channels: The code may go to the contact by another channel.
        blames_sender: The failure is evidence of trouble at the sender and counts towards skipping
            it.
    """

    tries_next: ClassVar[bool] = True
    tries_channels: ClassVar[bool] = True
    blames_sender: ClassVar[bool] = True


class SendRefusedHere(SendFailed):
    """
    The sender works and refused this one message; another sender may take it.

    For example, its account may not send to that country, or it has no route there. Unknown
    refusals are of this kind too.
    """

    blames_sender: ClassVar[bool] = False


class SendRejected(SendFailed):
    """
    The sender works and refused this one message, as every other sender would.

    The reason is the number or the text, for example that it is not a mobile number.
    """

    tries_next: ClassVar[bool] = False
    blames_sender: ClassVar[bool] = False


class SendBlocked(SendRejected):
    """
    The person has opted out, or the message was blocked as fraud.

    No other channel is tried either: somebody who has said STOP is not called instead.
    """

    tries_channels: ClassVar[bool] = False
