"""Pure: no await, clock, randomness or I/O. Records are what a key holds; a decision says what they become."""

import enum, hashlib, hmac
from datetime import datetime, timedelta
from typing import Any
import attrs

H = timedelta(hours=1)


@attrs.frozen
class Slot:
    subject: str
    purpose: str


@attrs.frozen
class UsageKey:
    scope: str
    who: str


Usage = tuple  # of instants, oldest first


@attrs.frozen
class Quota:
    limit: int
    window: timedelta


@attrs.frozen
class Challenge:
    id: str
    nonce: bytes
    phone: str
    issued_at: datetime
    expires_at: datetime
    wrong: int = 0
    ended: str = ""  # "", used, withdrawn


@attrs.frozen
class SlotRecord:
    """Everything that one slot remembers: one aggregate, so check is one step over one key."""

    challenge: Challenge | None = None
    asked_at: datetime | None = None
    failures: tuple = ()
    run: int = 0


@attrs.frozen
class Decision:
    outcome: Any
    becomes: tuple
    note: Any = None


@attrs.frozen
class Issued:
    challenge: Challenge


@attrs.frozen
class Refused:
    why: str
    retry_at: datetime


@attrs.frozen
class Admitted:
    pass


@attrs.frozen
class Verified:
    challenge: Challenge


@attrs.frozen
class Wrong:
    remaining: int


@attrs.frozen
class NotLive:
    pass


@attrs.frozen
class Exhausted:
    pass


PHONE, CLIENT, LOOKUP, CHECK = (
    (Quota(10, 24 * H),),
    (Quota(5, H),),
    (Quota(120, H),),
    (Quota(60, H),),
)
FAILS = (Quota(15, 24 * H), Quota(45, 720 * H))
RUN = 100
COOL = timedelta(seconds=30)
LIFE = timedelta(seconds=600)
EMPTY = SlotRecord()
FOREVER = datetime.max


def wait(quotas, usage, now):
    """The instant from which one more is admitted, None if it is now."""
    worst = None
    for q in quotas:
        if (
            len(usage) >= q.limit
            and (t := usage[-q.limit] + q.window) > now
            and (worst is None or t > worst)
        ):
            worst = t
    return worst


def prune(usage, window, now):
    edge = now - window
    i = 0
    for t in usage:
        if t > edge:
            break
        i += 1
    return usage[i:] if i else usage


def locked(rec, now):
    if rec.run >= RUN:
        return FOREVER
    return wait(FAILS, rec.failures, now)


def charge(rules, now, held, note=None):
    """Judge all, charge all or none. rules: ((name, quotas), ...) one per key."""
    worst = None
    for (name, qs), u in zip(rules, held):
        t = wait(qs, u or (), now)
        if t is not None and (worst is None or t > worst.retry_at):
            worst = Refused(name, t)
    if worst:
        return Decision(worst, held, note and note("refused"))
    return Decision(
        Admitted(),
        tuple(prune(u or (), qs[-1].window, now) + (now,) for (_, qs), u in zip(rules, held)),
        note and note("admitted"),
    )


def ask(rules, now, fresh: Challenge, note, held):
    """One step over (usages..., slot): lock, limits and cooldown judged together; issuing is the superseding write."""
    rec = held[-1] or EMPTY
    worst = None
    if (t := locked(rec, now)) is not None:
        worst = Refused("locked_out", t)
    else:
        for (name, qs), u in zip(rules, held):
            t = wait(qs, u or (), now)
            if t is not None and (worst is None or t > worst.retry_at):
                worst = Refused(name, t)
        if (
            rec.asked_at is not None
            and (t := rec.asked_at + COOL) > now
            and (worst is None or t > worst.retry_at)
        ):
            worst = Refused("resend_too_soon", t)
    if worst:
        return Decision(worst, held, note(worst.why))
    us = tuple(prune(u or (), qs[-1].window, now) + (now,) for (_, qs), u in zip(rules, held))
    return Decision(
        Issued(fresh), us + (attrs.evolve(rec, challenge=fresh, asked_at=now),), note("issued")
    )


def check(now, matches, note, held):
    """matches(challenge) -> bool is pure: the derived code compared in constant time."""
    rec = held[0] or EMPTY
    c = rec.challenge
    if (t := locked(rec, now)) is not None:
        return Decision(Refused("locked_out", t), held, note("locked_out"))
    if c is None or c.ended or now >= c.expires_at:
        return Decision(NotLive(), held, note("otp_expired"))
    if c.wrong >= 3:
        return Decision(Exhausted(), held, note("too_many_attempts"))
    if matches(c):
        return Decision(
            Verified(c),
            (attrs.evolve(rec, challenge=attrs.evolve(c, ended="used"), run=0),),
            note("verified"),
        )
    return Decision(
        Wrong(2 - c.wrong),
        (
            attrs.evolve(
                rec,
                challenge=attrs.evolve(c, wrong=c.wrong + 1),
                failures=prune(rec.failures, FAILS[-1].window, now) + (now,),
                run=rec.run + 1,
            ),
        ),
        note("wrong"),
    )


def withdraw(cid, held):
    rec = held[0]
    if rec is None or rec.challenge is None or rec.challenge.id != cid:
        return Decision(None, held)
    return Decision(
        None, (attrs.evolve(rec, challenge=attrs.evolve(rec.challenge, ended="withdrawn")),)
    )


def code_of(key, nonce, slot, phone):
    m = hmac.digest(
        key,
        b"|".join((nonce, slot.purpose.encode(), slot.subject.encode(), phone.encode())),
        "sha256",
    )
    return b"%06d" % (int.from_bytes(m[:16], "big") % 1000000)


def matches(key, slot, phone, guess, c):
    return c.phone == phone and hmac.compare_digest(code_of(key, c.nonce, slot, c.phone), guess)
