"""The outcomes of verifications, each with its stable word."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import attrs

from hsp_otp.domain.challenge_outcomes import Exhausted, Locked, WrongCode
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.verification import Prospects
from hsp_otp.domain.verification_record import Status, Verification
from hsp_otp.domain.verification_request import Unacceptable
from hsp_otp.ports.verifications import Event, KeptSend


@attrs.frozen(kw_only=True)
class View:
    """
    A verification at one instant.

    Attributes:
        at: The instant.
        channel: Of the last send.
        attempts_remaining: Guesses that its code will still judge.
        updated_at: When it was last sent, or ended.
        next: When each allowed channel may be used, by all limits; None if only an operator can
            unlock.
    """

    verification: Verification
    at: Instant
    status: Status
    channel: Channel
    attempts_remaining: int
    updated_at: Instant
    next: Mapping[Channel, Instant | None]


@attrs.frozen(kw_only=True)
class Sent:
    """
    A sender took the message.

    Attributes:
        resent: It has the code of an earlier message.
        replayed: The send was admitted before, by a request with the same idempotency key. The view
            is of now.
    """

    word: ClassVar[str] = "sent"
    view: View
    resent: bool
    replayed: bool = False


@attrs.frozen
class Refused:
    """
    The lock or a limit refused a send. Nothing was charged.

    Attributes:
        next: As in `View`.
    """

    why: Refusal | Locked
    next: Mapping[Channel, Instant | None]

    @property
    def word(self) -> str:
        """The stable word of this outcome."""
        return self.why.word


@attrs.frozen(kw_only=True)
class NotDelivered:
    """
    No sender took the message. The send still counts, but the cooldown does not run. A verification
    whose first message it was has ended.

    Attributes:
        resend_at: When the same may be asked for again; None if every sender is being skipped, in
            which case nothing was charged, or if only an operator can unlock.
        replayed: As in `Sent`.
    """

    word: ClassVar[str] = "delivery_failed"
    resend_at: Instant | None
    replayed: bool = False


@attrs.frozen
class InProgress:
    """An earlier request with the same idempotency key is under way."""

    word: ClassVar[str] = "idempotency_in_progress"


@attrs.frozen
class Mismatch:
    """An earlier request with the same idempotency key asked for something else."""

    word: ClassVar[str] = "idempotency_mismatch"


@attrs.frozen
class NotFound:
    """The apps of the API key have no such verification."""

    word: ClassVar[str] = "verification_not_found"


@attrs.frozen
class Over:
    """
    The verification has ended. Nothing was charged.

    Attributes:
        resend_at: When a new one may be started; None if only an operator can unlock.
    """

    word: ClassVar[str] = "otp_expired"
    status: Status
    resend_at: Instant | None


@attrs.frozen
class MalformedCode:
    """The text does not have the code's number of digits. Nothing was charged."""

    word: ClassVar[str] = "malformed_otp"


@attrs.frozen(kw_only=True)
class Success:
    """
    The code was right.

    Attributes:
        approved_at: The same whenever it is told again.
        proof: For a service of the app, signed; None if the app has no audience for proofs.
        replayed: The request whose code was right was repeated under its idempotency key.
    """

    word: ClassVar[str] = "verified"
    verification: Verification
    channel: Channel
    approved_at: Instant
    proof: str | None = attrs.field(default=None, repr=False)
    replayed: bool = False


@attrs.frozen(kw_only=True)
class Found:
    """A verification, its sends and the requests about it."""

    word: ClassVar[str] = "found"
    view: View
    sends: Sequence[KeptSend]
    events: Sequence[Event]


@attrs.frozen
class Canceled:
    """The verification is canceled, by this request or an earlier one."""

    word: ClassVar[str] = "canceled"
    view: View


@attrs.frozen
class Prospect:
    """What a start would meet."""

    word: ClassVar[str] = "found"
    prospects: Prospects

    @property
    def next(self) -> Mapping[Channel, Instant | None]:
        """As in `View`."""
        return self.prospects.next


StartOutcome = Sent | Unacceptable | InProgress | Mismatch | Refused | NotDelivered
ResendOutcome = StartOutcome | NotFound | Over | Exhausted
VerificationCheckOutcome = (
    Success | NotFound | MalformedCode | WrongCode | Over | Exhausted | Locked | Refusal
)
