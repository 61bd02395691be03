"""The listener that shows metrics: `/metrics` of all workers, and nothing else."""

import os
import socket
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog
import uvicorn

from hsp_otp.adapters.system import SystemClock
from hsp_otp.entrypoints.command import CommandError
from hsp_otp.entrypoints.http.protocol import config

PATH: Final = "/metrics"

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""By which the library knows that values stand in files, and where."""

_GRACE_SECONDS: Final = 1
"""For whoever is reading when the server stops."""

_MOST_CONNECTIONS: Final = 50

_log = structlog.get_logger()


@contextmanager
def shown(listening: socket.socket) -> Generator[None]:
    """
    Show what this process and those that it starts meanwhile count.

    Raises:
        CommandError: There is no room for their values.
    """
    host, port = listening.getsockname()[:2]
    try:
        folder = TemporaryDirectory(prefix="hsp-otp-metrics-")
    except OSError as error:
        raise CommandError(
            f"cannot make a temporary folder for metrics: {error.strerror}"
        ) from None
    with folder as path:
        os.environ[_FOLDER] = path
        server = uvicorn.Server(
            config(
                _showing(Path(path)),
                lifespan="off",
                grace=_GRACE_SECONDS,
                limit_concurrency=_MOST_CONNECTIONS,
            )
        )
        serving = threading.Thread(target=server.run, args=([listening],), name="metrics")
        serving.start()
        _log.info("metrics_listening", host=host, port=port)
        try:
            yield
        finally:
            server.should_exit = True
            serving.join()
            del os.environ[_FOLDER]


def _showing(folder: Path) -> Callable[..., Awaitable[None]]:
    # Not before the folder is known: the library looks for it when it is loaded.
    from hsp_otp.adapters.prometheus.files import TEXT, Workers, exposed  # noqa: PLC0415

    workers = Workers(folder=folder, version=version("hsp-otp"), started_at=SystemClock().now())

    async def show(scope: Any, _: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        status, content_type, body = 404, "text/plain; charset=utf-8", b"not found\n"
        headers: list[tuple[bytes, bytes]] = []
        if scope["path"] in {PATH, f"{PATH}/"}:
            if scope["method"] in {"GET", "HEAD"}:
                status, content_type, body = 200, TEXT, exposed(workers)
            else:
                status, body = 405, b"method not allowed\n"
                headers.append((b"allow", b"GET, HEAD"))
        headers += [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return show
