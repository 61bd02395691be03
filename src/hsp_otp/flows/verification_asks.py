"""What a start or a resend of a verification asks for, and the rows of an admitted send."""

from collections.abc import Mapping

import attrs

from hsp_otp.domain.app_limits import claim_keys
from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import Action, AuditFacts, EndedRow, Row, SendRow
from hsp_otp.domain.challenge_outcomes import Issued
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import Instant, after
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import id_of
from hsp_otp.domain.policy import ID_BYTES, NONCE_BYTES, Policy
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.slot_record import Challenge, Drawn, Held, Request
from hsp_otp.domain.test_contacts import FixedCode
from hsp_otp.domain.verification import end_of_replaced
from hsp_otp.domain.verification_record import NamedValue, Verification, fallback_id
from hsp_otp.domain.verification_request import Wanted
from hsp_otp.flows.app_requests import AppRequests, Backend
from hsp_otp.flows.caller import new_id
from hsp_otp.flows.guarding import debt_rows
from hsp_otp.flows.otp import Otp
from hsp_otp.flows.spending import Reserved
from hsp_otp.ports.messages import Letterhead
from hsp_otp.ports.sender import Senders


@attrs.frozen(kw_only=True)
class Claim:
    """
    What an idempotency key makes of a request, by every key of the ring, the first one first.

    Attributes:
        send_ids: The id of its send.
        requests: The fingerprint of what it asks for.
    """

    send_ids: tuple[str, ...]
    requests: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Ask:
    """
    A start or a resend.

    Attributes:
        verification: As it is stored if a new challenge is issued; its own if it is sent again.
        facts: What is known of the request.
    """

    app: App
    verification: Verification
    request: Request
    policy: Policy
    drawn: Drawn
    facts: AuditFacts
    claim: Claim | None
    at: Instant

    @property
    def send_id(self) -> str:
        """The id of its send."""
        return self.drawn.send_id


@attrs.frozen(kw_only=True)
class VerificationAsks:
    """
    Prepares starts and resends: draws what is random, and turns idempotency keys into claims.

    Attributes:
        idempotency: The ring of idempotency keys.
    """

    otp: Otp
    requests: AppRequests
    idempotency: KeyRing

    def new_verification(self, app: App, wanted: Wanted, fixed: FixedCode | None) -> Verification:
        """The verification of what is *wanted*, if it gets a challenge of its own."""
        now, policy = self.otp.clock.now(), self.requests.policy_of(app, wanted.purpose, fixed)
        return Verification(
            id=new_id(self.otp.randomness),
            app_id=app.id,
            purpose=wanted.purpose,
            subject=wanted.subject,
            contact=wanted.contact,
            channel=wanted.channel,
            language=wanted.language,
            client=wanted.client,
            values=tuple(
                NamedValue(name, self._fingerprint_of(app, name, value))
                for name, value in sorted(wanted.limits.items())
            ),
            metadata=wanted.metadata,
            app_hash=wanted.app_hash,
            digits=policy.digits,
            test_contact=None if fixed is None else fixed.contact_id,
            created_at=now,
            expires_at=after(now, policy.lifetime),
        )

    def _fingerprint_of(self, app: App, name: str, value: str) -> str:
        key = self.requests.fingerprints.first
        return key.digest("named limit", app.id, name, value).hex()[:32]

    def prepare(
        self,
        app: App,
        verification: Verification,
        backend: Backend | None,
        idempotency_key: str | None,
        asked: tuple[str, ...],
        *,
        fixed: FixedCode | None,
        action: Action = Action.SEND,
    ) -> Ask:
        """
        Prepare the judgement of a send.

        Args:
            app: The app of the verification.
            verification: The one that the code belongs to.
            backend: The backend that asks, if one does.
            idempotency_key: Of the request, if it has one.
            asked: What distinguishes the request from others under the same key.
            fixed: The code of a test contact.
            action: What the audit calls it.
        """
        claim = None if idempotency_key is None else self._claim(app, idempotency_key, asked)
        claims = () if claim is None else claim_keys(claim.send_ids)
        facts = self.requests.facts(action, backend, app, verification.client)
        facts = attrs.evolve(self.requests.about(facts, verification), channel=verification.channel)
        return Ask(
            app=app,
            verification=verification,
            request=self.requests.request(
                app, verification, verification.channel, claims, fixed=fixed
            ),
            policy=self.requests.policy_of(app, verification.purpose, fixed),
            drawn=Drawn(
                challenge_id=verification.id,
                nonce=self.otp.randomness.draw(NONCE_BYTES),
                key_id=self.otp.codes.first.id,
                send_id=new_id(self.otp.randomness) if claim is None else claim.send_ids[0],
            ),
            facts=facts,
            claim=claim,
            at=facts.at,
        )

    def instead(self, ask: Ask, channel: Channel) -> Ask:
        """*ask* with another *channel*."""
        return attrs.evolve(
            ask,
            request=attrs.evolve(ask.request, channel=channel),
            facts=attrs.evolve(ask.facts, channel=channel),
        )

    async def reserve(self, ask: Ask) -> tuple[Ask, Reserved | None]:
        """
        *ask* with what the guard judges it by, and the money that is put aside for its message:
        `settle` it.

        Raises:
            Unavailable: The budgets did not answer.
        """
        verification, policy = ask.verification, ask.policy

        def count() -> int:
            return self.otp.segments(
                verification.purpose,
                policy.digits,
                policy.lifetime,
                verification.language,
                letterhead_of(ask),
            )

        request, reserved = await self.otp.guard.reserve(
            ask.request,
            ask.app.id,
            ask.at,
            region=ask.facts.region,
            text=(
                *(ask.app.id, ask.app.changed_at, verification.purpose, verification.language),
                *(policy.digits, policy.lifetime, verification.app_hash),
            ),
            segments=count,
            names=ask.app.rules.senders.get(ask.request.channel, ()),
        )
        return attrs.evolve(ask, request=request), reserved

    def following(self, ask: Ask, senders: Mapping[Channel, Senders]) -> list[Ask]:
        """
        What may follow if the message of *ask* does not arrive: a send of its own by each channel
        that follows in the app's order and has *senders* to try.
        """
        return [
            attrs.evolve(
                self.instead(ask, channel),
                request=attrs.evolve(ask.request, channel=channel, claims=()),
                drawn=attrs.evolve(ask.drawn, send_id=fallback_id(ask.send_id, channel)),
                claim=None,
                at=self.otp.clock.now(),
            )
            for channel in ask.request.following
            if is_available(ask.app, channel, senders)
        ]

    def _claim(self, app: App, idempotency_key: str, asked: tuple[str, ...]) -> Claim:
        keys = self.idempotency.keys
        return Claim(
            send_ids=tuple(
                id_of(key.digest("send", app.id, idempotency_key)[:ID_BYTES]) for key in keys
            ),
            requests=tuple(key.digest("request", app.id, *asked).hex()[:32] for key in keys),
        )


def letterhead_of(ask: Ask) -> Letterhead:
    """What the messages of the app of *ask* say in place of the service's."""
    rules = ask.app.rules
    return Letterhead(
        service_name=rules.service_name,
        web_origin=rules.web_origin,
        android_hash=ask.verification.app_hash,
        email_from=rules.email_from,
        wordings=rules.texts,
    )


def is_available(app: App, channel: Channel, senders: Mapping[Channel, Senders]) -> bool:
    """Whether a message of *app* by *channel* would be tried at all."""
    found = senders.get(channel)  # None: it had some when the code was asked for
    return found is not None and found.available(app.rules.senders.get(channel, ()))


def is_resent(ask: Ask, challenge: Challenge) -> bool:
    """Whether the code of *challenge* was there before."""
    return challenge.nonce != ask.drawn.nonce


def rows_of(ask: Ask, held: Held, issued: Issued) -> tuple[Row, ...]:
    """
    The rows of an admitted send: the verification, the send, what is owed of it, and the end of
    another.
    """
    challenge = issued.challenge
    contact = challenge.contact
    send = SendRow(
        id=ask.send_id,
        at=ask.at,
        flow=Flow.VERIFICATION,
        purpose=challenge.purpose,
        slot=challenge.slot,
        contact=contact.limited,
        sent_to=None if contact.value == contact.limited else contact.value,
        client=ask.request.client,
        language=ask.verification.language,
        channel=ask.request.channel,
        verification_id=challenge.id,
        app_id=ask.app.id,
        values=ask.verification.values,
        request=None if ask.claim is None else ask.claim.requests[0],
        test_contact=challenge.test_contact,
    )
    replaced = end_of_replaced(held.record, challenge, ask.policy, ask.at)
    ended = (
        ()
        if replaced is None
        else (EndedRow(verification_id=replaced[0].id, status=replaced[1], at=ask.at),)
    )
    return (stored_as(ask.verification, challenge), send, *debt_rows(issued), *ended)


def stored_as(verification: Verification, challenge: Challenge) -> Verification:
    """
    *verification* as the one of *challenge*.

    Of a challenge that is sent again, it is stored already, unless its first send was interrupted.
    """
    return attrs.evolve(
        verification,
        id=challenge.id,
        digits=challenge.digits or verification.digits,
        created_at=challenge.issued_at,
        expires_at=challenge.expires_at,
    )
