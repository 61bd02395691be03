"""The requests of backends: the app they are for, what the slot is told of them, and their rows."""

from collections.abc import Mapping, Sequence

import attrs

from hsp_otp.domain.app_limits import AppSent, send_demands
from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import Action, AuditFacts, AuditRow
from hsp_otp.domain.challenge import held_keys, look, next_sends
from hsp_otp.domain.challenge_outcomes import Exhausted
from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import UNKNOWN_CLIENT, ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.quota import UsageKey
from hsp_otp.domain.send_limits import call_demands
from hsp_otp.domain.slot_record import Held, Request
from hsp_otp.domain.test_contacts import FixedCode, fixed_code, policy_for
from hsp_otp.domain.verification import status_of
from hsp_otp.domain.verification_record import Status, Verification
from hsp_otp.domain.verification_request import Reach, channels_of
from hsp_otp.flows.caller import about, with_outcome
from hsp_otp.flows.verification_outcomes import NotFound, Over, View
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.test_contacts import TestContactRepository
from hsp_otp.ports.verifications import KeptSend, Verifications


@attrs.frozen(kw_only=True)
class Backend:
    """
    Another backend, known by its API key.

    Attributes:
        apps: The apps that it acts for, by their ids.
        request_id: Links the answer, the audit row and the log lines.
    """

    api_key_id: str
    apps: Mapping[str, App]
    request_id: str


@attrs.frozen(kw_only=True)
class Seen:
    """
    What the slot of a verification tells of it.

    Attributes:
        attempts_remaining: Guesses that its code will still judge.
        resend_at: When everything admits the next send; None if only an operator can unlock.
        next: The same, by each channel.
    """

    status: Status
    attempts_remaining: int
    resend_at: Instant | None
    next: Mapping[Channel, Instant | None]


@attrs.frozen(kw_only=True)
class AppRequests:
    """
    What all requests of backends need.

    Attributes:
        fingerprints: The ring of fingerprints in the audit, and of the values of named limits.
        test_codes: The ring of the codes of test contacts.
        policies: The service's numbers for each purpose of apps.
        reach: The numbers of apps that name no regions.
    """

    slots: SlotRepository
    verifications: Verifications
    audit: AuditTrail
    clock: Clock
    fingerprints: KeyRing
    test_contacts: TestContactRepository
    test_codes: KeyRing
    policies: Mapping[Purpose, Policy]
    reach: Reach

    def policy_of(self, app: App, purpose: Purpose, fixed: FixedCode | None = None) -> Policy:
        """The numbers of the app's codes for *purpose*, and of a *fixed* one."""
        return policy_for(app.rules.policy_of(purpose, self.policies[purpose]), fixed)

    async def fixed_code(self, app: App, contact: Contact) -> FixedCode | None:
        """The code of *contact*, if it is a test contact of *app*."""
        stored = await self.test_contacts.of_app(app.id)
        if not stored:
            return None
        fingerprints = self.fingerprints.fingerprints(contact.value)
        return fixed_code(stored, fingerprints, self.test_codes, self.clock.now())

    async def judged(
        self, app: App, verification: Verification, channel: Channel
    ) -> tuple[Request, Policy]:
        """What the rules judge a request about *verification* by, and the numbers that count."""
        fixed = await self.fixed_code(app, verification.contact)
        request = self.request(app, verification, channel, fixed=fixed)
        return request, self.policy_of(app, verification.purpose, fixed)

    async def announce(self, facts: AuditFacts, request: Request) -> None:
        """Say in the audit that the request of *facts* uses a test contact, if it does."""
        if request.fixed is not None:
            used = attrs.evolve(facts, action=Action.TEST_CONTACT, charged=())
            await self.audit.write(AuditRow(facts=used, outcome=facts.action.value))

    async def find(self, verification_id: str, backend: Backend) -> tuple[App, Verification] | None:
        """The verification of that id and its app, if the backend acts for it."""
        verification = await self.verifications.find(verification_id)
        app = None if verification is None else backend.apps.get(verification.app_id)
        return None if verification is None or app is None else (app, verification)

    async def missing(self, action: Action, backend: Backend) -> NotFound:
        """Audit a request for a verification that the backend's apps do not have."""
        facts = self.facts(action, backend, only_app(backend), None)
        await self.audit.write(with_outcome(facts, NotFound()))
        return NotFound()

    def request(
        self,
        app: App,
        verification: Verification,
        channel: Channel,
        claims: tuple[UsageKey, ...] = (),
        *,
        fixed: FixedCode | None,
    ) -> Request:
        """
        What the rules judge a request about *verification* by.

        No limit counts what is not sent to a contact with a *fixed* code. Since all its users share
        a slot, the code is bound to the one that it was asked for.
        """
        sent = AppSent(
            app_id=app.id,
            contact=verification.contact,
            client=verification.client,
            # A limit may have been removed from the app since.
            values=tuple(
                value for value in verification.values if value.name in app.rules.named_limits
            ),
        )
        purpose = verification.purpose
        service = self.policies[purpose]
        demands = send_demands(sent, app, self.policy_of(app, purpose), service)
        channels = channels_of(app, verification.contact, self.reach)
        calls = tuple(
            demand
            for one in dict.fromkeys((*channels, channel))
            for demand in call_demands(verification.contact, one, service)
        )
        return Request(
            slot=verification.slot,
            flow=Flow.VERIFICATION,
            contact=verification.contact,
            channel=channel,
            client=verification.client or UNKNOWN_CLIENT,
            session=None if fixed is None else verification.subject,
            demands=demands if fixed is None else (),
            channels=channels,
            call_demands=calls if fixed is None else (),
            claims=claims,
            fixed=fixed,
        )

    def facts(
        self, action: Action, backend: Backend | None, app: App | None, client: ClientAddress | None
    ) -> AuditFacts:
        """What the audit tells of a request, without what it is about; None: nobody made one."""
        return AuditFacts(
            at=self.clock.now(),
            flow=Flow.VERIFICATION,
            purpose=None,
            action=action,
            client=client,
            request_id=None if backend is None else backend.request_id,
            api_key_id=None if backend is None else backend.api_key_id,
            app=None if app is None else app.name,
        )

    def about(self, facts: AuditFacts, verification: Verification) -> AuditFacts:
        """*facts* with what may be told of *verification*."""
        subject = verification.subject
        return attrs.evolve(
            about(facts, verification.contact, self.fingerprints),
            purpose=verification.purpose,
            verification_id=verification.id,
            subject_fingerprint=None if subject is None else self.fingerprints.fingerprint(subject),
        )

    async def look(self, app: App, verification: Verification, now: Instant) -> Seen:
        """What the slot of *verification* tells of it now."""
        request, policy = await self.judged(app, verification, verification.channel)

        def decide(held: Held) -> Decision[Held, Seen]:
            return Decision(see(verification, held, request, policy, now), held)

        return await self.slots.transition(verification.slot, held_keys(request), decide)

    async def view(self, verification: Verification, seen: Seen, now: Instant) -> View:
        """*verification* as it stands, by what was *seen* of its slot."""
        sends = await self.verifications.sends_of(verification.id)
        return self.view_of(verification, seen, sends, now)

    def view_of(
        self, verification: Verification, seen: Seen, sends: Sequence[KeptSend], now: Instant
    ) -> View:
        """*verification* as it stands, by what was *seen* of its slot, and its *sends*."""
        moved = [verification.created_at, *(send.at for send in sends)]
        if verification.ended_at is not None:
            moved.append(verification.ended_at)
        elif seen.status is Status.EXPIRED:
            moved.append(min(verification.expires_at, now))
        return View(
            verification=verification,
            at=now,
            status=seen.status,
            channel=sends[-1].channel if sends else verification.channel,
            attempts_remaining=seen.attempts_remaining,
            updated_at=max(moved),
            next=seen.next,
        )


def only_app(backend: Backend) -> App | None:
    """The app of a backend that acts for one alone."""
    return next(iter(backend.apps.values())) if len(backend.apps) == 1 else None


def see(
    verification: Verification, held: Held, request: Request, policy: Policy, now: Instant
) -> Seen:
    """What the slot of *verification* tells of it."""
    challenge = held.record.others.challenge
    status = status_of(verification, held.record, policy, now)
    if status is Status.PENDING and verification.test_contact != request.test_contact:
        status = Status.EXPIRED  # with the test contact, or because there is one now
    left = 0 if challenge is None else max(0, policy.max_attempts - challenge.attempts)
    return Seen(
        status=status,
        attempts_remaining=left if status is Status.PENDING else 0,
        resend_at=look(held, request, policy, now).outcome.resend_at,
        next=next_sends(held, request, policy, now),
    )


def over(
    verification: Verification, held: Held, request: Request, policy: Policy, now: Instant
) -> Over | Exhausted:
    """The answer to a request that needs a live code, if *verification* has none."""
    found = ended(verification, held, request, policy, now)
    if found.status is Status.MAX_ATTEMPTS_REACHED:
        return Exhausted(found.resend_at)
    return found


def ended(
    verification: Verification, held: Held, request: Request, policy: Policy, now: Instant
) -> Over:
    """How *verification*, which has no live code, has ended."""
    seen = see(verification, held, request, policy, now)
    # The key that its code was made with may be gone.
    status = Status.EXPIRED if seen.status is Status.PENDING else seen.status
    return Over(status, seen.resend_at)
