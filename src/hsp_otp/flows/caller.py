"""The caller of a journey, and the audit row of the request."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs

from hsp_otp.domain.audit import Action, AuditRow, Entered, Visit
from hsp_otp.domain.challenge_outcomes import Locked
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import ENGLISH, ClientAddress, Language, id_of
from hsp_otp.domain.policy import ID_BYTES
from hsp_otp.domain.quota import Refusal
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.randomness import Randomness


@attrs.frozen
class Caller:
    """
    The sender of a request.

    Attributes:
        request_id: Links the answer, the audit row and the log lines.
        devices: The device tokens that came with the request.
        work: The work that came with it.
        language: The language that the people at the other end read.
    """

    client: ClientAddress
    request_id: str
    language: Language = ENGLISH
    devices: tuple[str, ...] = attrs.field(default=(), repr=False)
    work: str | None = attrs.field(default=None, repr=False)


@asynccontextmanager
async def audited_failures(audit: AuditTrail, row: AuditRow) -> AsyncGenerator[None]:
    """Complete *row* and write it for a request that fails within the block; it still fails."""
    try:
        yield
    except Exception as failure:
        word = "unavailable" if isinstance(failure, Unavailable) else "internal_error"
        await audit.note(attrs.evolve(row, outcome=word))
        raise


def about(row: AuditRow, contact: Contact, fingerprints: KeyRing) -> AuditRow:
    """*row* with the permitted details of *contact*: masked, its region and fingerprints."""
    return attrs.evolve(
        row,
        contact=contact.masked,
        region=contact.region,
        contact_fingerprint=fingerprints.fingerprint(contact.value),
        range_fingerprint=fingerprints.fingerprint(contact.range),
    )


def with_outcome(
    row: AuditRow,
    outcome: Any,  # noqa: ANN401 - any outcome of a rule; it has a word
    *,
    changed: bool = False,
) -> AuditRow:
    """
    *row* with the outcome of the request, and the end of the wait if it was refused.

    A refusal may be part of a flood, and so may a request that charged nothing and neither granted
    something nor *changed* the state that was judged.
    """
    refused = isinstance(outcome, Refusal)
    return attrs.evolve(
        row,
        outcome=outcome.word,
        folds=refused or not (changed or row.charged),
        retry_at=outcome.retry_at if isinstance(outcome, Refusal | Locked) else None,
    )


def visit_of(caller: Caller) -> Visit:
    """What the funnel counts of a request of *caller*."""
    return Visit(language=caller.language, retried=caller.work is not None)


def of_ask(row: AuditRow, *, again: bool) -> AuditRow:
    """*row* of an ask, with what the slot tells of its visit, unless the flow knows better."""
    visit = row.visit
    if visit is None or visit.entered is not None:
        return row
    return attrs.evolve(
        row, visit=attrs.evolve(visit, entered=Entered.AGAIN if again else Entered.NEW)
    )


def of_first_guess(row: AuditRow) -> AuditRow:
    """*row* of the first guess that was judged for a code."""
    return attrs.evolve(row, visit=row.visit and attrs.evolve(row.visit, first_guess=True))


def operator_row(
    at: Instant,
    action: Action,
    outcome: str,
    reason: str | None = None,
    client: ClientAddress | None = None,
) -> AuditRow:
    """The row of an operator's command, with the *reason* that the operator gave, if any."""
    return AuditRow(
        at=at,
        flow=None,
        purpose=None,
        action=action,
        outcome=outcome,
        client=client,
        request_id=None,
        reason=reason,
    )


def new_id(randomness: Randomness) -> str:
    """A public id of 128 random bits: 22 characters of URL-safe base64."""
    return id_of(randomness.draw(ID_BYTES))
