"""The HTTP client that hands messages over: once, in time, and to nobody else."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx2

from hsp_otp.domain.instant import SECOND, Duration
from hsp_otp.ports.failures import SmsFailed
from hsp_otp.ports.sms import SEND_WITHIN

PROBE_SECONDS: Final = 5.0
"""For what sends nothing: somebody sits there and waits."""

_CONNECT_SECONDS: Final = 2.0

_MOST_FIELDS: Final = 100
"""Reading thousands costs more than all else that is done with a report, signed or not."""

_MOST_CONNECTIONS: Final = 500
"""Hundreds of sends may hang at once for as long as they are given."""


@asynccontextmanager
async def open_client() -> AsyncGenerator[httpx2.AsyncClient]:
    """
    A client for one provider.

    It follows no redirect and tries nothing twice: sending is not idempotent.
    """
    async with httpx2.AsyncClient(
        timeout=httpx2.Timeout(SEND_WITHIN / SECOND, connect=_CONNECT_SECONDS),
        limits=httpx2.Limits(max_connections=_MOST_CONNECTIONS),
        trust_env=False,
    ) as client:
        yield client


async def post(
    client: httpx2.AsyncClient,
    url: str,
    within: Duration,
    provider: str,
    *,
    method: str = "POST",
    **content: Any,  # noqa: ANN401 - as httpx2 takes it
) -> httpx2.Response:
    """
    Make one request; whatever the answer's status, it is returned.

    Args:
        provider: Its name for people.
        method: Another for what sends nothing.
        content: The body, headers and the like.

    Raises:
        SmsFailed: There was no answer in time, and nobody can tell what became of the message.
    """
    try:
        async with asyncio.timeout(within / SECOND):
            return await client.request(method, url, **content)
    except Exception as error:  # noqa: BLE001 - the client has many, and a bad address more
        failure = SmsFailed(f"{provider} did not answer: {type(error).__name__}")
    # Out here, so that the error is not in its context: it may hold the number or the code.
    raise failure


def fields(form: str) -> dict[str, str]:
    """The fields of *form*; none where there are more than a provider's report has."""
    try:
        return dict(parse_qsl(form, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}


def parsed(body: bytes) -> object:
    """What *body* says in JSON; None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
