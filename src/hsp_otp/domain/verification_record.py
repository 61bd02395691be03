"""What is stored of a verification; `domain/verification.py` has the rules."""

import enum
import hashlib
from collections.abc import Mapping
from typing import Final

import attrs

from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import ClientAddress, Language, id_of
from hsp_otp.domain.policy import ID_BYTES
from hsp_otp.domain.purposes import Purpose, Slot, Subject, SubjectKind

VERIFICATION: Final = "VE"
"""The letters of a verification's id in hex digits."""

SEND: Final = "VL"
"""The letters of the id of one of its sends."""


class Status(enum.Enum):
    """What has become of a verification, by the word that backends get."""

    PENDING = "pending"
    APPROVED = "approved"
    CANCELED = "canceled"
    FAILED = "failed"
    MAX_ATTEMPTS_REACHED = "max_attempts_reached"
    EXPIRED = "expired"
    REPLACED = "replaced"


@attrs.frozen
class NamedValue:
    """
    A value that a named limit of an app counts.

    Attributes:
        fingerprint: Keyed; the value itself is not kept.
    """

    name: str
    fingerprint: str


@attrs.frozen(kw_only=True)
class Verification:
    """
    A challenge as its backend sees it, stored for as long as rows of sends.

    Attributes:
        id: The id of the challenge.
        subject: The id of the user that the backend gave; None if it gave none.
        channel: The one that was asked for.
        client: The person's address, if the backend named it.
        values: What named limits count at each of its sends.
        metadata: As the backend gave it.
        app_hash: The Android app that the message is passed to.
        digits: Of the code.
        test_contact: The id of the test contact that it is for, if it is for one.
        expires_at: The first instant at which the code is no longer live.
        ended: Its noted end. Expiry and exhaustion are derived as long as its slot tells of them.
    """

    id: str
    app_id: str
    purpose: Purpose
    subject: str | None = attrs.field(default=None, repr=False)
    contact: Contact
    channel: Channel
    language: Language
    client: ClientAddress | None = None
    values: tuple[NamedValue, ...] = ()
    metadata: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    app_hash: str | None = None
    digits: int
    test_contact: str | None = None
    created_at: Instant
    expires_at: Instant
    ended: Status | None = None
    ended_at: Instant | None = None

    @property
    def slot(self) -> Slot:
        """The slot of its challenge."""
        # All guesses at a fixed code count together, whichever user they are made for.
        named = None if self.test else self.subject
        return slot_of(self.app_id, self.purpose, named or self.contact.value)

    @property
    def test(self) -> bool:
        """Whether it is for a test contact: nobody has proved anything by it."""
        return self.test_contact is not None


def fallback_id(send_id: str, channel: Channel) -> str:
    """The id of the send by *channel* that follows the send with that id, if one does."""
    return id_of(hashlib.sha256(f"{send_id} {channel.value}".encode()).digest()[:ID_BYTES])


def slot_of(app_id: str, purpose: Purpose, whose: str) -> Slot:
    """The slot of an app's user, by the backend's own id, or of a contact, by its value."""
    return Slot(Subject(SubjectKind.APP, f"{app_id}:{whose}"), purpose)
