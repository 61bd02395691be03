"""The caller of a journey, and what the audit tells of the request."""

from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs

from hsp_otp.domain.audit import Action, AuditFacts, AuditRow, Entered, Visit
from hsp_otp.domain.challenge_outcomes import Issued, Locked, WorkRequired
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.guard import Assessment, block_of, reasons_text
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ENGLISH, ClientAddress, Language, id_of
from hsp_otp.domain.policy import ID_BYTES
from hsp_otp.domain.quota import Refusal
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.randomness import Randomness
from hsp_otp.ports.sender import Receipt


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


@attrs.frozen
class _AuditedFailures:
    # Not a generator, which would cost several times as much in every request.
    audit: AuditTrail
    facts: AuditFacts

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, _: object, failure: BaseException | None, __: object) -> None:
        if isinstance(failure, Exception):
            word = "unavailable" if isinstance(failure, Unavailable) else "internal_error"
            await self.audit.note(AuditRow(facts=self.facts, outcome=word))


def audited_failures(
    audit: AuditTrail, facts: AuditFacts
) -> AbstractAsyncContextManager[None, None]:
    """Audit a request that fails within the block; it still fails."""
    return _AuditedFailures(audit, facts)


def about(facts: AuditFacts, contact: Contact, fingerprints: KeyRing) -> AuditFacts:
    """*facts* with the permitted details of *contact*: masked, its region and fingerprints."""
    return attrs.evolve(
        facts,
        contact=contact.masked,
        region=contact.region,
        contact_fingerprint=fingerprints.fingerprint(contact.value),
        range_fingerprint=fingerprints.fingerprint(contact.range),
        block_fingerprint=None
        if contact.kind is not ContactKind.PHONE
        else fingerprints.fingerprint(block_of(contact.range)),
    )


def with_outcome(
    facts: AuditFacts,
    outcome: Any,  # noqa: ANN401 - any outcome of a rule; it has a word
    *,
    changed: bool = False,
    assessment: Assessment | None = None,
    receipt: Receipt | None = None,
) -> AuditRow:
    """
    The row of a request with this outcome, and the end of the wait if it was refused.

    A refusal may be part of a flood, and so may a request that charged nothing and neither granted
    something nor *changed* the state that was judged.

    Args:
        assessment: What the guard made of it, unless its outcome tells.
        receipt: Of the sender that took its message.
    """
    refused = isinstance(outcome, Refusal)
    if isinstance(outcome, Issued | Refusal | WorkRequired):
        assessment = outcome.assessment
    verdict = None if assessment is None else assessment.verdict
    return AuditRow(
        facts=facts,
        outcome=outcome.word,
        folds=refused or not (changed or facts.charged),
        retry_at=outcome.retry_at if isinstance(outcome, Refusal | Locked) else None,
        sender=None if receipt is None else receipt.sender,
        provider_message_id=None if receipt is None else receipt.provider_message_id,
        price=None if assessment is None else assessment.price,
        spent_by=None if assessment is None else assessment.spent_by,
        verdict=None if verdict is None else str(verdict),
        reasons=reasons_text(verdict.reasons) if verdict is not None and verdict.reasons else None,
        known_by=None if assessment is None else assessment.known_by,
    )


def visit_of(caller: Caller) -> Visit:
    """What the funnel counts of a request of *caller*."""
    return Visit(language=caller.language, retried=caller.work is not None)


def of_ask(facts: AuditFacts, lane: Lane, *, again: bool) -> AuditFacts:
    """*facts* of an ask, with what the slot tells of its visit, unless the flow knows better."""
    visit = facts.visit
    if visit is not None and visit.entered is None:
        visit = attrs.evolve(visit, entered=Entered.AGAIN if again else Entered.NEW)
    return attrs.evolve(facts, lane=lane, visit=visit)


def of_guess(facts: AuditFacts, lane: Lane, *, is_first: bool) -> AuditFacts:
    """*facts* of a guess; the first one is the first that was judged for its code."""
    visit = facts.visit
    if visit is not None and is_first:
        visit = attrs.evolve(visit, first_guess=True)
    return attrs.evolve(facts, lane=lane, visit=visit)


def of_command(
    at: Instant,
    action: Action,
    reason: str | None = None,
    client: ClientAddress | None = None,
) -> AuditFacts:
    """What the audit tells of an operator's command, with the *reason* if the operator gave one."""
    return AuditFacts(
        at=at,
        flow=None,
        purpose=None,
        action=action,
        client=client,
        request_id=None,
        reason=reason,
    )


def new_id(randomness: Randomness) -> str:
    """A public id of 128 random bits: 22 characters of URL-safe base64."""
    return id_of(randomness.draw(ID_BYTES))
