"""The `serve` and `dev` commands."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.adapters.sql.spending_queries import SqlSpendingQueries
from hsp_otp.domain.apps import ACCOUNT, APP
from hsp_otp.domain.budgets import BudgetKey
from hsp_otp.domain.names import sid_of
from hsp_otp.domain.prices import Money, in_dollars
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.spend_report import budget_uses
from hsp_otp.entrypoints.cli.common import insist_on_fit, insist_on_known, insist_on_newest
from hsp_otp.entrypoints.development import (
    DEMO_PASS,
    DEMO_PHONE,
    DemoApp,
    add_demo_app,
    add_demo_pass,
    with_generated_keys,
)
from hsp_otp.entrypoints.errors import FAILED, OK, CommandError
from hsp_otp.entrypoints.pages.app_preview import is_built
from hsp_otp.entrypoints.server import run as server
from hsp_otp.entrypoints.settings.checks import check_to_serve
from hsp_otp.entrypoints.settings.kubernetes import HOW_TO_STOP_IT
from hsp_otp.entrypoints.settings.load import load, passed_over
from hsp_otp.entrypoints.settings.model import DEVELOPMENT, PREFIX, Settings
from hsp_otp.entrypoints.wiring import clock_of, open_database, open_redis_of

BANNER: Final = """
hsp-otp is running at {url} in development mode: codes are shown here, not sent.

  {url}/                  the home page
  {url}/customer/login/   sign in with a pass
  {url}/users/signup/     sign up
  {url}/docs              the API
{trial}
Demo pass: {demo}

  json='content-type: application/json'
  curl {url}/customer/validate-pass/ -H "$json" -d '{{"pass_code": "{demo}"}}'
  curl {url}/customer/send-otp/ -H "$json" -d '{{"pass_code": "{demo}"}}'
  curl {url}/customer/verify-otp/ -H "$json" -d '{{"pass_code": "{demo}", "otp": "CODE"}}'
{verify}
Import your own passes: .venv/bin/hsp-otp passes import FILE.csv
"""

VERIFY: Final = """
Verify a number for another backend, as the demo app:

  key='authorization: Bearer {key}'
  curl {url}/v1/verifications -H "$json" -H "$key" -d '{{"to": "{phone}"}}'
  curl {url}/v1/verifications/ID/check -H "$json" -H "$key" -d '{{"code": "CODE"}}'
"""

TWILIO: Final = """
The demo app for clients of Twilio Verify, in Python and in Node, as the service {service}:

  client = Client("{account}", "{key}"); client.verify.base_url = "{url}"
  const client = twilio("{account}", "{key}"); client.verify.baseUrl = "{url}";
"""

SANDBOX: Final = """
Read the last messages, and turn the clock forward, in tests:

  curl {url}/dev/outbox/
  curl {url}/dev/clock/ -H "$json" -d '{{"advance_seconds": 660}}'
"""


def serve() -> int:
    """
    Serve the API and the pages.

    Example: HSP_OTP_MODE=development hsp-otp serve
    """
    settings = _served(load())
    _warn_of_variables()
    return _run(settings, asyncio.run(_insist(settings)))


def dev(*, host: str | None = None, port: str | None = None) -> int:
    """
    Serve in development mode: SQLite, console sender, generated keys and a demo pass.

    Example: hsp-otp dev --port 8080

    Args:
        host: The address to listen on, instead of HSP_OTP_HOST.
        port: The port to listen on, instead of HSP_OTP_PORT; 0 chooses any free port.
    """
    # Set in the environment, from which every worker reads the settings.
    for name, value in (("MODE", DEVELOPMENT), ("HOST", host), ("PORT", port)):
        if value is not None:
            os.environ[f"{PREFIX}{name}"] = value
    settings = _served(load())
    _warn_of_variables()
    demo, spent = asyncio.run(_prepare(settings))
    return _run(settings, spent, partial(_banner, settings, demo))


async def _insist(settings: Settings) -> Mapping[str, Any]:
    """Check the stores; return the caps and how much of them is used."""
    async with open_database(settings) as database:
        await insist_on_fit(database, for_good=not settings.in_development)
        await insist_on_newest(database)
        spent = await _spent(settings, database)
    await _insist_on_redis(settings)
    return spent


async def _insist_on_redis(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        redis = await open_redis_of(stack, settings)
        if redis is None:
            return
        from hsp_otp.adapters.redis.server_checks import unfitness  # noqa: PLC0415 - as in wiring

        for found in await unfitness(redis):
            if found.is_fatal and settings.challenge_store == "redis":
                raise CommandError(found.what)
            _warn(found.what)


async def _prepare(settings: Settings) -> tuple[DemoApp | None, Mapping[str, Any]]:
    """Prepare the stores and their demo data; return the demo app, if any, and as `_insist`."""
    demo = None
    async with open_database(settings) as database:
        await insist_on_fit(database)
        await insist_on_known(database)
        await upgrade(database)
        await add_demo_pass(database)
        if settings.serves_verifications or settings.serves_twilio_verify:
            demo = await add_demo_app(database, settings)
        spent = await _spent(settings, database)
    await _insist_on_redis(settings)
    return demo, spent


async def _spent(settings: Settings, database: Database) -> Mapping[str, Any]:
    """Return the caps in dollars, and what the last 24 hours have used of them."""
    guard = settings.guard
    stored = await SqlSpendingQueries(database).budgets()
    uses = budget_uses(stored, guard.caps, guard.policy, clock_of(settings).now())
    told: dict[str, Any] = {"guard": guard.mode.value}
    for flow in (Flow.SIGNUP, Flow.PASS_LOGIN):
        spent = sum(use.spent for use in uses if use.key == (flow.value, None))
        told[flow.value] = _of_cap(spent, guard.caps.of(BudgetKey(flow.value, None)))
    others = (f"{region}={in_dollars(cap)}" for region, cap in guard.caps.regions.items())
    told["per_region"] = ",".join((in_dollars(guard.caps.region), *others))
    told["fullest"] = max((use.spent_percent for use in uses), default=0)
    prices = guard.prices
    told["prices"] = f"{'bundled, ' if prices.is_bundled else ''}{prices.dated or 'without a date'}"
    return told


def _of_cap(spent: Money, cap: Money) -> str:
    return f"{in_dollars(spent)}/{in_dollars(cap) if cap else 'none'}"


def _warn_of_variables() -> None:
    if line := passed_over():
        _warn(f"{line}; {HOW_TO_STOP_IT}")


def _warn(line: str) -> None:
    print(f"hsp-otp: warning: {line}", file=sys.stderr)


def _served(settings: Settings) -> Settings:
    """Return *settings* with all that the server needs; raises SettingsError otherwise."""
    settings = with_generated_keys(settings)
    check_to_serve(settings)
    return settings


def _banner(settings: Settings, demo: DemoApp | None, url: str) -> str:
    trial = f"  {url}/app/              the mobile app\n" if is_built() else ""
    verify = "" if demo is None else _for_backends(settings, demo, url)
    return BANNER.format(url=url, trial=trial, demo=DEMO_PASS, verify=verify)


def _for_backends(settings: Settings, demo: DemoApp, url: str) -> str:
    key, shown = demo.key.reveal(), ""
    if settings.serves_verifications:
        shown += VERIFY.format(url=url, key=key, phone=DEMO_PHONE)
    if settings.serves_twilio_verify:
        shown += TWILIO.format(
            url=url,
            key=key,
            account=sid_of(demo.app.account_id, ACCOUNT),
            service=sid_of(demo.app.id, APP),
        )
    return shown + SANDBOX.format(url=url)


def _run(
    settings: Settings, spent: Mapping[str, Any], banner: Callable[[str], str] | None = None
) -> int:
    listening = _bind(settings.host, settings.port)
    showing = None
    if settings.metrics_port is not None:
        showing = _bind(settings.host, settings.metrics_port)
    if banner:
        host, port = listening.getsockname()[:2]
        print(banner(f"http://{host}:{port}"), flush=True)
    return OK if server.run(settings, listening, showing, spending=spent) else FAILED


def _bind(host: str, port: int) -> socket.socket:
    try:
        return server.bind(host, port)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}") from None
