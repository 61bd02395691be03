"""
A test world for the flows: all ports, in memory and under the test's control.

Nothing in it suspends, so `run` drives a flow without an event loop.
"""

import hashlib
import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import attrs

from hsp_otp.adapters.early_receipts import MemoryEarlyReceipts
from hsp_otp.adapters.memory import (
    MemoryApiKeys,
    MemoryApps,
    MemoryAudit,
    MemoryBudgets,
    MemoryPasses,
    MemoryRecords,
    MemorySends,
    MemorySlots,
    MemoryTestContacts,
    MemoryUsage,
    MemoryVerifications,
)
from hsp_otp.domain.audit import AuditRow, Row, StepRow
from hsp_otp.domain.challenge_outcomes import Standing
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import AppSend, DeliveryState, Noted, TakenMessage, UnknownMessage
from hsp_otp.domain.guard import GuardMode
from hsp_otp.domain.instant import DAY, MINUTE, SECOND, Duration, Instant, after
from hsp_otp.domain.keys import Key, KeyRing
from hsp_otp.domain.names import ENGLISH, ClientAddress, Language, PassCode, SessionId
from hsp_otp.domain.passes import Pass, PaymentStatus, User
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.purposes import APP_PURPOSES, Flow, Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.quota import Quota, Refusal, Usage, UsageKey
from hsp_otp.domain.refresh_tokens import Family, InvalidToken
from hsp_otp.domain.signup import SessionNotFound, SignupSession, SignupStep
from hsp_otp.domain.slot_record import Held, LaneRecord, SlotRecord
from hsp_otp.domain.verification import Approval
from hsp_otp.domain.verification_request import Reach
from hsp_otp.domain.work import Judgement, Malformed, Solved, Stale, Wrong
from hsp_otp.flows.assembly import GuardNumbers, Journeys, Numbers, Ports, Rings, build
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.limits import Limiter
from hsp_otp.flows.otp import Otp
from hsp_otp.flows.pass_login import (
    LedBack,
    LookUpOutcome,
    PassLogin,
    SendOutcome,
    SignedIn,
    UnverifiedOutcome,
    VerifyOutcome,
)
from hsp_otp.flows.receipts import take_receipt
from hsp_otp.flows.sessions import Grant, Me, Redeemed, RefusedCode, RefusedToken, Sessions
from hsp_otp.flows.signup import Progress, Signup, SignupSendOutcome, SignupVerifyOutcome
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.messages import Letterhead, MailText, Messages, Text
from hsp_otp.ports.operator_accounts import Account
from hsp_otp.ports.proof_of_work import ProofOfWork, Work
from hsp_otp.ports.randomness import Randomness
from hsp_otp.ports.sender import SEND_WITHIN, Call, Message, Receipt
from hsp_otp.ports.tokens import Access, AppProof, Proof

T = TypeVar("T")

START = Instant(1_767_225_600_000_000)
"""2026-01-01T00:00:00Z."""

PASS_CODE = "HSP-1234-5678"
PHONE = "+919876543210"
OTHER_PHONE = "+919812345678"
CLIENT = "198.51.100.7"
OTHER_CLIENT = "203.0.113.9"
RETURN_URL = "https://shop.example/signed-in"


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    Run *coroutine* without an event loop, and return its result.

    Raises:
        AssertionError: It suspended, because something in it waits for the outside.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    coroutine.close()
    raise AssertionError("it suspended")


def ring(use: str, *ids: str) -> KeyRing:
    """Make a ring for *use*; without *ids* it has one key, ``k1``."""
    return KeyRing(
        tuple(Key(i, hashlib.sha256(f"{use}:{i}".encode()).digest()) for i in ids or ("k1",))
    )


def other_than(digits: str) -> str:
    """Return a code that differs in the last digit."""
    return digits[:-1] + str((int(digits[-1]) + 1) % 10)


@attrs.define
class ManualClock:
    """A clock that stands still until a test advances it."""

    instant: Instant = START

    def now(self) -> Instant:
        """Keep the promise of `Clock.now`."""
        return self.instant

    def advance(self, duration: Duration) -> None:
        """Advance by *duration*."""
        self.instant = after(self.instant, duration)


@attrs.define
class ScriptedRandomness:
    """Bytes that are the same in every run and never repeat in one."""

    draws: int = 0

    def draw(self, count: int) -> bytes:
        """Keep the promise of `Randomness.draw`."""
        self.draws += 1
        return hashlib.shake_256(str(self.draws).encode()).digest(count)


@attrs.define
class Outbox:
    """
    A sender that keeps its messages.

    Attributes:
        failure: Raised instead of accepting the message.
        witness: Called when a message arrives, before it is accepted or refused.
        skipped: Whether it reports that it would not try.
        given: The time limit of each call.
        chosen: The names of the senders that each call may try.
        name: Of the sender.
    """

    sent: list[Message] = attrs.field(factory=list[Message])
    failure: Exception | None = None
    witness: Callable[[], object] | None = None
    skipped: bool = False
    given: list[Duration] = attrs.field(factory=list[Duration])
    chosen: list[tuple[str, ...]] = attrs.field(factory=list[tuple[str, ...]])
    name: str = "outbox"

    def available(self, names: Sequence[str] = ()) -> bool:
        """Keep the promise of `Senders.available`; the sender of the name ``away`` never is."""
        return not self.skipped and tuple(names) != ("away",)

    async def send(
        self, message: Message, within: Duration = SEND_WITHIN, names: Sequence[str] = ()
    ) -> Receipt:
        """Keep the promise of `Senders.send`."""
        self.given.append(within)
        self.chosen.append(tuple(names))
        if self.witness is not None:
            self.witness()
        if self.failure is not None:
            raise self.failure
        self.sent.append(message)
        return Receipt(sender=self.name, provider_message_id=f"message-{len(self.sent)}")

    @property
    def codes(self) -> list[str]:
        """The digits in every accepted message, oldest first."""
        return [
            one.code if isinstance(one, Call) else re.findall(r"\d{4,10}", one.text)[0]
            for one in self.sent
        ]


@attrs.define
class Brittle:
    """An audit that may be away when a step of the slots has been made."""

    kept: MemoryAudit
    is_away: bool = False

    async def write(self, *rows: Row) -> None:
        """Keep the promise of `AuditTrail.write`."""
        if self.is_away:
            raise Unavailable("away")
        await self.kept.write(*rows)

    async def note(self, row: AuditRow) -> None:
        """Keep the promise of `AuditTrail.note`."""
        await self.kept.note(row)

    def count(self, row: StepRow) -> None:
        """Keep the promise of `AuditTrail.count`."""
        self.kept.count(row)


@attrs.define
class SentMessages:
    """
    The states of the messages in the rows.

    Attributes:
        states: The reported states, by sender and the sender's id.
        failure: Raised instead of answering.
    """

    audit: MemoryAudit
    states: dict[tuple[str, str], DeliveryState] = attrs.field(
        factory=dict[tuple[str, str], DeliveryState]
    )
    failure: Exception | None = None

    async def transition(
        self,
        sender: str,
        provider_message_id: str,
        decide: Callable[[TakenMessage | None], Decision[TakenMessage | None, T]],
    ) -> T:
        """Keep the promise of `Deliveries.transition`."""
        if self.failure is not None:
            raise self.failure
        key = (sender, provider_message_id)
        decision = decide(self._held(key))
        if decision.becomes is not None:
            self.states[key] = decision.becomes.state
        await self.audit.write(*decision.rows)
        return decision.outcome

    def _held(self, key: tuple[str, str]) -> TakenMessage | None:
        if key not in self._known:
            return None
        sends = {row.id: row for row in self.audit.sends}
        found = (
            sends.get(row.send_id)
            for row in self.audit.handed_over
            if (row.sender, row.provider_message_id) == key
        )
        send = next(found)
        return TakenMessage(
            send_id=send.id if send else "",
            slot=Slot.stored(send.slot) if send else slot_of("u1"),
            state=self.states.get(key, DeliveryState.QUEUED),
            at=send.at if send else START,
            flow=send.flow if send else Flow.PASS_LOGIN,
            contact=Contact.stored(send.contact if send else PHONE),
            language=send.language if send else None,
            app_send=AppSend(id=send.id, verification_id=send.verification_id, channel=send.channel)
            if send and send.verification_id
            else None,
        )

    async def may_become_known(self, sender: str, provider_message_id: str, since: Instant) -> bool:
        """Keep the promise of `Deliveries.may_become_known`."""
        taken = {row.send_id for row in self.audit.handed_over}
        untaken = [row for row in self.audit.sends if row.id not in taken]
        in_time = [row for row in untaken if row.at > since]
        return bool(in_time) or (sender, provider_message_id) in self._known

    @property
    def _known(self) -> set[tuple[str, str | None]]:
        return {(row.sender, row.provider_message_id) for row in self.audit.handed_over}


@attrs.define
class RememberedSessions:
    """
    The ended sessions of operators, in a set.

    Attributes:
        is_away: Whether every call fails.
        is_held: Whether another writer holds the lock, so that reads work but writes fail.
    """

    ended: set[str] = attrs.field(factory=set[str])
    is_away: bool = False
    is_held: bool = False

    async def end(self, session_id: str, at: Instant) -> None:
        """Keep the promise of `EndedSessions.end`."""
        assert at > 0
        self.ended.add(session_id)
        if self.is_away or self.is_held:
            raise Unavailable("away")

    async def is_ended(self, session_id: str) -> bool:
        """Keep the promise of `EndedSessions.is_ended`."""
        if self.is_away:
            raise Unavailable("away")
        return session_id in self.ended


@attrs.define
class RememberedAccounts:
    """
    The accounts of operators, with their passwords instead of hashes.

    Attributes:
        passwords: By name; a test changes them.
        compared: The names of the accounts that passwords were compared with; decoys have none.
        is_away: Whether they cannot be read.
    """

    passwords: dict[str, str] = attrs.field(factory=dict[str, str], repr=False)
    compared: list[str] = attrs.field(factory=list[str])
    is_away: bool = False

    async def find(self, name: str) -> Account:
        """Keep the promise of `OperatorAccounts.find`."""
        if self.is_away:
            raise Unavailable("away")
        name, exists = name.lower(), name.lower() in self.passwords
        hashed = self.passwords.get(name, "")
        return Account(
            name=name if exists else "",
            hashed=hashed,
            version=hashlib.sha256(hashed.encode()).hexdigest()[:32],
            exists=exists,
        )

    async def opens(self, account: Account, password: str) -> bool:
        """Keep the promise of `OperatorAccounts.opens`."""
        self.compared.append(account.name)
        return account.exists and account.hashed == password


@attrs.define
class PlainMessages:
    """Texts from which a test can read a code."""

    def sms(
        self,
        purpose: Purpose,
        code: Code,
        lifetime: Duration,
        language: Language,
        letterhead: Letterhead | None = None,
    ) -> Text:
        """Keep the promise of `Messages.sms`."""
        named = "" if language == ENGLISH else f" in {language}"
        if letterhead is not None:
            named += f" of {letterhead.service_name}"
        told = f"{code.reveal()} is your code{named}, for {lifetime // MINUTE} min"
        return Text(text=f"{told} ({purpose.value}).", template_id="t1", entity_id="e1")

    def mail(
        self,
        purpose: Purpose,
        code: Code,
        lifetime: Duration,
        language: Language,
        letterhead: Letterhead | None = None,
    ) -> MailText:
        """Keep the promise of `Messages.mail`."""
        text = self.sms(purpose, code, lifetime, language, letterhead).text
        return MailText(
            subject="Your code",
            text=text,
            html=f"<p>{text}</p>",
            language=language,
            service_name="House" if letterhead is None else letterhead.service_name,
        )

    def service_name(self, purpose: Purpose, letterhead: Letterhead | None = None) -> str:
        """Keep the promise of `Messages.service_name`."""
        assert purpose in Purpose
        return "House" if letterhead is None else letterhead.service_name

    def explain(self, word: str, language: Language) -> str:
        """Keep the promise of `Messages.explain`."""
        return f"About {word} in {language}."


@attrs.define
class SignedAccess:
    """Access tokens that are references to their content."""

    signed: list[Access] = attrs.field(factory=list[Access])

    def sign(self, access: Access) -> str:
        """Keep the promise of `AccessTokens.sign`."""
        self.signed.append(access)
        return f"access-{len(self.signed)}"

    def verify(self, token: str, now: Instant) -> Access | None:
        """Keep the promise of `AccessTokens.verify`."""
        for number, access in enumerate(self.signed, start=1):
            if token == f"access-{number}" and now < access.expires_at:
                return access
        return None


@attrs.define
class SignedProofs:
    """
    Proofs that are references to their content.

    Attributes:
        signed: Those of signup.
        of_apps: Those of apps.
    """

    signed: list[Proof] = attrs.field(factory=list[Proof])
    of_apps: list[AppProof] = attrs.field(factory=list[AppProof])

    def sign(self, proof: Proof | AppProof) -> str:
        """Keep the promise of `Proofs.sign`."""
        if isinstance(proof, AppProof):
            self.of_apps.append(proof)
            return f"app-proof-{len(self.of_apps)}"
        self.signed.append(proof)
        return f"proof-{len(self.signed)}"


@attrs.define
class PlainWork:
    """Work whose solution can be read from it."""

    def pose(self, bound_to: str, level: int, expires_at: Instant, drawn: bytes) -> Work:
        """Keep the promise of `ProofOfWork.pose`."""
        payload = f"{drawn.hex()}|{level}|{expires_at}|{_unreadable(bound_to)}"
        return Work(parameters={"solution": payload}, signature="", seconds=2 ** (level - 1))

    def judge(self, payload: str, bound_to: str, now: Instant) -> Judgement:
        """Keep the promise of `ProofOfWork.judge`."""
        nonce, *rest = payload.split("|")
        if len(rest) != 3:
            return Malformed()
        level, until, told = rest
        if told != _unreadable(bound_to):
            return Wrong()
        expires_at = Instant(int(until))
        if now >= expires_at:
            return Stale()
        return Solved(nonce=nonce, level=int(level), expires_at=expires_at)


SIGNUP_POLICY = Policy(
    lifetime=300 * SECOND, client_sends=(Quota(5, MINUTE), Quota(20, 60 * MINUTE))
)
"""The policies of the contract."""


@attrs.define(kw_only=True)
class World:
    """
    Both flows over memory, with the contract's default numbers.

    Attributes:
        outboxes: Those of channels that have one of their own.
        channels: Those that the service has senders for.
        guard: Off, unless a test is about it.
        guarded: The flows under a guard, built once.
    """

    clock: ManualClock = attrs.field(factory=ManualClock)
    randomness: Randomness = attrs.field(factory=ScriptedRandomness)
    outbox: Outbox = attrs.field(factory=Outbox)
    outboxes: dict[Channel, Outbox] = attrs.field(factory=dict[Channel, Outbox])
    channels: frozenset[Channel] = frozenset(Channel)
    access_tokens: SignedAccess = attrs.field(factory=SignedAccess)
    audit: MemoryAudit = attrs.field(factory=MemoryAudit)
    passes: MemoryPasses = attrs.field()
    api_keys: MemoryApiKeys = attrs.field(factory=MemoryApiKeys)
    apps: MemoryApps = attrs.field(factory=MemoryApps)
    test_contacts: MemoryTestContacts = attrs.field()
    slots: MemorySlots = attrs.field()
    usage: MemoryUsage = attrs.field()
    families: MemoryRecords[str, Family] = attrs.field()
    signup_sessions: MemoryRecords[SessionId, SignupSession] = attrs.field()
    signup_steps: MemoryRecords[str, SignupStep] = attrs.field()
    approvals: MemoryRecords[str, Approval] = attrs.field()
    proofs: SignedProofs = attrs.field(factory=SignedProofs)
    deliveries: SentMessages = attrs.field()
    early: MemoryEarlyReceipts = attrs.field()
    work: ProofOfWork = attrs.field(factory=PlainWork)
    messages: Messages = attrs.field(factory=PlainMessages)
    budgets: MemoryBudgets = attrs.field(factory=MemoryBudgets)
    guard: GuardNumbers = GuardNumbers(mode=GuardMode.OFF)
    guarded: Journeys | None = None
    policy: Policy = attrs.field(factory=Policy)
    signup_policy: Policy = attrs.field(factory=lambda: SIGNUP_POLICY)
    limits: ClientLimits = attrs.field(factory=ClientLimits)
    codes: KeyRing = attrs.field(factory=lambda: ring("codes"))
    devices: KeyRing = attrs.field(factory=lambda: ring("devices"))
    refresh_keys: KeyRing = attrs.field(factory=lambda: ring("refresh"))
    api_key_ring: KeyRing = attrs.field(factory=lambda: ring("api keys"))
    idempotency_keys: KeyRing = attrs.field(factory=lambda: ring("idempotency"))

    @passes.default
    def _passes(self) -> MemoryPasses:
        return MemoryPasses(self.audit)

    @test_contacts.default
    def _test_contacts(self) -> MemoryTestContacts:
        return MemoryTestContacts(self.audit)

    @slots.default
    def _slots(self) -> MemorySlots:
        return MemorySlots(self.audit)

    @usage.default
    def _usage(self) -> MemoryUsage:
        return MemoryUsage(self.audit)

    @families.default
    def _families(self) -> MemoryRecords[str, Family]:
        return MemoryRecords(self.audit)

    @signup_sessions.default
    def _signup_sessions(self) -> MemoryRecords[SessionId, SignupSession]:
        return MemoryRecords(self.audit)

    @signup_steps.default
    def _signup_steps(self) -> MemoryRecords[str, SignupStep]:
        return MemoryRecords(self.audit)

    @approvals.default
    def _approvals(self) -> MemoryRecords[str, Approval]:
        return MemoryRecords(self.audit)

    @deliveries.default
    def _deliveries(self) -> SentMessages:
        return SentMessages(self.audit)

    @early.default
    def _early(self) -> MemoryEarlyReceipts:
        return MemoryEarlyReceipts(self.deliveries, lambda: self.clock.now() / SECOND)

    @property
    def ports(self) -> Ports:
        """The ports of the flows."""
        return Ports(
            slots=self.slots,
            signup_sessions=self.signup_sessions,
            signup_steps=self.signup_steps,
            usage=self.usage,
            sends=MemorySends(self.audit),
            verifications=MemoryVerifications(self.audit),
            approvals=self.approvals,
            families=self.families,
            passes=self.passes,
            pass_repository=self.passes,
            api_keys=self.api_keys,
            apps=self.apps,
            test_contacts=self.test_contacts,
            audit=self.audit,
            sign_ins=self.audit,
            senders=dict.fromkeys(self.channels, self.outbox) | self.outboxes,
            budgets=self.budgets,
            messages=self.messages,
            access_tokens=self.access_tokens,
            proofs=self.proofs,
            work=self.work,
            clock=self.clock,
            randomness=self.randomness,
        )

    @property
    def journeys(self) -> Journeys:
        """Build all flows with the current configuration; a guard's leases outlive a call."""
        if self.guard.mode is GuardMode.OFF:
            return self._build()
        if self.guarded is None:
            self.guarded = self._build()
        return self.guarded

    def _build(self) -> Journeys:
        rings = Rings(
            codes=self.codes,
            devices=self.devices,
            refresh_tokens=self.refresh_keys,
            exchange_codes=ring("exchange"),
            fingerprints=ring("fingerprints"),
            api_keys=self.api_key_ring,
            idempotency=self.idempotency_keys,
            test_codes=ring("test codes"),
        )
        policies = dict.fromkeys(Purpose, self.policy) | {
            Purpose.PHONE_VERIFICATION: self.policy,
            Purpose.SIGNUP: self.signup_policy,
        }
        numbers = Numbers(
            policies=policies,
            client_limits=self.limits,
            access_lifetime=900 * SECOND,
            family_lifetime=30 * DAY,
            app_policies=app_policies(self.policy),
            reach=Reach(frozenset({"IN"}), "IN", self.channels),
            guard=self.guard,
        )
        return build(self.ports, rings, numbers)

    @property
    def otp(self) -> Otp:
        """Build the engine with the current configuration."""
        return self.journeys.otp

    @property
    def limiter(self) -> Limiter:
        """Build the limiter with the current configuration."""
        return self.journeys.limiter

    @property
    def login(self) -> PassLogin:
        """Build pass login with the current configuration."""
        return self.journeys.pass_login

    @property
    def signup(self) -> Signup:
        """Build signup with the current configuration."""
        return self.journeys.signup

    @property
    def sessions(self) -> Sessions:
        """Build the sessions with the current configuration."""
        return self.journeys.sessions

    def add(
        self,
        pass_code: str = PASS_CODE,
        *,
        user: str = "u1",
        house_id: str | None = None,
        phone: str | None = PHONE,
        payment: PaymentStatus = PaymentStatus.PAID,
        expires_at: Instant | None = None,
    ) -> Pass:
        """Store a pass, replacing one with the same code."""
        holder = User(
            id=user,
            house_id=house_id,
            email=f"{user}@example.com",
            first_name="Asha",
            last_name="Rao",
            phone=PhoneNumber.parse(phone, None) if phone else None,
        )
        stored = Pass(
            code=PassCode(pass_code),
            user=holder,
            payment_status=payment,
            plan_name="Gold",
            expires_at=expires_at,
        )
        self.passes.stored[stored.code] = stored
        return stored

    def validate(self, pass_code: str = PASS_CODE, *, client: str = CLIENT) -> LookUpOutcome:
        """Look up a pass."""
        return run(self.login.validate(PassCode(pass_code), _caller(client)))

    def send(
        self,
        pass_code: str = PASS_CODE,
        *,
        client: str = CLIENT,
        channel: Channel = Channel.SMS,
    ) -> SendOutcome:
        """Ask for a code."""
        return run(self.login.send(PassCode(pass_code), _caller(client), channel))

    def standing(self) -> Standing:
        """Return to the code of a pass login."""
        found = run(self.login.standing(PassCode(PASS_CODE), None, _caller(CLIENT)))
        assert found is not None
        return found

    def verify(
        self,
        guess: str,
        pass_code: str = PASS_CODE,
        *,
        challenge_id: str | None = None,
        client: str = CLIENT,
        browser: str | None = None,
    ) -> VerifyOutcome:
        """Present the digits *guess*."""
        code = PassCode(pass_code)
        return run(self.login.verify(code, Code(guess), challenge_id, _caller(client), browser))

    def sign_in(self, pass_code: str = PASS_CODE) -> Grant:
        """Ask for a code, and present it."""
        self.send(pass_code)
        outcome = self.verify(self.outbox.codes[-1], pass_code)
        assert isinstance(outcome, SignedIn)
        return outcome.grant

    def lead_back(
        self, guess: str, return_url: str = RETURN_URL, *, browser: str | None = None
    ) -> LedBack | UnverifiedOutcome:
        """Present the digits *guess* on a page that leads back."""
        code = PassCode(PASS_CODE)
        return run(
            self.login.verify_and_lead_back(
                code, Code(guess), None, _caller(CLIENT), browser=browser, return_url=return_url
            )
        )

    def exchange(self, code: str, return_url: str = RETURN_URL) -> Redeemed | RefusedCode:
        """Exchange the code of a sign-in on such a page, as another backend."""
        caller = _caller(OTHER_CLIENT)
        return run(self.sessions.exchange(code, return_url, caller, "key1"))

    def sign_up(
        self,
        phone: str = PHONE,
        session: SessionId | None = None,
        *,
        client: str = CLIENT,
        channel: Channel = Channel.SMS,
    ) -> SignupSendOutcome:
        """Ask for a code in signup."""
        return run(self.signup.send(PhoneNumber(phone), session, _caller(client), channel))

    def prove(self, guess: str, session: SessionId, *, client: str = CLIENT) -> SignupVerifyOutcome:
        """Present the digits *guess* in signup."""
        return run(self.signup.verify(session, Code(guess), _caller(client)))

    def progress(self, session: SessionId, *, client: str = CLIENT) -> Progress | SessionNotFound:
        """Return to a session."""
        return run(self.signup.progress(session, _caller(client)))

    def refresh(self, token: str) -> Grant | RefusedToken | Refusal:
        """Exchange a refresh token."""
        return run(self.sessions.refresh(token, _caller(CLIENT)))

    def revoke(self, token: str) -> Refusal | None:
        """Sign out."""
        return run(self.sessions.revoke(token, _caller(CLIENT)))

    def me(self, access_token: str) -> Me | InvalidToken:
        """Ask who is signed in."""
        return run(self.sessions.me(access_token))

    def report(self, sender: str, message: str, state: DeliveryState) -> Noted | UnknownMessage:
        """Report a message's state, like its provider does."""
        return run(
            take_receipt(
                self.deliveries,
                sender,
                message,
                state,
                early=self.early,
                clock=self.clock,
                follow=self.journeys.lost_messages.follow,
            )
        )

    def family(self, family_id: str) -> Family | None:
        """Return the stored record of a family."""
        return run(self.families.transition(family_id, lambda held: Decision(held, held)))

    def record(self, user: str = "u1") -> LaneRecord:
        """What strangers have left in the slot of *user*."""
        return self.whole_record(user).others

    def whole_record(self, user: str = "u1") -> SlotRecord:
        """What stands in the slot of *user*."""
        return run(self.slots.transition(slot_of(user), (), _look))

    def restore(self, record: SlotRecord, user: str = "u1") -> None:
        """Reset the slot of *user* to *record*."""

        def back(held: Held) -> Decision[Held, None]:
            return Decision(None, Held(record, held.usages))

        run(self.slots.transition(slot_of(user), (), back))

    def sends_charged(self, key: UsageKey) -> Usage:
        """Return the charges to a limit on sends."""

        def peek(held: Held) -> Decision[Held, Usage]:
            return Decision(held.usages[key], held)

        return run(self.slots.transition(slot_of("u1"), (key,), peek))

    def charged(self, scope: str, who: str = CLIENT) -> int:
        """Return the number of charges to a limit on checks or look-ups."""
        key = UsageKey(scope, who)
        held = run(self.usage.transition((key,), lambda usages: Decision(usages, usages)))
        return len(held[key])


def app_policies(policy: Policy) -> dict[Purpose, Policy]:
    """The numbers of the purposes of apps, where the service's are *policy*."""
    return {
        purpose: attrs.evolve(policy.for_apps, lifetime=row.code_seconds * SECOND)
        for purpose, row in APP_PURPOSES.items()
    }


def of_strangers(**facts: Any) -> SlotRecord:  # noqa: ANN401 - of `LaneRecord`
    """A slot that only strangers have used."""
    return SlotRecord(others=LaneRecord(**facts))


def open_policy(**changes: Any) -> Policy:  # noqa: ANN401 - of `Policy`
    """A policy without what holds strangers back from each other and from known devices."""
    nothing_between = Policy(
        sends_kept_for_known=0,
        sends_of_one_network=0,
        asks_for_work=False,
        fresh_for=0,
        binds_guesses=False,
    )
    return attrs.evolve(nothing_between, **changes)


def open_world(**changes: Any) -> World:  # noqa: ANN401 - of `World`
    """A world in which nothing holds strangers back from each other."""
    sign_ups = open_policy(lifetime=SIGNUP_POLICY.lifetime, client_sends=SIGNUP_POLICY.client_sends)
    return World(**({"policy": open_policy(), "signup_policy": sign_ups} | changes))


def of_run(record: SlotRecord, run: int) -> SlotRecord:
    """*record* after that many wrong guesses of strangers."""
    return attrs.evolve(record, others=attrs.evolve(record.others, run=run))


def slot_of(user: str) -> Slot:
    """Return the slot of *user* in pass login."""
    return Slot(Subject(SubjectKind.USER, user), Purpose.PHONE_VERIFICATION)


def _unreadable(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _caller(client: str) -> Caller:
    return Caller(ClientAddress(client), f"request-of-{client}")


def _look(held: Held) -> Decision[Held, SlotRecord]:
    return Decision(held.record, held)
