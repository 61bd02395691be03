"""A gateway that plays the SMS provider and records the messages."""

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import attrs

from tests.plays import TWILIO, Play, code_in

Form = dict[str, Any]

Behaviour = Callable[["Handler", Form], None]
"""The gateway's reaction to a request for a message."""


@attrs.frozen
class Taken:
    """
    A message that the gateway accepted.

    Attributes:
        sid: The provider's id of the message.
        form: The request's parameters, by the provider's names.
        at: The time by the monotonic clock.
    """

    sid: str
    form: Form
    to: str
    text: str
    at: float = attrs.field(factory=time.monotonic)

    @property
    def code(self) -> str:
        """The code in the message."""
        return code_in(self.text)


class _Server(ThreadingHTTPServer):
    """Accepts hundreds of connections at once, and ignores broken ones silently."""

    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_: object) -> None:
        """Log nothing."""


class Gateway:
    """
    Serves a provider's API for messages on its own port.

    Attributes:
        play: The provider.
        taken: The accepted messages, oldest first.
        asked: The number of all requests.
        behaviour: The reaction to the next request; `accept` by default.
    """

    def __init__(self, play: Play = TWILIO) -> None:
        self.play = play
        self.taken: list[Taken] = []
        self.asked = 0
        self.behaviour: Behaviour = accept
        self.closing = threading.Event()
        self._lock = threading.Lock()
        gateway = self

        class OwnHandler(Handler):
            """A handler with a reference to its gateway."""

            house = gateway

        self._server = _Server(("127.0.0.1", 0), OwnHandler)
        # Check every 20 ms whether to stop; the default of half a second would delay every test.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

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
        """The URL of the gateway."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def to(self, number: str) -> list[Taken]:
        """Return the messages accepted for *number*."""
        return [one for one in self.taken if one.to == number]

    def count(self) -> None:
        """Count a request."""
        with self._lock:
            self.asked += 1

    def take(self, form: Form) -> Taken:
        """Record a message."""
        with self._lock:
            sid = self.play.message_id(form, len(self.taken) + 1)
            taken = Taken(sid, form, self.play.number(form), self.play.text(form))
            self.taken.append(taken)
            return taken


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    house: Gateway

    def do_POST(self) -> None:
        """Handle a request for a message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.house.count()
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not self.house.play.admits(headers, body):
            self.answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
            return
        if not re.fullmatch(self.house.play.path, self.path):
            self.answer(404, {"code": 20404, "message": "not found", "status": 404})
            return
        form = self.house.play.read(body)
        self.house.behaviour(self, form)

    def answer(
        self,
        status: int,
        body: Any,  # noqa: ANN401 - any JSON, or bytes
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer, and keep the connection open."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def accept(handler: Handler, form: Form) -> None:
    """Accept the message."""
    taken = handler.house.take(form)
    handler.answer(*handler.house.play.accept(form, taken.sid))


def refuse(code: int, status: int = 400) -> Behaviour:
    """Refuse with one of Twilio's error codes; like Twilio's, the answer repeats the number."""

    def behave(handler: Handler, form: Form) -> None:
        message = f"The 'To' number {form['To']} is not what it should be: {form['Body']}"
        handler.answer(status, {"code": code, "message": message, "status": status})

    return behave


def refuse_number(place: int = 0) -> Behaviour:
    """Refuse with the answer at *place* among the provider's answers about the number."""

    def behave(handler: Handler, form: Form) -> None:
        handler.answer(*handler.house.play.refuse(form, place))

    return behave


def decline(place: int = 0) -> Behaviour:
    """Refuse with the answer at *place* among those that do not concern other providers."""

    def behave(handler: Handler, form: Form) -> None:
        handler.answer(*handler.house.play.decline(form, place))

    return behave


def disown(place: int = 0) -> Behaviour:
    """Refuse with the answer at *place* among those about the account."""

    def behave(handler: Handler, form: Form) -> None:
        handler.answer(*handler.house.play.disown(form, place))

    return behave


def accept_after(report: Callable[[Taken], None]) -> Behaviour:
    """Accept the message, but send a report on it before the answer."""

    def behave(handler: Handler, form: Form) -> None:
        taken = handler.house.take(form)
        report(taken)
        handler.answer(*handler.house.play.accept(form, taken.sid))

    return behave


def limit(handler: Handler, _: Form) -> None:
    """Answer that the client has to try later."""
    handler.answer(*handler.house.play.limit)


def break_down(handler: Handler, _: Form) -> None:
    """Answer with an internal error."""
    handler.answer(*handler.house.play.breaks)


def fail_after_accepting(handler: Handler, form: Form) -> None:
    """Accept the message, but answer with an internal error."""
    handler.house.take(form)
    break_down(handler, form)


def hang_after_accepting(handler: Handler, form: Form) -> None:
    """Accept the message, but never answer."""
    handler.house.take(form)
    hang(handler, form)


def hang(handler: Handler, _: Form) -> None:
    """Never answer."""
    handler.house.closing.wait(60)
    handler.close_connection = True


def reset(handler: Handler, _: Form) -> None:
    """Reset the connection."""
    handler.close_connection = True
    at_once = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    handler.rfile.close()
    handler.connection.close()


def accept_and_leave(handler: Handler, form: Form) -> None:
    """Accept the message, and close the connection without an answer."""
    accept(handler, form)
    handler.close_connection = True


def send_elsewhere(url: str) -> Behaviour:
    """Redirect to another URL."""

    def behave(handler: Handler, _: Form) -> None:
        handler.send_response(307)
        handler.send_header("Location", url + handler.path)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return behave


def rubbish(body: bytes, status: int = 201) -> Behaviour:
    """Answer with an invalid answer."""

    def behave(handler: Handler, _: Form) -> None:
        handler.answer(status, body)

    return behave


def drip(handler: Handler, __: Form) -> None:
    """Answer at one byte per second."""
    handler.send_response(201)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    while not handler.house.closing.wait(1):
        handler.wfile.write(b" ")
        handler.wfile.flush()
