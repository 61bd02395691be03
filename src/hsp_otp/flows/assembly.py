"""Builds the journeys over their ports, for the service and for every test."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from hsp_otp.domain.budgets import Caps
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.guard import GuardMode, GuardPolicy
from hsp_otp.domain.instant import Duration
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.prices import Prices
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.verification_request import Reach
from hsp_otp.flows.api_keys import ApiKeys
from hsp_otp.flows.app_requests import AppRequests
from hsp_otp.flows.apps import Apps
from hsp_otp.flows.calls import Calls
from hsp_otp.flows.guarding import Guarding
from hsp_otp.flows.house_passes import HousePasses
from hsp_otp.flows.limits import Limiter
from hsp_otp.flows.otp import Otp
from hsp_otp.flows.pass_login import PassLogin
from hsp_otp.flows.receipts import LostMessages
from hsp_otp.flows.sessions import Sessions
from hsp_otp.flows.signup import Signup
from hsp_otp.flows.spending import Spending
from hsp_otp.flows.verification import Verifying
from hsp_otp.flows.verification_asks import VerificationAsks
from hsp_otp.flows.verification_delivery import VerificationDelivery
from hsp_otp.flows.verification_lookups import VerificationLookups
from hsp_otp.flows.verification_sends import VerificationSends
from hsp_otp.flows.visits import Visits
from hsp_otp.ports.api_keys import ApiKeyRepository
from hsp_otp.ports.apps import AppRepository
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.budgets import Budgets
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.limit_recovery import SignInHistory
from hsp_otp.ports.messages import Messages
from hsp_otp.ports.passes import Passes, PassRepository
from hsp_otp.ports.proof_of_work import ProofOfWork
from hsp_otp.ports.randomness import Randomness
from hsp_otp.ports.refresh_tokens import FamilyRepository
from hsp_otp.ports.sender import Senders
from hsp_otp.ports.sends import Sends
from hsp_otp.ports.signups import SignupSessions, SignupSteps
from hsp_otp.ports.test_contacts import TestContactRepository
from hsp_otp.ports.tokens import AccessTokens, Proofs
from hsp_otp.ports.usage_counter import UsageCounter
from hsp_otp.ports.verifications import Approvals, Verifications


@attrs.frozen(kw_only=True)
class Ports:
    """
    The ports that the journeys need.

    Attributes:
        sign_ins: Tells which clients are known; asked only during a scan.
        senders: The senders of each channel.
    """

    slots: SlotRepository
    signup_sessions: SignupSessions
    signup_steps: SignupSteps
    usage: UsageCounter
    sends: Sends
    verifications: Verifications
    approvals: Approvals
    families: FamilyRepository
    passes: Passes
    pass_repository: PassRepository
    api_keys: ApiKeyRepository
    apps: AppRepository
    test_contacts: TestContactRepository
    audit: AuditTrail
    sign_ins: SignInHistory
    senders: Mapping[Channel, Senders]
    budgets: Budgets
    messages: Messages
    access_tokens: AccessTokens
    proofs: Proofs
    work: ProofOfWork
    clock: Clock
    randomness: Randomness


@attrs.frozen(kw_only=True)
class Rings:
    """
    The key rings that the journeys use.

    Attributes:
        devices: For device tokens.
        fingerprints: For fingerprints of contacts in the audit.
        api_keys: For digests of API keys.
        idempotency: For the idempotency keys of backends.
        test_codes: For the codes of test contacts.
    """

    codes: KeyRing
    devices: KeyRing
    refresh_tokens: KeyRing
    exchange_codes: KeyRing
    fingerprints: KeyRing
    api_keys: KeyRing
    idempotency: KeyRing
    test_codes: KeyRing


@attrs.frozen(kw_only=True)
class GuardNumbers:
    """
    The numbers of the guard against toll fraud.

    Attributes:
        senders: The names of each channel's senders, whose prices count.
    """

    mode: GuardMode = GuardMode.ENFORCE
    policy: GuardPolicy = GuardPolicy()
    caps: Caps = Caps()
    prices: Prices = Prices()
    senders: Mapping[Channel, Sequence[str]] = attrs.field(factory=dict[Channel, Sequence[str]])


@attrs.frozen(kw_only=True)
class Numbers:
    """
    The numbers that govern the journeys.

    Attributes:
        policies: One for each purpose.
        access_lifetime: Lifetime of an access token.
        family_lifetime: Lifetime of a family of refresh tokens, from the sign-in.
        app_policies: One for each purpose of apps.
        reach: The numbers of apps that name no regions.
    """

    policies: Mapping[Purpose, Policy]
    client_limits: ClientLimits
    access_lifetime: Duration
    family_lifetime: Duration
    app_policies: Mapping[Purpose, Policy]
    reach: Reach
    guard: GuardNumbers


@attrs.frozen(kw_only=True)
class Journeys:
    """
    All the journeys.

    Attributes:
        otp: The engine that they share.
        spending: The money of this process, whose `flush` is to be called every few seconds.
        visits: Counts what no journey audits.
    """

    limiter: Limiter
    otp: Otp
    spending: Spending
    sessions: Sessions
    pass_login: PassLogin
    signup: Signup
    api_keys: ApiKeys
    apps: Apps
    house_passes: HousePasses
    verification_sends: VerificationSends
    verification: Verifying
    verification_lookups: VerificationLookups
    verification_delivery: VerificationDelivery
    lost_messages: LostMessages
    calls: Calls
    visits: Visits

    @property
    def by_name(self) -> dict[str, Any]:
        """The journeys, without what they share."""
        told = {field.name: getattr(self, field.name) for field in attrs.fields(Journeys)}
        return {name: one for name, one in told.items() if not isinstance(one, _SHARED)}


_SHARED: Final = (Limiter, Otp, Spending, Visits, VerificationDelivery, LostMessages)


def build(ports: Ports, rings: Rings, numbers: Numbers) -> Journeys:
    """Build the journeys over *ports*."""
    limiter = Limiter(usage=ports.usage, limits=numbers.client_limits, sign_ins=ports.sign_ins)
    spending = Spending(ports.budgets, numbers.guard.policy, numbers.guard.caps)
    otp = Otp(
        slots=ports.slots,
        limiter=limiter,
        senders=ports.senders,
        messages=ports.messages,
        audit=ports.audit,
        clock=ports.clock,
        randomness=ports.randomness,
        work=ports.work,
        guard=Guarding(
            mode=numbers.guard.mode,
            policy=numbers.guard.policy,
            prices=numbers.guard.prices,
            senders=numbers.guard.senders,
            spending=spending,
        ),
        codes=rings.codes,
        devices=rings.devices,
        policies=numbers.policies,
    )
    sessions = Sessions(
        families=ports.families,
        passes=ports.passes,
        limiter=limiter,
        access_tokens=ports.access_tokens,
        audit=ports.audit,
        clock=ports.clock,
        randomness=ports.randomness,
        refresh_keys=rings.refresh_tokens,
        exchange_keys=rings.exchange_codes,
        fingerprints=rings.fingerprints,
        access_lifetime=numbers.access_lifetime,
        family_lifetime=numbers.family_lifetime,
    )
    requests = AppRequests(
        slots=ports.slots,
        verifications=ports.verifications,
        audit=ports.audit,
        clock=ports.clock,
        fingerprints=rings.fingerprints,
        test_contacts=ports.test_contacts,
        test_codes=rings.test_codes,
        policies=numbers.app_policies,
        reach=numbers.reach,
    )
    asks = VerificationAsks(otp=otp, requests=requests, idempotency=rings.idempotency)
    delivery = VerificationDelivery(otp=otp, requests=requests, asks=asks, apps=ports.apps)
    return Journeys(
        limiter=limiter,
        otp=otp,
        spending=spending,
        sessions=sessions,
        pass_login=PassLogin(
            otp=otp,
            sessions=sessions,
            passes=ports.passes,
            limiter=limiter,
            fingerprints=rings.fingerprints,
        ),
        signup=Signup(
            otp=otp,
            sessions=ports.signup_sessions,
            steps=ports.signup_steps,
            proofs=ports.proofs,
            limiter=limiter,
            fingerprints=rings.fingerprints,
        ),
        api_keys=ApiKeys(
            keys=ports.api_keys,
            apps=ports.apps,
            limiter=limiter,
            audit=ports.audit,
            clock=ports.clock,
            ring=rings.api_keys,
        ),
        apps=Apps(ports.apps),
        house_passes=HousePasses(
            passes=ports.pass_repository,
            audit=ports.audit,
            clock=ports.clock,
            randomness=ports.randomness,
            fingerprints=rings.fingerprints,
        ),
        verification_sends=VerificationSends(
            otp=otp,
            limiter=limiter,
            requests=requests,
            asks=asks,
            delivery=delivery,
        ),
        verification=Verifying(
            otp=otp,
            limiter=limiter,
            requests=requests,
            approvals=ports.approvals,
            proofs=ports.proofs,
        ),
        verification_lookups=VerificationLookups(requests),
        verification_delivery=delivery,
        lost_messages=LostMessages(otp=otp, delivery=delivery),
        calls=Calls(
            sends=ports.sends,
            slots=ports.slots,
            apps=ports.apps,
            requests=requests,
            clock=ports.clock,
            codes=rings.codes,
            policies=numbers.policies,
        ),
        visits=Visits(audit=ports.audit, clock=ports.clock),
    )
