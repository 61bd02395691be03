"""
Verifications: challenges as the backends see them that ask for them.

They follow the rules of `domain/challenge.py`, with three differences. Asking again sends the same
code while it has enough of its life left. A request with an idempotency key is admitted once. And
the end of a verification is told after its slot has forgotten it.
"""

import hmac
from collections.abc import Collection, Mapping
from typing import ClassVar, Final

import attrs

from hsp_otp.domain.app_limits import send_claimed_by
from hsp_otp.domain.challenge import (
    ask_of_app,
    check,
    demands_of,
    is_right,
    look,
    next_sends,
    withdraw,
)
from hsp_otp.domain.challenge_outcomes import (
    CheckOutcome,
    Issued,
    Locked,
    NoLiveCode,
    NotStanding,
    Verified,
    Withdrawn,
)
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import AppSend
from hsp_otp.domain.guarded_asks import forgive
from hsp_otp.domain.instant import CLOCK_SKEW, DAY, SECOND, Duration, Instant, after
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.policy import (
    CLAIM_SECONDS,
    LEAST_RESENT_SECONDS,
    REPEATED_CHECK_SECONDS,
    Policy,
)
from hsp_otp.domain.quota import Headroom, Refusal, headroom, taken_back
from hsp_otp.domain.slot_record import (
    Challenge,
    Drawn,
    Ended,
    Held,
    Presented,
    Request,
    SlotRecord,
    Success,
)
from hsp_otp.domain.verification_record import Status, Verification, fallback_id


@attrs.frozen
class Approval:
    """
    The success of a verification, stored under its id so that there is only one.

    Attributes:
        key: Keyed digest of the idempotency key of the check that succeeded, if it had one.
    """

    at: Instant
    key: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Approved:
    """The approval stands now, and did not before."""

    word: ClassVar[str] = Verified.word
    approval: Approval


@attrs.frozen
class ApprovedBefore:
    """The approval stood before, by a check with the same idempotency key."""

    word: ClassVar[str] = "verified_again"
    approval: Approval


@attrs.frozen
class ApprovedElsewhere:
    """The approval stood before, and the slot has forgotten it."""


@attrs.frozen
class Claimed:
    """A send with the idempotency key of the request was admitted before. Nothing was charged."""

    word: ClassVar[str] = "replayed"


@attrs.frozen(kw_only=True)
class Prospects:
    """
    What a start would meet.

    Attributes:
        why: The refusal; None if it would be admitted.
        next: When everything admits it, by each channel; None if only an operator can unlock.
        limits: What is left of each limit that every send has to pass.
        call_limits: What is left of each limit that a call has to pass as well.
        attempts_remaining: Guesses that the live code will still judge; None if none is live.
    """

    why: Refusal | Locked | None
    next: Mapping[Channel, Instant | None]
    limits: tuple[Headroom, ...]
    call_limits: tuple[Headroom, ...]
    attempts_remaining: int | None


@attrs.frozen
class VerifiedBefore:
    """The request under whose idempotency key the code was right is repeated."""

    word: ClassVar[str] = "verified_again"
    challenge: Challenge
    resend_at: Instant | None


_LEAST_LIFE: Final[Duration] = LEAST_RESENT_SECONDS * SECOND
_CLAIM: Final[Duration] = CLAIM_SECONDS * SECOND
_REPEATED: Final[Duration] = REPEATED_CHECK_SECONDS * SECOND

APPROVAL_LIFE: Final[Duration] = DAY
"""How long an approval is kept by itself: longer than any code lives on any machine."""

_ENDS: Final[Mapping[Ended, Status]] = {
    Ended.USED: Status.APPROVED,
    Ended.CANCELED: Status.CANCELED,
    Ended.WITHDRAWN: Status.FAILED,
}


def start(
    held: Held, request: Request, drawn: Drawn, policy: Policy, now: Instant
) -> Decision[Held, Issued | Refusal | Locked | Claimed]:
    """
    Send the code again that is live, unless it is bound to something else or has been made with
    other numbers or another key, or has too little of its life left: then issue a new one.
    """
    live = held.record.others.challenge
    if live is not None and not _is_as_asked(live, request, drawn, policy, now):
        live = None
    return _ask(held, request, drawn, policy, now=now, live=live)


def resend(
    held: Held,
    challenge_id: str,
    request: Request,
    drawn: Drawn,
    policy: Policy,
    *,
    ring: KeyRing,
    now: Instant,
    cools: bool = True,
) -> Decision[Held, Issued | Refusal | Locked | Claimed | NotStanding]:
    """
    Send the code of the challenge with that id again, if it is live and its key is in *ring*.

    Args:
        cools: Judge the cooldown.
    """
    live = held.record.others.challenge
    if (
        live is None
        or live.id != challenge_id
        or live.test_contact != request.test_contact
        or not _is_live(live, policy, now)
        or ring.find(live.key_id) is None
    ):
        claimed = _is_claimed(held, request, now)
        return Decision(Claimed() if claimed else NotStanding(), held)
    decision = _ask(held, request, drawn, policy, now=now, live=live, cools=cools)
    return Decision(decision.outcome, decision.becomes)


def fall_back(
    held: Held,
    send_id: str,
    request: Request,
    drawn: Drawn,
    policy: Policy,
    *,
    ring: KeyRing,
    now: Instant,
) -> Decision[Held, Issued | Refusal | Locked | Claimed | NotStanding]:
    """
    Send the code again whose latest send, the one with that id, does not arrive: by the channel of
    *request*, under all limits but the cooldown.

    It happens once for each send, since the latest one is another afterwards.
    """
    live = held.record.others.challenge
    if live is None or live.send_id != send_id:
        return Decision(NotStanding(), held)
    return resend(held, live.id, request, drawn, policy, ring=ring, now=now, cools=False)


def before_interrupted(
    held: Held,
    lost: AppSend,
    request: Request,
    policy: Policy,
    now: Instant,
    *,
    rows: Collection[str],
) -> Held | Claimed:
    """
    *held* without the send that took the place of *lost*, if that one was charged and never got a
    row: its message was not handed over.

    Args:
        held: What the slot and the usages hold.
        lost: The send that does not arrive.
        request: A request for any channel.
        policy: The numbers of the verification.
        now: The present instant.
        rows: The ids of the verification's sends that have rows.

    Returns:
        *held* itself if there is none; `Claimed` if its row may still be on its way.
    """
    others = held.record.others
    challenge, at = others.challenge, others.asked_at
    if (
        challenge is None
        or at is None
        or challenge.send_id in rows
        or challenge.send_id != fallback_id(lost.id, challenge.channel)
    ):
        return held
    if _is_recent(at, now):
        return Claimed()
    by_channel = attrs.evolve(request, channel=challenge.channel)
    usages = taken_back(held.usages, demands_of(by_channel, policy), at)
    challenge = attrs.evolve(challenge, send_id=lost.id, channel=lost.channel)
    others = attrs.evolve(others, challenge=challenge, asked_at=None)
    held = forgive(held, fallback_id(lost.id, by_channel.channel), now).becomes
    return attrs.evolve(held, record=attrs.evolve(held.record, others=others), usages=usages)


def undelivered(
    held: Held, challenge_id: str, at: Instant, *, resent: bool
) -> Decision[Held, Withdrawn | NotStanding]:
    """
    End the cooldown after a message, sent *at* that instant, that no sender took.

    It ends the challenge too, unless it was *resent*: then an earlier message may still arrive.
    """
    if not resent:
        return withdraw(held, challenge_id, undelivered=True)
    others = held.record.others
    if others.asked_at != at:
        return Decision(NotStanding(), held)
    record = attrs.evolve(held.record, others=attrs.evolve(others, asked_at=None))
    return Decision(NotStanding(), attrs.evolve(held, record=record))


def check_once(
    held: Held,
    request: Request,
    presented: Presented,
    policy: Policy,
    *,
    ring: KeyRing,
    now: Instant,
    idempotency_key: str | None,
) -> Decision[Held, CheckOutcome | VerifiedBefore]:
    """
    `check`, and note the *idempotency_key* of a success, under which it is told again.

    A different code under that key ends this, so that a used code cannot be guessed.
    """
    decision = check(held, request, presented, policy, ring=ring, now=now)
    outcome, becomes = decision.outcome, decision.becomes
    challenge = becomes.record.others.challenge
    key = None if challenge is None else ring.find(challenge.key_id)
    if (
        idempotency_key is None
        or challenge is None
        or key is None
        or presented.challenge_id != challenge.id
    ):
        return Decision(outcome, becomes)
    digest = key.digest("idempotency", challenge.id, idempotency_key)
    if isinstance(outcome, Verified):
        noted = attrs.evolve(challenge, success=Success(now, digest))
        return Decision(attrs.evolve(outcome, challenge=noted), _with(becomes, noted))
    if isinstance(outcome, NoLiveCode) and _is_repeated(challenge, digest, now):
        if is_right(presented.code, request, challenge, key, policy.digits):
            return Decision(VerifiedBefore(challenge, outcome.resend_at), held)
        return Decision(outcome, _with(held, attrs.evolve(challenge, success=None)))
    return Decision(outcome, becomes)


def approve(
    held: Approval | None, challenge: Challenge, now: Instant
) -> Decision[Approval | None, Approved | ApprovedBefore | ApprovedElsewhere]:
    """Note the success of *challenge*, once; repetitions of one check may arrive in any order."""
    key = None if challenge.success is None else challenge.success.browser
    if held is None:
        approval = Approval(now, key)
        return Decision(Approved(approval), approval)
    is_same = key is not None and held.key is not None and hmac.compare_digest(key, held.key)
    return Decision(ApprovedBefore(held) if is_same else ApprovedElsewhere(), held)


def cancel(held: Held, challenge_id: str) -> Decision[Held, Withdrawn | NotStanding]:
    """End the challenge with that id at the backend's request."""
    return withdraw(held, challenge_id, ended=Ended.CANCELED)


def status_of(
    verification: Verification, record: SlotRecord, policy: Policy, now: Instant
) -> Status:
    """
    What has become of *verification*.

    A noted end counts. Until the note is written, the *record* of its slot tells.
    """
    if verification.ended is not None:
        return verification.ended
    challenge = record.others.challenge
    if challenge is None or challenge.id != verification.id:
        # Also if the store has lost it: nobody can be right any more.
        over = now >= verification.expires_at or challenge is None
        return Status.EXPIRED if over else Status.REPLACED
    return status_of_challenge(challenge, policy, now)


def status_of_challenge(challenge: Challenge, policy: Policy, now: Instant) -> Status:
    """What has become of a *challenge* that is still in its slot."""
    if challenge.ended is not None:
        return _ENDS[challenge.ended]
    if challenge.attempts >= policy.max_attempts:
        return Status.MAX_ATTEMPTS_REACHED
    return Status.EXPIRED if now >= challenge.expires_at else Status.PENDING


def end_of_replaced(
    before: SlotRecord, issued: Challenge, policy: Policy, now: Instant
) -> tuple[Challenge, Status] | None:
    """
    The challenge whose place *issued* took in the slot, and the end to note of it; None if it had
    ended before, or has expired.
    """
    challenge = before.others.challenge
    if challenge is None or challenge.id == issued.id or challenge.ended is not None:
        return None
    status = status_of_challenge(challenge, policy, now)
    match status:
        case Status.PENDING:
            return challenge, Status.REPLACED
        case Status.MAX_ATTEMPTS_REACHED:
            return challenge, status
        case _:
            return None


def prospects(
    held: Held, request: Request, drawn: Drawn, policy: Policy, now: Instant
) -> Prospects:
    """What a start of *request* would meet now."""
    outcome = start(held, request, drawn, policy, now).outcome
    challenge = held.record.others.challenge
    lives = challenge is not None and _is_live(challenge, policy, now)
    return Prospects(
        why=outcome if isinstance(outcome, Refusal | Locked) else None,
        next=next_sends(held, request, policy, now),
        limits=headroom(held.usages, request.demands or (), now),
        call_limits=headroom(held.usages, request.call_demands, now),
        attempts_remaining=policy.max_attempts - challenge.attempts
        if challenge and lives
        else None,
    )


def is_under_way(sent_at: Instant, now: Instant) -> bool:
    """Whether a send whose result is not known may still be handed over."""
    return now < after(sent_at, _CLAIM)


def _ask(
    held: Held,
    request: Request,
    drawn: Drawn,
    policy: Policy,
    *,
    now: Instant,
    live: Challenge | None,
    cools: bool = True,
) -> Decision[Held, Issued | Refusal | Locked | Claimed]:
    if _is_claimed(held, request, now):
        return Decision(Claimed(), held)
    held = _without_void(held, request, policy, now)
    decision = ask_of_app(held, request, drawn, policy, now, resends=live, cools=cools)
    outcome, becomes = decision.outcome, decision.becomes
    if isinstance(outcome, Issued) and request.claims:
        claimed = {**becomes.usages, request.claims[0]: (now,)}
        return Decision(outcome, attrs.evolve(becomes, usages=claimed))
    if isinstance(outcome, Locked) and outcome.retry_at is not None:
        # As at every other refusal, the wait ends when everything admits.
        looked = look(held, request, policy, now).outcome
        return Decision(Locked(looked.resend_at), becomes)
    return Decision(outcome, becomes)


def _is_claimed(held: Held, request: Request, now: Instant) -> bool:
    """
    Whether a send with the key of *request* was admitted a moment ago.

    An older one has its row, which was looked for before. Where there is none, its store was away,
    and no message went out.
    """
    return any(_is_recent(at, now) for key in request.claims for at in held.usages.get(key, ()))


def _is_recent(admitted_at: Instant, now: Instant) -> bool:
    """Whether the row of a send that was admitted then may still be on its way."""
    return admitted_at > after(now, -_CLAIM - CLOCK_SKEW)


def _without_void(held: Held, request: Request, policy: Policy, now: Instant) -> Held:
    """*held* without what sends with the key of *request* that never got a row were charged."""
    for key in request.claims:
        for at in held.usages.get(key, ()):
            usages = taken_back({**held.usages, key: ()}, demands_of(request, policy), at)
            record, others = held.record, held.record.others
            if others.asked_at == at:
                record = attrs.evolve(record, others=attrs.evolve(others, asked_at=None))
            held = attrs.evolve(held, record=record, usages=usages)
        # Its message never went out.
        held = forgive(held, send_claimed_by(key) or "", now).becomes
    return held


def _is_as_asked(
    challenge: Challenge, request: Request, drawn: Drawn, policy: Policy, now: Instant
) -> bool:
    return (
        _is_live(challenge, policy, now)
        and challenge.contact == request.contact
        and challenge.test_contact == request.test_contact
        and challenge.session == request.session
        and challenge.digits == policy.digits
        and challenge.key_id == drawn.key_id
        and now <= after(challenge.expires_at, -_LEAST_LIFE)
    )


def _is_live(challenge: Challenge, policy: Policy, now: Instant) -> bool:
    return status_of_challenge(challenge, policy, now) is Status.PENDING


def _is_repeated(challenge: Challenge, digest: bytes, now: Instant) -> bool:
    success = challenge.success
    if success is None or not hmac.compare_digest(success.browser, digest):
        return False
    # Another machine's clock may be ahead.
    return after(success.at, -CLOCK_SKEW) <= now <= after(success.at, _REPEATED)


def _with(held: Held, challenge: Challenge) -> Held:
    record = held.record
    others = attrs.evolve(record.others, challenge=challenge)
    return attrs.evolve(held, record=attrs.evolve(record, others=others))
