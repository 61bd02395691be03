"""Personal data: what is stored about a number, and its deletion."""

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
    The amount of data stored about a number.

    Attributes:
        old_sends: Send rows that no limit counts any more.
        sends: Send rows that a limit still counts.
        verifications: Verifications of the number.
        test_contacts: Test contacts that it is, by its fingerprint.
        proved: Apps in which it has proved itself, by its fingerprint.
        audit: Audit rows about the number, by its fingerprint.
        records: Records about the number's holders, by the display name of their kind.
    """

    passes: int
    old_sends: int
    sends: int
    verifications: int
    test_contacts: int
    proved: int
    audit: int
    records: Mapping[str, int]


class Erasure(Protocol):
    """
    Counts and deletes personal data. Each method raises Unavailable if the database does not
    answer.
    """

    async def kept(
        self,
        phone: PhoneNumber,
        users: Collection[str],
        slots: Sequence[Slot],
        counted_since: Instant,
        fingerprints: Sequence[str],
    ) -> Kept:
        """Count the data about *phone*, *users* and the subjects of *slots*."""
        ...

    async def erase(
        self,
        phone: PhoneNumber,
        slots: Sequence[Slot],
        counted_since: Instant,
        fingerprints: Sequence[str],
        row: AuditRow,
    ) -> None:
        """
        Delete users, passes, verifications, test contacts, what apps have had proved, and sends
        that no limit counts any more, and write *row*, in one step.

        Of *slots*, those that no longer have any effect are deleted too.
        """
        ...

    async def erase_records(self, phone: PhoneNumber, users: Collection[str]) -> None:
        """Delete the records about *phone* or *users*. May be called again."""
        ...
