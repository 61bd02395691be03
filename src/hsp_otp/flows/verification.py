"""Verification: other backends check the codes of their users, and ask what became of them."""

from typing import Final, assert_never

import attrs

from hsp_otp.domain.app_limits import check_demand
from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import Action, AuditFacts, AuditRow, EndedRow, ProvedRow, Row
from hsp_otp.domain.challenge import held_keys
from hsp_otp.domain.challenge_outcomes import (
    Exhausted,
    Locked,
    NoLiveCode,
    Verified,
    Withdrawn,
    WrongCode,
)
from hsp_otp.domain.code import Code, MalformedCodeError
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant, after
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import PROOF_LIFETIME
from hsp_otp.domain.slot_record import Challenge, Held, Presented
from hsp_otp.domain.test_contacts import TEST_VERIFIED
from hsp_otp.domain.verification import (
    Approval,
    Approved,
    ApprovedBefore,
    ApprovedElsewhere,
    VerifiedBefore,
    approve,
    cancel,
    check_once,
)
from hsp_otp.domain.verification_record import Status, Verification
from hsp_otp.domain.verification_request import read_contact
from hsp_otp.flows.app_requests import (
    AppRequests,
    Backend,
    Seen,
    ended,
    only_app,
    over,
    see,
)
from hsp_otp.flows.caller import audited_failures, with_outcome
from hsp_otp.flows.limits import Limiter
from hsp_otp.flows.otp import Otp
from hsp_otp.flows.verification_outcomes import (
    Canceled,
    Found,
    MalformedCode,
    NotFound,
    Over,
    Success,
    VerificationCheckOutcome,
)
from hsp_otp.ports.tokens import AppProof, Proofs
from hsp_otp.ports.verifications import Approvals

_NOBODY: Final = Contact(ContactKind.PHONE, "")
"""What no code was sent to."""


@attrs.frozen(kw_only=True)
class Verifying:
    """
    Checks codes for the backends of apps, and tells what became of verifications.

    Every method raises Unavailable if a store does not answer; a guess may have been counted then.

    Attributes:
        approvals: The approvals, in the SQL database.
        proofs: Signs the proofs of apps.
    """

    otp: Otp
    limiter: Limiter
    requests: AppRequests
    approvals: Approvals
    proofs: Proofs

    async def check(
        self,
        verification_id: str,
        text: str,
        backend: Backend,
        *,
        client: ClientAddress | None = None,
        client_of_start: bool = False,
        to: str | None = None,
        bound_elsewhere: bool = False,
        idempotency_key: str | None = None,
    ) -> VerificationCheckOutcome:
        """
        Judge a code that somebody presented to the backend.

        Args:
            verification_id: The verification that it is for.
            text: The code as it was typed.
            backend: The backend.
            client: The person's address, if the backend names it.
            client_of_start: It is the one that the start named, if it named one.
            to: What the code was sent to, if the backend names it.
            bound_elsewhere: The backend takes the code for one that is bound to a transaction.
            idempotency_key: A success is told again under it.
        """
        found = await self.requests.find(verification_id, backend)
        app, verification = found or (only_app(backend), None)
        if client_of_start and verification is not None:
            client = verification.client
        try:
            code = Code.parse(text, verification.digits if verification else len(text))
        except MalformedCodeError:
            return MalformedCode()
        facts = self.requests.facts(Action.CHECK, backend, app, client)
        if verification is not None:
            facts = self.requests.about(facts, verification)
        async with audited_failures(self.otp.audit, facts):
            if app is not None and client is not None:
                demand = check_demand(app, client)
                refusal = await self.limiter.admit_demand(demand, facts)
                if refusal is not None:
                    return refusal
                facts = attrs.evolve(facts, charged=(demand.key.scope,))
            if found is None:
                await self.otp.audit.write(with_outcome(facts, NotFound()))
                return NotFound()
            sent_to = _NOBODY if bound_elsewhere else self._sent_to(*found, to)
            return await self._check(
                *found, code, facts, sent_to=sent_to, idempotency_key=idempotency_key
            )

    async def cancel(self, verification_id: str, backend: Backend) -> Canceled | NotFound | Over:
        """End a verification, so that its code is right no more."""
        found = await self.requests.find(verification_id, backend)
        if found is None:
            return await self.requests.missing(Action.CANCEL, backend)
        app, verification = found
        request, policy = await self.requests.judged(app, verification, verification.channel)
        facts = self.requests.facts(Action.CANCEL, backend, app, verification.client)
        facts, now = self.requests.about(facts, verification), facts.at
        noted = EndedRow(verification_id=verification.id, status=Status.CANCELED, at=now)
        told = AuditRow(facts=facts, outcome=Canceled.word)

        def decide(held: Held) -> Decision[Held, Seen | Over]:
            before = see(verification, held, request, policy, now)
            if before.status is Status.CANCELED:
                again = attrs.evolve(told, folds=True)
                return Decision(before, held, (again,))
            decision = cancel(held, verification.id)
            if before.status is not Status.PENDING or not isinstance(decision.outcome, Withdrawn):
                over = ended(verification, held, request, policy, now)
                return Decision(over, held, (with_outcome(facts, over),))
            seen = see(verification, decision.becomes, request, policy, now)
            rows: tuple[Row, ...] = (noted, told)
            return Decision(seen, decision.becomes, rows)

        async with audited_failures(self.otp.audit, facts):
            outcome = await self.otp.slots.transition(verification.slot, held_keys(request), decide)
            if isinstance(outcome, Over):
                return outcome
            stored = await self.requests.verifications.find(verification.id) or verification
            return Canceled(await self.requests.view(stored, outcome, now))

    async def get(self, verification_id: str, backend: Backend) -> Found | NotFound:
        """A verification with its sends and what happened to it; charges nothing."""
        found = await self.requests.find(verification_id, backend)
        if found is None:
            return await self.requests.missing(Action.READ, backend)
        app, verification = found
        facts = self.requests.facts(Action.READ, backend, app, verification.client)
        facts, now = self.requests.about(facts, verification), facts.at
        async with audited_failures(self.otp.audit, facts):
            seen = await self.requests.look(app, verification, now)
            sends = await self.requests.verifications.sends_of(verification.id)
            events = await self.requests.verifications.events_of(verification.id)
            await self.otp.audit.write(AuditRow(facts=facts, outcome=Found.word, folds=True))
        view = self.requests.view_of(verification, seen, sends, now)
        return Found(view=view, sends=sends, events=events)

    def _sent_to(self, app: App, verification: Verification, to: str | None) -> Contact:
        """What the backend takes the code to have been sent to."""
        if to is None:
            return verification.contact
        contact = read_contact(to, app, self.requests.reach)
        return contact if isinstance(contact, Contact) else _NOBODY

    async def _check(
        self,
        app: App,
        verification: Verification,
        code: Code,
        facts: AuditFacts,
        *,
        sent_to: Contact,
        idempotency_key: str | None,
    ) -> Success | WrongCode | Over | Exhausted | Locked:
        now = facts.at
        request, policy = await self.requests.judged(app, verification, verification.channel)
        if request.test_contact == verification.test_contact:
            await self.requests.announce(facts, request)
        request = attrs.evolve(request, contact=sent_to)
        presented = Presented(code, verification.id)

        def decide(
            held: Held,
        ) -> Decision[Held, Verified | VerifiedBefore | WrongCode | Over | Exhausted | Locked]:
            decision = check_once(
                held,
                request,
                presented,
                policy,
                ring=self.otp.codes,
                now=now,
                idempotency_key=idempotency_key,
            )
            outcome, becomes = decision.outcome, decision.becomes
            if isinstance(outcome, Verified | VerifiedBefore):
                return Decision(outcome, becomes)
            if isinstance(outcome, NoLiveCode):
                dead = over(verification, held, request, policy, now)
                return Decision(dead, becomes, (with_outcome(facts, dead),))
            changed = isinstance(outcome, WrongCode)
            return Decision(outcome, becomes, (with_outcome(facts, outcome, changed=changed),))

        outcome = await self.otp.slots.transition(verification.slot, held_keys(request), decide)
        if not isinstance(outcome, Verified | VerifiedBefore):
            return outcome
        if isinstance(outcome, Verified):
            await self.otp.pay_back(verification.slot, outcome, now)
        return await self._approve(app, verification, outcome, facts)

    async def _approve(
        self,
        app: App,
        verification: Verification,
        outcome: Verified | VerifiedBefore,
        facts: AuditFacts,
    ) -> Success | Over:
        """Record the approval once in the SQL database, whichever store holds the challenges."""
        challenge = outcome.challenge

        def decide(
            held: Approval | None,
        ) -> Decision[Approval | None, Approved | ApprovedBefore | Over]:
            decision = approve(held, challenge, facts.at)
            match decision.outcome:
                case Approved(approval):
                    ended = EndedRow(
                        verification_id=verification.id, status=Status.APPROVED, at=approval.at
                    )
                    told = with_outcome(facts, decision.outcome, changed=True)
                    if verification.test:
                        told = attrs.evolve(told, outcome=TEST_VERIFIED)
                    rows: tuple[Row, ...] = (ended, told)
                    rows += self._proved(verification, approval.at)
                    return Decision(decision.outcome, decision.becomes, rows)
                case ApprovedBefore():
                    told = with_outcome(facts, decision.outcome, changed=True)
                    return Decision(decision.outcome, held, (told,))
                case ApprovedElsewhere():
                    spent = Over(Status.APPROVED, outcome.resend_at)
                    return Decision(spent, held, (with_outcome(facts, spent),))
                case _:
                    assert_never(decision.outcome)

        approved = await self.approvals.transition(verification.id, decide)
        if isinstance(approved, Over):
            return approved
        return Success(
            verification=verification,
            channel=challenge.channel,
            approved_at=approved.approval.at,
            proof=self._proof(app, verification, challenge, approved.approval.at),
            replayed=isinstance(approved, ApprovedBefore),
        )

    def _proved(self, verification: Verification, at: Instant) -> tuple[ProvedRow, ...]:
        """What keeps the contact from becoming a test contact; nothing if it is one."""
        if verification.test:
            return ()
        fingerprint = self.requests.fingerprints.fingerprint(verification.contact.value)
        return (ProvedRow(app_id=verification.app_id, fingerprint=fingerprint, at=at),)

    def _proof(
        self, app: App, verification: Verification, challenge: Challenge, approved_at: Instant
    ) -> str | None:
        if app.rules.proof_audience is None:
            return None
        return self.proofs.sign(
            AppProof(
                audience=app.rules.proof_audience,
                subject=verification.subject or verification.id,
                verification_id=verification.id,
                contact=challenge.contact,
                channel=challenge.channel,
                purpose=verification.purpose,
                test=verification.test,
                issued_at=approved_at,
                expires_at=after(approved_at, PROOF_LIFETIME),
            )
        )
