"""
The whole life of a code in one place: issue, check, withdraw; supersede, exhaust, expire, lock.

Every rule is a function of the slot's state, the facts of the request and the current instant. A
slot's record is one aggregate. Issuing a code replaces the challenge in the record, so the older
code stops working in the same step, while the failed guesses and the cooldown next to it remain.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import attrs

from hsp_otp.domain.challenge_outcomes import (
    AskOutcome,
    CheckOutcome,
    CodeEnd,
    Exhausted,
    Forgotten,
    Issued,
    Locked,
    MalformedWork,
    NoLiveCode,
    NotStanding,
    Standing,
    Verified,
    Withdrawn,
    WorkRequired,
    WrongCode,
)
from hsp_otp.domain.code import Code, derive
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import Assessment
from hsp_otp.domain.guard import as_of as ledgers_as_of
from hsp_otp.domain.guarded_asks import (
    OWED_FOR,
    assess,
    capped,
    charged,
    owed_by,
    owed_keys,
    paid_back,
    paid_by,
    paid_rows,
    refusal_of,
    with_debt,
    without_debts,
)
from hsp_otp.domain.guarded_asks import level_of as guard_level
from hsp_otp.domain.instant import CLOCK_SKEW, Duration, Instant, after, believed, is_credible
from hsp_otp.domain.keys import Key, KeyRing
from hsp_otp.domain.lanes import Devices, Lane, Let, lane_of, let_of
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import LET_GUESSES, LET_LIFETIME, LET_SENDS, Policy
from hsp_otp.domain.purposes import PURPOSES, Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.quota import (
    Demand,
    Limit,
    Quota,
    Refusal,
    Usage,
    admitted_at,
    as_of,
    charge,
    judge,
)
from hsp_otp.domain.send_limits import (
    Sent,
    client_keys,
    given_back,
    send_demands,
    send_keys,
    work_level,
)
from hsp_otp.domain.slot_record import (
    Asked,
    Challenge,
    Drawn,
    Ended,
    Held,
    HeldKey,
    LaneRecord,
    Presented,
    Request,
    SlotRecord,
)
from hsp_otp.domain.work import Malformed, Solved


def slots_about(
    users: Sequence[str], contact: Contact | None, purposes: Iterable[Purpose] = Purpose
) -> list[Slot]:
    """
    Every slot of *purposes* in the customers' own journeys, for users with these ids, or for their
    contact, if known.
    """
    subjects = [Subject(SubjectKind.USER, user) for user in users]
    if contact is not None and contact.kind is ContactKind.PHONE:
        subjects.append(subject_of(contact))
    return [
        Slot(subject, purpose)
        for purpose in purposes
        for subject in subjects
        if purpose in PURPOSES and subject.kind is PURPOSES[purpose].subject_kind
    ]


def subject_of(contact: Contact) -> Subject:
    """The subject to use when only *contact* is known."""
    return Subject(SubjectKind(contact.kind.value), contact.value)


def lanes_of(request: Request) -> tuple[Lane, ...]:
    """The lanes that *request* may be in; without a token there is only one."""
    return (Lane.KNOWN, Lane.OTHERS) if request.devices else (Lane.OTHERS,)


def held_keys(request: Request) -> tuple[HeldKey, ...]:
    """The keys that limit sends in addition to the slot, in every lane of *request*."""
    ledgers = () if request.guarded is None else request.guarded.keys
    if request.demands is not None:
        demands = request.demands + request.call_demands
        return (*dict.fromkeys(one.key for one in demands), *request.claims, *ledgers)
    return (*send_keys([request.sent(lane) for lane in lanes_of(request)]), *ledgers)


def lane_for(
    record: SlotRecord, request: Request, *, ring: KeyRing, policy: Policy, now: Instant
) -> Lane:
    """The lane of *request*, by the *ring* of device tokens."""
    return lane_of(
        request.devices,
        request.slot.subject,
        record.devices,
        ring=ring,
        lifetime=policy.devices_for,
        now=now,
    )


def lane_of_check(
    record: SlotRecord,
    request: Request,
    presented: Presented,
    *,
    ring: KeyRing,
    policy: Policy,
    now: Instant,
) -> Lane:
    """
    The lane of a presented code: a known device may also present the code that it asked for before
    it was known, by the challenge's id.
    """
    others = record.others.challenge
    if others is not None and presented.challenge_id == others.id:
        return Lane.OTHERS
    return lane_for(record, request, ring=ring, policy=policy, now=now)


def ask(
    held: Held,
    request: Request,
    drawn: Drawn,
    policy: Policy,
    now: Instant,
    *,
    lane: Lane = Lane.OTHERS,
) -> Decision[Held, AskOutcome]:
    """
    Judge the lock, then all limits on sends and the guard together, then the work, then the caps.
    If they admit the request, charge them and put a new challenge into the lane, which ends the
    older one. Whatever channel the request is for, its outcome tells when the limits admit a text
    message.
    """
    held = _as_of(held, now)
    record = held.record
    let = _let(record, request, lane, now)
    if let is not None and not let.sends:
        let = None
    locked = lock(record, policy, now, lane, is_let=let is not None)
    if locked is not None:
        return Decision(locked, held)
    if isinstance(request.work, Malformed):
        return Decision(MalformedWork(), held)
    demands = demands_of(request, policy, lane, is_let=let is not None)
    refusal = _refusal(held, request, policy, lane, now, demands=demands, is_let=let is not None)
    assessment, refusal = _guarded(held, request, lane, now, refusal, is_let=let is not None)
    if refusal is not None:
        return Decision(refusal, held)
    level = work_level(held.usages, request.sent(lane), policy, now) if let is None else 0
    if assessment is not None and request.guarded is not None and policy.asks_for_work:
        level = max(level, guard_level(assessment, request.guarded))
    done = _work_done(record, request, level)
    if level and done is None:
        return Decision(WorkRequired(level, assessment), held)
    refusal = _capped(request, assessment)
    if refusal is not None:
        return Decision(refusal, held)
    challenge = _issued(request, drawn, policy, lane, now)
    own = record.lane(lane)
    owed = owed_by(request, assessment, drawn.challenge_id, now)
    asked = (*_still_counted(own.asked, policy, now), Asked(now, request.client))
    own = attrs.evolve(own, challenge=challenge, asked_at=now, asked=asked)
    spent = _unspent(record, now) if done is None else (*_unspent(record, now), done)
    slot = attrs.evolve(
        record,
        **_member_of(lane, own),
        lets=_lets(record, now, used=let, sends=1),
        work=spent,
        owed=with_debt(record.owed, owed, now),
    )
    becomes = Held(
        slot,
        charge(held.usages, demands, now),
        charged(held.ledgers, request, owed, now),
    )
    again = request.by_text
    known = let is None and again is request
    resend_at = _resend_at(becomes, again, policy, lane, now, demands=demands if known else None)
    issued = Issued(
        challenge,
        resend_at,
        has_live_code(record, lane, now),
        assessment,
        owed,
    )
    return Decision(issued, becomes)


def ask_of_app(
    held: Held,
    request: Request,
    drawn: Drawn,
    policy: Policy,
    now: Instant,
    *,
    resends: Challenge | None = None,
    cools: bool = True,
) -> Decision[Held, Issued | Refusal | Locked]:
    """
    `ask` at the request of an app's backend: there is one lane, and no work.

    Args:
        resends: The live challenge of the slot whose code is sent again. A new one takes its place
            if this is None.
        cools: Judge the cooldown.
    """
    held = _as_of(held, now)
    record, lane = held.record, Lane.OTHERS
    locked = lock(record, policy, now)
    if locked is not None:
        return Decision(locked, held)
    demands = demands_of(request, policy, lane)
    refusal = _refusal(held, request, policy, lane, now, demands=demands, is_let=not cools)
    assessment, refusal = _guarded(held, request, lane, now, refusal)
    refusal = refusal or _capped(request, assessment)
    if refusal is not None:
        return Decision(refusal, held)
    if resends is None:
        challenge = _issued(request, drawn, policy, lane, now)
    else:
        challenge = attrs.evolve(resends, channel=request.channel)
    challenge = attrs.evolve(challenge, send_id=drawn.send_id)
    # Nothing is sent to a test contact, so nobody has to wait for it.
    asked_at = now if request.fixed is None else record.others.asked_at
    own = attrs.evolve(record.others, challenge=challenge, asked_at=asked_at)
    owed = owed_by(request, assessment, drawn.send_id, now)
    becomes = Held(
        attrs.evolve(record, others=own, owed=with_debt(record.owed, owed, now)),
        charge(held.usages, demands, now),
        charged(held.ledgers, request, owed, now),
    )
    issued = Issued(
        challenge,
        _resend_at(becomes, request, policy, lane, now),
        has_live_code(record, lane, now),
        assessment,
        owed,
    )
    return Decision(issued, becomes)


def check(
    held: Held,
    request: Request,
    presented: Presented,
    policy: Policy,
    *,
    ring: KeyRing,
    now: Instant,
    lane: Lane = Lane.OTHERS,
) -> Decision[Held, CheckOutcome]:
    """
    Judge the lock, then the challenge, then the guess.

    A judged guess, right or wrong, is part of the next state, so it stays counted whatever happens
    to the request afterwards.
    """
    held = _as_of(held, now)
    record = held.record
    let = _let(record, request, lane, now)
    if let is not None and not let.guesses:
        let = None
    locked = lock(record, policy, now, lane, is_let=let is not None)
    if locked is not None:
        return Decision(locked, held)
    resend_at = partial(_resend_at, request=request, policy=policy, lane=lane, now=now)
    own = record.lane(lane)
    challenge = own.challenge
    if (
        challenge is None
        or not _is_live(challenge, now)
        or presented.challenge_id not in {None, challenge.id}
        or request.session != challenge.session
        or request.test_contact != challenge.test_contact
        or not _may_guess(challenge, request, presented.challenge_id, policy, lane)
    ):
        return Decision(NoLiveCode(resend_at(held)), held)
    if challenge.attempts >= policy.max_attempts:
        return Decision(Exhausted(resend_at(held)), held)
    key = ring.find(challenge.key_id)
    if key is None:
        return Decision(NoLiveCode(resend_at(held)), held)
    if is_right(presented.code, request, challenge, key, policy.digits):
        return _verified(held, request, challenge, policy, lane=lane, now=now)
    judged = attrs.evolve(challenge, attempts=challenge.attempts + 1)
    becomes = attrs.evolve(
        held,
        record=attrs.evolve(
            with_lane(
                record,
                lane,
                attrs.evolve(
                    own,
                    challenge=judged,
                    failures=_with_failure(own.failures, policy, now),
                    run=own.run + 1,
                ),
            ),
            lets=_lets(record, now, used=let, guesses=1),
        ),
    )
    return Decision(WrongCode(policy.max_attempts - judged.attempts, resend_at(becomes)), becomes)


def look(
    held: Held,
    request: Request,
    policy: Policy,
    now: Instant,
    *,
    lane: Lane = Lane.OTHERS,
    challenge_id: str | None = None,
    calls: bool = False,
) -> Decision[Held, Standing]:
    """
    The current state for whoever makes *request*; changes nothing.

    Args:
        challenge_id: The challenge that they would name with a guess, if any.
        calls: Tell as well when a call may be asked for.
    """
    held = _as_of(held, now)
    challenge = held.record.lane(lane).challenge
    let = _let(held.record, request, lane, now)
    is_let = let is not None and let.guesses > 0
    locked = lock(held.record, policy, now, lane, is_let=is_let)
    lives = (
        challenge is not None
        and _can_be_right(challenge, request, policy, now)
        and challenge_id in {None, challenge.id}
        and _may_guess(challenge, request, challenge_id, policy, lane)
        and locked is None
    )
    resend_at = _resend_at(held, request, policy, lane, now)
    end = None if lives else _end_of(challenge, request, policy, now)
    if locked is not None and (resend_at is None or resend_at > now):
        end = CodeEnd.LOCKED
    by_call = attrs.evolve(request, channel=Channel.VOICE)
    standing = Standing(
        expires_at=challenge.expires_at if challenge and lives else None,
        resend_at=resend_at,
        end=end,
        channel=challenge.channel if challenge and lives else None,
        call_at=_resend_at(held, by_call, policy, lane, now) if calls else None,
    )
    return Decision(standing, held)


def next_sends(
    held: Held, request: Request, policy: Policy, now: Instant
) -> dict[Channel, Instant | None]:
    """When the lock and every limit would admit a send of an app, by each of its channels."""
    held = _as_of(held, now)
    return {
        channel: _resend_at(held, attrs.evolve(request, channel=channel), policy, Lane.OTHERS, now)
        for channel in request.channels
    }


def live_code(
    held: Held, *, challenge_id: str, policy: Policy, ring: KeyRing, now: Instant
) -> Decision[Held, Code | None]:
    """
    The code of the challenge with that id, while a guess could be right; changes nothing.

    It is not known for a test contact, or once its key has left the *ring*.
    """
    for lane in _as_of(held, now).record.lanes:
        challenge = lane.challenge
        if challenge is None or challenge.id != challenge_id:
            continue
        key = ring.find(challenge.key_id)
        if (
            key is not None
            and challenge.test_contact is None
            and challenge.attempts < policy.max_attempts
            and _is_live(challenge, now)
        ):
            return Decision(code_of(challenge, key, policy.digits), held)
    return Decision(None, held)


def has_live_code(record: SlotRecord, lane: Lane, now: Instant) -> bool:
    """Whether a code of *lane* is live."""
    challenge = record.lane(lane).challenge
    return challenge is not None and _is_live(challenge, now)


def withdraw(
    held: Held,
    challenge_id: str,
    *,
    undelivered: bool = False,
    ended: Ended = Ended.WITHDRAWN,
) -> Decision[Held, Withdrawn | NotStanding]:
    """
    End the challenge with that id, so that it can never succeed. Other challenges stay.

    Args:
        undelivered: No sender took its message, so the cooldown ends as well. The one before had
            ended when the challenge was issued, unless an operator let its address in.
        ended: What is noted as its end.
    """
    for lane in Lane:
        own = held.record.lane(lane)
        challenge = own.challenge
        if challenge is None or challenge.id != challenge_id or challenge.ended is not None:
            continue
        withdrawn = attrs.evolve(challenge, ended=ended)
        asked_at = None if undelivered else own.asked_at
        own = attrs.evolve(own, challenge=withdrawn, asked_at=asked_at)
        record = with_lane(held.record, lane, own)
        return Decision(Withdrawn(withdrawn), attrs.evolve(held, record=record))
    return Decision(NotStanding(), held)


def unlock(held: Held, *, devices: bool = False) -> Decision[Held, None]:
    """
    Clear the failed guesses and runs of both lanes. Live challenges stay.

    Args:
        devices: Make strangers of all known devices, too.
    """
    record = held.record
    others, known = (attrs.evolve(lane, failures=(), run=0) for lane in record.lanes)
    kept = None if devices else record.devices
    becomes = attrs.evolve(record, others=others, known=known, devices=kept)
    return Decision(None, held if becomes == record else attrs.evolve(held, record=becomes))


def let(held: Held, client: ClientAddress, now: Instant) -> Decision[Held, Let]:
    """Let *client* in for a while, past the lock and the limits of devices that are not known."""
    given = Let(client=client, until=after(now, LET_LIFETIME), sends=LET_SENDS, guesses=LET_GUESSES)
    others = tuple(one for one in _lets(held.record, now) if one.client != client)
    record = attrs.evolve(held.record, lets=(*others, given))
    return Decision(given, attrs.evolve(held, record=record))


def forget(held: Held, policy: Policy, now: Instant) -> Decision[Held, Forgotten | Locked]:
    """
    Forget the person without lifting any limit: the challenges, runs and known devices go, while
    failures and cooldowns stay as long as they count. A slot with a locked lane stays as it is.
    """
    held = _as_of(held, now)
    record = held.record
    locks = (lock(record, policy, now, lane) for lane in Lane)
    locked = next((one for one in locks if one is not None), None)
    if locked is not None:
        return Decision(locked, held)
    ends = [
        after(at, quota.window)
        for quota in policy.failures
        if quota.limit
        for lane in record.lanes
        for at in lane.failures
    ]
    until = max([*ends, *(_cooled_at(lane, policy) for lane in record.lanes)])
    others, known = (
        LaneRecord(asked_at=lane.asked_at, failures=lane.failures) for lane in record.lanes
    )
    # The clock of another machine may be behind.
    over = until <= after(now, -CLOCK_SKEW)
    becomes = SlotRecord() if over else SlotRecord(others=others, known=known)
    devices = record.devices is not None and now < record.devices.until
    outcome = Forgotten(None if over else until, devices)
    if becomes == record:
        return Decision(outcome, held)
    return Decision(outcome, attrs.evolve(held, record=becomes))


def after_loss(record: SlotRecord, asked_at: Mapping[Lane, Instant]) -> SlotRecord:
    """
    The part of *record* that is still reliable if the store may have lost the latest writes to it.

    Its challenges may have been used, superseded or withdrawn since, so they are void; and what it
    owes may have been paid, and must not be paid twice. *asked_at* is when another store says that
    the latest code of each lane was issued.
    """

    def reliable(lane: Lane) -> LaneRecord:
        own = record.lane(lane)
        known = [at for at in (own.asked_at, asked_at.get(lane)) if at is not None]
        return attrs.evolve(own, challenge=None, asked_at=max(known, default=None))

    return attrs.evolve(record, others=reliable(Lane.OTHERS), known=reliable(Lane.KNOWN), owed=())


def is_over(record: SlotRecord, policy: Policy, now: Instant) -> bool:
    """Whether *record* has no effect any more on any machine: an empty one can replace it."""
    slowest = after(now, -CLOCK_SKEW)
    longest = max((quota.window for quota in policy.failures), default=0)
    ends = [
        *(one.until for one in record.lets),
        *(one.expires_at for one in record.work),
        *(after(one.at, OWED_FOR) for one in record.owed),
    ]
    if record.devices is not None:
        ends.append(record.devices.until)
    for lane in record.lanes:
        ends.append(_cooled_at(lane, policy))
        if lane.challenge is not None:
            ends.append(lane.challenge.expires_at)
    counts = any(at > slowest - longest for lane in record.lanes for at in lane.failures)
    runs = any(lane.run for lane in record.lanes)
    return not (counts or runs or any(end > slowest for end in ends))


def lock(
    record: SlotRecord,
    policy: Policy,
    now: Instant,
    lane: Lane = Lane.OTHERS,
    *,
    is_let: bool = False,
) -> Locked | None:
    """
    The lock that failed guesses put on a lane, if any. It blocks asks and checks.

    Both lanes together admit twice the guesses of one, and the run of one in half; an address that
    an operator lets in is judged by both together alone.
    """
    own, (others, known) = record.lane(lane), record.lanes
    shared = policy.max_run and others.run + known.run >= policy.max_run
    if shared or (policy.max_run and not is_let and own.run >= _share_of_run(policy, lane)):
        return Locked(None)
    everything = sorted(others.failures + known.failures)
    if not everything:
        return None
    twice = tuple(Quota(2 * quota.limit, quota.window) for quota in policy.failures)
    ready = admitted_at(everything, twice, now)
    if not is_let:
        ready = max(ready, admitted_at(own.failures, policy.failures, now))
    return Locked(ready) if ready > now else None


def code_of(challenge: Challenge, key: Key, digits: int) -> Code:
    """
    The code of *challenge*, bound to everything that it is valid for.

    *digits* counts if the challenge does not tell how many there are.
    """
    bound_to = (
        challenge.flow.value,
        challenge.purpose.value,
        challenge.slot,
        challenge.contact.value,
        challenge.session or "",
        challenge.id,
    )
    return derive(key, challenge.nonce, bound_to, challenge.digits or digits)


def is_right(code: Code, request: Request, challenge: Challenge, key: Key, digits: int) -> bool:
    """Whether the presented *code* is the code of *challenge*; takes the same time either way."""
    fixed = request.fixed
    right = code.matches(code_of(challenge, key, digits)) if fixed is None else fixed.matches(code)
    # A code issued for another contact, flow or slot is wrong even if its digits agree.
    bound = (challenge.contact, challenge.flow, challenge.slot) == (
        request.contact,
        request.flow,
        str(request.slot),
    )
    return right and bound


def _issued(request: Request, drawn: Drawn, policy: Policy, lane: Lane, now: Instant) -> Challenge:
    return Challenge(
        id=drawn.challenge_id,
        flow=request.flow,
        purpose=request.slot.purpose,
        slot=str(request.slot),
        contact=request.contact,
        channel=request.channel,
        session=request.session,
        key_id=drawn.key_id,
        nonce=drawn.nonce,
        lane=lane,
        network=request.client.network,
        digits=policy.digits,
        test_contact=request.test_contact,
        issued_at=now,
        expires_at=after(now, policy.lifetime),
    )


def _refusal(
    held: Held,
    request: Request,
    policy: Policy,
    lane: Lane,
    now: Instant,
    *,
    demands: tuple[Demand, ...],
    is_let: bool,
) -> Refusal | None:
    """The refusal with the longest wait, of all limits on sends and the cooldown."""
    record = held.record
    refusal = judge(held.usages, demands, now)
    free_at = now if is_let else _free_at(record, request, policy, lane, now)
    if free_at > now and (refusal is None or free_at > refusal.retry_at):
        live = _can_be_right(record.lane(lane).challenge, request, policy, now)
        return Refusal(Limit.COOLDOWN, free_at, live)
    return refusal


def demands_of(
    request: Request, policy: Policy, lane: Lane = Lane.OTHERS, *, is_let: bool = False
) -> tuple[Demand, ...]:
    """The limits that the send of *request* has to pass."""
    if request.demands is not None:
        is_call = request.channel is Channel.VOICE
        return request.demands + request.call_demands if is_call else request.demands
    return send_demands(request.sent(lane), policy, is_let=is_let)


def with_lane(record: SlotRecord, lane: Lane, becomes: LaneRecord) -> SlotRecord:
    """*record* with another *lane*."""
    return attrs.evolve(record, **_member_of(lane, becomes))


def _member_of(lane: Lane, becomes: LaneRecord) -> dict[str, Any]:
    return {lane.value: becomes}


def _verified(
    held: Held, request: Request, challenge: Challenge, policy: Policy, *, lane: Lane, now: Instant
) -> Decision[Held, CheckOutcome]:
    """
    A success ends the runs of both lanes, makes the device known, gives the addresses that asked
    in this lane their sends back, and pays for all sends to the contact.
    """
    record = held.record
    used = attrs.evolve(challenge, attempts=challenge.attempts + 1, ended=Ended.USED)
    own = attrs.evolve(record.lane(lane), challenge=used, run=0, asked=())
    others, known = [
        attrs.evolve(one, run=0) if one.run else one for one in with_lane(record, lane, own).lanes
    ]
    devices = Devices(
        seed=record.devices.seed if record.devices else challenge.nonce,
        since=now,
        until=after(now, policy.devices_for),
    )
    asked = [
        (Sent(flow=request.flow, contact=request.contact, client=one.client, lane=lane), one.at)
        for one in _still_counted(record.lane(lane).asked, policy, now)
    ]
    usages = given_back(held.usages, asked)
    kept = devices if policy.knows_devices else None
    paid = paid_by(record, request.contact, now)
    record = without_debts(
        attrs.evolve(record, others=others, known=known, devices=kept), request.contact
    )
    becomes = Held(record, usages, held.ledgers)
    elsewhere = tuple((sent, at) for sent, at in asked if sent.client != request.client)
    resend_at = _resend_at(becomes, request, policy, lane, now)
    return Decision(Verified(used, resend_at, devices, elsewhere, paid), becomes)


def give_back(held: Held, verified: Verified, now: Instant) -> Decision[Held, None]:
    """
    Give other addresses the sends back that a right code has paid for, and pay what groups owe of
    them.
    """
    usages = given_back(held.usages, verified.given_back)
    ledgers = paid_back(held.ledgers, verified.paid, now)
    if usages is held.usages and ledgers is held.ledgers:
        return Decision(None, held)
    rows = paid_rows(verified.paid, now, is_verified=True)
    return Decision(None, Held(held.record, usages, ledgers), rows)


def give_back_keys(verified: Verified) -> tuple[HeldKey, ...]:
    """The keys that `give_back` reads and changes."""
    return (*client_keys(one for one, _ in verified.given_back), *owed_keys(verified.paid))


def _is_live(challenge: Challenge, now: Instant) -> bool:
    return challenge.ended is None and now < challenge.expires_at


def _can_be_right(
    challenge: Challenge | None, request: Request, policy: Policy, now: Instant
) -> bool:
    """Whether a guess for *challenge*, named by its id or its session, could succeed."""
    return (
        challenge is not None
        and _is_live(challenge, now)
        and challenge.session == request.session
        and challenge.attempts < policy.max_attempts
    )


def _end_of(challenge: Challenge | None, request: Request, policy: Policy, now: Instant) -> CodeEnd:
    """Why no code is left for *request*, as far as its maker may know."""
    if challenge is None or challenge.session != request.session:
        return CodeEnd.OTHER
    if challenge.ended is Ended.WITHDRAWN:
        return CodeEnd.UNDELIVERED
    if challenge.attempts >= policy.max_attempts:
        return CodeEnd.EXHAUSTED
    return (
        CodeEnd.EXPIRED
        if challenge.ended is None and now >= challenge.expires_at
        else CodeEnd.OTHER
    )


def _may_guess(
    challenge: Challenge, request: Request, challenge_id: str | None, policy: Policy, lane: Lane
) -> bool:
    """
    Whether a guess is judged at all. Otherwise anybody could use up the guesses of a code that
    somebody else is about to type.
    """
    return (
        lane is Lane.KNOWN
        or not policy.binds_guesses
        or challenge_id is not None
        or request.session is not None
        or challenge.network in {None, request.client.network}
    )


def _let(record: SlotRecord, request: Request, lane: Lane, now: Instant) -> Let | None:
    return let_of(record.lets, request.client, now) if lane is Lane.OTHERS else None


def _lets(
    record: SlotRecord, now: Instant, *, used: Let | None = None, sends: int = 0, guesses: int = 0
) -> tuple[Let, ...]:
    """Those that are not over, less what was used of one."""
    slowest = after(now, -CLOCK_SKEW)
    return tuple(
        attrs.evolve(one, sends=one.sends - sends, guesses=one.guesses - guesses)
        if one is used
        else one
        for one in record.lets
        if one.until > slowest
    )


def _work_done(record: SlotRecord, request: Request, level: int) -> Solved | None:
    """The work that came with *request*, if it is of that level and was not used before."""
    work = request.work
    if not isinstance(work, Solved) or work.level != level:
        return None
    return None if any(work.nonce == one.nonce for one in record.work) else work


def _unspent(record: SlotRecord, now: Instant) -> tuple[Solved, ...]:
    """Work that was used and could still be handed in."""
    slowest = after(now, -CLOCK_SKEW)
    return tuple(one for one in record.work if one.expires_at > slowest)


def _still_counted(asked: tuple[Asked, ...], policy: Policy, now: Instant) -> tuple[Asked, ...]:
    longest = max((quota.window for quota in policy.client_sends), default=0)
    return tuple(one for one in asked if one.at > now - longest - CLOCK_SKEW)


def _guarded(
    held: Held,
    request: Request,
    lane: Lane,
    now: Instant,
    refusal: Refusal | None,
    *,
    is_let: bool = False,
) -> tuple[Assessment | None, Refusal | None]:
    """What the guard makes of *request*, and the refusal with the longest wait, *refusal* too."""
    guarded = request.guarded
    if guarded is None:
        return None, refusal
    assessment = assess(held, guarded, lane, now, is_let=is_let)
    own = refusal_of(assessment, guarded)
    if own is not None and (refusal is None or own.retry_at > refusal.retry_at):
        return assessment, own
    return assessment, refusal


def _capped(request: Request, assessment: Assessment | None) -> Refusal | None:
    if request.guarded is None or assessment is None:
        return None
    return capped(assessment, request.guarded)


def _share_of_run(policy: Policy, lane: Lane) -> int:
    """
    Of the failures in a row, what one lane may have.

    Others may have the odd one: whatever they use up, known devices have their half.
    """
    if not policy.knows_devices:
        return policy.max_run
    half = policy.max_run // 2
    return max(1, half if lane is Lane.KNOWN else policy.max_run - half)


def _as_of(held: Held, now: Instant) -> Held:
    """
    *held* with instants that a fast clock left in the future corrected; *held* itself if there are
    none.

    Asks and failures count as of now. Nobody can tell how old a code is, so it is void.
    """
    usages, ledgers = as_of(held.usages, now), ledgers_as_of(held.ledgers, now)
    others, known = (_lane_as_of(lane, now) for lane in held.record.lanes)
    record = held.record
    if others is not record.others or known is not record.known:
        record = attrs.evolve(record, others=others, known=known)
    if record is held.record and usages is held.usages and ledgers is held.ledgers:
        return held
    return Held(record, usages, ledgers)


def _lane_as_of(lane: LaneRecord, now: Instant) -> LaneRecord:
    challenge = lane.challenge
    issued_at = None if challenge is None else challenge.issued_at
    noted = (lane.asked_at, issued_at, *lane.failures)
    if all(at is None or is_credible(at, now) for at in noted):
        return lane
    if challenge is not None and not is_credible(challenge.issued_at, now):
        challenge = None
    return attrs.evolve(
        lane,
        challenge=challenge,
        asked_at=lane.asked_at and believed(lane.asked_at, now),
        failures=tuple(sorted(believed(at, now) for at in lane.failures)),
    )


_LONG_AGO: Final = Instant(0)


def _cooled_at(lane: LaneRecord, policy: Policy, channel: Channel | None = None) -> Instant:
    """When the cooldown before a send by *channel* is over, or by any channel without one."""
    channels = tuple(Channel) if channel is None else (channel,)
    cooldown = max(policy.cooldown_before(one) for one in channels)
    if lane.asked_at is None or not cooldown:
        return _LONG_AGO
    return after(lane.asked_at, cooldown)


def _free_at(
    record: SlotRecord, request: Request, policy: Policy, lane: Lane, now: Instant
) -> Instant:
    """
    When the lane takes a new code: after the cooldown, and for others, once no fresh code of
    another network stands there.
    """
    own = record.lane(lane)
    cooled_at, challenge = _cooled_at(own, policy, request.channel), own.challenge
    if (
        lane is Lane.KNOWN
        or challenge is None
        or challenge.network in {None, request.client.network}
        or not _is_live(challenge, now)
        or challenge.attempts >= policy.max_attempts
    ):
        return cooled_at
    return max(cooled_at, min(after(challenge.issued_at, policy.fresh_for), challenge.expires_at))


def _resend_at(
    held: Held,
    request: Request,
    policy: Policy,
    lane: Lane,
    now: Instant,
    *,
    demands: tuple[Demand, ...] | None = None,
) -> Instant | None:
    """
    When the lock and every limit on sends would admit an ask; None if waiting does not help.

    Args:
        demands: Those of *request*, if they are known.
    """
    record = held.record
    let = _let(record, request, lane, now)
    is_let = let is not None and let.sends > 0
    locked = lock(record, policy, now, lane, is_let=is_let)
    if locked is not None and locked.retry_at is None:
        return None
    demands = demands or demands_of(request, policy, lane, is_let=is_let)
    refusal = judge(held.usages, demands, now)
    return max(
        now if is_let else _free_at(record, request, policy, lane, now),
        (locked and locked.retry_at) or now,
        refusal.retry_at if refusal else now,
    )


def _with_failure(failures: Usage, policy: Policy, now: Instant) -> Usage:
    longest: Duration = max((q.window for q in policy.failures if q.limit), default=0)
    kept = [at for at in failures if at > now - longest - CLOCK_SKEW]
    return tuple(sorted([*kept, now])) if longest else ()
