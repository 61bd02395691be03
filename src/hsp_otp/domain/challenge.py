"""
The whole life of a code in one place: issue, check, withdraw; supersede, exhaust, expire, lock.

Every rule is a function of the slot's state, the facts of the request and the current instant. A
slot's record is one aggregate. Issuing a code replaces the challenge in the record, so the older
code stops working in the same step, while the failed guesses and the cooldown next to it remain.
"""

import enum
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

import attrs

from hsp_otp.domain.code import Code, derive
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import CLOCK_SKEW, Duration, Instant, after, believed, is_credible
from hsp_otp.domain.keys import Key, KeyRing
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Flow, Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.quota import (
    Demand,
    Limit,
    Refusal,
    Usage,
    UsageKey,
    Usages,
    admitted_at,
    as_of,
    charge,
    client_demands,
    judge,
)


class Ended(enum.Enum):
    """How a challenge ended early. Expiry and exhaustion are derived and never stored."""

    USED = "used"
    WITHDRAWN = "withdrawn"


@attrs.frozen
class Success:
    """
    The record of a correct code.

    Attributes:
        at: When it was presented.
        browser: Keyed digest of the value that identifies the browser that presented it.
    """

    at: Instant
    browser: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Challenge:
    """
    One issued code and its life. The code itself is not stored; `code_of` derives it again.

    Attributes:
        id: Public; 128 random bits.
        slot: The slot as text, which may contain a full number.
        contact: The recipient of the message.
        channel: The channel that carries the message.
        session: The session that the code is bound to in addition to its slot, or None. Anyone who
            has the session id acts for the session.
        key_id: The key of the code ring that the code was derived with.
        nonce: Private; never leaves the store.
        expires_at: The first instant at which the challenge is no longer live.
        attempts: Guesses judged so far.
        success: Set once the code was right, so that the same browser, which may not have seen the
            answer, can present it again.
    """

    id: str
    flow: Flow
    purpose: Purpose
    slot: str = attrs.field(repr=False)
    contact: Contact
    channel: Channel = Channel.SMS
    session: str | None = attrs.field(default=None, repr=False)
    key_id: str
    nonce: bytes = attrs.field(repr=False)
    issued_at: Instant
    expires_at: Instant
    attempts: int = 0
    ended: Ended | None = None
    success: Success | None = None

    @property
    def lifetime(self) -> Duration:
        """Time from issue to expiry."""
        return self.expires_at - self.issued_at


@attrs.frozen(kw_only=True)
class SlotRecord:
    """
    Everything known about one subject and purpose.

    Attributes:
        challenge: The latest challenge, live or not.
        asked_at: When it was issued. The cooldown runs from here, even after a failed delivery.
        failures: Instants of wrong guesses, across codes, oldest first.
        run: Wrong guesses since the last success.
    """

    challenge: Challenge | None = None
    asked_at: Instant | None = None
    failures: Usage = ()
    run: int = 0


@attrs.frozen
class Held:
    """
    The state that one transition of a slot reads and replaces.

    Attributes:
        record: The slot's record.
        usages: The usages that limit sends.
    """

    record: SlotRecord = SlotRecord()
    usages: Usages = attrs.field(factory=dict[UsageKey, Usage])


@attrs.frozen(kw_only=True)
class Request:
    """
    A request for a code or a check of one: the client, the slot and the contact.

    Attributes:
        contact: The subject's current contact.
        channel: The channel for the message.
        session: The session that a code is bound to in addition to its slot, or None.
    """

    slot: Slot
    flow: Flow
    contact: Contact
    channel: Channel = Channel.SMS
    client: ClientAddress
    session: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Drawn:
    """
    The random values for a new challenge, drawn in advance, and the key to derive its code with.

    Attributes:
        key_id: The writing key of the code ring.
    """

    challenge_id: str
    nonce: bytes = attrs.field(repr=False)
    key_id: str


@attrs.frozen
class Presented:
    """
    A code that a caller presented.

    Attributes:
        challenge_id: The challenge that the caller names, if any.
    """

    code: Code
    challenge_id: str | None = None


@attrs.frozen
class Issued:
    """A new challenge stands; its message is still to be sent."""

    word: ClassVar[str] = "sent"
    challenge: Challenge
    resend_at: Instant | None


@attrs.frozen
class Locked:
    """
    Too many failed guesses.

    Attributes:
        retry_at: When the windows have room again; None if only an operator can unlock.
    """

    word: ClassVar[str] = "locked_out"
    retry_at: Instant | None


@attrs.frozen
class Verified:
    """The code was right and is now used up."""

    word: ClassVar[str] = "verified"
    challenge: Challenge
    resend_at: Instant | None


@attrs.frozen
class WrongCode:
    """
    The guess was judged, counted and found wrong.

    Attributes:
        attempts_remaining: Guesses that this challenge will still judge.
        resend_at: When a new code may be asked for; None if only an operator can unlock.
    """

    word: ClassVar[str] = "invalid_otp"
    attempts_remaining: int
    resend_at: Instant | None


@attrs.frozen
class NoLiveCode:
    """
    The code expired, was replaced, used, withdrawn or never sent, or belongs to another challenge.
    Nothing was charged.
    """

    word: ClassVar[str] = "otp_expired"
    resend_at: Instant | None


@attrs.frozen
class Exhausted:
    """All guesses of the challenge have been judged. Nothing was charged."""

    word: ClassVar[str] = "too_many_attempts"
    resend_at: Instant | None


@attrs.frozen
class Forgotten:
    """
    The slot now holds only what limits count, or nothing at all.

    Attributes:
        until: When the limits stop counting the rest; None if they count nothing now.
    """

    until: Instant | None


@attrs.frozen
class Standing:
    """
    The current state for somebody who has asked for a code.

    Attributes:
        expires_at: When the live code expires; None if no code is left that would be judged.
        resend_at: When a new code may be asked for; None if only an operator can unlock.
    """

    expires_at: Instant | None
    resend_at: Instant | None


AskOutcome = Issued | Refusal | Locked
CheckOutcome = Verified | WrongCode | NoLiveCode | Exhausted | Locked


SENDS: Final = "_sends"
"""Suffix of the scopes that count sends: after a contact kind for sends to a contact, after a flow
for sends from a client."""

CONTACT_SENDS: Final = frozenset(f"{kind.value}{SENDS}" for kind in ContactKind)
"""The scopes that count sends to contacts."""


def slots_about(
    users: Sequence[str], contact: Contact | None, purposes: Iterable[Purpose] = Purpose
) -> list[Slot]:
    """
    Every slot of *purposes* that belongs to these users or this contact.

    Args:
        users: Ids of users.
        contact: Their contact, if known.
    """
    subjects = [Subject(SubjectKind.USER, user) for user in users]
    if contact is not None:
        subjects.append(subject_of(contact))
    return [
        Slot(subject, purpose)
        for purpose in purposes
        for subject in subjects
        if subject.kind is purpose.subject_kind
    ]


def subject_of(contact: Contact) -> Subject:
    """The subject to use when only *contact* is known."""
    return Subject(SubjectKind(contact.kind.value), contact.value)


def contact_sends(contact: Contact) -> UsageKey:
    """The key that counts sends to *contact*, across all flows."""
    return UsageKey(f"{contact.kind.value}{SENDS}", contact.value)


def send_keys(request: Request) -> tuple[UsageKey, ...]:
    """
    The keys that limit sends in addition to the slot: the contact's, and for this flow those of the
    client's address and network.
    """
    scope, client = f"{request.flow.value}{SENDS}", request.client
    whos = dict.fromkeys((client.value, client.network))
    return (contact_sends(request.contact), *(UsageKey(scope, who) for who in whos))


def ask(
    held: Held, request: Request, drawn: Drawn, policy: Policy, now: Instant
) -> Decision[Held, AskOutcome]:
    """
    Judge the lock, then all limits on sends together. If all admit, charge them and put a new
    challenge into the slot, which ends the older one.
    """
    held = _as_of(held, now)
    locked = lock(held.record, policy, now)
    if locked is not None:
        return Decision(locked, held)
    demands = _demands(request, policy)
    cooled_at = _cooled_at(held.record, policy)
    refusal = judge(held.usages, demands, now)
    if cooled_at > now and (refusal is None or cooled_at > refusal.retry_at):
        refusal = Refusal(Limit.COOLDOWN, cooled_at)
    if refusal is not None:
        return Decision(refusal, held)
    challenge = Challenge(
        id=drawn.challenge_id,
        flow=request.flow,
        purpose=request.slot.purpose,
        slot=str(request.slot),
        contact=request.contact,
        channel=request.channel,
        session=request.session,
        key_id=drawn.key_id,
        nonce=drawn.nonce,
        issued_at=now,
        expires_at=after(now, policy.lifetime),
    )
    becomes = Held(
        attrs.evolve(held.record, challenge=challenge, asked_at=now),
        charge(held.usages, demands, now),
    )
    return Decision(Issued(challenge, _resend_at(becomes, demands, policy, now)), becomes)


def check(
    held: Held,
    request: Request,
    presented: Presented,
    policy: Policy,
    *,
    ring: KeyRing,
    now: Instant,
) -> Decision[Held, CheckOutcome]:
    """
    Judge the lock, then the challenge, then the guess.

    A judged guess is part of the next state, right or wrong, so it stays counted whatever happens
    to the request afterwards.
    """
    held = _as_of(held, now)
    record = held.record
    locked = lock(record, policy, now)
    if locked is not None:
        return Decision(locked, held)
    demands = _demands(request, policy)
    resend_at = _resend_at(held, demands, policy, now)
    challenge = record.challenge
    if (
        challenge is None
        or challenge.ended is not None
        or now >= challenge.expires_at
        or presented.challenge_id not in {None, challenge.id}
        or request.session != challenge.session
    ):
        return Decision(NoLiveCode(resend_at), held)
    if challenge.attempts >= policy.max_attempts:
        return Decision(Exhausted(resend_at), held)
    key = ring.find(challenge.key_id)
    if key is None:
        return Decision(NoLiveCode(resend_at), held)
    judged = attrs.evolve(challenge, attempts=challenge.attempts + 1)
    if is_right(presented.code, request, challenge, key, policy.digits):
        used = attrs.evolve(judged, ended=Ended.USED)
        return Decision(
            Verified(used, resend_at),
            attrs.evolve(held, record=attrs.evolve(record, challenge=used, run=0)),
        )
    becomes = attrs.evolve(
        held,
        record=attrs.evolve(
            record,
            challenge=judged,
            failures=_with_failure(record.failures, policy, now),
            run=record.run + 1,
        ),
    )
    return Decision(
        WrongCode(policy.max_attempts - judged.attempts, _resend_at(becomes, demands, policy, now)),
        becomes,
    )


def look(held: Held, request: Request, policy: Policy, now: Instant) -> Decision[Held, Standing]:
    """The current state for the session of *request*; changes nothing."""
    held = _as_of(held, now)
    challenge = held.record.challenge
    lives = (
        challenge is not None
        and challenge.ended is None
        and now < challenge.expires_at
        and challenge.session == request.session
        and challenge.attempts < policy.max_attempts
        and lock(held.record, policy, now) is None
    )
    resend_at = _resend_at(held, _demands(request, policy), policy, now)
    return Decision(
        Standing(challenge.expires_at if challenge and lives else None, resend_at), held
    )


def withdraw(held: Held, challenge_id: str) -> Decision[Held, None]:
    """End the challenge with that id, so that it can never succeed. Other challenges stay."""
    challenge = held.record.challenge
    if challenge is None or challenge.id != challenge_id or challenge.ended is not None:
        return Decision(None, held)
    withdrawn = attrs.evolve(challenge, ended=Ended.WITHDRAWN)
    return Decision(None, attrs.evolve(held, record=attrs.evolve(held.record, challenge=withdrawn)))


def unlock(held: Held) -> Decision[Held, None]:
    """Clear the windows of failed guesses and the run. A live challenge stays as it is."""
    if not held.record.failures and not held.record.run:
        return Decision(None, held)
    return Decision(None, attrs.evolve(held, record=attrs.evolve(held.record, failures=(), run=0)))


def forget(held: Held, policy: Policy, now: Instant) -> Decision[Held, Forgotten | Locked]:
    """
    Erase personal data from a slot without lifting any limit: the challenge and the run go;
    failures and the cooldown stay while they count. A locked slot stays as it is.
    """
    held = _as_of(held, now)
    locked = lock(held.record, policy, now)
    if locked is not None:
        return Decision(locked, held)
    record = held.record
    ends = [
        after(at, quota.window)
        for quota in policy.failures
        if quota.limit
        for at in record.failures
    ]
    until = max([*ends, _cooled_at(record, policy)])
    kept = SlotRecord(asked_at=record.asked_at, failures=record.failures)
    # Another machine's clock may be behind.
    over = until <= after(now, -CLOCK_SKEW)
    becomes = SlotRecord() if over else kept
    outcome = Forgotten(None if over else until)
    if becomes == record:
        return Decision(outcome, held)
    return Decision(outcome, attrs.evolve(held, record=becomes))


def after_loss(record: SlotRecord, asked_at: Instant | None) -> SlotRecord:
    """
    The part of a record that is still reliable after its store may have lost the latest writes.

    The challenge may have been used, superseded or withdrawn since, so it is void.

    Args:
        asked_at: When the latest code was issued, according to another store.
    """
    asked = max((at for at in (record.asked_at, asked_at) if at is not None), default=None)
    return attrs.evolve(record, challenge=None, asked_at=asked)


def is_over(record: SlotRecord, policy: Policy, now: Instant) -> bool:
    """Whether *record* no longer has any effect on any machine, and an empty one can replace it."""
    slowest = after(now, -CLOCK_SKEW)
    challenge = record.challenge
    lives_on = challenge is not None and slowest < challenge.expires_at
    cools = _cooled_at(record, policy) > slowest
    longest = max((quota.window for quota in policy.failures), default=0)
    counts = any(at > slowest - longest for at in record.failures)
    return not (lives_on or cools or counts or record.run)


def lock(record: SlotRecord, policy: Policy, now: Instant) -> Locked | None:
    """The lock that failed guesses put on asking and checking; None if the slot is unlocked."""
    if policy.max_run and record.run >= policy.max_run:
        return Locked(None)
    ready = admitted_at(record.failures, policy.failures, now)
    return Locked(ready) if ready > now else None


def code_of(challenge: Challenge, key: Key, digits: int) -> Code:
    """The code of *challenge*, bound to everything that it is valid for."""
    bound_to = (
        challenge.flow.value,
        challenge.purpose.value,
        challenge.slot,
        challenge.contact.value,
        challenge.session or "",
        challenge.id,
    )
    return derive(key, challenge.nonce, bound_to, digits)


def is_right(code: Code, request: Request, challenge: Challenge, key: Key, digits: int) -> bool:
    """Whether the presented *code* is the code of *challenge*; takes the same time either way."""
    right = code.matches(code_of(challenge, key, digits))
    # A code issued for another contact, flow or slot is wrong even if its digits agree.
    bound = (challenge.contact, challenge.flow, challenge.slot) == (
        request.contact,
        request.flow,
        str(request.slot),
    )
    return right and bound


def _demands(request: Request, policy: Policy) -> tuple[Demand, ...]:
    return (
        Demand(
            limit=Limit.CONTACT_SENDS,
            key=contact_sends(request.contact),
            quotas=(policy.contact_sends,),
        ),
        *client_demands(
            Limit.CLIENT,
            f"{request.flow.value}{SENDS}",
            request.client,
            policy.client_sends,
            factor=policy.network_factor,
        ),
    )


def _as_of(held: Held, now: Instant) -> Held:
    """
    *held* with future instants corrected, which a clock that ran ahead has left behind. Returns the
    same object if there are none.

    Asks and failures are taken to have happened now. The age of such a code is unknown, so it is
    void.
    """
    record, challenge = held.record, held.record.challenge
    usages = as_of(held.usages, now)
    issued_at = None if challenge is None else challenge.issued_at
    noted = (record.asked_at, issued_at, *record.failures)
    if all(at is None or is_credible(at, now) for at in noted):
        return held if usages is held.usages else attrs.evolve(held, usages=usages)
    if challenge is not None and not is_credible(challenge.issued_at, now):
        challenge = None
    corrected = attrs.evolve(
        record,
        challenge=challenge,
        asked_at=record.asked_at and believed(record.asked_at, now),
        failures=tuple(sorted(believed(at, now) for at in record.failures)),
    )
    return Held(corrected, usages)


_LONG_AGO: Final = Instant(0)


def _cooled_at(record: SlotRecord, policy: Policy) -> Instant:
    if record.asked_at is None or not policy.cooldown:
        return _LONG_AGO
    return after(record.asked_at, policy.cooldown)


def _resend_at(
    held: Held, demands: tuple[Demand, ...], policy: Policy, now: Instant
) -> Instant | None:
    """When the lock and every limit on sends would admit an ask; None if waiting does not help."""
    locked = lock(held.record, policy, now)
    if locked is not None and locked.retry_at is None:
        return None
    refusal = judge(held.usages, demands, now)
    return max(
        _cooled_at(held.record, policy),
        (locked and locked.retry_at) or now,
        refusal.retry_at if refusal else now,
    )


def _with_failure(failures: Usage, policy: Policy, now: Instant) -> Usage:
    longest: Duration = max((q.window for q in policy.failures if q.limit), default=0)
    kept = [at for at in failures if at > now - longest - CLOCK_SKEW]
    return tuple(sorted([*kept, now])) if longest else ()
