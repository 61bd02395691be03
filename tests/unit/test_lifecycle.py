"""
The whole life of codes, driven through the real flows beside a model: `docs/contract.md`.

Everybody is in the lane of others, and nothing holds them back from each other.

The clock jumps to the edges, each a microsecond before, at, and after it: random waits alone
let both off-by-one errors through.
"""

from typing import ClassVar, Final

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hsp_otp.domain.audit import Action
from hsp_otp.domain.challenge_outcomes import Exhausted, Issued, Locked, NoLiveCode, WrongCode
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant
from hsp_otp.domain.policy import ClientLimits
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.quota import Quota, Refusal
from hsp_otp.flows.otp import Undelivered
from hsp_otp.flows.pass_login import SendOutcome, SignedIn, VerifyOutcome
from hsp_otp.flows.unlock import unlock_slot
from hsp_otp.ports.failures import SendFailed
from tests.audit_rows import row_of
from tests.strategies import MACHINE_ROUNDS, nudges
from tests.world import (
    CLIENT,
    OTHER_CLIENT,
    OTHER_PHONE,
    PHONE,
    START,
    World,
    open_policy,
    other_than,
    run,
    slot_of,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 120 * MACHINE_ROUNDS)]

CLIENTS: Final = st.sampled_from((CLIENT, OTHER_CLIENT))
Rules = tuple[tuple[int, Duration], ...]
Told = tuple[str, int | None, int | None]
"""The word, the remaining guesses or the wait, and when a new code may be asked for."""

UNLOCKED: Final = row_of(
    at=START,
    flow=None,
    purpose=Purpose.PHONE_VERIFICATION,
    action=Action.UNLOCK,
    outcome="unlocked",
    client=None,
    request_id=None,
)


@attrs.define
class Model:
    """What the contract says, in lists of microseconds."""

    cooldown: Duration
    lifetime: Duration
    max_run: int
    limits: dict[str, Rules]
    log: dict[tuple[str, str], list[int]] = attrs.field(factory=dict[tuple[str, str], list[int]])
    live: tuple[str, str, str, int] | None = None  # id, digits, number, issued at
    left: int = 0
    asked: int | None = None
    charged: list[tuple[str, int]] = attrs.field(factory=list[tuple[str, int]])  # since a success
    run: int = 0

    def free(self, now: int, *keys: tuple[str, str]) -> int:
        """The first instant from *now* on at which all of *keys* have room."""
        counted = [(self.log.get(key, []), *r) for key in keys for r in self.limits[key[0]]]
        ends = {now, *(x + window for log, _, window in counted for x in log)}
        return min(
            t
            for t in ends
            if t >= now and all(len([x for x in log if x > t - w]) < n for log, n, w in counted)
        )

    def first_no(self, now: int, **waits: int) -> Told | None:
        """The word of the longest wait, if there is any."""
        word = max(waits, key=lambda word: waits[word])
        return (word, waits[word], None) if waits[word] > now else None

    def charge(self, now: int, *keys: tuple[str, str]) -> None:
        """Count a request."""
        for key in keys:
            self.log.setdefault(key, []).append(now)

    def looked(self, now: int, client: str, *, checking: bool) -> Told | None:
        """The client's checks and look-ups, judged together and charged all or nothing."""
        keys = [("lookups", client)] + [("checks", client)] * checking
        waits = {"lookup_rate_limited": self.free(now, keys[0])}
        if checking:
            waits["rate_limited"] = self.free(now, keys[1])
        if (no := self.first_no(now, **waits)) is None:
            self.charge(now, *keys)
        return no

    def locked(self, now: int) -> Told | None:
        """The lock: a run that is too long, or a window that is full."""
        if self.run >= self.max_run:
            return ("locked_out", None, None)
        return self.first_no(now, locked_out=self.free(now, ("failures", "")))

    def sends(self, now: int, client: str, phone: str) -> dict[str, int]:
        """When each limit on sends would admit an ask."""
        return {
            "phone_rate_limited": self.free(now, ("phone", phone)),
            "rate_limited": self.free(now, ("client", client)),
            "resend_too_soon": now if self.asked is None else max(now, self.asked + self.cooldown),
        }

    def resend(self, now: int, client: str, phone: str) -> int | None:
        """When a new code may be asked for."""
        if self.run >= self.max_run:
            return None
        return max(self.free(now, ("failures", "")), *self.sends(now, client, phone).values())

    def ask(self, now: int, client: str, phone: str) -> Told | None:
        """The refusal of an ask, or None where it is admitted and charged."""
        no = (
            self.looked(now, client, checking=False)
            or self.locked(now)
            or self.first_no(now, **self.sends(now, client, phone))
        )
        if no is None:
            self.charge(now, ("phone", phone), ("client", client))
            self.charged.append((client, now))
            self.asked, self.live = now, None
        return no

    def check(self, now: int, client: str, phone: str, digits: str, id_: str | None) -> Told:
        """What presenting *digits* comes to."""
        if no := self.looked(now, client, checking=True) or self.locked(now):
            return no
        resend = self.resend(now, client, phone)
        if self.live is None or now >= self.live[3] + self.lifetime:
            return ("otp_expired", None, resend)
        if id_ not in {None, self.live[0]}:
            return ("otp_expired", None, resend)
        if self.left == 0:
            return ("too_many_attempts", None, resend)
        if (digits, phone) == self.live[1:3]:
            self.live, self.run = None, 0
            for asker, at in self.charged:
                self.log["client", asker].remove(at)
            self.charged.clear()
            return ("verified", None, None)
        self.left, self.run = self.left - 1, self.run + 1
        self.charge(now, ("failures", ""))
        return ("invalid_otp", self.left, self.resend(now, client, phone))


class Lifecycle(RuleBasedStateMachine):
    """Asks, guesses, failures and jumps, the flows and the model side by side."""

    policy = open_policy(
        cooldown=30 * SECOND,
        lifetime=600 * SECOND,
        max_attempts=3,
        failures=(Quota(4, DAY), Quota(7, 30 * DAY)),
        max_run=9,
        contact_sends=Quota(4, DAY),
        client_sends=(Quota(2, MINUTE), Quota(3, HOUR)),
    )
    limits = ClientLimits(checks=Quota(7, HOUR), lookups=Quota(12, HOUR))
    windows: ClassVar[dict[str, Rules]] = {
        "failures": ((4, 86_400_000_000), (7, 2_592_000_000_000)),
        "phone": ((4, 86_400_000_000),),
        "client": ((2, 60_000_000), (3, 3_600_000_000)),
        "checks": ((7, 3_600_000_000),),
        "lookups": ((12, 3_600_000_000),),
    }

    @initialize()
    def begin(self) -> None:
        """One user with two passes, and nothing asked yet."""
        self.world = World(policy=self.policy, limits=self.limits)
        self.phone = PHONE
        self.add_passes()
        self.model = Model(
            cooldown=30_000_000, lifetime=600_000_000, max_run=5, limits=self.windows
        )
        self.requests = 0
        self.ids = ["never-issued"]
        self.codes = ["000000"]

    def add_passes(self) -> None:
        """Both passes, with the user's number as it is now."""
        self.world.add(phone=self.phone)
        self.world.add("HSP-8765-4321", phone=self.phone)

    @rule(client=CLIENTS, delivered=st.sampled_from((True, True, True, False)))
    def ask(self, client: str, *, delivered: bool) -> None:
        """Ask for a code; the provider may fail."""
        now = self.world.clock.now()
        refused = self.model.ask(now, client, self.phone)
        self.world.outbox.failure = None if delivered else SendFailed()
        outcome = self.world.send(client=client)
        if refused is not None:
            assert told(outcome) == refused
        elif not delivered:
            self.requests += 1  # the withdrawal has a row of its own
            self.model.asked = None
            assert told(outcome) == ("sms_failed", None, self.model.resend(now, client, self.phone))
        else:
            assert told(outcome) == ("sent", None, self.model.resend(now, client, self.phone))
            assert isinstance(outcome, Issued)
            self.codes.append(self.world.outbox.codes[-1])
            self.ids.append(outcome.challenge.id)
            self.model.live = (self.ids[-1], self.codes[-1], self.phone, now)
            self.model.left = 3
        self.audited(outcome.word)

    def present(self, digits: str, client: str, challenge_id: str | None) -> None:
        """Present *digits*, and compare the answers."""
        now = self.world.clock.now()
        expected = self.model.check(now, client, self.phone, digits, challenge_id)
        outcome = self.world.verify(
            digits, "HSP-8765-4321", challenge_id=challenge_id, client=client
        )
        assert told(outcome) == expected
        self.audited(outcome.word)

    def audited(self, word: str) -> None:
        """Every request leaves one row, with its outcome, and so does every withdrawal."""
        self.requests += 1
        assert len(self.world.audit.rows) == self.requests
        assert self.world.audit.rows[-1].outcome == word

    @rule(client=CLIENTS, wrong=st.integers(0, 3), data=st.data(), nudge=nudges())
    def wait_and_ask(self, client: str, wrong: int, data: st.DataObject, nudge: Duration) -> None:
        """Wait until an ask is admitted, to the microsecond, and waste guesses on it."""
        ready = self.model.resend(self.world.clock.now(), client, self.phone)
        looks = self.model.free(self.world.clock.now(), ("lookups", client), ("checks", client))
        if ready is not None:
            nudged = max(ready, looks) + nudge
            self.world.clock.instant = Instant(max(nudged, self.world.clock.now()))
        self.ask(client, delivered=True)
        for _ in range(wrong):
            self.present(other_than(self.codes[-1]), client, None)
        if data.draw(st.integers(0, 3)) == 0:
            self.present(self.codes[-1], client, None)

    @precondition(lambda self: self.model.live is not None)
    @rule(client=CLIENTS, named=st.booleans())
    def guess_right(self, client: str, *, named: bool) -> None:
        """Present the latest code, with or without its id."""
        self.present(self.codes[-1], client, self.ids[-1] if named else None)

    @precondition(lambda self: self.model.live is not None)
    @rule(client=CLIENTS, times=st.integers(1, 4))
    def guess_wrong(self, client: str, times: int) -> None:
        """Present wrong codes."""
        for _ in range(times):
            self.present(other_than(self.codes[-1]), client, None)

    @rule(client=CLIENTS, data=st.data())
    def guess_old(self, client: str, data: st.DataObject) -> None:
        """Present any code there has been, for any challenge there has been, or none."""
        challenge_id = data.draw(st.sampled_from((None, *self.ids)))
        self.present(data.draw(st.sampled_from(self.codes)), client, challenge_id)

    @precondition(lambda self: self.model.run > 3)
    @rule()
    def operator_unlocks(self) -> None:
        """An operator unlocks."""
        run(unlock_slot(self.world.slots, slot_of("u1"), UNLOCKED))
        self.audited("unlocked")
        self.model.run = 0
        self.model.log[("failures", "")] = []

    @rule()
    def change_number(self) -> None:
        """The user gets another number."""
        self.phone = OTHER_PHONE if self.phone == PHONE else PHONE
        self.add_passes()

    @rule(data=st.data(), nudge=nudges())
    def jump(self, data: st.DataObject, nudge: Duration) -> None:
        """Go to the edge of the cooldown, of the lifetime, or of any window."""
        now, model = self.world.clock.now(), self.model
        spans = [model.cooldown] if model.asked is not None else []
        edges = {(model.asked or 0) + span for span in (*spans, *[model.lifetime] * len(spans))}
        for (limit, _), log in model.log.items():
            edges |= {x + window for x in log for _, window in model.limits[limit]}
        ahead = sorted(edge for edge in edges if edge + nudge > now)
        if ahead:
            self.world.clock.instant = Instant(data.draw(st.sampled_from(ahead)) + nudge)

    @invariant()
    def one_success_per_challenge(self) -> None:
        """No challenge signs in twice, and every sign-in had a code of its own."""
        families = [access.family_id for access in self.world.access_tokens.signed]
        assert len(set(families)) == len(families) == len(self.world.audit.sign_ins)

    def teardown(self) -> None:
        """
        In every window of the whole history, no more sends than the limits say; those that a right
        code gave back to a client do not count for it.
        """
        sends = self.world.audit.sends
        kept = [
            send
            for send in sends
            if send.at in self.model.log.get(("client", str(send.client)), ())
        ]
        for first in sends:
            for counted, limit, window, key in (
                (sends, 4, 86_400_000_000, "contact"),
                (kept, 2, 60_000_000, "client"),
                (kept, 3, 3_600_000_000, "client"),
            ):
                within = [
                    send
                    for send in counted
                    if getattr(send, key) == getattr(first, key)
                    and first.at <= send.at < first.at + window
                ]
                assert len(within) <= limit
        told_rows = " ".join(repr(attrs.astuple(row)) for row in self.world.audit.rows)
        assert "9876543210" not in told_rows


def told(outcome: SendOutcome | VerifyOutcome) -> Told:
    """What an answer says, for comparison with the model."""
    match outcome:
        case Issued(_, resend_at) | Undelivered(resend_at):
            return (outcome.word, None, resend_at)
        case NoLiveCode(resend_at) | Exhausted(resend_at):
            return (outcome.word, None, resend_at)
        case WrongCode(remaining, resend_at):
            return (outcome.word, remaining, resend_at)
        case Refusal() | Locked():
            return (outcome.word, outcome.retry_at, None)
        case SignedIn():
            return (outcome.word, None, None)
        case _:
            raise AssertionError(outcome)


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=200 * MACHINE_ROUNDS, stateful_step_count=60)
