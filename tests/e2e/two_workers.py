"""Two workers over one database, and connections of which each worker has some."""

import asyncio
import http.client
import json
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Final

from tests.e2e.server import PATIENCE_SECONDS, Answer, Server
from tests.integration.postgres_server import DATABASES

LINES: Final = 20

SLACK: Final = 1.5
"""Seconds of a busy machine that are not a worker's memory."""


@contextmanager
def settings_over(database: str) -> Generator[dict[str, str]]:
    """Settings of two workers over an empty *database*, ``sqlite`` or ``postgres``."""
    found = {"MODE": "development", "WORKERS": "2", "TRUSTED_PROXIES": "127.0.0.1/32"}
    if database == "postgres":
        found["DATABASE_URL"] = asyncio.run(DATABASES.empty())
    yield found
    if database == "postgres":
        asyncio.run(DATABASES.drop([found["DATABASE_URL"]]))


class Line:
    """A connection, which stays with one worker."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self._connection.request("GET", "/healthz")
        assert self._connection.getresponse().read()

    def post(self, path: str, members: dict[str, Any], key: str, client: str) -> Answer:
        """Post *members* with an API key on behalf of *client*."""
        headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "X-Forwarded-For": client,
        }
        self._connection.request("POST", path, json.dumps(members), headers)
        response = self._connection.getresponse()
        return Answer(response.status, json.loads(response.read()), {})

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def lines_to_both(server: Server) -> Iterator[list[Line]]:
    """Connections of which each worker has some."""
    before = server.connections()
    while True:
        with ExitStack() as stack:
            lines = [stack.enter_context(closing(Line(server.port))) for _ in range(LINES)]
            more = [now - then for now, then in zip(server.connections(), before, strict=True)]
            if len(more) == 2 and min(more) >= 2:
                yield lines
                return
