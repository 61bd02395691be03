"""A gateway that plays the SMS provider, and is the witness of what was sent."""

import base64
import json
import re
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl

import attrs

ACCOUNT: Final = "AC0123456789abcdef0123456789abcdef"
TOKEN: Final = "fedcba9876543210fedcba9876543210"
FROM: Final = "+15005550006"

Behaviour = Callable[["Handler", dict[str, str]], None]
"""What the gateway does with a request for a message."""


@attrs.frozen
class Taken:
    """
    A message that the gateway took.

    Attributes:
        form: What was asked, by Twilio's names.
    """

    sid: str
    form: dict[str, str]

    @property
    def code(self) -> str:
        """The code in the message."""
        code: str = re.findall(r"\b\d{4,10}\b", self.form["Body"])[0]
        return code


class _Server(ThreadingHTTPServer):
    """Takes hundreds of connections at once, and makes no noise about those that break off."""

    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


class Gateway:
    """
    Speaks Twilio's API for messages on a port of its own.

    Attributes:
        taken: The messages, oldest first.
        asked: How many requests came, whatever became of them.
        behaviour: What happens next; `accept` unless a test says otherwise.
    """

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.asked = 0
        self.behaviour: Behaviour = accept
        self.closing = threading.Event()
        self._lock = threading.Lock()
        gateway = self

        class OwnHandler(Handler):
            """Knows its gateway."""

            house = gateway

        self._server = _Server(("127.0.0.1", 0), OwnHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def to(self, number: str) -> list[Taken]:
        """The messages taken for *number*."""
        return [one for one in self.taken if one.form["To"] == number]

    def count(self) -> None:
        """Another request came."""
        with self._lock:
            self.asked += 1

    def take(self, form: dict[str, str]) -> Taken:
        """Keep a message."""
        with self._lock:
            taken = Taken(f"SM{len(self.taken) + 1:032x}", form)
            self.taken.append(taken)
            return taken


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    house: Gateway

    def do_POST(self) -> None:
        """Take a request for a message."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(parse_qsl(body, keep_blank_values=True))
        self.house.count()
        signed = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if self.headers["Authorization"] != f"Basic {signed}":
            self.answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
            return
        if not re.fullmatch(r"/2010-04-01/Accounts/AC\w+/Messages\.json", self.path):
            self.answer(404, {"code": 20404, "message": "not found", "status": 404})
            return
        self.house.behaviour(self, form)

    def answer(self, status: int, body: Any) -> None:  # noqa: ANN401 - any JSON, or bytes
        """Answer, and go on with the connection."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def accept(handler: Handler, form: dict[str, str]) -> None:
    """Take the message."""
    taken = handler.house.take(form)
    handler.answer(
        201,
        {
            "sid": taken.sid,
            "status": "queued",
            "to": form["To"],
            "body": form["Body"],
            "date_created": "Sat, 21 Nov 2026 22:44:00 +0000",
        },
    )


def refuse(code: int, status: int = 400) -> Behaviour:
    """Refuse it with one of Twilio's error codes; the answer repeats the number, as theirs do."""

    def behave(handler: Handler, form: dict[str, str]) -> None:
        message = f"The 'To' number {form['To']} is not what it should be: {form['Body']}"
        handler.answer(status, {"code": code, "message": message, "status": status})

    return behave


def fail_after_accepting(handler: Handler, form: dict[str, str]) -> None:
    """Take the message, and say that something broke."""
    handler.house.take(form)
    handler.answer(500, {"code": 20500, "message": "internal error", "status": 500})


def hang(handler: Handler, _: dict[str, str]) -> None:
    """Never answer."""
    handler.house.closing.wait(60)
    handler.close_connection = True


def reset(handler: Handler, _: dict[str, str]) -> None:
    """Break the connection off."""
    handler.close_connection = True
    at_once = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    handler.rfile.close()
    handler.connection.close()


def accept_and_leave(handler: Handler, form: dict[str, str]) -> None:
    """Take the message, and close the connection without a word."""
    accept(handler, form)
    handler.close_connection = True


def send_elsewhere(url: str) -> Behaviour:
    """Answer that it is to be sent to another address."""

    def behave(handler: Handler, _: dict[str, str]) -> None:
        handler.send_response(307)
        handler.send_header("Location", url + handler.path)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return behave


def rubbish(body: bytes, status: int = 201) -> Behaviour:
    """Answer with something that is no answer."""

    def behave(handler: Handler, _: dict[str, str]) -> None:
        handler.answer(status, body)

    return behave


def drip(handler: Handler, __: dict[str, str]) -> None:
    """Answer a byte a second."""
    handler.send_response(201)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    while not handler.house.closing.wait(1):
        handler.wfile.write(b" ")
        handler.wfile.flush()
