"""
Test contacts: contacts with a code of their own, for reviewers and automated tests.

Nothing is sent to them. Their code is fixed, so it must not be guessable, and never opens what
belongs to a person: it is a key that somebody has written down.
"""

import enum
import hmac
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import attrs

from hsp_otp.domain.code import Code
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.keys import Key, KeyRing
from hsp_otp.domain.policy import MOST_TEST_CONTACTS, Policy

NOT_SENT: Final = "not_sent"
"""The audit's word for a start or resend that is admitted and sends nothing."""

TEST_VERIFIED: Final = "test_verified"
"""The audit's word for a right code by which nobody has proved anything. With the word of other
successes, figures of customers would include those of tests."""


@attrs.frozen(kw_only=True)
class KeptTestContact:
    """
    A test contact as it is stored.

    Attributes:
        contact: Masked.
        fingerprint: Keyed fingerprint of the contact, prefixed with the key's id.
        digits: Of the code.
        key_id: The key of the ring that made `digest`.
        digest: Keyed hash of the code.
        reason: Why an operator added it.
        ends_at: The first instant at which it is an ordinary contact.
    """

    id: str
    app_id: str
    contact: str
    fingerprint: str
    digits: int
    key_id: str
    digest: bytes = attrs.field(repr=False)
    reason: str
    added_at: Instant
    ends_at: Instant

    def lives(self, now: Instant) -> bool:
        """Whether it has not ended."""
        return now < self.ends_at


@attrs.frozen(kw_only=True)
class FixedCode:
    """
    The code of a test contact, which can be compared and not read.

    Attributes:
        contact_id: The id of the test contact.
        digits: How many it has.
    """

    contact_id: str
    digits: int
    key: Key = attrs.field(repr=False)
    digest: bytes = attrs.field(repr=False)

    def matches(self, code: Code) -> bool:
        """Whether *code* is this one; takes the same time either way."""
        return hmac.compare_digest(digest_of(self.key, self.contact_id, code), self.digest)


class NotAdded(enum.Enum):
    """Why a contact does not become a test contact."""

    STANDS = "stands"
    TOO_MANY = "too_many"
    PROVED = "proved"
    OF_USER = "of_user"


@attrs.frozen(kw_only=True)
class HeldTestContacts:
    """
    The test contacts of an app, and what is known about the contact that a change is about.

    Attributes:
        is_proved: A code that was sent to it has been right in that app.
        is_of_user: It is the contact of a user of a pass.
    """

    stored: tuple[KeptTestContact, ...] = ()
    is_proved: bool = False
    is_of_user: bool = False


def add(
    held: HeldTestContacts, new: KeptTestContact, fingerprints: Iterable[str]
) -> Decision[HeldTestContacts, KeptTestContact | NotAdded]:
    """
    Add *new*, unless its contact belongs to a person, or the app has enough of them.

    Args:
        fingerprints: Those of the contact under every key.
    """
    same = _of_contact(held.stored, fingerprints)
    alive = [one for one in held.stored if one.lives(new.added_at)]
    if any(one in alive for one in same):
        return Decision(NotAdded.STANDS, held)
    if held.is_proved:
        return Decision(NotAdded.PROVED, held)
    if held.is_of_user:
        return Decision(NotAdded.OF_USER, held)
    if len(alive) >= MOST_TEST_CONTACTS:
        return Decision(NotAdded.TOO_MANY, held)
    kept = (one for one in held.stored if one not in same)
    return Decision(new, attrs.evolve(held, stored=(*kept, new)))


def remove(
    held: HeldTestContacts, fingerprints: Iterable[str], now: Instant
) -> Decision[HeldTestContacts, KeptTestContact | None]:
    """Make the contact with these fingerprints an ordinary one; None if it is one already."""
    same = _of_contact(held.stored, fingerprints)
    becomes = attrs.evolve(held, stored=tuple(one for one in held.stored if one not in same))
    removed = next((one for one in same if one.lives(now)), None)
    return Decision(removed, becomes if same else held)


def fixed_code(
    stored: Iterable[KeptTestContact], fingerprints: Iterable[str], ring: KeyRing, now: Instant
) -> FixedCode | None:
    """
    The code of the contact with these fingerprints; None if it is an ordinary one.

    A test contact whose secret key is gone has ended with it.
    """
    for one in _of_contact(stored, fingerprints):
        key = ring.find(one.key_id)
        if key is not None and one.lives(now):
            return FixedCode(contact_id=one.id, digits=one.digits, key=key, digest=one.digest)
    return None


def policy_for(policy: Policy, fixed: FixedCode | None) -> Policy:
    """The numbers of codes to a contact with that *fixed* code, if it has one."""
    if fixed is None:
        return policy
    return attrs.evolve(policy, digits=fixed.digits, cooldown=0, call_cooldown=0)


def digest_of(key: Key, contact_id: str, code: Code) -> bytes:
    """The form in which the code of a test contact is stored."""
    # With the id, so that a digest is worth nothing in the row of another contact.
    return key.digest("test contact", contact_id, code.reveal())


def is_guessable(digits: str) -> bool:
    """
    Whether *digits* are what people try first: runs such as 123456, 987654 and 024680, repeats such
    as 000000 and 121212, and both, such as 112233.
    """
    count = len(digits)
    parts = [size for size in range(1, count) if count % size == 0]
    repeats = any(digits == digits[:size] * (count // size) for size in parts)
    runs = any(
        _is_run(digits[::size]) and digits == "".join(one * size for one in digits[::size])
        for size in parts
    )
    return repeats or runs


def _is_run(digits: str) -> bool:
    return len({(int(after) - int(before)) % 10 for before, after in pairwise(digits)}) == 1


def _of_contact(
    stored: Iterable[KeptTestContact], fingerprints: Iterable[str]
) -> list[KeptTestContact]:
    wanted = {*fingerprints}
    return [one for one in stored if one.fingerprint in wanted]
