"""The HTTP server behind both listeners."""

import sys
from socket import socket
from typing import Any, Literal, cast

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from hsp_otp.entrypoints.server.http_protocol import HttpProtocol
from hsp_otp.entrypoints.server.listener import Listener


class Server(uvicorn.Server):
    """A server with its own listeners; the library's accept until no descriptor is left."""

    def __init__(self, config: uvicorn.Config, *, most_connections: int) -> None:
        super().__init__(config)
        self._most_connections = most_connections

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Accept on *sockets* once the application has started."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.servers = cast(
            "Any",
            [
                Listener(
                    listening,
                    self._make,
                    most=self._most_connections,
                    keep_alive=self.config.timeout_keep_alive,
                )
                for listening in sockets or []
            ],
        )
        self.started = True

    def _make(self, listener: Listener) -> HttpProtocol:
        return HttpProtocol(self.config, self.server_state, self.lifespan.state, listener)


def config(
    app: Any,  # noqa: ANN401 - an application, or the path of a factory
    *,
    lifespan: Literal["on", "off"],
    grace: int,
    keep_alive: int,
    **more: Any,  # noqa: ANN401 - as uvicorn takes it
) -> uvicorn.Config:
    """
    Create the configuration that all servers share: HTTP only, without the library's own logging.

    Args:
        grace: Seconds that requests in flight have to finish when the server stops.
        keep_alive: Seconds for which a connection is kept open between two requests.
    """
    return uvicorn.Config(
        app,
        lifespan=lifespan,
        http=HttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=grace,
        timeout_keep_alive=keep_alive,
        # Values that one request binds for its log lines must not appear in the next one's.
        reset_contextvars=True,
        **more,
    )
