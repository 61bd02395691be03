"""The outcomes of the rules in `domain/challenge.py`, each with its stable word."""

import enum
from typing import ClassVar

import attrs

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.guard import Assessment
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.lanes import Devices
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.send_limits import Sent
from hsp_otp.domain.slot_record import Challenge, Owed


@attrs.frozen
class Issued:
    """
    A new challenge stands; its message is still to be sent.

    Attributes:
        again: It took the place of a live code.
        assessment: What the guard made of the ask, if it judged it.
        owed: What is owed of its message until the code is right, if anything is.
    """

    word: ClassVar[str] = "sent"
    challenge: Challenge
    resend_at: Instant | None
    again: bool = False
    assessment: Assessment | None = None
    owed: Owed | None = None


@attrs.frozen
class Locked:
    """
    Too many failed guesses.

    Attributes:
        retry_at: When the windows have room again; None if only an operator can unlock.
    """

    word: ClassVar[str] = "locked_out"
    retry_at: Instant | None


@attrs.frozen
class WorkRequired:
    """
    Too many strangers have asked, or the guard wants it: work of *level* has to be done first.
    Nothing was charged.

    Attributes:
        assessment: What the guard made of the ask, if it judged it.
    """

    word: ClassVar[str] = "work_required"
    level: int
    assessment: Assessment | None = None


@attrs.frozen
class MalformedWork:
    """What came as work is none at all. Nothing was charged."""

    word: ClassVar[str] = "malformed_request"


@attrs.frozen
class Verified:
    """
    The code was right and is now used up.

    Attributes:
        devices: What the token of this device is made of.
        given_back: Sends that are still to be given back to other addresses than the caller's.
        paid: Sends of the slot that are still to be paid back.
    """

    word: ClassVar[str] = "verified"
    challenge: Challenge
    resend_at: Instant | None
    devices: Devices
    given_back: tuple[tuple[Sent, Instant], ...] = ()
    paid: tuple[Owed, ...] = ()


@attrs.frozen
class WrongCode:
    """
    The guess was judged, counted and found wrong.

    Attributes:
        attempts_remaining: Guesses that this challenge will still judge.
        resend_at: When a new code may be asked for; None if only an operator can unlock.
    """

    word: ClassVar[str] = "invalid_otp"
    attempts_remaining: int
    resend_at: Instant | None


@attrs.frozen
class NoLiveCode:
    """
    The code expired, was replaced, used, withdrawn or never sent, or belongs to another challenge.
    Nothing was charged.
    """

    word: ClassVar[str] = "otp_expired"
    resend_at: Instant | None


@attrs.frozen
class Exhausted:
    """All guesses of the challenge have been judged. Nothing was charged."""

    word: ClassVar[str] = "too_many_attempts"
    resend_at: Instant | None


@attrs.frozen
class Withdrawn:
    """The challenge was ended before its time, and can never succeed."""

    word: ClassVar[str] = "withdrawn"
    challenge: Challenge


@attrs.frozen
class NotStanding:
    """The challenge has ended already, or another has taken its place. Nothing changed."""

    word: ClassVar[str] = "not_standing"


@attrs.frozen
class Forgotten:
    """
    The slot now holds only what limits count, or nothing at all.

    Attributes:
        until: When the limits stop counting the rest; None if they count nothing now.
        devices: Whether there were known devices.
    """

    until: Instant | None
    devices: bool = False


class CodeEnd(enum.Enum):
    """
    Why a code cannot be right any more; the values are part of ids in the catalogues.

    `LOCKED` bars the next code, too.
    """

    LOCKED = "locked"
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    UNDELIVERED = "undelivered"
    OTHER = "other"


@attrs.frozen
class Standing:
    """
    The current state for somebody who has asked for a code.

    Attributes:
        expires_at: When the live code expires; None if no code is left that would be judged.
        resend_at: When a new code may be asked for; None if only an operator can unlock.
        end: Why no code is left; None if one is.
        channel: By which the live code went out; None if no code is left.
        call_at: When a call may be asked for, if that was looked up; None if only an operator can
            unlock.
    """

    expires_at: Instant | None
    resend_at: Instant | None
    end: CodeEnd | None = None
    channel: Channel | None = None
    call_at: Instant | None = None


AskOutcome = Issued | Refusal | Locked | MalformedWork | WorkRequired
CheckOutcome = Verified | WrongCode | NoLiveCode | Exhausted | Locked
