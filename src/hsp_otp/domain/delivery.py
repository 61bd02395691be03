"""What became of a message after a provider took it."""

import enum
from typing import ClassVar

import attrs

from hsp_otp.domain.decision import Decision


class DeliveryState(enum.Enum):
    """How far a message has come; the last three are final."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"


_STEPS = {DeliveryState.QUEUED: 0, DeliveryState.SENT: 1}
_FINAL = 2


@attrs.frozen
class Noted:
    """The receipt was taken, whether it told anything new or not."""

    word: ClassVar[str] = "noted"


@attrs.frozen
class UnknownMessage:
    """No such message was handed over here."""

    word: ClassVar[str] = "not_found"


def note(
    held: DeliveryState | None, reported: DeliveryState
) -> Decision[DeliveryState | None, Noted | UnknownMessage]:
    """
    Move a message's state forward.

    Receipts come late, twice and in any order, so one that tells of an earlier step, or of
    another end than the first that was heard of, changes nothing.
    """
    if held is None:
        return Decision(UnknownMessage(), None)
    forward = _STEPS.get(reported, _FINAL) > _STEPS.get(held, _FINAL)
    return Decision(Noted(), reported if forward else held)
