"""Personal data: what is stored about a person, and its deletion."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import attrs

from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import AuditRow
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Slot


@attrs.frozen(kw_only=True)
class OfNumber:
    """
    The data about a number and the users who have it.

    Attributes:
        users: The ids of the users.
        fingerprints: Of the number, by every key of the ring.
    """

    phone: PhoneNumber
    users: tuple[str, ...]
    fingerprints: tuple[str, ...]


@attrs.frozen(kw_only=True)
class OfAppUser:
    """
    The data about a user of an app.

    Attributes:
        subject: The id that the app's backend has for the user.
        fingerprints: Of the subject, by every key of the ring.
    """

    app: App
    subject: str = attrs.field(repr=False)
    fingerprints: tuple[str, ...]


@attrs.frozen(kw_only=True)
class OfAddress:
    """
    The data about an e-mail address.

    Attributes:
        fingerprints: Of the address, by every key of the ring.
    """

    contact: Contact
    fingerprints: tuple[str, ...]


Whose: TypeAlias = OfNumber | OfAddress | OfAppUser


@attrs.frozen(kw_only=True)
class Kept:
    """
    The amount of data stored about a person.

    Attributes:
        old_sends: Send rows that no limit counts any more.
        sends: Send rows that a limit still counts.
        verifications: Verifications of the contact, or of the user.
        test_contacts: Test contacts that the contact is, by its fingerprint.
        proved: Apps in which the contact has proved itself, by its fingerprint.
        audit: Audit rows about the person, by the fingerprint.
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

    async def kept(self, whose: Whose, slots: Sequence[Slot], counted_since: Instant) -> Kept:
        """Count the data of *whose* and about the subjects of *slots*."""
        ...

    async def erase(
        self, whose: Whose, slots: Sequence[Slot], counted_since: Instant, row: AuditRow
    ) -> None:
        """
        Delete verifications and sends that no limit counts any more, of a contact also test
        contacts and what apps have had proved, and of a number users and passes, and write *row*,
        in one step.

        Of *slots*, those that no longer have any effect are deleted too.
        """
        ...

    async def erase_records(self, whose: OfNumber) -> None:
        """Delete the records about a number or its users. May be called again."""
        ...
