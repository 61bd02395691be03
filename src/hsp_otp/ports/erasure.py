"""What is kept of a person, and how it goes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import attrs

from hsp_otp.domain.audit import AuditRow
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Slot


@attrs.frozen(kw_only=True)
class Kept:
    """
    What is kept of a number.

    Attributes:
        old_sends: Rows of sends that no limit counts any more.
        sends: Rows of sends that a limit still counts.
        audit: Rows of the audit that tell of the number, by its fingerprint.
        records: Records that tell of its holders, by what people call their kind.
    """

    passes: int
    old_sends: int
    sends: int
    audit: int
    records: Mapping[str, int]


class Erasure(Protocol):
    """Each method raises Unavailable where the database does not answer."""

    async def kept(
        self,
        phone: PhoneNumber,
        users: Collection[str],
        slots: Sequence[Slot],
        counted_since: Instant,
        fingerprints: Sequence[str],
    ) -> Kept:
        """What there is of *phone*, of *users*, and of those whom *slots* are about."""
        ...

    async def erase(
        self, phone: PhoneNumber, slots: Sequence[Slot], counted_since: Instant, row: AuditRow
    ) -> None:
        """
        Delete users, passes, and sends that no limit counts any more, and write *row*; at once.

        Of *slots* those go that say nothing any more.
        """
        ...

    async def erase_records(self, phone: PhoneNumber, users: Collection[str]) -> None:
        """Delete the records that tell of *phone* or of *users*; may be called again."""
        ...
