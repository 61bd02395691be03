"""The HTTP/1.1 protocol of a connection: where requests begin and end, and what is rejected."""

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
"""Of further requests while one is answered; then the client has to wait."""

_MAX_FRAMING_BYTES: Final = 128 * 1024
"""Of a chunked body beside its content: sizes, extensions and trailers."""

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
    """Whoever wants to know how far connections are."""

    def opened(self, connection: "HttpProtocol") -> None:
        """It is there."""
        ...

    def arriving(self, connection: "HttpProtocol") -> None:
        """A request has begun."""
        ...

    def answering(self, connection: "HttpProtocol") -> None:
        """A request has arrived, and its answer is awaited."""
        ...

    def idle(self, connection: "HttpProtocol") -> None:
        """Its next request has not begun."""
        ...

    def closed(self, connection: "HttpProtocol") -> None:
        """It has gone."""
        ...


class _NotHttpError(Exception):
    """It is not HTTP/1.1, or it is and another reader might understand something else."""


class HttpProtocol(HttpToolsProtocol):
    """
    Reads one request at a time, and strictly.

    The library's parser has no limit on sizes, knows some methods only, and reads on into the
    next request. So it is given a whole head once the head has arrived, and no byte beyond the
    end of the body.
    """

    # None before the first request and after the last, whatever the library's types say.
    cycle: Any
    parser: Any

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        watcher: Watcher,
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
        """Wait for a first request."""
        super().connection_made(transport)
        self.transport = cast("Any", _JoinedWrites(transport))
        self._watcher.opened(self)

    def data_received(self, data: bytes) -> None:
        """Read requests as far as they have arrived."""
        self._received += data
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another connection."""
        super().connection_lost(exc)
        self._watcher.closed(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is none, and anybody could add one behind the proxy's back."""
        if self._expects == "head":
            super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        version = self.parser.get_http_version()
        self._expects, self._left = _body(self.headers, version)
        self._framing, self._before = 0, b""
        if version == "1.0":
            self.expect_100_continue = False
        super().on_headers_complete()
        # As it was sent: the library drops the host of an absolute address.
        path, _, query = self.url.partition(b"?")
        self.scope["method"] = self._method
        self.scope["path"] = unquote(path.decode("ascii"))
        self.scope["raw_path"], self.scope["query_string"] = path, query

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body."""
        self._framing -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Pass on that the request has arrived."""
        self._expects = "head"
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request. The library's deadlines are the watcher's here."""
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            # In a context of its own: the request that has been answered is not over yet.
            self.loop.call_soon(self._read, context=Context())

    @property
    def _is_answering(self) -> bool:
        """Whether a request has arrived whole, and its answer is not complete."""
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
        What the parser is given next; nothing where more has to arrive first.

        Raises:
            _NotHttpError: It is refused.
        """
        if self._expects == "head":
            return self._head()
        count = len(self._received)
        if self._expects == "sized body":
            count = min(count, self._left)
            self._left -= count
        else:
            # A chunked body ends with an empty line, wherever else it may have one.
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
        # Any method will do for the parser. An upgrade that nobody makes would have it take the
        # body for something else.
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
    A transport to which all of one turn of the event loop is written at once.

    The library writes head and body of an answer apart, and each would be a packet of its own.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._joined = bytearray()
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info

    def write(self, data: bytes) -> None:
        """Send *data*, soon."""
        if not self._joined:
            asyncio.get_running_loop().call_soon(self._flush)
        self._joined += data
        if len(self._joined) > _MAX_JOINED_BYTES:
            self._flush()

    def close(self) -> None:
        """Send what is left, and then end the connection."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._joined.clear()
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        """Bytes that the system has not taken yet."""
        return len(self._joined) + self._transport.get_write_buffer_size()

    def _flush(self) -> None:
        if self._joined and not self._transport.is_closing():
            self._transport.write(bytes(self._joined))
        self._joined.clear()


def _body(headers: list[tuple[bytes, bytes]], version: str) -> tuple[_Part, int]:
    """
    What follows a head, and how many bytes of it where that is said.

    Raises:
        _NotHttpError: Others may see the end of the body elsewhere, or take the host for another.
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
