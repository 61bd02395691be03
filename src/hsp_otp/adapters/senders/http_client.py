"""The HTTP client for providers: one attempt, with a deadline, and no redirects."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import attrs

from hsp_otp.domain.instant import SECOND, Duration
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.sender import SEND_WITHIN

if TYPE_CHECKING:
    from aiohttp import ClientSession

PROBE_SECONDS: Final = 5.0
"""For what sends nothing: somebody sits there and waits."""

_CONNECT_SECONDS: Final = 2.0
"""For a name, a connection and TLS, whatever number of addresses it takes."""

_KEPT_SECONDS: Final = 1.5
"""For an idle connection: less than the two seconds after which the hastiest servers end one."""

_SUCCESSES: Final = range(200, 300)

_MOST_FIELDS: Final = 100
"""Reading thousands costs more than all else that is done with a report, signed or not."""

_MOST_CONNECTIONS: Final = 500
"""Hundreds of sends may hang at once for as long as they are given."""


@attrs.frozen
class Answer:
    """
    What a provider answered.

    Attributes:
        status: As HTTP has it.
        headers: By name, however that is written.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether it is one of the 200s."""
        return self.status in _SUCCESSES


@asynccontextmanager
async def open_client() -> "AsyncGenerator[ClientSession]":
    """
    A client for one provider.

    It keeps no cookies and knows no proxy.
    """
    # Late: the library is large, and the console needs none.
    from aiohttp import (  # noqa: PLC0415
        ClientSession,
        ClientTimeout,
        DummyCookieJar,
        TCPConnector,
    )

    async with ClientSession(
        connector=TCPConnector(limit=_MOST_CONNECTIONS, keepalive_timeout=_KEPT_SECONDS),
        timeout=ClientTimeout(total=SEND_WITHIN / SECOND, connect=_CONNECT_SECONDS),
        cookie_jar=DummyCookieJar(),
    ) as client:
        yield client


async def request(
    client: "ClientSession",
    method: str,
    url: str,
    **content: Any,  # noqa: ANN401 - as aiohttp takes it
) -> Answer:
    """
    Make one request; whatever the answer's status, it is returned.

    No redirect is followed, and what is posted is not tried twice: sending is not idempotent.
    """
    async with client.request(method, url, allow_redirects=False, **content) as answer:
        return Answer(answer.status, answer.headers, await answer.read())


async def post(
    client: "ClientSession",
    url: str,
    within: Duration,
    provider: str,
    *,
    method: str = "POST",
    **content: Any,  # noqa: ANN401 - as aiohttp takes it
) -> Answer:
    """
    Make one request in time; whatever the answer's status, it is returned.

    Args:
        provider: Its name for people.
        method: Another for what sends nothing.
        content: The body, headers and the like.

    Raises:
        SendFailed: There was no answer in time, and nobody can tell what became of the message.
    """
    try:
        async with asyncio.timeout(within / SECOND):
            return await request(client, method, url, **content)
    except Exception as error:  # noqa: BLE001 - the client has many, and a bad address more
        failure = SendFailed(f"{provider} did not answer: {type(error).__name__}")
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
