"""The listener that serves the metrics of all workers at `/metrics`."""

import socket
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import structlog

from hsp_otp.adapters.system import SystemClock
from hsp_otp.entrypoints.http.request_target import canonical_path
from hsp_otp.entrypoints.metrics_folder import folder, new_folder
from hsp_otp.entrypoints.server.http_server import Server, config

if TYPE_CHECKING:
    from hsp_otp.adapters.prometheus.worker_files import Workers

PATH: Final = "/metrics"

_GRACE_SECONDS: Final = 1
"""The time that a reader has to finish when the server stops."""

_MOST_CONNECTIONS: Final = 20

_TIDY_SECONDS: Final = 60.0
"""The time between two merges of the files that ended workers leave behind."""

_log = structlog.get_logger()


@contextmanager
def kept(listening: socket.socket | None, *, keep_alive: int) -> Generator[None]:
    """
    Keep the metrics of this process and the processes that it starts meanwhile.

    Args:
        listening: The socket that serves the metrics, if any.
        keep_alive: Seconds for which a connection there is kept open between two requests.

    Raises:
        CommandError: The folder for their values cannot be made.
    """
    # Only one of the two merges the files; both together would add the same values twice.
    with new_folder(), _shown(listening, keep_alive) if listening else _tidied():
        yield


@contextmanager
def _shown(listening: socket.socket, keep_alive: int) -> Generator[None]:
    host, port = listening.getsockname()[:2]
    server = Server(
        config(_showing(), lifespan="off", grace=_GRACE_SECONDS, keep_alive=keep_alive),
        most_connections=_MOST_CONNECTIONS,
    )
    serving = threading.Thread(target=server.run, args=([listening],), name="metrics")
    serving.start()
    _log.info("metrics_listening", host=host, port=port)
    try:
        yield
    finally:
        server.should_exit = True
        serving.join()


@contextmanager
def _tidied() -> Generator[None]:
    workers, ended = _workers(), threading.Event()

    def tidy() -> None:
        while not ended.wait(_TIDY_SECONDS):
            workers.bury()

    tidying = threading.Thread(target=tidy, name="metrics")
    tidying.start()
    try:
        yield
    finally:
        ended.set()
        tidying.join()


def _workers() -> "Workers":
    # Imported once the folder is known, because the library looks for it on import.
    from hsp_otp.adapters.prometheus.worker_files import Workers  # noqa: PLC0415

    return Workers(folder=folder(), version=version("hsp-otp"), started_at=SystemClock().now())


def _showing() -> Callable[..., Awaitable[None]]:
    workers = _workers()
    from hsp_otp.adapters.prometheus.worker_files import TEXT, exposed  # noqa: PLC0415

    async def show(scope: Any, _: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        status, content_type, body = 404, "text/plain; charset=utf-8", b"not found\n"
        headers: list[tuple[bytes, bytes]] = []
        if canonical_path(scope) == PATH:
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
