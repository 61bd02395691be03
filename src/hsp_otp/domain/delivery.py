"""The delivery state of a message after a provider has taken it."""

import enum
import re
from typing import ClassVar, Final

import attrs

from hsp_otp.domain.audit import Step, StepRow
from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import MINUTE, Duration, Instant, day_of
from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import Flow, Slot

EARLY_FOR: Final[Duration] = MINUTE
"""How long a receipt may arrive before its message is recorded, and how long it is kept."""

_MESSAGE_ID: Final = re.compile("[!-~]{1,64}")


class DeliveryState(enum.Enum):
    """
    The steps of a delivery; the last four are final.

    Attributes:
        BLOCKED: The person has opted out, or the message was blocked as fraud. It is the only end
            without a delivery that no other channel follows.
    """

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    BLOCKED = "blocked"


_STEPS = {DeliveryState.QUEUED: 0, DeliveryState.SENT: 1}
_FINAL = 2
LOST: Final = frozenset({DeliveryState.UNDELIVERED, DeliveryState.FAILED})
"""The ends of a message that will not arrive, and whose code may go by another channel."""


@attrs.frozen(kw_only=True)
class AppSend:
    """The send of an app that a message is for."""

    id: str
    verification_id: str
    channel: Channel


@attrs.frozen(kw_only=True)
class LostSend:
    """
    A send whose message will not arrive.

    Attributes:
        slot: The slot of its code.
        app_send: None if it is of no app.
    """

    id: str
    slot: Slot = attrs.field(repr=False)
    app_send: AppSend | None = None


@attrs.frozen(kw_only=True)
class TakenMessage:
    """
    A message that a provider took, for the send of a code.

    Attributes:
        send_id: The id of the send.
        slot: The slot of its code.
        at: When the code was issued.
        language: None if it is not known.
        app_send: None if it is of no app.
    """

    send_id: str
    slot: Slot = attrs.field(repr=False)
    state: DeliveryState
    at: Instant
    flow: Flow
    contact: Contact
    language: Language | None
    app_send: AppSend | None = None


@attrs.frozen
class Noted:
    """
    The receipt was accepted, whether or not it changed the state.

    Attributes:
        lost: The send whose message will not arrive; None if it may.
    """

    word: ClassVar[str] = "noted"
    lost: LostSend | None = None


@attrs.frozen
class UnknownMessage:
    """This service has handed over no such message."""

    word: ClassVar[str] = "not_found"


@attrs.frozen
class EarlyReceipt:
    """
    A receipt that is not done with: providers report while they are still taking a message, which
    is not recorded yet, and a send in place of a lost one may have been interrupted.

    Attributes:
        senders: The senders of the provider; one of them has the message.
    """

    senders: tuple[str, ...]
    message_id: str
    reported: DeliveryState


def message_id(given: str | None) -> str | None:
    """A provider's message id: 1 to 64 visible ASCII characters. None for anything else."""
    return given if given is not None and _MESSAGE_ID.fullmatch(given) else None


def note(
    held: TakenMessage | None, reported: DeliveryState
) -> Decision[TakenMessage | None, Noted | UnknownMessage]:
    """
    Move a message's state forward.

    Receipts arrive late, twice and in any order. A receipt for an earlier step changes nothing, and
    the first final state that is reported stays. A delivery is counted on the day of its send.
    """
    if held is None:
        return Decision(UnknownMessage(), None)
    if _STEPS.get(reported, _FINAL) <= _STEPS.get(held.state, _FINAL):
        return Decision(_noted(held), held)
    arrived = StepRow(
        day=day_of(held.at),
        flow=held.flow,
        step=Step.DELIVERED,
        region=held.contact.region,
        language=held.language,
    )
    rows = (arrived,) if reported is DeliveryState.DELIVERED else ()
    becomes = attrs.evolve(held, state=reported)
    return Decision(_noted(becomes), becomes, rows)


def _noted(message: TakenMessage) -> Noted:
    """Told again with every receipt, since what follows from it may have been interrupted."""
    if message.state not in LOST:
        return Noted()
    return Noted(LostSend(id=message.send_id, slot=message.slot, app_send=message.app_send))
