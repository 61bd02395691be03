"""The `doctor` command, which checks the configuration and its environment."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Final

from sqlalchemy import make_url

from hsp_otp.adapters.redis import server_checks as redis_checks
from hsp_otp.adapters.redis.client import RedisClient
from hsp_otp.adapters.redis.topology import Topology
from hsp_otp.adapters.sql import server_checks as sql_checks
from hsp_otp.adapters.sql.api_keys import SqlApiKeys
from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.audit_queries import SqlAuditQueries
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.postgres import READERS, WRITERS
from hsp_otp.adapters.sql.schema import schema_of
from hsp_otp.adapters.sql.spending_queries import SqlSpendingQueries
from hsp_otp.adapters.sql.test_contacts import SqlTestContacts
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.instant import DAY, Instant
from hsp_otp.entrypoints.cli.common import SCHEMA_FLAWS
from hsp_otp.entrypoints.cli.doctor_checks import (
    Finding,
    Status,
    of_api_keys,
    of_apps,
    of_callers,
    of_clock,
    of_exchange,
    of_keys,
    of_operators,
    of_outside,
    of_private_files,
    of_purge,
    of_rights,
    of_test_contacts,
    ok,
    warning,
    worst,
    wrong,
)
from hsp_otp.entrypoints.cli.guard_checks import of_caps, of_guard, of_prices
from hsp_otp.entrypoints.cli.output import FLAG
from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.settings.checks import check_to_serve, missing_variables
from hsp_otp.entrypoints.settings.kubernetes import HOW_TO_STOP_IT
from hsp_otp.entrypoints.settings.load import file_with_secrets, load, passed_over
from hsp_otp.entrypoints.settings.model import DEVELOPMENT, PREFIX, Settings, UsedSender
from hsp_otp.entrypoints.wiring import means_of, open_database, open_redis_of
from hsp_otp.ports.audit_queries import Span
from hsp_otp.ports.failures import Unavailable

_DISK_WRONG: Final = 100 * 2**20
_DISK_WARNING: Final = 2**30
"""Bytes of free space on the disk of SQLite's file."""

_FULL_PERCENT: Final = 90

_BUSIEST: Final = 100
"""The number of client addresses that are checked; a shared one is among the busiest."""

_URL: Final = f"{PREFIX}DATABASE_URL"
_UPGRADE: Final = "run hsp-otp db upgrade"
_FIX: Final = "fix this and run hsp-otp doctor again"
_IN_DEVELOPMENT: Final = f"; for hsp-otp dev, run {PREFIX}MODE={DEVELOPMENT} hsp-otp doctor"
_NOT_FOR_PRODUCTION: Final = f"unset {PREFIX}MODE for production"


def doctor(*, json: Annotated[bool, FLAG] = False) -> int:
    """
    Check the configuration, stores and senders; exit status 1 if a check fails.

    Prints one line per check. Changes nothing, and sends no message.

    Example: hsp-otp doctor

    Args:
        json: Print one JSON object per line.
    """
    findings = asyncio.run(_look())
    for one in findings:
        print(_as_json(one) if json else _in_words(one))
    return 1 if worst(findings) is Status.WRONG else 0


def _as_json(found: Finding) -> str:
    told = {
        "check": found.check,
        "status": found.status.value,
        "says": found.says,
        "do": found.do or None,
    }
    return json.dumps(told, ensure_ascii=False)


def _in_words(found: Finding) -> str:
    do = f": {found.do}" if found.do else ""
    return f"{found.status.value:<8}{found.check}: {found.says}{do}"


async def _look() -> list[Finding]:
    try:
        settings = load()
    except SettingsError as error:
        return [wrong("settings", str(error), _FIX)]
    findings = [_of_settings(settings)]
    if variables := passed_over():
        findings.append(warning("settings", variables, HOW_TO_STOP_IT))
    if file := file_with_secrets():
        findings += of_private_files("settings", [file])
    if findings[0].status is Status.OK or settings.secret_keys:
        findings += _of_keys(settings)
    findings += of_outside(settings)
    findings.append(of_guard(settings))
    if settings.ops_users is not None:
        findings += of_operators(settings.ops_users)
    findings += [one async for one in _of_database(settings)]
    findings += [one async for one in _of_redis(settings)]
    used = settings.used_senders.values() if settings.senders else ()
    findings += await asyncio.gather(*(_of_sender(settings, one) for one in used))
    return findings


def _of_settings(settings: Settings) -> Finding:
    if settings.in_development:
        return Finding("settings", Status.OK, "development mode", _NOT_FOR_PRODUCTION)
    try:
        check_to_serve(settings)
    except SettingsError as error:
        # With neither, these are most likely the settings of somebody who has run hsp-otp dev.
        is_new = not settings.senders and not settings.secret_keys
        return wrong("settings", str(error), f"{_FIX}{_IN_DEVELOPMENT if is_new else ''}")
    return ok("settings", "complete")


def _of_keys(settings: Settings) -> list[Finding]:
    try:
        return list(of_keys(settings))
    except OSError as error:
        return [wrong("keys", f"cannot read a file of {PREFIX}JWT_KEYS: {error.strerror}", _FIX)]
    except ValueError as error:
        return [wrong("keys", f"{PREFIX}JWT_KEYS: {error}", _FIX)]


async def _of_database(settings: Settings) -> AsyncGenerator[Finding]:
    check = "database"
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        if not _is_there(file):
            yield wrong(check, f"the file {str(file)!r} does not exist", _UPGRADE)
            return
        yield _of_disk(file)
        beside = (file.with_name(f"{file.name}{end}") for end in ("-wal", "-shm"))
        for found in of_private_files(check, [file, *beside]):
            yield found
    try:
        async with open_database(settings) as database:
            async for found in _of_open_database(settings, database):
                yield found
    except Unavailable as error:
        yield wrong(check, f"{error}", f"check the server and {_URL}")


def _is_there(file: Path) -> bool:
    return file.exists()


def _of_disk(file: Path) -> Finding:
    free = shutil.disk_usage(file.resolve().parent).free
    told = f"{free // 2**20} MiB are free on the disk of {str(file)!r}"
    if free < _DISK_WRONG:
        return wrong("disk", told, "free up space: nothing can be written to a full disk")
    if free < _DISK_WARNING:
        return warning("disk", told, "free up space")
    return ok("disk", told)


async def _of_open_database(settings: Settings, database: Database) -> AsyncGenerator[Finding]:
    check, clock = "database", SystemClock()
    flaws = await database.flaws()
    if flaws.unfit:
        yield wrong(check, flaws.unfit, f"name another server or database in {_URL}")
    if flaws.forgetful:
        bad = warning if settings.in_development else wrong
        yield bad(check, flaws.forgetful, "turn it on at the server")
    schema = await schema_of(database)
    if schema in SCHEMA_FLAWS:
        says, do = SCHEMA_FLAWS[schema]
        yield wrong(check, f"it {says}", do)
        return
    before = clock.now()
    health = await sql_checks.health(database)
    after = clock.now()
    yield ok(check, f"{health.version}, with the newest schema")
    for found in of_rights(check, health.rights, settings):
        yield found
    if health.clock is None:
        yield ok("database clock", "it is this machine's clock")
    else:
        yield of_clock("database clock", health.clock, before, after)
    wanted = settings.workers * (WRITERS + READERS)
    if health.connections is not None and health.connections < wanted:
        yield warning(
            check,
            f"it allows {health.connections} connections, and {settings.workers} workers may "
            f"use {wanted}",
            f"raise max_connections at the server, or lower {PREFIX}WORKERS",
        )
    yield of_purge(settings, health.oldest_audit, health.oldest_send, after)
    keys = await SqlApiKeys(database).list()
    for found in (*of_api_keys(keys, settings), *of_exchange(keys, settings)):
        yield found
    apps = (await SqlApps(database).tenants()).apps
    spent = await SqlSpendingQueries(database).spent(Span(Instant(after - DAY)))
    for found in (
        *of_apps(apps, settings),
        *of_prices(settings, apps, after),
        *of_caps(settings, apps, spent),
    ):
        yield found
    yield of_test_contacts(await SqlTestContacts(database).list(), after)
    if settings.trusted_proxies:
        yield of_callers(settings, await _requests(database, after))


async def _requests(database: Database, now: Instant) -> dict[str, int]:
    """Count the requests of the last day in the audit, for the busiest client addresses."""
    span = Span(Instant(now - DAY))
    tallies = await SqlAuditQueries(database).top_addresses(span, _BUSIEST)
    return {tally.who: tally.requests or 0 for tally in tallies}


async def _of_redis(settings: Settings) -> AsyncGenerator[Finding]:
    async with AsyncExitStack() as stack:
        redis = await open_redis_of(stack, settings)
        if redis is None:
            yield ok("redis", "not configured")
            return
        try:
            async for found in _of_open_redis(settings, redis):
                yield found
        except Unavailable as error:
            holds = settings.challenge_store == "redis"
            bad = wrong if holds else warning
            yield bad(
                "redis",
                f"{error} (connected as {Topology(settings.redis_topology).value})"
                + ("" if holds else ", and the database counts instead"),
                f"check the server, {PREFIX}REDIS_URL and {PREFIX}REDIS_TOPOLOGY",
            )


async def _of_open_redis(settings: Settings, redis: RedisClient) -> AsyncGenerator[Finding]:
    check = "redis"
    before = SystemClock().now()
    health = await redis_checks.health(redis)
    after = SystemClock().now()
    yield ok(check, f"version {health.version} answers")
    yield of_clock("redis clock", Instant(health.clock), before, after)
    for unfit in await redis_checks.unfitness(redis):
        bad = wrong if unfit.is_fatal and settings.challenge_store == "redis" else warning
        yield bad(check, unfit.what, "")
    if health.is_cluster and settings.redis_topology != Topology.CLUSTER.value:
        yield wrong(check, "it is a node of a cluster", f"set {PREFIX}REDIS_TOPOLOGY=cluster")
    if health.is_replica:
        yield wrong(check, "it is a read-only replica", f"name the primary in {PREFIX}REDIS_URL")
    if health.memory_percent is not None and health.memory_percent >= _FULL_PERCENT:
        yield warning(
            check,
            f"{health.memory_percent} % of its memory is used",
            "raise maxmemory at the server",
        )


async def _of_sender(settings: Settings, sender: UsedSender) -> Finding:
    check = f"sender {sender.name}"
    means = means_of(settings, sender, SystemClock(), SystemRandomness())
    if missing := missing_variables(settings, sender.provider.name):
        return wrong(check, "its settings are incomplete", f"set {' and '.join(missing)}")
    probed = await sender.provider.probe(sender.account, means)
    if probed.wrong:
        return wrong(check, probed.wrong, "it cannot send messages until this is fixed")
    return ok(check, probed.told)
