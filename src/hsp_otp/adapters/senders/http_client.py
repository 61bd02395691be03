"""The HTTP client for providers: one attempt, with a deadline and without redirects."""

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
"""Timeout for requests that send nothing, which an operator waits for."""

_CONNECT_SECONDS: Final = 2.0
"""Timeout for name resolution, connection and TLS, across all addresses."""

_KEPT_SECONDS: Final = 1.5
"""How long an idle connection is kept: less than the two seconds after which the least patient
servers close one."""

_SUCCESSES: Final = range(200, 300)

_MOST_FIELDS: Final = 100
"""Reading thousands of fields would cost more than all other work on a report, signed or not."""

_MOST_CONNECTIONS: Final = 500
"""Hundreds of sends may hang at once until their deadlines."""


@attrs.frozen
class Answer:
    """A provider's answer: the HTTP status, the headers, by name ignoring case, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is in the 200s."""
        return self.status in _SUCCESSES


@asynccontextmanager
async def open_client() -> "AsyncGenerator[ClientSession]":
    """A client for one provider, without cookies or proxies."""
    # Imported late: the library is large, and the console does not need it.
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
    Make one request, and return the answer with any status.

    Redirects are not followed and a POST is not repeated, because sending is not idempotent.
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
    Make one request within the time limit, and return the answer with any status.

    Args:
        provider: The provider's name for people.
        method: A different method for requests that send nothing.
        content: The body, headers and so on.

    Raises:
        SendFailed: No answer came in time, and the fate of the message is unknown.
    """
    try:
        async with asyncio.timeout(within / SECOND):
            return await request(client, method, url, **content)
    except Exception as error:  # noqa: BLE001 - the client's errors are many
        failure = SendFailed(f"{provider} did not answer: {type(error).__name__}")
    # Raised here, so that the error is not in its context: it may contain the number or the code.
    raise failure


def fields(form: str) -> dict[str, str]:
    """The fields of *form*; none if it has more than any provider's report."""
    try:
        return dict(parse_qsl(form, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}


def parsed(body: bytes) -> object:
    """The JSON value of *body*; None if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
