"""
The application of `in_process` as it is served, over SQLite, with real wiring, stores and records.

Only the clock, the sender, and the work are the tests'.
"""

# ruff: noqa: INP001, PLR2004, S101 - part of scripts

import asyncio
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

from bench.in_process import Answer, Phones
from tests import world
from tests.e2e.production import prepare
from tests.world import ManualClock

from hsp_otp.domain.contact import Channel
from hsp_otp.entrypoints import wiring
from hsp_otp.entrypoints.app import create_routes
from hsp_otp.entrypoints.development import with_generated_keys
from hsp_otp.entrypoints.http.middleware import RequestMiddleware
from hsp_otp.entrypoints.settings.load import load


class OverSqlite:
    """The application over a database in a temporary folder; close it after use."""

    def __init__(self, people: int) -> None:
        """Import the passes of *people*, and open the services."""
        self.clock, self.phones = ManualClock(), Phones()
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        keys = prepare(folder, people)
        self._loop = asyncio.new_event_loop()
        self._stack.callback(self._loop.close)
        given = {
            **{f"HSP_OTP_{name}": value for name, value in keys.items()},
            "HSP_OTP_MODE": "development",
            "HSP_OTP_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/hsp-otp.db",
        }
        settings = with_generated_keys(load(os.environ | given))
        self._routes = create_routes()
        self._app = RequestMiddleware(self._routes)
        for name, made in self._made().items():
            if hasattr(wiring, name):  # versions before the work have none
                self._stack.enter_context(patch.object(wiring, name, made))
        services = wiring.open_services(settings)
        self._routes.state.services = self._loop.run_until_complete(services.__aenter__())
        self._stack.callback(
            lambda: self._loop.run_until_complete(services.__aexit__(None, None, None))
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the services, and remove the database."""
        self._stack.close()

    def post(self, path: str, members: Mapping[str, str], address: str) -> Answer:
        """Make a request from *address*."""
        return self._loop.run_until_complete(self._post(path, members, address))

    def _made(self) -> dict[str, Any]:
        """What stands in the place of parts of the wiring."""

        async def senders(*_: object, **__: object) -> dict[Channel, Phones]:
            return dict.fromkeys(Channel, self.phones)

        return {
            "SystemClock": lambda: self.clock,
            "_open_senders": senders,
            "AltchaProofOfWork": lambda **_: world.PlainWork(),
        }

    async def _post(self, path: str, members: Mapping[str, str], address: str) -> Answer:
        body = json.dumps(members).encode()
        scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [
                (b"host", b"otp.example"),
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
            ],
            "client": (address, 50_000),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        sent: list[Any] = []

        async def receive() -> Any:  # noqa: ANN401 - ASGI
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:  # noqa: ANN401 - ASGI
            sent.append(message)

        await self._app(scope, receive, send)
        status = int(sent[0]["status"])
        assert status < 500, sent
        return Answer(status, json.loads(b"".join(one.get("body", b"") for one in sent[1:])))
