"""The HTTP/1.1 protocol of a connection: finds where requests end, and rejects invalid ones."""

import asyncio
import re
from contextvars import Context
from typing import Any, Final, Literal, Protocol, TypeAlias, cast
from urllib.parse import unquote

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEAD_LINES: Final = 256
MAX_TARGET_BYTES: Final = 8 * 1024

_MAX_WAITING_BYTES: Final = 64 * 1024
"""The most bytes of further requests that are read while one is being answered."""

_MAX_FRAMING_BYTES: Final = 128 * 1024
"""The most bytes of a chunked body besides its content: sizes, extensions and trailers."""

_MAX_JOINED_BYTES: Final = 64 * 1024

_HEAD_END: Final = b"\r\n\r\n"

_METHOD: Final = rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32})"
_BEGINNING: Final = re.compile(_METHOD + rb"(?: |\Z)")
_REQUEST_LINE: Final = re.compile(
    _METHOD + rb" [\x21-\x7e]{1,%d} HTTP/1\.[01]\r\n" % MAX_TARGET_BYTES
)
_UPGRADE: Final = re.compile(rb"(?i)\r\nupgrade:[^\r\n]*")
_LENGTH: Final = re.compile(rb"[0-9]{1,20}")

_Part: TypeAlias = Literal["head", "sized body", "chunked body"]

_log = structlog.get_logger()


class Watcher(Protocol):
    """An observer of the states of connections."""

    def opened(self, connection: "HttpProtocol") -> None:
        """Note that *connection* is open."""
        ...

    def arriving(self, connection: "HttpProtocol") -> None:
        """Note that a request has begun to arrive."""
        ...

    def answering(self, connection: "HttpProtocol") -> None:
        """Note that a request has arrived and is being answered."""
        ...

    def idle(self, connection: "HttpProtocol") -> None:
        """Note that *connection* waits for its next request."""
        ...

    def closed(self, connection: "HttpProtocol") -> None:
        """Note that *connection* is closed."""
        ...


class _NotHttpError(Exception):
    """The bytes are not HTTP/1.1, or another parser might read them differently."""


class HttpProtocol(HttpToolsProtocol):
    """
    Reads one request at a time, strictly.

    The library's parser has no size limits, knows only some methods, and reads on into the next
    request. It is therefore given a head only once the whole head has arrived, and no byte beyond
    the end of the body.
    """

    # None before the first request and after the last, despite the library's types.
    cycle: Any
    parser: Any

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], watcher: Watcher
    ) -> None:
        super().__init__(config=config, server_state=server_state, app_state=app_state)
        self._watcher = watcher
        self._received = bytearray()
        self._searched = 0
        self._method = ""
        self._expects: _Part = "head"
        self._left = 0
        self._framing = 0
        self._before = b""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - of either event loop
        """Wait for the first request."""
        super().connection_made(transport)
        self.transport = cast("Any", _JoinedWrites(transport))
        self._watcher.opened(self)

    def data_received(self, data: bytes) -> None:
        """Process the requests that have arrived so far."""
        self._received += data
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another connection."""
        super().connection_lost(exc)
        self._watcher.closed(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, but ignore trailers, which a client could add unseen by a proxy."""
        if self._expects == "head":
            super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        """Start to answer the request."""
        version = self.parser.get_http_version()
        self._expects, self._left = _body(self.headers, version)
        self._framing, self._before = 0, b""
        if version == "1.0":
            self.expect_100_continue = False
        super().on_headers_complete()
        # The target as it was sent, because the library drops the host of an absolute URL.
        path, _, query = self.url.partition(b"?")
        self.scope["method"] = self._method
        self.scope["path"] = unquote(path.decode("ascii"))
        self.scope["raw_path"], self.scope["query_string"] = path, query

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body to the application."""
        self._framing -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Tell the application that the request is complete."""
        self._expects = "head"
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Continue with the next request. The watcher replaces the library's timeouts."""
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            # In a new context, because the answered request has not finished yet.
            self.loop.call_soon(self._read, context=Context())

    @property
    def _is_answering(self) -> bool:
        """Whether a complete request has arrived and its answer is incomplete."""
        answered = self.cycle is None or self.cycle.response_complete
        return self._expects == "head" and not answered

    def _read(self) -> None:
        try:
            while not self._is_answering and not self.transport.is_closing():
                part = self._next_part()
                if not part:
                    break
                self.parser.feed_data(part)
        except (_NotHttpError, httptools.HttpParserError):
            self._refuse()
        if self.transport.is_closing():
            return
        if self._is_answering:
            self._watcher.answering(self)
            if len(self._received) > _MAX_WAITING_BYTES:
                self.flow.pause_reading()
        elif self._received or self._expects != "head":
            self._watcher.arriving(self)
        else:
            self._watcher.idle(self)

    def _next_part(self) -> bytes:
        """
        Return the next bytes for the parser; empty if more has to arrive first.

        Raises:
            _NotHttpError: The request is rejected.
        """
        if self._expects == "head":
            return self._head()
        count = len(self._received)
        if self._expects == "sized body":
            count = min(count, self._left)
            self._left -= count
        else:
            # A chunked body ends with an empty line, and may contain others.
            edge = (self._before + self._received[:3]).find(_HEAD_END)
            end = edge - len(self._before) if edge >= 0 else self._received.find(_HEAD_END)
            if edge >= 0 or end >= 0:
                count = end + len(_HEAD_END)
            self._framing += count
            if self._framing - count > _MAX_FRAMING_BYTES:
                raise _NotHttpError
            self._before = bytes(self._before + self._received[:count])[-3:]
        return self._take(count)

    def _head(self) -> bytes:
        received = self._received
        end = received.find(_HEAD_END, max(0, self._searched - 3))
        size = self._searched = len(received) if end < 0 else end + len(_HEAD_END)
        lines = received.count(b"\n", 0, size)
        line = (_REQUEST_LINE if lines else _BEGINNING).match(received)
        if size > MAX_HEAD_BYTES or lines > MAX_HEAD_LINES:
            raise _NotHttpError
        if received and (line is None or lines != received.count(b"\r\n", 0, size)):
            raise _NotHttpError
        if line is None or end < 0:
            return b""
        method = line[1]
        self._searched, self._method = 0, method.decode("ascii")
        # The parser only needs a method that it knows. Upgrade headers are removed, because the
        # parser would not read the body of a request with one.
        return b"POST" + _UPGRADE.sub(b"", self._take(size)[len(method) :])

    def _take(self, count: int) -> bytes:
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _refuse(self) -> None:
        _log.info("not_http", peer=self.client[0] if self.client else None)
        self._received.clear()
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.send_400_response("Invalid HTTP request received.")
        else:
            self.transport.close()
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()


class _JoinedWrites:
    """
    A transport that sends everything written in one turn of the event loop at once.

    The library writes the head and body of an answer separately, which would make two packets.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._joined = bytearray()
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info

    def write(self, data: bytes) -> None:
        """Send *data* at the end of this turn of the event loop."""
        if not self._joined:
            asyncio.get_running_loop().call_soon(self._flush)
        self._joined += data
        if len(self._joined) > _MAX_JOINED_BYTES:
            self._flush()

    def close(self) -> None:
        """Send the remaining data, and close the connection."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close the connection at once, without sending the remaining data."""
        self._joined.clear()
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the system has not accepted yet."""
        return len(self._joined) + self._transport.get_write_buffer_size()

    def _flush(self) -> None:
        if self._joined and not self._transport.is_closing():
            self._transport.write(bytes(self._joined))
        self._joined.clear()


def _body(headers: list[tuple[bytes, bytes]], version: str) -> tuple[_Part, int]:
    """
    Return what follows a head, and the length of a sized body in bytes.

    Raises:
        _NotHttpError: Another parser might find a different end of the body or a different host.
    """
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    hosts = values.get(b"host", [])
    lengths = values.get(b"content-length", [])
    encodings = [value.lower() for value in values.get(b"transfer-encoding", [])]
    if len(hosts) > 1 or (version == "1.1" and not hosts):
        raise _NotHttpError
    if encodings:
        if version == "1.0" or lengths or encodings != [b"chunked"]:
            raise _NotHttpError
        return "chunked body", 0
    if len(lengths) > 1 or not all(_LENGTH.fullmatch(length) for length in lengths):
        raise _NotHttpError
    left = int(lengths[0]) if lengths else 0
    return ("sized body" if left else "head"), left
