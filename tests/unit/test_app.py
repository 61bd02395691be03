"""The application's start and stop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from hsp_otp.entrypoints.app import create_app
from hsp_otp.entrypoints.services import Services
from tests.http import Client


def test_the_services_are_open_while_the_application_runs() -> None:
    """It is opened before the first request is taken, answers, and is closed at the stop."""
    told: list[str] = []
    services = Client().services

    @asynccontextmanager
    async def opening() -> AsyncGenerator[Services]:
        told.append("opened")
        yield services
        told.append("closed")

    async def run() -> None:
        app = create_app(opening)
        orders = asyncio.Queue[Any]()
        happened = asyncio.Event()

        async def receive() -> Any:  # noqa: ANN401 - ASGI
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:  # noqa: ANN401 - ASGI
            told.append(f"{message['type']} {message.get('status', '')}".strip())
            happened.set()

        lifespan: Any = {"type": "lifespan", "asgi": {"version": "3.0"}}
        running = asyncio.ensure_future(app(lifespan, orders.get, send))
        await orders.put({"type": "lifespan.startup"})
        await happened.wait()
        request: Any = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/healthz",
            "raw_path": b"/healthz",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"otp.example")],
            "client": None,
            "server": ("127.0.0.1", 8000),
        }
        await app(request, receive, send)
        await orders.put({"type": "lifespan.shutdown"})
        await running

    asyncio.run(run())
    assert told == [
        "opened",
        "lifespan.startup.complete",
        "http.response.start 200",
        "http.response.body",
        "closed",
        "lifespan.shutdown.complete",
    ]
