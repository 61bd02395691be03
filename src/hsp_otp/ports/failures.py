"""Failures of ports. The driver's error is chained; its text reaches no caller."""

from typing import ClassVar


class Unavailable(Exception):  # noqa: N818 - a state of the world, not an error of ours
    """
    A store did not answer in time.

    The step may or may not have happened; the caller must treat it as refused.
    """


class SendFailed(Exception):  # noqa: N818
    """
    The sender did not take the message, and has trouble of its own.

    There was no connection, no answer in time or none that makes sense, a 5xx or 429, or the
    account was refused: its credentials, its standing, its credit. What a failure means for other
    senders and what it says of this one are two independent questions; the subclasses answer them
    differently.

    Attributes:
        tries_next: Another sender may take the message.
        blames_sender: It is evidence that the sender is unwell, which counts towards skipping it.
    """

    tries_next: ClassVar[bool] = True
    blames_sender: ClassVar[bool] = True


class SendRefusedHere(SendFailed):
    """
    The sender is well and refused this one message; another sender may take it.

    For example its account may not text that country, or it has no route there. Refusals that
    nobody knows are of this kind.
    """

    blames_sender: ClassVar[bool] = False


class SendRejected(SendFailed):
    """
    The sender is well and refused this one message, and every other sender would do the same.

    It is about the number or the text: not a mobile number, opted out, fraud.
    """

    tries_next: ClassVar[bool] = False
    blames_sender: ClassVar[bool] = False
