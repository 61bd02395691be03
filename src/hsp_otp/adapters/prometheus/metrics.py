"""All metrics of a worker, as described in docs/metrics.md."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

import phonenumbers
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from hsp_otp.domain.audit import Action, AuditRow, Row, StepRow
from hsp_otp.domain.budgets import sender_of
from hsp_otp.domain.challenge_outcomes import Issued, Locked
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.funnel import counted, figure_of, is_loss
from hsp_otp.domain.guard import read_reasons
from hsp_otp.domain.instant import SECOND, Duration
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.quota import Limit
from hsp_otp.domain.refresh_tokens import TokenReused
from hsp_otp.domain.spend_report import BudgetUse
from hsp_otp.domain.verification_record import Status
from hsp_otp.ports.failures import Unavailable

_LOOK_SECONDS: Final = 1.0

_Mode: TypeAlias = Literal["livemax", "livesum"]
"""How the values of live workers are combined into one."""

_NONE: Final = "none"
"""The label for a missing value."""

_REGIONS: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)

_ALL: Final = "all"
"""The label of all regions together."""

_LIMITS: Final = frozenset({*(limit.value for limit in Limit), Locked.word})

_REQUEST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SEND_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 6, 7.5, 10)
_CALL_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_SOLVE_BUCKETS: Final = (1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 240, 300)
_VERIFY_BUCKETS: Final = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600)


class Metrics:
    """
    The metrics of one worker.

    No label contains text that callers choose: a route is its template, a region is one that
    libphonenumber knows, an app's name is the operator's, and all others are the service's own
    words.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Create all metrics, readable here if there is a *registry*, otherwise only in files."""
        self._registry = registry
        self._regions_shown: set[str] = set()
        self._looks: list[Callable[[], None]] = []
        self._create_request_metrics()
        self._create_message_metrics()
        self._create_store_metrics()
        self._create_spend_metrics()
        self._gauge("workers", "Processes that serve requests.", "livesum").set(1)
        # A rise is visible only in a series that already exists, so important series begin at 0.
        self._refreshes.labels(TokenReused.word)
        for flow in Flow:
            for limit in _LIMITS:
                self._refusals.labels(flow.value, limit)

    def _create_request_metrics(self) -> None:
        self._requests = self._counter(
            "http_requests_total", "HTTP requests answered.", "route", "method", "status"
        )
        self._request_seconds = self._histogram(
            "http_request_duration_seconds",
            "Time from a request's head to its answer.",
            _REQUEST_BUCKETS,
            "route",
        )
        self._asks = self._counter(
            "asks_total", "Requests to send a code.", "flow", "outcome", "region"
        )
        self._checks = self._counter(
            "checks_total", "Presented codes.", "flow", "outcome", "region"
        )
        self._lookups = self._counter(
            "lookups_total", "Passes looked up to validate them.", "outcome"
        )
        self._refreshes = self._counter("refreshes_total", "Refresh tokens presented.", "outcome")
        self._authentications = self._counter(
            "failed_authentications_total",
            "Requests without an API key that may be used for them.",
            "outcome",
        )
        self._withdrawals = self._counter(
            "withdrawals_total", "Codes that were withdrawn before their time.", "flow"
        )
        self._of_apps = self._counter(
            "app_requests_total",
            "Requests about verifications, by app.",
            *("app", "request", "outcome"),
        )
        self._revocations = self._counter("revocations_total", "Requests to sign out.", "outcome")
        self._exchanges = self._counter(
            "exchanges_total", "Codes of sign-ins presented for tokens.", "outcome"
        )
        changes = self._counter(
            "pass_changes_total", "Passes that the house's backend stored or ended.", "outcome"
        )
        self._by_outcome = {
            Action.LOOK_UP: self._lookups,
            Action.REFRESH: self._refreshes,
            Action.REVOKE: self._revocations,
            Action.EXCHANGE: self._exchanges,
            Action.AUTHENTICATE: self._authentications,
            Action.PUT_PASS: changes,
            Action.END_PASS: changes,
        }
        self._refusals = self._counter(
            "refusals_total", "Requests refused by a limit.", "flow", "limit"
        )
        self._verify_seconds = self._histogram(
            "time_to_verify_seconds",
            "Time from issuing a code to its success.",
            _VERIFY_BUCKETS,
            "flow",
        )
        self._figures = self._counter(
            "funnel_total",
            "Visitors at each step of a flow.",
            *("flow", "step", "region", "language"),
        )
        self._losses = self._counter(
            "funnel_losses_total",
            "Requests of visitors that ended with an error word.",
            *("flow", "request", "word", "language"),
        )
        self._lanes = self._counter(
            "lane_total",
            "Requests to send a code and presented codes, by the lane that judged them.",
            *("lane", "outcome"),
        )
        self._work = self._counter(
            "work_total", "Work that was posed, and what was handed in.", "level", "outcome"
        )
        self._solve_seconds = self._histogram(
            "work_solve_seconds", "Time from posing work to its solution.", _SOLVE_BUCKETS
        )

    def _create_message_metrics(self) -> None:
        self._sent = self._counter(
            "messages_sent_total",
            "Messages that a sender took.",
            *("flow", "region", "channel", "sender"),
        )
        self._attempt_seconds = self._histogram(
            "send_attempt_duration_seconds",
            "Time a sender needed to take, refuse or fail a message.",
            _SEND_BUCKETS,
            *("sender", "result"),
        )
        self._skipped = self._counter(
            "sends_skipped_total",
            "Messages not offered to a sender because its circuit was open.",
            "sender",
        )
        self._circuits = self._gauge(
            "circuit_open", "Whether a worker is skipping the sender.", "livemax", "sender"
        )
        self._deliveries = self._counter(
            "deliveries_total", "Delivery steps that receipts reported.", "sender", "state"
        )

    def _create_store_metrics(self) -> None:
        self._call_seconds = self._histogram(
            "port_call_duration_seconds",
            "Time that a call of a port took.",
            _CALL_BUCKETS,
            *("port", "store"),
        )
        self._call_errors = self._counter(
            "port_errors_total", "Calls of a port that were not answered.", "port", "store"
        )
        self._degraded = self._gauge(
            "limiter_degraded",
            "Whether a worker counts in the SQL database instead of Redis.",
            "livemax",
        )
        self._fallbacks = self._counter(
            "limiter_fallbacks_total", "Times that the SQL database began to count for Redis."
        )
        self._backlog = self._gauge(
            "audit_backlog_rows", "Rows that wait for the SQL database.", "livesum"
        )
        self._kept_aside = self._counter(
            "audit_rows_kept_aside_total",
            "Rows that could not be written and were kept aside, each failed attempt counted.",
        )
        self._lost = self._counter("audit_rows_lost_total", "Rows that were lost.")

    def _create_spend_metrics(self) -> None:
        self._spent = self._counter(
            "spend_dollars_total",
            "What messages cost that a sender took.",
            *("flow", "region", "sender"),
        )
        self._judged = self._counter(
            "guard_total",
            "Requests to send a code that the guard judged, by the group that is too full.",
            *("flow", "verdict", "limit", "region"),
        )
        self._owed = self._gauge(
            "owed_dollars", "What is not paid back of 24 hours.", "livemax", "region"
        )
        self._owed_ratio = self._gauge(
            "owed_ratio", "What a region owes of what it may owe.", "livemax", "region"
        )
        self._cap_ratio = self._gauge(
            "spend_cap_ratio", "What is spent of the fullest cap.", "livemax", "region"
        )

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"hsp_otp_{name}", meaning, labels, registry=self._registry)

    def _gauge(self, name: str, meaning: str, mode: _Mode, *labels: str) -> Gauge:
        return Gauge(
            f"hsp_otp_{name}", meaning, labels, registry=self._registry, multiprocess_mode=mode
        )

    def _histogram(
        self, name: str, meaning: str, buckets: Sequence[float], *labels: str
    ) -> Histogram:
        return Histogram(
            f"hsp_otp_{name}", meaning, labels, registry=self._registry, buckets=buckets
        )

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request; *route* is the template of the route."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def told(self, *rows: Row) -> None:
        """Count rows once they are stored."""
        for row in rows:
            if isinstance(row, AuditRow):
                self._count(row)
                self._count_lane(row)
                for step in counted(row):
                    self._count_step(step)
            elif isinstance(row, StepRow):
                self._count_step(row)

    def verified(self, flow: Flow, after: Duration) -> None:
        """Count a code's success, and the time since its issue."""
        self._verify_seconds.labels(flow.value).observe(max(0, after) / SECOND)

    def attempted(self, sender: str, result: str, seconds: float) -> None:
        """Count a message that was offered to *sender*."""
        self._attempt_seconds.labels(sender, result).observe(seconds)

    def skipped(self, sender: str) -> None:
        """Count a message that was not offered to *sender* because all senders were skipped."""
        self._skipped.labels(sender).inc()

    def posed(self, level: int) -> None:
        """Count work of *level* that was handed out."""
        self._work.labels(str(level), "posed").inc()

    def solved(self, level: int, after: Duration) -> None:
        """Count work of *level* that was done, and the time since it was posed."""
        self._work.labels(str(level), "solved").inc()
        self._solve_seconds.observe(max(0, after) / SECOND)

    def unsolved(self, outcome: str) -> None:
        """Count what was handed in and solves nothing."""
        self._work.labels(_NONE, outcome).inc()

    def moved(self, sender: str, state: DeliveryState) -> None:
        """Count a message of *sender* that reached *state*."""
        self._deliveries.labels(sender, state.value).inc()

    def called(self, port: str, store: str, seconds: float, failure: BaseException | None) -> None:
        """Count a call of a port, and whether it failed."""
        self._call_seconds.labels(port, store).observe(seconds)
        self._call_errors.labels(port, store).inc(isinstance(failure, Unavailable))

    def spending(self, uses: Sequence[BudgetUse]) -> None:
        """
        Show how full budgets are: the fullest of each region, by flow and app.

        Those of senders are left out: where one is full, the next sender is tried.
        """
        owed = defaultdict[str, float](float)
        owed_ratio, cap_ratio = defaultdict[str, float](float), defaultdict[str, float](float)
        for use in uses:
            if sender_of(use.key.account) is not None:
                continue
            region = _ALL if use.key.region is None else _region(use.key.region)
            cap_ratio[region] = max(cap_ratio[region], use.spent_ratio)
            if use.key.region is not None:
                owed[region] += use.owed / DOLLAR
                owed_ratio[region] = max(owed_ratio[region], use.owed_ratio)
        for gauge, found in (
            (self._owed, owed),
            (self._owed_ratio, owed_ratio),
            (self._cap_ratio, cap_ratio),
        ):
            # A budget that is over is not stored any more.
            for region in self._regions_shown - found.keys():
                gauge.labels(region).set(0)
            for region, value in found.items():
                gauge.labels(region).set(value)
        self._regions_shown |= cap_ratio.keys() - {_ALL}

    def watch_sender(
        self, sender: str, *, is_open: Callable[[], bool], skips: Callable[[], int]
    ) -> None:
        """Include a sender's circuit from now on; *skips* tells how often it was skipped so far."""
        circuit = self._circuits.labels(sender)
        self._looks.append(lambda: circuit.set(is_open()))
        self._follow(self._skipped.labels(sender), skips)

    def watch_limiter(self, *, is_degraded: Callable[[], bool], falls: Callable[[], int]) -> None:
        """Include the counters' fallback; *falls* tells how often the database has taken over."""
        self._looks.append(lambda: self._degraded.set(is_degraded()))
        self._follow(self._fallbacks, falls)

    def watch_audit(
        self, *, backlog: Callable[[], int], kept_aside: Callable[[], int], lost: Callable[[], int]
    ) -> None:
        """Include waiting rows from now on, and the totals of rows set aside and lost."""
        self._looks.append(lambda: self._backlog.set(backlog()))
        self._follow(self._kept_aside, kept_aside)
        self._follow(self._lost, lost)

    def look(self) -> None:
        """Record the current state of everything that is watched."""
        for look in self._looks:
            look()

    async def keep_looking(self) -> None:
        """Record once a second until cancelled, and then one last time."""
        try:
            while True:
                self.look()
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            self.look()

    def _follow(self, counter: Counter, total: Callable[[], int]) -> None:
        seen = 0

        def look() -> None:
            nonlocal seen
            found = total()
            counter.inc(found - seen)
            seen = found

        self._looks.append(look)

    def _count_step(self, row: StepRow) -> None:
        flow, language = row.flow.value, row.language or _NONE
        figure = figure_of(row.step, row.word)
        if figure is not None:
            region = _region(row.region)
            self._figures.labels(flow, figure, region, language).inc(row.count)
        elif is_loss(row.word):
            self._losses.labels(flow, row.step.value, row.word, language).inc(row.count)

    def _count_lane(self, row: AuditRow) -> None:
        lane = row.facts.lane
        if lane is not None and row.facts.action in {Action.SEND, Action.CHECK}:
            self._lanes.labels(lane.value, row.outcome).inc()

    def _count_sent(self, row: AuditRow, flow: str, region: str) -> None:
        if row.outcome == Issued.word:
            channel = row.facts.channel or Channel.SMS
            self._sent.labels(flow, region, channel.value, row.sender or _NONE).inc()
            if row.price:
                dollars = row.price / DOLLAR
                self._spent.labels(flow, region, row.spent_by or _NONE).inc(dollars)

    def _count_judged(self, row: AuditRow, flow: str, region: str) -> None:
        verdict = row.verdict
        if verdict is not None:
            full = (one.group.value for one in read_reasons(row.reasons or "") if one.is_full)
            word = verdict.partition(":")[0]
            self._judged.labels(flow, word, next(full, _NONE), region).inc()

    def _count(self, row: AuditRow) -> None:
        facts = row.facts
        flow = _NONE if facts.flow is None else facts.flow.value
        region = _region(facts.region)
        match facts.action:
            case Action.SEND:
                self._asks.labels(flow, row.outcome, region).inc()
            case Action.CHECK:
                self._checks.labels(flow, row.outcome, region).inc()
            case Action.WITHDRAW:
                self._withdrawals.labels(flow).inc()
            case Action.CANCEL:
                self._withdrawals.labels(flow).inc(row.outcome == Status.CANCELED.value)
            case (
                Action.LOOK_UP
                | Action.REFRESH
                | Action.REVOKE
                | Action.EXCHANGE
                | Action.AUTHENTICATE
                | Action.PUT_PASS
                | Action.END_PASS
            ):
                self._by_outcome[facts.action].labels(row.outcome).inc()
            case (
                Action.READ
                | Action.FALL_BACK
                | Action.TEST_CONTACT
                | Action.UNLOCK
                | Action.LET
                | Action.ERASE
                | Action.OPS_SIGN_IN
                | Action.OPS_SEARCH
            ):
                # Counted by app, asked for by nobody, or an operator's, which the audit records.
                pass
        self._count_sent(row, flow, region)
        self._count_judged(row, flow, region)
        if facts.app is not None:
            self._of_apps.labels(facts.app, facts.action.value, row.outcome).inc()
        if row.outcome in _LIMITS:
            self._refusals.labels(flow, row.outcome).inc()


def _region(found: str | None) -> str:
    return found if found in _REGIONS else _NONE
