"""
Signup sessions: the number that a visitor is proving, and the step that the session has reached.

A session begins with the first code issued for it, and only moves forward.
"""

from typing import ClassVar, Final

import attrs

from hsp_otp.domain.challenge import subject_of
from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant, after, is_credible
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import SESSION_LIFETIME
from hsp_otp.domain.purposes import Purpose, Slot
from hsp_otp.domain.slot_record import Challenge

NEXT_STEP: Final = 2
"""The step after a proved number; this step and later ones belong to another backend."""

_FIRST_STEP: Final = 1


@attrs.frozen(kw_only=True)
class SignupSession:
    """
    One visitor's signup.

    Attributes:
        phone: The number that the latest code was issued for.
        challenge_id: The challenge of that code, or of the code that proved the number.
        channel: By which that code went out.
        step: 1 until the number is proved, then `NEXT_STEP`.
        stepped_at: When the latest code was issued, or the number proved.
    """

    phone: PhoneNumber
    challenge_id: str
    channel: Channel = Channel.SMS
    step: int = _FIRST_STEP
    stepped_at: Instant

    def lives(self, now: Instant) -> bool:
        """Whether the session has not ended."""
        is_past = now >= after(self.stepped_at, SESSION_LIFETIME)
        return is_credible(self.stepped_at, now) and not is_past

    @property
    def is_verified(self) -> bool:
        """Whether the session's number is proved."""
        return self.step > _FIRST_STEP


@attrs.frozen
class SignupStep:
    """The step that a challenge led to, kept under the challenge's id so that there is only one."""

    at: Instant


@attrs.frozen
class SessionNotFound:
    """There is no such session, or it has ended."""

    word: ClassVar[str] = "session_not_found"


@attrs.frozen
class AlreadyVerified:
    """The session's number is already proved; the next steps belong to another backend."""

    word: ClassVar[str] = "already_verified"
    phone: PhoneNumber


@attrs.frozen
class Stepped:
    """The session moved; *left* is its state with the previous number, if that changed."""

    word: ClassVar[str] = "verified"
    left: SignupSession | None = None


@attrs.frozen
class Recorded:
    """The step was recorded for the first time."""


@attrs.frozen
class AlreadyRecorded:
    """The challenge has already led to a step, so its store must have lost that write."""

    word: ClassVar[str] = "otp_expired"


@attrs.frozen
class Corrected:
    """The session's number was changed after the code was presented."""

    word: ClassVar[str] = "otp_expired"


Closed = SessionNotFound | AlreadyVerified


def slot_of(phone: PhoneNumber) -> Slot:
    """The slot for *phone*. The subject is the same in every session."""
    return Slot(subject_of(Contact.of_phone(phone)), Purpose.SIGNUP)


def find(held: SignupSession | None, now: Instant) -> SignupSession | Closed:
    """The session, if a number can still be proved in it."""
    if held is None or not held.lives(now):
        return SessionNotFound()
    return AlreadyVerified(held.phone) if held.is_verified else held


def issued(
    held: SignupSession | None, *, challenge: Challenge, begins: bool, now: Instant
) -> Decision[SignupSession | None, Stepped | Closed]:
    """Record the code issued in a session, new if it *begins*, and the number it was sent to."""
    phone = PhoneNumber(challenge.contact.value)
    becomes = SignupSession(
        phone=phone, challenge_id=challenge.id, channel=challenge.channel, stepped_at=now
    )
    if begins:
        return Decision(Stepped(), becomes)
    found = find(held, now)
    if not isinstance(found, SignupSession):
        return Decision(found, held)
    return Decision(Stepped(found if found.phone != phone else None), becomes)


def proved(
    held: SignupSession | None, *, challenge: Challenge, now: Instant
) -> Decision[SignupSession | None, Stepped | Corrected | Closed]:
    """
    Move the session to the next step, unless it has another number than the *challenge* whose code
    was right.
    """
    found = find(held, now)
    if not isinstance(found, SignupSession):
        return Decision(found, held)
    if found.phone.e164 != challenge.contact.value:
        return Decision(Corrected(), held)
    becomes = attrs.evolve(
        found,
        challenge_id=challenge.id,
        channel=challenge.channel,
        step=NEXT_STEP,
        stepped_at=now,
    )
    return Decision(Stepped(), becomes)


def record(
    held: SignupStep | None, *, now: Instant
) -> Decision[SignupStep | None, Recorded | AlreadyRecorded]:
    """Record, once, that a challenge led to a step."""
    if held is not None:
        return Decision(AlreadyRecorded(), held)
    return Decision(Recorded(), SignupStep(now))
