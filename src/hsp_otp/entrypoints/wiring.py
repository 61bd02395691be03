"""Builds the services from the settings; the only module that knows every adapter."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import attrs

from hsp_otp.adapters.early_receipts import CLOSE_SECONDS, Follow, MemoryEarlyReceipts
from hsp_otp.adapters.instrumentation.ports import NobodyCounts, Observer, Watch
from hsp_otp.adapters.jwt import (
    JwtAccessTokens,
    JwtProofs,
    SigningKey,
    key_set,
    parse_signing_keys,
)
from hsp_otp.adapters.memory import MemoryRecords, MemorySlots, MemoryUsage
from hsp_otp.adapters.messages import GettextMessages
from hsp_otp.adapters.proof_of_work import AltchaProofOfWork
from hsp_otp.adapters.redis.topology import Topology
from hsp_otp.adapters.sandbox import FileOutbox, RecordedSenders, SharedClock
from hsp_otp.adapters.secret_keys import (
    API_KEYS,
    CODES,
    CSRF_TOKENS,
    DEVICES,
    EXCHANGE_CODES,
    IDEMPOTENCY,
    NUMBER_FINGERPRINTS,
    PAGES,
    REFRESH_TOKENS,
    TEST_CODES,
    WORK_CHALLENGES,
    WORK_SOLUTIONS,
    ops_ring,
    ring,
)
from hsp_otp.adapters.senders.circuit_breaker import CircuitBreaker
from hsp_otp.adapters.senders.failover import Failover
from hsp_otp.adapters.senders.provider import CallMeans, Means
from hsp_otp.adapters.senders.spend_webhook import SpendWebhook
from hsp_otp.adapters.senders.webhook import NAME as WEBHOOK
from hsp_otp.adapters.sql.api_keys import SqlApiKeys
from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.deliveries import SqlDeliveries
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.adapters.sql.pass_changes import SqlPassRepository
from hsp_otp.adapters.sql.passes import SqlPasses
from hsp_otp.adapters.sql.sends import SqlSends
from hsp_otp.adapters.sql.spending_queries import SqlSpendingQueries
from hsp_otp.adapters.sql.stores import (
    SqlApprovals,
    SqlBudgets,
    SqlFamilies,
    SqlSignupSessions,
    SqlSignupSteps,
    SqlSlots,
    SqlUsage,
)
from hsp_otp.adapters.sql.test_contacts import SqlTestContacts
from hsp_otp.adapters.sql.verifications import SqlVerifications
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.guard import GuardMode
from hsp_otp.domain.instant import DAY, SECOND
from hsp_otp.domain.names import SessionId
from hsp_otp.domain.prices import Prices
from hsp_otp.domain.signup import SignupSession
from hsp_otp.domain.verification_request import Reach
from hsp_otp.entrypoints.private_files import make_private_folder
from hsp_otp.entrypoints.readiness import DATABASE_SECONDS, REDIS_SECONDS, SharedCheck
from hsp_otp.entrypoints.senders import calls_url, receipts_url
from hsp_otp.entrypoints.services import Dashboard, Sandbox, Services
from hsp_otp.entrypoints.settings.model import Settings, UsedSender
from hsp_otp.flows.assembly import GuardNumbers, Numbers, Ports, Rings, build
from hsp_otp.flows.receipts import take_receipt
from hsp_otp.flows.sender_caps import CappedSender
from hsp_otp.flows.spend_watch import SpendWatch
from hsp_otp.flows.spending import Spending
from hsp_otp.ports.calls import CallControl
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.deliveries import Receipts
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.randomness import Randomness
from hsp_otp.ports.sender import Sender
from hsp_otp.ports.signups import SignupSessions
from hsp_otp.ports.usage_counter import UsageCounter

if TYPE_CHECKING:
    from hsp_otp.adapters.opentelemetry.export import Export
    from hsp_otp.adapters.opentelemetry.spans import Spans
    from hsp_otp.adapters.prometheus.metrics import Metrics
    from hsp_otp.adapters.redis.client import RedisClient

_SETTLE_SECONDS: Final = 5

_CLOCK: Final = "clock"
"""The file in the folder of development mode that says how far the clock is ahead."""


@attrs.frozen
class Stores:
    """
    The stores that the settings choose.

    Attributes:
        upkeep: Runs in the background while the stores are open.
    """

    slots: SlotRepository
    signup_sessions: SignupSessions
    usage: UsageCounter
    upkeep: tuple[Callable[[], Awaitable[None]], ...] = ()


async def open_redis_of(stack: AsyncExitStack, settings: Settings) -> "RedisClient | None":
    """Open the Redis of *settings*; None if they name none."""
    if not settings.redis_url:
        return None
    # Imported late, so that the library is loaded only with Redis.
    from hsp_otp.adapters.redis.client import open_redis  # noqa: PLC0415

    return await stack.enter_async_context(
        open_redis(
            settings.redis_url,
            Topology(settings.redis_topology),
            settings.redis_sentinel_service or None,
        )
    )


def open_stores(
    settings: Settings,
    commits: GroupCommit,
    history: SqlLimitRecovery,
    redis: "RedisClient | None",
    *,
    clock: Clock,
    randomness: Randomness,
) -> Stores:
    """
    Open the stores that *settings* choose.

    Args:
        history: Recovers from SQL what Redis has forgotten.
    """
    slots: SlotRepository = SqlSlots(commits)
    sessions: SignupSessions = SqlSignupSessions(commits)
    usage: UsageCounter = SqlUsage(commits)
    upkeep: list[Callable[[], Awaitable[None]]] = []
    if settings.challenge_store == "memory":
        slots, sessions = MemorySlots(commits), MemoryRecords[SessionId, SignupSession](commits)
    if settings.counts_in == "memory":
        usage = MemoryUsage(commits)
    if redis is not None:
        # Imported late, as above.
        from hsp_otp.adapters.redis.fallback import FallbackUsage  # noqa: PLC0415
        from hsp_otp.adapters.redis.records import RedisRecords  # noqa: PLC0415
        from hsp_otp.adapters.redis.stores import (  # noqa: PLC0415
            RedisSignupSessions,
            RedisSlots,
            RedisUsage,
        )

        if settings.challenge_store == "redis":
            records = RedisRecords(redis, "slots", clock, randomness)
            slots = kept = RedisSlots(records=records, rows=commits, history=history, clock=clock)
            upkeep.append(partial(records.keep_recovering, kept.recovered))
            sessions = RedisSignupSessions(records=records, rows=commits)
        if settings.counts_in == "redis":
            counted = RedisRecords(redis, "usage", clock, randomness)
            counts = RedisUsage(records=counted, rows=commits, history=history, clock=clock)
            upkeep.append(partial(counted.keep_recovering, counts.recovered))
            usage = FallbackUsage(counts, usage, history, clock)
    return Stores(slots, sessions, usage, tuple(upkeep))


def clock_of(settings: Settings) -> Clock:
    """Return the clock of commands; in development mode, that of the server beside them."""
    file = settings.development_folder / _CLOCK
    if settings.in_development and file.exists():
        return SharedClock(file, SystemClock())
    return SystemClock()


def open_database(settings: Settings) -> Database:
    """Open the database of *settings*."""
    return Database(settings.database_url, durable=not settings.in_development)


async def _open_senders(
    stack: AsyncExitStack,
    settings: Settings,
    clock: Clock,
    randomness: Randomness,
    observer: Observer,
    *,
    spending: Spending,
) -> dict[Channel, Failover]:
    """
    Return, for each channel that has senders, one sender that tries them in turn.

    Args:
        spending: The money of senders that have a cap.
    """
    used = settings.used_senders
    prices, caps = _prices(settings), settings.guard.sender_caps
    is_capped = settings.guard.mode is not GuardMode.OFF
    opened: dict[Channel, Failover] = {}
    for channel, names in _sender_names(settings).items():
        circuits: list[Sender[Any]] = []
        for name in names:
            means = means_of(settings, used[name], clock, randomness)
            opening = used[name].provider.open(used[name].account, means)
            sender = await stack.enter_async_context(opening)
            circuit = CircuitBreaker(name, observer.sender(name, sender), clock)
            capped = CappedSender(
                name=name, sender=circuit, spending=spending, prices=prices, clock=clock
            )
            circuits.append(capped if is_capped and name in caps else circuit)
        opened[channel] = Failover(circuits, clock, names)
    return opened


def _sender_names(settings: Settings) -> dict[Channel, tuple[str, ...]]:
    """Return the names of each channel's senders, in the order in which they are tried."""
    names: dict[Channel, tuple[str, ...]] = {}
    for name, one in settings.used_senders.items():
        names[one.provider.channel] = (*names.get(one.provider.channel, ()), name)
    return names


def receipts(settings: Settings, clock: Clock, randomness: Randomness) -> dict[str, Receipts]:
    """Return the readers of delivery receipts, by the name of the provider that reports."""
    found: dict[str, Receipts] = {}
    asked = settings.used_senders if settings.public_url and settings.senders else {}
    for one in asked.values():
        means = means_of(settings, one, clock, randomness)
        reader = one.provider.receipts(one.account, means)
        if reader is not None:
            found[one.provider.name] = reader
    return found


def calls(settings: Settings, clock: Clock, randomness: Randomness) -> dict[str, CallControl]:
    """Return what controls calls, by the name of the provider that makes them."""
    found: dict[str, CallControl] = {}
    asked = settings.used_senders if settings.public_url and settings.senders else {}
    for one in asked.values():
        control = one.provider.calls(one.account, means_of(settings, one, clock, randomness))
        if control is not None:
            found[one.provider.name] = control
    return found


def reach_of(settings: Settings) -> Reach:
    """Return whom the service can send codes to."""
    return Reach(
        settings.signup_regions,
        settings.default_region or None,
        frozenset(one.provider.channel for one in settings.used_senders.values()),
    )


def _further(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the names of each provider's senders after the first."""
    names: dict[str, tuple[str, ...]] = {}
    for name, one in settings.used_senders.items():
        if one.place:
            names[one.provider.name] = (*names.get(one.provider.name, ()), name)
    return names


def means_of(settings: Settings, sender: UsedSender, clock: Clock, randomness: Randomness) -> Means:
    """Return the resources of *sender*."""
    name = sender.provider.name
    ends = receipts_url(settings.public_url, name)
    keys = calls_url(settings.public_url, name)
    return Means(
        clock=clock,
        randomness=randomness,
        callback=ends,
        calls=CallMeans(ends=ends, keys=keys, texts=settings.texts) if ends and keys else None,
        place=sender.place,
        name=sender.name,
    )


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services]:
    """
    Open the services, and close them in the reverse order.

    Args:
        settings: The settings, including keys.
    """
    randomness = SystemRandomness()
    async with AsyncExitStack() as stack:
        sandbox = _open_sandbox(stack, settings) if settings.in_development else None
        clock = SystemClock() if sandbox is None else sandbox.clock
        metrics = await _open_metrics(stack) if settings.measures else None
        traces = _open_traces(stack, settings, clock) if settings.traces_url else None
        observer = _observer(metrics, traces, clock)
        database = await stack.enter_async_context(open_database(settings))
        deliveries = observer.deliveries(SqlDeliveries(database, clock))
        early = MemoryEarlyReceipts(deliveries)
        commits = GroupCommit(database)
        stack.push_async_callback(commits.close)
        await stack.enter_async_context(_running(commits.write_kept_aside))
        api_keys = SqlApiKeys(database)
        stack.push_async_callback(api_keys.close)
        redis = await open_redis_of(stack, settings)
        history = SqlLimitRecovery(database, settings.client_limits.misses.limit)
        stores = open_stores(settings, commits, history, redis, clock=clock, randomness=randomness)
        for work in stores.upkeep:
            await stack.enter_async_context(_running(work))
        budgets = SqlBudgets(commits, database)
        by_senders = Spending(budgets, settings.guard.policy, settings.guard.caps)
        await _keep_telling(stack, by_senders, clock)
        senders = await _open_senders(
            stack, settings, clock, randomness, observer, spending=by_senders
        )
        if metrics is not None:
            _watch(metrics, settings, commits, stores.usage, senders)
        parts = _Parts(
            database=database,
            commits=commits,
            budgets=budgets,
            api_keys=api_keys,
            stores=stores,
            history=history,
            messages=settings.texts,
            signing_keys=parse_signing_keys(settings.jwt_algorithm, settings.jwt_keys),
        )
        ports = _ports(settings, parts, senders, clock=clock, randomness=randomness)
        if sandbox is not None:
            ports = _recorded(sandbox, ports)
        ports = _observed(observer, settings, ports)
        journeys = build(ports, _rings(settings), _numbers(settings))
        if settings.guard.mode is not GuardMode.OFF:
            watch = _spend_watch(settings, parts, ports, metrics)
            await stack.enter_async_context(_running(watch.keep_looking))
        follow = journeys.lost_messages.follow
        await _keep_telling(stack, journeys.spending, clock)
        stack.push_async_callback(_close_early, early, commits, follow)
        await stack.enter_async_context(_running(partial(early.keep_trying, follow)))
        services = Services(
            settings=settings,
            clock=clock,
            messages=parts.messages,
            journeys=journeys,
            senders=senders,
            take_receipt=partial(
                take_receipt,
                deliveries,
                early=early,
                clock=clock,
                further=_further(settings),
                follow=follow,
            ),
            receipts=receipts(settings, clock, randomness),
            calls=calls(settings, clock, randomness),
            call_texts=parts.messages,
            key_set=key_set(parts.signing_keys),
            csrf_keys=ring(settings.secret_keys, CSRF_TOKENS),
            page_keys=ring(settings.secret_keys, PAGES),
            database_answers=_shared(stack, database.takes_writes, DATABASE_SECONDS),
            redis_answers=_shared(stack, redis.takes_writes, REDIS_SECONDS) if redis else None,
            answered=metrics.answered if metrics else None,
            dashboard=await _open_dashboard(stack, settings, parts, ports, observer)
            if settings.has_ops
            else None,
            sandbox=sandbox,
        )
        if traces is not None:
            services = traced(services, traces.spans)
            # Shutdown begins here first and is awaited last, so that the rest closes meanwhile.
            stack.callback(traces.end)
        yield services


def _open_sandbox(stack: AsyncExitStack, settings: Settings) -> Sandbox:
    folder = settings.development_folder
    make_private_folder(folder)
    clock = SharedClock(folder / _CLOCK, SystemClock())
    stack.callback(clock.close)
    outbox = FileOutbox(folder / "outbox")
    stack.callback(outbox.close)
    return Sandbox(outbox=outbox, clock=clock)


def _recorded(sandbox: Sandbox, ports: Ports) -> Ports:
    recorded = {
        channel: RecordedSenders(
            senders=senders, channel=channel, outbox=sandbox.outbox, clock=sandbox.clock
        )
        for channel, senders in ports.senders.items()
    }
    return attrs.evolve(ports, senders=recorded)


@attrs.frozen(kw_only=True)
class _Parts:
    """The parts that several services share."""

    database: Database
    commits: GroupCommit
    budgets: SqlBudgets
    api_keys: SqlApiKeys
    stores: Stores
    history: SqlLimitRecovery
    messages: GettextMessages
    signing_keys: tuple[SigningKey, ...]


def _observer(metrics: "Metrics | None", traces: "Export | None", clock: Clock) -> Observer:
    listeners = (metrics, traces.spans if traces else None)
    watch = Watch(
        listeners=tuple(one for one in listeners if one is not None),
        counts=metrics or NobodyCounts(),
    )
    return Observer(watch, clock)


def _shared(
    stack: AsyncExitStack, check: Callable[[], Awaitable[bool]], within: float
) -> SharedCheck:
    shared = SharedCheck(check=check, within=within)
    stack.push_async_callback(shared.close)
    return shared


def _ports(
    settings: Settings,
    parts: _Parts,
    senders: Mapping[Channel, Failover],
    *,
    clock: Clock,
    randomness: Randomness,
) -> Ports:
    passes = SqlPasses(parts.database)
    return Ports(
        slots=parts.stores.slots,
        signup_sessions=parts.stores.signup_sessions,
        signup_steps=SqlSignupSteps(parts.commits),
        usage=parts.stores.usage,
        sends=SqlSends(parts.database),
        verifications=SqlVerifications(parts.database),
        approvals=SqlApprovals(parts.commits),
        families=SqlFamilies(parts.commits),
        passes=passes,
        pass_repository=SqlPassRepository(parts.database, passes),
        api_keys=parts.api_keys,
        apps=SqlApps(parts.database),
        test_contacts=SqlTestContacts(parts.database),
        audit=parts.commits,
        sign_ins=parts.history,
        senders=senders,
        budgets=parts.budgets,
        messages=parts.messages,
        access_tokens=JwtAccessTokens(
            keys=parts.signing_keys,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            lifetime=settings.access_token_seconds * SECOND,
            with_email=settings.token_email,
        ),
        proofs=JwtProofs(
            keys=parts.signing_keys, issuer=settings.jwt_issuer, audience=settings.proof_audience
        ),
        work=AltchaProofOfWork(
            challenges=ring(settings.secret_keys, WORK_CHALLENGES),
            solutions=ring(settings.secret_keys, WORK_SOLUTIONS),
            seconds=max(1, settings.work_seconds),
        ),
        clock=clock,
        randomness=randomness,
    )


def traced(services: Services, spans: "Spans") -> Services:
    """Return *services* with spans around requests and flows."""
    dashboard = services.dashboard
    if dashboard is not None:
        operators = spans.journeys("operators", dashboard.operators)
        dashboard = attrs.evolve(dashboard, operators=operators)
    return attrs.evolve(
        services,
        dashboard=dashboard,
        journeys=attrs.evolve(
            services.journeys,
            **{
                name: spans.journeys(name, journey)
                for name, journey in services.journeys.by_name.items()
            },
        ),
        take_receipt=spans.journey("receipts.take_receipt", services.take_receipt),
        spans=spans,
    )


async def _open_dashboard(
    stack: AsyncExitStack,
    settings: Settings,
    parts: _Parts,
    ports: Ports,
    observer: Observer,
) -> Dashboard:
    # Imported late, so that the page's code is loaded only if the page is served.
    from hsp_otp.adapters.operator_accounts import FileOperatorAccounts  # noqa: PLC0415
    from hsp_otp.adapters.prometheus.sender_stats import SenderStats  # noqa: PLC0415
    from hsp_otp.adapters.sql.audit_queries import SqlAuditQueries  # noqa: PLC0415
    from hsp_otp.adapters.sql.ended_sessions import SqlEndedSessions  # noqa: PLC0415
    from hsp_otp.adapters.sql.traffic_queries import SqlTrafficQueries  # noqa: PLC0415
    from hsp_otp.entrypoints.metrics_folder import began, folder  # noqa: PLC0415
    from hsp_otp.flows.operators import Operators  # noqa: PLC0415
    from hsp_otp.flows.overview import Overview, SpendingNumbers  # noqa: PLC0415

    clock = ports.clock
    stats = SenderStats(folder(), clock, began())
    await stack.enter_async_context(_running(stats.keep_looking))
    overview = Overview(
        SqlTrafficQueries(parts.database),
        SqlAuditQueries(parts.database),
        SqlTestContacts(parts.database),
        clock,
        None
        if settings.guard.mode is GuardMode.OFF
        else SpendingNumbers(
            queries=SqlSpendingQueries(parts.database),
            apps=SqlApps(parts.database),
            caps=settings.guard.caps,
            policy=settings.guard.policy,
        ),
    )
    stack.push_async_callback(overview.close)
    # Kept in SQL because Redis may forget it; operators' sign-ins are rare and use SQL anyway.
    usage = SqlUsage(parts.commits)
    ended = SqlEndedSessions(usage, parts.database, folder())
    await stack.enter_async_context(_running(ended.keep_trying))
    return Dashboard(
        operators=Operators(
            usage=observer.usage(usage, "sql"),
            ended=observer.ended_sessions(ended),
            audit=ports.audit,
            clock=clock,
            randomness=SystemRandomness(),
            password=settings.ops_password,
            accounts=FileOperatorAccounts(settings.ops_users) if settings.ops_users else None,
            network_factor=settings.network_factor,
            fingerprints=ring(settings.secret_keys, NUMBER_FINGERPRINTS),
        ),
        keys=ops_ring(settings.secret_keys, settings.ops_password),
        look=overview.look,
        story=overview.story,
        senders=partial(stats.senders, tuple(settings.used_senders)),
    )


def _spend_watch(
    settings: Settings, parts: _Parts, ports: Ports, metrics: "Metrics | None"
) -> SpendWatch:
    guard = settings.guard
    watch = SpendWatch(
        queries=SqlSpendingQueries(parts.database),
        usage=SqlUsage(parts.commits),
        apps=ports.apps,
        alerts=SpendWebhook(
            url=guard.spend_alert_url, key=settings.accounts[WEBHOOK].secret, clock=ports.clock
        ),
        clock=ports.clock,
        caps=guard.caps,
        policy=guard.policy,
    )
    return watch if metrics is None else attrs.evolve(watch, show=metrics.spending)


async def _open_metrics(stack: AsyncExitStack) -> "Metrics":
    # Imported late: the library decides on import where to keep values, and it should be loaded
    # only if metrics are on.
    from hsp_otp.adapters.prometheus.metrics import Metrics  # noqa: PLC0415

    metrics = Metrics()
    await stack.enter_async_context(_running(metrics.keep_looking))
    return metrics


def _open_traces(stack: AsyncExitStack, settings: Settings, clock: Clock) -> "Export":
    # Imported late, because the libraries are an optional extra.
    from hsp_otp.adapters.opentelemetry.export import Export  # noqa: PLC0415

    traces = Export(settings.traces_url, settings.traces_percent, version("hsp-otp"), clock)
    stack.callback(traces.wait)
    return traces


def _watch(
    metrics: "Metrics",
    settings: Settings,
    commits: GroupCommit,
    usage: UsageCounter,
    senders: Mapping[Channel, Failover],
) -> None:
    """Register the gauges, whose values change without a call that could be measured."""
    metrics.watch_audit(
        backlog=lambda: commits.kept_aside,
        kept_aside=lambda: commits.ever_kept_aside,
        lost=lambda: commits.ever_lost,
    )
    for channel, names in _sender_names(settings).items():
        for place, name in enumerate(names):
            metrics.watch_sender(
                name,
                is_open=partial(senders[channel].is_skipped, place),
                skips=partial(senders[channel].skips.__getitem__, place),
            )
    if settings.redis_url:
        from hsp_otp.adapters.redis.fallback import FallbackUsage  # noqa: PLC0415 - late, as above

        if isinstance(usage, FallbackUsage):
            metrics.watch_limiter(is_degraded=lambda: usage.is_degraded, falls=lambda: usage.falls)


def _rings(settings: Settings) -> Rings:
    return Rings(
        codes=ring(settings.secret_keys, CODES),
        devices=ring(settings.secret_keys, DEVICES),
        refresh_tokens=ring(settings.secret_keys, REFRESH_TOKENS),
        exchange_codes=ring(settings.secret_keys, EXCHANGE_CODES),
        fingerprints=ring(settings.secret_keys, NUMBER_FINGERPRINTS),
        api_keys=ring(settings.secret_keys, API_KEYS),
        idempotency=ring(settings.secret_keys, IDEMPOTENCY),
        test_codes=ring(settings.secret_keys, TEST_CODES),
    )


def _numbers(settings: Settings) -> Numbers:
    return Numbers(
        policies=settings.policies,
        client_limits=settings.client_limits,
        access_lifetime=settings.access_token_seconds * SECOND,
        family_lifetime=settings.refresh_token_days * DAY,
        app_policies=settings.app_policies,
        reach=reach_of(settings),
        guard=GuardNumbers(
            mode=settings.guard.mode,
            policy=settings.guard.policy,
            caps=settings.guard.caps,
            prices=_prices(settings),
            senders=_sender_names(settings),
        ),
    )


def _prices(settings: Settings) -> Prices:
    """Return the prices of all senders that are used, by their names."""
    known, used = settings.guard.prices.prices.senders, settings.used_senders.values()
    named = {one.name: one.provider.name for one in used if one.provider.name in known}
    return Prices({**known, **{name: known[provider] for name, provider in named.items()}})


def _observed(observer: Observer, settings: Settings, ports: Ports) -> Ports:
    kept_in = settings.challenge_store
    return attrs.evolve(
        ports,
        slots=observer.slots(ports.slots, kept_in),
        signup_sessions=observer.records("signup_sessions", ports.signup_sessions, kept_in),
        signup_steps=observer.records("signup_steps", ports.signup_steps, "sql"),
        usage=observer.usage(ports.usage, settings.counts_in),
        sends=observer.sends(ports.sends),
        verifications=observer.verifications(ports.verifications),
        approvals=observer.records("approvals", ports.approvals, "sql"),
        families=observer.records("families", ports.families, "sql"),
        passes=observer.passes(ports.passes),
        pass_repository=observer.pass_repository(ports.pass_repository),
        api_keys=observer.api_keys(ports.api_keys),
        apps=observer.apps(ports.apps),
        test_contacts=observer.test_contacts(ports.test_contacts),
        audit=observer.audit(ports.audit),
        work=observer.work(ports.work),
        senders={
            channel: observer.senders(ports.senders[channel], names)
            for channel, names in _sender_names(settings).items()
        },
    )


async def _close_early(early: MemoryEarlyReceipts, commits: GroupCommit, follow: Follow) -> None:
    """Apply receipts for the last time, while there still are senders."""
    await commits.flush()  # the rows that were set aside may belong to their messages
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await early.close(follow)


async def _keep_telling(stack: AsyncExitStack, spending: Spending, clock: Clock) -> None:
    """Tell the budgets what *spending* has to tell, in time and at the end."""
    stack.push_async_callback(_give_back, spending, clock)
    await stack.enter_async_context(_running(partial(_keep_settling, spending, clock)))


async def _keep_settling(spending: Spending, clock: Clock) -> None:
    """Tell the budgets every few seconds what is due, for ever."""
    while True:
        await asyncio.sleep(_SETTLE_SECONDS)
        with suppress(Unavailable):  # what was to be told stays spent and owed
            await spending.flush(clock.now())


async def _give_back(spending: Spending, clock: Clock) -> None:
    with suppress(Unavailable):
        await spending.close(clock.now())


@asynccontextmanager
async def _running(work: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Run *work* in the background until the block ends."""
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
