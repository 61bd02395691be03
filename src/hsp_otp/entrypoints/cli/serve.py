"""The `serve` and `dev` commands."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.domain.apps import ACCOUNT, APP
from hsp_otp.domain.names import sid_of
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
from hsp_otp.entrypoints.wiring import open_database, open_redis_of

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
    asyncio.run(_insist(settings))
    return _run(settings)


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
    demo = asyncio.run(_prepare(settings))
    return _run(settings, partial(_banner, settings, demo))


async def _insist(settings: Settings) -> None:
    async with open_database(settings) as database:
        await insist_on_fit(database, for_good=not settings.in_development)
        await insist_on_newest(database)
    await _insist_on_redis(settings)


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


async def _prepare(settings: Settings) -> DemoApp | None:
    """Prepare the stores and their demo data; return the demo app, if it can be used."""
    demo = None
    async with open_database(settings) as database:
        await insist_on_fit(database)
        await insist_on_known(database)
        await upgrade(database)
        await add_demo_pass(database)
        if settings.serves_verifications or settings.serves_twilio_verify:
            demo = await add_demo_app(database, settings)
    await _insist_on_redis(settings)
    return demo


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


def _run(settings: Settings, banner: Callable[[str], str] | None = None) -> int:
    listening = _bind(settings.host, settings.port)
    showing = None
    if settings.metrics_port is not None:
        showing = _bind(settings.host, settings.metrics_port)
    if banner:
        host, port = listening.getsockname()[:2]
        print(banner(f"http://{host}:{port}"), flush=True)
    return OK if server.run(settings, listening, showing) else FAILED


def _bind(host: str, port: int) -> socket.socket:
    try:
        return server.bind(host, port)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}") from None
