"""What is counted, and by which words: docs/metrics.md."""

import itertools
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from prometheus_client import CollectorRegistry, mmap_dict
from prometheus_client.parser import text_string_to_metric_families

from hsp_otp.adapters.instrumentation.ports import Watch
from hsp_otp.adapters.memory import MemoryUsage
from hsp_otp.adapters.prometheus.metrics import Metrics
from hsp_otp.adapters.prometheus.worker_files import Workers, exposed
from hsp_otp.adapters.senders.circuit_breaker import CircuitBreaker
from hsp_otp.adapters.senders.failover import Failover
from hsp_otp.domain.api_keys import Scope
from hsp_otp.domain.audit import Action, Visit
from hsp_otp.domain.budgets import BudgetKey
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import MINUTE, SECOND, Instant
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ENGLISH, ClientAddress, PassCode
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.quota import UsageKey, Usages
from hsp_otp.domain.spend_report import BudgetUse
from hsp_otp.flows.api_keys import make_api_key
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.otp import WorkPosed
from hsp_otp.flows.pass_login import SendOutcome, SignedIn
from hsp_otp.flows.receipts import take_receipt
from hsp_otp.ports.failures import SendFailed, SendRefusedHere, SendRejected, Unavailable
from hsp_otp.ports.sender import Sms
from hsp_otp.ports.usage_counter import UsageCounter
from tests.audit_rows import evolved, row_of
from tests.backend import Shop
from tests.http import OPEN, Client
from tests.observed import Observed
from tests.visitor import SIGNUP, Visitor
from tests.world import (
    OTHER_PHONE,
    PASS_CODE,
    START,
    ManualClock,
    Outbox,
    open_policy,
    other_than,
    run,
)

DESCRIBED = Path(__file__).parents[2] / "docs" / "metrics.md"

DEAD = 4_194_305
"""More than any process' number may be."""

ROW = row_of(
    at=START,
    flow=Flow.SIGNUP,
    purpose=Purpose.SIGNUP,
    action=Action.SEND,
    outcome="sent",
    client=None,
    request_id=None,
)


@attrs.define(kw_only=True)
class Measured(Observed):
    """A world whose ports are measured; each measurement takes a quarter of a second."""

    registry: CollectorRegistry = attrs.field(factory=CollectorRegistry)
    metrics: Metrics = attrs.field()
    watch: Watch = attrs.field()

    @metrics.default
    def _metrics(self) -> Metrics:
        return Metrics(self.registry)

    @watch.default
    def _watch(self) -> Watch:
        return Watch(
            listeners=(self.metrics,), counts=self.metrics, timer=itertools.count(0, 0.25).__next__
        )

    def value(self, name: str, **labels: str) -> float | None:
        """What stands at a name, without its prefix, and labels; None where nothing does."""
        return self.registry.get_sample_value(f"hsp_otp_{name}", labels)


@pytest.fixture
def world() -> Measured:
    """A measured world with a pass."""
    world = Measured()
    world.add()
    return world


@pytest.fixture
def client(world: Measured) -> Iterator[Client]:
    """A client of a measured world."""
    with Client(world, answered=world.metrics.answered) as opened:
        yield opened


# --- What was asked, and what became of it


def test_a_sign_in(world: Measured) -> None:
    """Everything asked on the way is counted once, and how long it took from code to success."""
    world.validate()
    world.send()
    world.clock.advance(42 * SECOND)
    world.verify(other_than(world.outbox.codes[0]))
    world.verify(world.outbox.codes[0])
    login = {"flow": "pass_login"}
    assert world.value("lookups_total", outcome="valid") == 1
    assert world.value("asks_total", **login, outcome="sent", region="IN") == 1
    sent = {**login, "region": "IN", "channel": "sms", "sender": "outbox"}
    assert world.value("messages_sent_total", **sent) == 1
    assert world.value("checks_total", **login, outcome="invalid_otp", region="IN") == 1
    assert world.value("checks_total", **login, outcome="verified", region="IN") == 1
    assert world.value("time_to_verify_seconds_sum", **login) == 42
    assert world.value("time_to_verify_seconds_count", **login) == 1


def test_a_signup(world: Measured) -> None:
    """Signup is counted apart."""
    client = Client(world)
    with client:
        session, code = client.session(OTHER_PHONE)
        world.clock.advance(7 * SECOND)
        client.prove(session, code)
        client.prove(session, code)
    signup = {"flow": "signup"}
    assert world.value("asks_total", **signup, outcome="sent", region="IN") == 1
    assert world.value("checks_total", **signup, outcome="verified", region="IN") == 1
    assert world.value("checks_total", **signup, outcome="already_verified", region="IN") == 1
    assert world.value("time_to_verify_seconds_sum", **signup) == 7
    assert world.value("port_call_duration_seconds_count", port="signup_steps", store="memory") == 1


def test_the_funnel(world: Measured) -> None:
    """Each step counts once, from the page to the proof, and each error word with its request."""
    visitor = Visitor(Client(world), language="es")
    page = visitor.submit(visitor.get(SIGNUP), "send", phone="12", region="IN")
    page = visitor.submit(page, "send", phone=OTHER_PHONE, region="IN")
    deliveries = world.observer.deliveries(world.deliveries)
    receive = partial(take_receipt, deliveries, early=world.early, clock=world.clock)
    run(receive("outbox", "message-1", DeliveryState.DELIVERED))
    visitor.submit(page, "verify", otp=world.outbox.codes[-1])
    of: dict[str, str] = {"flow": "signup", "language": "es"}
    assert world.value("funnel_total", **of, step="opened", region="none") == 1
    for step in ("number_entered", "sent", "delivered", "code_entered", "verified"):
        assert world.value("funnel_total", **of, step=step, region="IN") == 1
    lost = {"request": "send", "word": "invalid_phone"}
    assert world.value("funnel_losses_total", **of, **lost) == 1
    samples = [one for family in world.registry.collect() for one in family.samples]
    assert len([one for one in samples if one.name == "hsp_otp_funnel_total"]) == 6
    assert len([one for one in samples if one.name == "hsp_otp_funnel_losses_total"]) == 1


def test_tokens(world: Measured) -> None:
    """Refreshing and signing out are counted by their outcomes."""
    grant = world.sign_in()
    world.refresh("nonsense")
    world.refresh(grant.refresh_token)
    world.clock.advance(MINUTE)
    world.refresh(grant.refresh_token)
    world.revoke(world.sign_in().refresh_token)
    world.revoke(grant.refresh_token)
    assert world.value("refreshes_total", outcome="invalid_token") == 1
    assert world.value("refreshes_total", outcome="refreshed") == 1
    assert world.value("refreshes_total", outcome="token_reused") == 1
    assert world.value("revocations_total", outcome="revoked") == 1
    assert world.value("revocations_total", outcome="invalid_token") == 1


def test_api_keys(world: Measured) -> None:
    """Failed authentications are counted by their outcomes, and right keys are only looked up."""
    key = run(
        make_api_key(
            world.api_keys,
            world.api_key_ring,
            "shop",
            frozenset({Scope.PASSES}),
            clock=world.clock,
            randomness=world.randomness,
        )
    ).reveal()
    caller = Caller(ClientAddress("203.0.113.7"), "r-1")
    for text, scope, count in (
        (key, Scope.PASSES, 2),
        (key, Scope.EXCHANGE, 1),
        (None, Scope.PASSES, 31),
    ):
        for _ in range(count):
            run(world.journeys.api_keys.authenticate(text, scope, caller))
    outcomes = {"unauthorized": 30, "forbidden": 1, "rate_limited": 1}
    for outcome, count in outcomes.items():
        assert world.value("failed_authentications_total", outcome=outcome) == count
    assert world.value("refusals_total", flow="none", limit="rate_limited") == 1
    assert world.value("port_call_duration_seconds_count", port="api_keys", store="sql") == 3
    (stored,) = world.api_keys.stored.values()
    assert stored.last_used_at == START


def test_what_is_watched_from_its_first_time_on(world: Measured) -> None:
    """What an alert watches is there before it happens, at 0: a first 1 would be no rise."""
    assert world.value("refreshes_total", outcome="token_reused") == 0
    for flow in ("pass_login", "signup"):
        assert world.value("refusals_total", flow=flow, limit="locked_out") == 0


def test_every_refusal_of_a_flood_counts(client: Client, world: Measured) -> None:
    """Refusals are counted by the limit, each of them, though many make one row."""
    assert [client.send().status for _ in range(4)] == [200, 429, 429, 429]
    assert client.sign_up().status == 200
    assert client.sign_up().status == 429
    assert world.value("refusals_total", flow="pass_login", limit="resend_too_soon") == 3
    assert world.value("refusals_total", flow="signup", limit="resend_too_soon") == 1
    asked = {"flow": "pass_login", "region": "IN"}
    assert world.value("asks_total", **asked, outcome="resend_too_soon") == 3
    assert world.value("asks_total", **asked, outcome="sent") == 1


@pytest.mark.parametrize(
    ("setting", "limit", "refused"),
    [
        ("login_sends_per_client_hour", "rate_limited", 2),
        ("phone_sends_per_day", "phone_rate_limited", 2),
        ("lookups_per_client_hour", "lookup_rate_limited", 2),
        ("failed_guesses_per_day", "locked_out", 3),
    ],
)
def test_every_limit_has_its_word(world: Measured, setting: str, limit: str, refused: int) -> None:
    """Whatever limit refuses is the label."""
    settings: dict[str, Any] = {**OPEN, setting: 2}
    with Client(world, resend_cooldown_seconds=0, **settings) as client:
        code = client.code()
        if limit == "locked_out":
            client.verify(other_than(code))
            client.verify(other_than(code))
        for _ in range(3):
            last = client.send()
    assert last.json["error"] == limit
    assert world.value("refusals_total", flow="pass_login", limit=limit) == refused


def test_what_a_race_lost_is_not_counted(world: Measured) -> None:
    """A rule that is called again tells once."""
    usage: UsageCounter = MemoryUsage(world.audit)

    class Raced:
        async def transition(
            self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, int]]
        ) -> int:
            decide(dict.fromkeys(keys, ()))
            return await usage.transition(keys, decide)

    def decide(held: Usages) -> Decision[Usages, int]:
        return Decision(5, held, (ROW,))

    measured = world.observer.usage(Raced(), "sql")  # type: ignore[arg-type]
    assert run(measured.transition((UsageKey("checks", "x"),), decide)) == 5
    assert world.value("asks_total", flow="signup", outcome="sent", region="none") == 1


@pytest.mark.parametrize("region", [None, "001", "ZZ", "+919876543210", "in"])
def test_a_region_is_one_of_those_there_are(world: Measured, region: str | None) -> None:
    """What is no region is none, so that nobody makes labels."""
    world.metrics.told(evolved(ROW, region=region, flow=None))
    assert world.value("asks_total", flow="none", outcome="sent", region="none") == 1


def test_what_an_operator_does_is_not_asked_for(world: Measured) -> None:
    """An unlock is a row, and no request; so is letting an address in."""
    before = list(world.registry.collect())
    world.metrics.told(evolved(ROW, action=Action.UNLOCK, outcome="unlocked"))
    world.metrics.told(evolved(ROW, action=Action.LET, outcome="let_in"))
    assert list(world.registry.collect()) == before


# --- Lanes and work


def login(world: Measured, *, token: str | None = None, work: str | None = None) -> SendOutcome:
    """Ask for a code with what a device sends."""
    devices = () if token is None else (token,)
    caller = Caller(ClientAddress("198.51.100.7"), "r-1", devices=devices, work=work)
    return run(world.login.send(PassCode(PASS_CODE), caller))


def solution(outcome: SendOutcome) -> str:
    """What solves the work that was asked for."""
    assert isinstance(outcome, WorkPosed)
    return str(outcome.work.parameters["solution"])


def test_messages_count_by_channel(world: Measured) -> None:
    """A code by e-mail is counted for its channel, and has no region."""
    Shop(world).sent("asha@example.com")
    sent = {"flow": "verification", "region": "none", "channel": "email", "sender": "outbox"}
    assert world.value("messages_sent_total", **sent) == 1


def test_asks_and_checks_count_by_lane(world: Measured) -> None:
    """Those of known devices apart from all others, each by its outcome; look-ups have no lane."""
    world.policy = open_policy(cooldown=0)
    login(world)
    world.verify(other_than(world.outbox.codes[-1]))
    signed_in = world.verify(world.outbox.codes[-1])
    assert isinstance(signed_in, SignedIn)
    login(world, token=signed_in.device_token)
    login(world, token=signed_in.device_token)
    world.validate()
    world.send("HSP-0000-0000")
    counted = {("others", "sent"): 1, ("others", "invalid_otp"): 1, ("others", "verified"): 1}
    counted |= {("known", "sent"): 2}
    found = {
        (sample.labels["lane"], sample.labels["outcome"]): sample.value
        for family in world.registry.collect()
        for sample in family.samples
        if sample.name == "hsp_otp_lane_total"
    }
    assert found == counted


def test_work_is_counted(world: Measured) -> None:
    """What is posed and solved, by its level, and how long it took; the rest has no level."""
    world.policy = open_policy(cooldown=0, asks_for_work=True)
    login(world)
    login(world)
    first = login(world)
    login(world, work="nonsense")
    login(world, work=f"{solution(first)} for somebody else")
    world.clock.advance(42 * SECOND)
    login(world, work=solution(first))
    second = login(world)
    world.clock.advance(5 * MINUTE)
    login(world, work=solution(second))
    assert [world.value("work_total", level="1", outcome=one) for one in ("posed", "solved")] == [
        2,
        1,
    ]
    assert world.value("work_total", level="2", outcome="posed") == 2
    for outcome in ("wrong", "stale", "malformed"):
        assert world.value("work_total", level="none", outcome=outcome) == 1
    assert world.value("work_solve_seconds_sum") == 42
    assert world.value("work_solve_seconds_count") == 1


# --- Ports


def test_a_port_that_is_away(world: Measured) -> None:
    """A call that is not answered is timed, counted as an error, and still one for the caller."""

    class Away:
        async def find(self, _: object) -> None:
            raise Unavailable

    world.found = Away()
    with pytest.raises(Unavailable):
        world.validate()
    called = {"port": "passes", "store": "sql"}
    assert world.value("port_errors_total", **called) == 1
    assert world.value("port_call_duration_seconds_count", **called) == 1
    assert world.value("lookups_total", outcome="valid") is None
    assert world.value("lookups_total", outcome="unavailable") == 1


def test_calls_are_timed(world: Measured) -> None:
    """Every call of a port is timed, and is no error while it is answered."""
    world.sign_in()
    for port, calls in (("passes", 2), ("usage", 2), ("slots", 2), ("audit", 1), ("families", 1)):
        called = {"port": port, "store": "sql" if port in {"passes", "audit"} else "memory"}
        assert world.value("port_call_duration_seconds_count", **called) == calls
        assert world.value("port_errors_total", **called) == 0
    assert world.value("port_call_duration_seconds_sum", port="families", store="memory") == 0.25


# --- Senders


@pytest.mark.parametrize(
    ("failure", "result"),
    [
        (None, "taken"),
        (SendRejected("no"), "refused"),
        (SendRefusedHere("no"), "refused"),
        (SendFailed("no"), "failed"),
        (RuntimeError("bug"), "failed"),
    ],
)
def test_attempts(world: Measured, failure: Exception | None, result: str) -> None:
    """What a sender makes of a message is counted and timed."""
    world.outbox.failure = failure
    if isinstance(failure, RuntimeError):
        with pytest.raises(RuntimeError):
            world.send()
    else:
        world.send()
    attempt = {"sender": "outbox", "result": result}
    assert world.value("send_attempt_duration_seconds_count", **attempt) == 1
    assert world.value("send_attempt_duration_seconds_sum", **attempt) == 0.25


def test_a_message_that_nobody_is_offered(world: Measured) -> None:
    """Where all senders are skipped, each of them is, and none was tried."""
    world.outbox.skipped = True
    world.send()
    assert world.value("sends_skipped_total", sender="outbox") == 1
    assert world.value("sends_skipped_total", sender="other") == 1
    assert world.value("asks_total", flow="pass_login", outcome="sms_failed", region="IN") == 1
    attempts = "send_attempt_duration_seconds_count"
    assert world.value(attempts, sender="outbox", result="failed") is None


def test_an_open_circuit(world: Measured) -> None:
    """A sender that fails five times is skipped, which shows at the next look, for 15 s."""
    clock = ManualClock()
    failing, working = Outbox(failure=SendFailed("no")), Outbox()
    boxes = {"failing": failing, "working": working}
    chain = Failover([CircuitBreaker(name, box, clock) for name, box in boxes.items()], clock)
    for place, name in enumerate(boxes):

        def is_open(place: int = place) -> bool:
            return chain.is_skipped(place)

        def skips(place: int = place) -> int:
            return chain.skips[place]

        world.metrics.watch_sender(name, is_open=is_open, skips=skips)

    def seen() -> list[float | None]:
        world.metrics.look()
        return [
            world.value(name, sender=sender)
            for sender in ("failing", "working")
            for name in ("circuit_open", "sends_skipped_total")
        ]

    assert seen() == [0, 0, 0, 0]
    for number in range(7):
        to = Contact(ContactKind.PHONE, f"+9198{number:04d}3210")
        run(chain.send(Sms(to=to, text="123456", useful_for=MINUTE)))
    assert seen() == [1, 2, 0, 0]
    assert seen() == [1, 2, 0, 0]
    clock.advance(15 * SECOND)
    assert seen() == [0, 2, 0, 0]


def test_receipts(world: Measured) -> None:
    """Every step forward of a message is counted once, whatever receipts repeat."""
    world.send()
    observed = partial(
        take_receipt,
        world.observer.deliveries(world.deliveries),
        early=world.early,
        clock=world.clock,
    )
    for state in (DeliveryState.SENT, DeliveryState.SENT, DeliveryState.DELIVERED):
        run(observed("outbox", "message-1", state))
    run(observed("outbox", "message-1", DeliveryState.FAILED))
    run(observed("outbox", "message-1", DeliveryState.SENT))
    run(observed("outbox", "unknown", DeliveryState.DELIVERED))
    found = [world.value("deliveries_total", sender="outbox", state=s.value) for s in DeliveryState]
    assert found == [None, 1, 1, None, None, None]
    assert world.value("port_call_duration_seconds_count", port="deliveries", store="sql") == 7


# --- What is looked at


def test_totals_are_followed(world: Measured) -> None:
    """What others count is taken over as it grows, and a state as it is."""
    state = {"backlog": 3, "kept": 5, "lost": 1, "falls": 2, "degraded": 1}
    world.metrics.watch_audit(
        backlog=lambda: state["backlog"],
        kept_aside=lambda: state["kept"],
        lost=lambda: state["lost"],
    )
    world.metrics.watch_limiter(
        is_degraded=lambda: bool(state["degraded"]), falls=lambda: state["falls"]
    )
    names = (
        *("audit_backlog_rows", "audit_rows_kept_aside_total", "audit_rows_lost_total"),
        *("limiter_fallbacks_total", "limiter_degraded"),
    )
    world.metrics.look()
    world.metrics.look()
    assert [world.value(name) for name in names] == [3, 5, 1, 2, 1]
    state |= {"backlog": 0, "kept": 9, "degraded": 0}
    world.metrics.look()
    assert [world.value(name) for name in names] == [0, 9, 1, 2, 0]


# --- Requests


def test_requests(client: Client, world: Measured) -> None:
    """A request is counted by its route's template and never by its path."""
    client.validate()
    client.validate("nonsense")
    client.request("GET", "/users/HSP-1234-5678")
    client.request("GET", "/static/+919876543210")
    client.request("BREW", "/healthz")
    client.request("PUT", "/healthz")
    client.request("HEAD", "/healthz/")
    found = {
        tuple(sample.labels[name] for name in ("method", "route", "status"))
        for family in world.registry.collect()
        for sample in family.samples
        if sample.name == "hsp_otp_http_requests_total"
    }
    assert found == {
        ("POST", "/customer/validate-pass", "200"),
        ("POST", "/customer/validate-pass", "400"),
        ("GET", "none", "404"),
        ("other", "none", "405"),
        ("PUT", "none", "405"),
        ("HEAD", "/healthz", "200"),
    }
    seconds = "http_request_duration_seconds_count"
    assert world.value(seconds, route="/customer/validate-pass") == 2


# --- The files of several processes


def written(folder: Path, kind: str, pid: int, name: str, value: float) -> None:
    """Leave a value as a worker does."""
    values = mmap_dict.MmapedDict(str(folder / f"{kind}_{pid}.db"))  # type: ignore[no-untyped-call]
    family = re.sub("_bucket$", "", name)
    labels = {"le": "+Inf"} if kind == "histogram" else {}
    key = mmap_dict.mmap_key(family, name, list(labels), list(labels.values()), "Help.")
    values.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    values.close()  # type: ignore[no-untyped-call]


def read(folder: Path) -> dict[str, float]:
    """What is shown of a folder."""
    workers = Workers(folder=folder, version="9.8.7", started_at=Instant(1_500_000))
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(exposed(workers).decode())
        for sample in family.samples
    }


def test_the_dead_are_counted_and_no_more_there(tmp_path: Path) -> None:
    """What workers that ended have counted stays, in one file; their gauges go."""
    for pid, value in ((DEAD, 3.0), (DEAD + 1, 4.0), (1, 5.0)):
        written(tmp_path, "counter", pid, "things_total", value)
        written(tmp_path, "histogram", pid, "seconds_bucket", value)
        written(tmp_path, "gauge_livesum", pid, "workers", 1.0)
        written(tmp_path, "gauge_livemax", pid, "open", value)
    (tmp_path / "counter_2.db").touch()  # made, and nothing in it yet
    expected = {"things_total": 12, "seconds_count": 12, "workers": 1, "open": 5}
    for _ in range(2):
        assert expected.items() <= read(tmp_path).items()
    written(tmp_path, "counter", DEAD, "things_total", 1.0)
    assert read(tmp_path)["things_total"] == 13
    assert sorted(file.name for file in tmp_path.glob("counter*")) == [
        *("counter_0.db", "counter_1.db"),
        *(["counter_2.db"] if Path("/proc/2").exists() else []),
    ]


def test_a_group_without_workers(tmp_path: Path) -> None:
    """What is known of the group does not wait for a worker."""
    shown = read(tmp_path)
    assert shown == {"hsp_otp_build_info": 1, "hsp_otp_start_time_seconds": 1.5}


# --- Money


def test_what_messages_cost(world: Measured) -> None:
    """By the price that was taken; refusals cost nothing."""
    known = {"region": "IN", "price": 83_200, "spent_by": "twilio"}
    world.metrics.told(
        evolved(ROW, **known),
        evolved(ROW, **known | {"region": "XX", "spent_by": None}),
        evolved(ROW, **known, outcome="range_rate_limited"),
        ROW,
    )
    name = "spend_dollars_total"
    assert world.value(name, flow="signup", region="IN", sender="twilio") == 0.0832
    assert world.value(name, flow="signup", region="none", sender="none") == 0.0832


@pytest.mark.parametrize(
    ("verdict", "reasons", "word", "limit"),
    [
        ("free", None, "free", "none"),
        ("work:3", "block 5/6 24h", "work", "none"),
        ("stretch", "block 7/6 24h; stretch 1.00/2.50$ 24h", "stretch", "block"),
        ("refused", "range 4/3 24h; stretch 2.60/2.50$ 24h", "refused", "range"),
        ("refused", "region-cap 50.10/50.00$ 24h", "refused", "region-cap"),
    ],
)
def test_verdicts(
    world: Measured, verdict: str, reasons: str | None, word: str, limit: str
) -> None:
    """By the group that is too full, which comes first."""
    world.metrics.told(evolved(ROW, region="IN", verdict=verdict, reasons=reasons), ROW)
    labels = {"flow": "signup", "verdict": word, "limit": limit, "region": "IN"}
    assert world.value("guard_total", **labels) == 1


def test_how_full_budgets_are(world: Measured) -> None:
    """The fullest of each region, over flows and apps; what is over falls to 0."""
    uses = [
        BudgetUse(key=BudgetKey("signup", None), spent=30, cap=100),
        BudgetUse(
            key=BudgetKey("signup", "IN"), spent=20, cap=50, owed=2 * DOLLAR, may_owe=8 * DOLLAR
        ),
        BudgetUse(key=BudgetKey("a1", "IN"), spent=40, cap=50, owed=DOLLAR, may_owe=8 * DOLLAR),
        BudgetUse(key=BudgetKey("a1", "FR"), spent=40, cap=0, owed=DOLLAR, may_owe=0),
        BudgetUse(key=BudgetKey("sender:twilio", None), spent=50, cap=50),
    ]
    world.metrics.spending(uses)
    assert world.value("spend_cap_ratio", region="all") == 0.3
    assert world.value("spend_cap_ratio", region="IN") == 0.8
    assert world.value("spend_cap_ratio", region="FR") == 0
    assert world.value("owed_dollars", region="IN") == 3
    assert world.value("owed_dollars", region="FR") == 1
    assert world.value("owed_ratio", region="IN") == 0.25
    assert world.value("owed_ratio", region="FR") == 0
    world.metrics.spending(uses[:1])
    assert world.value("spend_cap_ratio", region="IN") == 0
    assert world.value("owed_dollars", region="IN") == 0
    assert world.value("owed_ratio", region="IN") == 0


# --- What is written about it


def with_everything(folder: Path) -> CollectorRegistry:
    """Every metric there is, each at least once."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.answered("/healthz", "GET", 200, 0.1)
    metrics.told(
        *(
            evolved(ROW, action=action, outcome=outcome)
            for action in Action
            for outcome in ("sent", "locked_out")
        )
    )
    metrics.told(evolved(ROW, lane=Lane.KNOWN))
    metrics.told(evolved(ROW, app="shop"))
    metrics.told(evolved(ROW, price=83_200, spent_by="twilio", verdict="free"))
    metrics.spending([BudgetUse(key=BudgetKey("signup", "IN"), spent=1, cap=2)])
    visit = Visit(language=ENGLISH)
    metrics.told(evolved(ROW, outcome="locked_out", visit=visit))
    metrics.verified(Flow.SIGNUP, SECOND)
    metrics.posed(1)
    metrics.solved(1, SECOND)
    metrics.attempted("console", "taken", 0.1)
    metrics.moved("console", DeliveryState.SENT)
    metrics.called("slots", "sql", 0.1, Unavailable())
    metrics.watch_sender("console", is_open=lambda: False, skips=lambda: 0)
    registry.register(Workers(folder=folder, version="1", started_at=START))
    return registry


def test_the_page_lists_them_all(tmp_path: Path) -> None:
    """docs/metrics.md has every metric there is, with its kind and its labels, and no other."""
    rows = re.findall(
        r"^\| `(hsp_otp_\w+)` \| (\w+) \|(.*?)\| .+ \|$",
        DESCRIBED.read_text("utf-8"),
        re.MULTILINE,
    )
    described = {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows
    }
    assert len(described) == len(rows)
    registry = with_everything(tmp_path)
    exported = {}
    for family in registry.collect():
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        kind = "gauge" if family.type == "info" else family.type
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        exported[family.name + suffix] = (kind, frozenset(labels))
        assert family.samples
    assert described == exported


def test_none_is_told_of_a_pass(world: Measured) -> None:
    """No name or label has a code, number or pass code in it; times may have any digits."""
    grant = world.sign_in()
    samples = [sample for family in world.registry.collect() for sample in family.samples]
    shown = str([(sample.name, sample.labels) for sample in samples])
    secrets = (*world.outbox.codes, PASS_CODE, "9876543210", "3210", grant.refresh_token)
    assert [secret for secret in secrets if secret in shown] == []
