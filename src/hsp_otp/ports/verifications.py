"""Verifications, as they are read; rows of decisions write them."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import attrs

from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.purposes import Slot
from hsp_otp.domain.verification import Approval
from hsp_otp.domain.verification_record import Verification
from hsp_otp.ports.records import Records


@attrs.frozen(kw_only=True)
class KeptSend:
    """
    One send of a verification, as it is stored.

    Attributes:
        sender: The adapter that took the message; None while that is not known, and if none did.
        state: Of the delivery; None while it is not known whether a sender took the message.
        state_at: When the state last changed; None before it did.
        request: Fingerprint of the request with an idempotency key, if it had one.
        test: Nothing was sent, because the contact is a test contact.
    """

    id: str
    verification_id: str
    at: Instant
    channel: Channel
    sender: str | None
    state: DeliveryState | None
    state_at: Instant | None
    request: str | None
    test: bool

    @property
    def was_refused(self) -> bool:
        """Whether no sender took the message."""
        return self.state is DeliveryState.FAILED and self.sender is None


@attrs.frozen
class Event:
    """A request about a verification, by the audit's words."""

    at: Instant
    event: str
    outcome: str


class Verifications(Protocol):
    """Finds verifications. Each method raises Unavailable if the database does not answer."""

    async def find(self, verification_id: str) -> Verification | None:
        """The verification of that id."""
        ...

    async def find_send(self, send_ids: Sequence[str]) -> KeptSend | None:
        """The send of a verification with one of these ids."""
        ...

    async def sends_of(self, verification_id: str) -> Sequence[KeptSend]:
        """The sends of a verification, oldest first; there is none to a test contact."""
        ...

    async def events_of(self, verification_id: str) -> Sequence[Event]:
        """The requests about a verification, oldest first, without those that only looked."""
        ...

    async def slots_of(self, contact: Contact) -> Sequence[Slot]:
        """
        The slots of apps in which codes to *contact* may be.

        These are its own in every app, and those of the users for whom codes were sent to it, as
        far back as verifications are kept.
        """
        ...


Approvals: TypeAlias = Records[str, Approval]
"""Approvals by the ids of their verifications, in the SQL database, whichever store holds the
challenges."""
