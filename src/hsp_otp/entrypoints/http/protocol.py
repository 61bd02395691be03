"""HTTP/1.1 with a deadline for whoever sends a request a byte at a time."""

import asyncio
from typing import Any, Final, Literal

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

ARRIVAL_SECONDS: Final = 10.0
"""From the first byte of a request, or from the connection's start, to the last byte."""


class PromptH11Protocol(H11Protocol):
    """
    Closes a connection whose request does not arrive in time.

    The server itself only ends connections that are idle between two requests.
    """

    _arriving: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a first request."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Go on waiting, or stop where the request has arrived."""
        self._expect()
        super().data_received(data)
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._arrived()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._arrived()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._arriving is None:
            self._arriving = self.loop.call_later(ARRIVAL_SECONDS, self.transport.close)

    def _arrived(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None


def config(
    app: Any,  # noqa: ANN401 - an application, or where one is made
    *,
    lifespan: Literal["on", "off"],
    grace: int,
    **more: Any,  # noqa: ANN401 - as uvicorn takes it
) -> uvicorn.Config:
    """
    What holds for every server of ours: HTTP alone, in time, and nothing said that we do not say.

    Args:
        grace: Seconds for requests in flight when it is told to stop.
    """
    return uvicorn.Config(
        app,
        lifespan=lifespan,
        http=PromptH11Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=grace,
        **more,
    )
