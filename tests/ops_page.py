"""The operators' page in tests: what it reads, and how somebody signs in."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from hsp_otp.adapters.memory import MemoryUsage
from hsp_otp.adapters.secret_keys import ops_ring
from hsp_otp.domain.audit import Step
from hsp_otp.domain.instant import SECOND, after
from hsp_otp.domain.keys import Key
from hsp_otp.domain.purposes import Flow
from hsp_otp.entrypoints.services import Dashboard
from hsp_otp.flows.operators import Operators
from hsp_otp.flows.overview import A_DAY, Look, Seen, Stretch
from hsp_otp.ports.audit_queries import Entry
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.sender_stats import SenderLately
from hsp_otp.ports.traffic_queries import Delivery, Movement, Proof, StepCount
from tests.http import Reply
from tests.visitor import Page, Visitor
from tests.world import START, RememberedAccounts, RememberedSessions, World, ring

OPS = "/ops/"
PASSWORD = "correct horse battery staple"
KEYS = (Key("k1", b"k" * 32),)
STORY = Entry(
    id=1,
    at=START,
    flow="signup",
    purpose="signup",
    action="send",
    outcome="sent",
    client="203.0.113.7",
    request_id="r1",
    pass_code=None,
    contact="***-***-3210",
    region="IN",
    contact_fingerprint="k1:" + 32 * "a",
    range_fingerprint=None,
    sender="twilio",
    provider_message_id="SM1",
    reason="<script>alert(1)</script>",
    retry_at=None,
    lane="others",
    api_key_id=None,
    app=None,
    verification_id=None,
    subject_fingerprint=None,
    channel=None,
    block_fingerprint=None,
    price=None,
    spent_by=None,
    verdict=None,
    reasons=None,
    operator=None,
    count=1,
    state="delivered",
    state_at=after(START, 4 * SECOND),
)


def seen(stretch: Stretch = A_DAY, *, attack: bool = False, **more: Any) -> Seen:  # noqa: ANN401
    """A day of little traffic, with or without a sweep in its latest period but one."""
    span = stretch.span(START)
    periods = [after(span.since, place * stretch.period) for place in range(stretch.periods)]
    movements: list[Movement] = []
    proofs: list[Proof] = []
    deliveries: list[Delivery] = []
    for at in periods:
        for flow, sender in (("pass_login", "twilio"), ("signup", "vonage")):
            own: dict[str, Any] = {"at": at, "flow": flow, "region": "IN"}
            movements += [
                Movement(**own, sender=sender, action="send", outcome="sent", requests=10),
                Movement(**own, sender=None, action="send", outcome="rate_limited", requests=1),
                Movement(**own, sender=None, action="check", outcome="verified", requests=8),
            ]
            deliveries.append(Delivery(**own, sender=sender, state="delivered", step=2, messages=9))
            proofs.append(Proof(**own, sender=sender, step=5, codes=8))
    if attack:
        swept: dict[str, Any] = {"at": periods[-2], "flow": "signup", "region": "LV"}
        movements.append(
            Movement(**swept, sender="twilio", action="send", outcome="sent", requests=900)
        )
    return Seen(
        stretch=stretch,
        span=span,
        at=START,
        movements=movements,
        deliveries=deliveries,
        proofs=proofs,
        **{
            "suspicions": (),
            "addresses": (),
            "prefixes": (),
            "test_contacts": (),
            **steps(),
            **more,
        },
    )


def steps() -> dict[str, Sequence[StepCount]]:
    """Two days of a signup and a sign-in."""
    today, before = "2026-01-01", "2025-12-31"
    counts: dict[str, tuple[tuple[Step, str, int], ...]] = {
        today: (
            (Step.OPENED, "", 40),
            (Step.NUMBER_ENTERED, "", 32),
            (Step.CORRECTED, "", 2),
            (Step.SEND, "sent", 30),
            (Step.SEND, "rate_limited", 6),
            (Step.SEND, "invalid_phone", 4),
            (Step.RESENT, "", 5),
            (Step.DELIVERED, "", 27),
            (Step.CODE_ENTERED, "", 22),
            (Step.CHECK, "verified", 20),
            (Step.CHECK, "invalid_otp", 5),
            (Step.HANDED_OVER, "", 19),
        ),
        before: ((Step.OPENED, "", 1_000), (Step.NUMBER_ENTERED, "", 8)),
    }

    def of(names: Mapping[str, str]) -> list[StepCount]:
        signup = [
            StepCount(of=names[day], flow=Flow.SIGNUP, step=step, word=word, count=count)
            for day, steps in counts.items()
            for step, word, count in steps
        ]
        lost: dict[str, Any] = {"step": Step.LOOK_UP, "word": "pass_not_found", "count": 3}
        return [*signup, StepCount(of=names[today], flow=Flow.PASS_LOGIN, **lost)]

    return {
        "by_day": of({today: today, before: before}),
        "by_country": of({today: "IN", before: ""}),
        "by_language": of({today: "hi", before: "en"}),
    }


def sender(name: str, **more: Any) -> SenderLately:  # noqa: ANN401
    """What a sender did."""
    told: dict[str, Any] = {"attempts": {}, "p50": None, "p95": None, "skipped": 0}
    return SenderLately(**{"name": name, "is_open": False, "since": START, **told, **more})


@attrs.define
class Ops:
    """
    What the page stands on, under the test's control.

    Attributes:
        looked: At which stretches somebody looked.
        asked: Fingerprints that a story was asked for by.
    """

    world: World
    look_: Look = attrs.field(factory=lambda: Look(seen()))
    senders: Sequence[SenderLately] = (sender("twilio"),)
    away: bool = False
    ended: RememberedSessions = attrs.field(factory=RememberedSessions)
    looked: list[Stretch] = attrs.field(factory=list[Stretch])
    asked: list[tuple[str, ...]] = attrs.field(factory=list[tuple[str, ...]])
    password: str = PASSWORD
    accounts: RememberedAccounts | None = None

    def desk(self) -> Dashboard:
        """For the house."""
        return Dashboard(
            operators=Operators(
                usage=Leaving(self, MemoryUsage(self.world.audit)),  # type: ignore[arg-type]
                ended=self.ended,
                audit=self.world.audit,
                clock=self.world.clock,
                randomness=self.world.randomness,
                password=self.password,
                accounts=self.accounts,
                network_factor=10,
                fingerprints=ring("fingerprints"),
            ),
            keys=ops_ring(KEYS, self.password),
            look=self._look,
            story=self._story,
            senders=lambda: self.senders,
        )

    async def _look(self, stretch: Stretch) -> Look:
        self.looked.append(stretch)
        return self.look_

    async def _story(self, fingerprints: tuple[str, ...]) -> list[Entry]:
        if self.away:
            raise Unavailable("away")
        self.asked.append(fingerprints)
        return [STORY]


@attrs.frozen
class Leaving:
    """A counter that may go away."""

    ops: Ops
    usage: MemoryUsage

    async def transition(self, keys: Any, decide: Any) -> object:  # noqa: ANN401 - as the port
        """Fail while the database is away."""
        if self.ops.away:
            raise Unavailable("away")
        return await self.usage.transition(keys, decide)


def sign_in(visitor: Visitor, password: str = PASSWORD) -> Reply:
    """Type a password."""
    page = visitor.get(OPS)
    return visitor.post(OPS, {**page.fields, "password": password})


def inside(visitor: Visitor, query: str = "") -> Page:
    """The page of somebody who is in."""
    if "hsp_otp_ops" not in visitor.cookies:
        assert sign_in(visitor).status == 303
    reply = visitor.client.request("GET", OPS, headers={"cookie": cookies(visitor)}, query=query)
    assert reply.status == 200
    return Page(reply)


def cookies(visitor: Visitor) -> str:
    """The header."""
    return "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())


def is_in(visitor: Visitor) -> bool:
    """Whether the page is shown."""
    return "Outcomes of requests" in visitor.get(OPS).main
