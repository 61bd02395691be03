"""The HTTP server behind both listeners."""

import sys
from socket import socket
from typing import Any, Literal, cast

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from hsp_otp.entrypoints.server.http_protocol import HttpProtocol
from hsp_otp.entrypoints.server.listener import Listener


class Server(uvicorn.Server):
    """Serves by listeners of its own: the library's accept until no descriptor is left."""

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
    app: Any,  # noqa: ANN401 - an application, or where one is made
    *,
    lifespan: Literal["on", "off"],
    grace: int,
    keep_alive: int,
    **more: Any,  # noqa: ANN401 - as uvicorn takes it
) -> uvicorn.Config:
    """
    What holds for every server of ours: HTTP alone, and nothing said that we do not say.

    Args:
        grace: Seconds for requests in flight when it is told to stop.
        keep_alive: Seconds for which a connection is kept between two requests.
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
        # What one request binds for its log lines is not to be found in the next one's.
        reset_contextvars=True,
        **more,
    )
