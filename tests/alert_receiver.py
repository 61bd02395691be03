"""A receiver of alerts about caps, as an operator runs one."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import attrs

from hsp_otp.adapters.senders.standard_webhooks import signature


@attrs.frozen
class Alert:
    """An alert as it arrived."""

    headers: dict[str, str]
    body: bytes

    @property
    def members(self) -> Any:  # noqa: ANN401 - JSON
        """What the body says."""
        return json.loads(self.body)

    def is_signed(self, key: bytes) -> bool:
        """Whether *key* has signed it."""
        headers = self.headers
        made = signature(key, headers["webhook-id"], headers["webhook-timestamp"], self.body)
        return headers["webhook-signature"] == made


class AlertReceiver:
    """
    Receives alerts on its own port.

    Attributes:
        status: What the next requests are answered.
        received: The requests, oldest first.
    """

    def __init__(self) -> None:
        self.status = 204
        self.received: list[Alert] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """Answers with the status of the receiver."""

            def do_POST(self) -> None:
                """Take an alert."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Alert(headers, body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/spend"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Stop receiving."""
        self._server.shutdown()
        self._server.server_close()
