"""Where a request begins and ends, and what is no HTTP: docs/contract.md, sections 5 and 5.5."""

import asyncio
import re
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from hsp_otp.entrypoints.server.http_protocol import HttpProtocol
from hsp_otp.entrypoints.server.http_server import config


@attrs.define
class Wire(asyncio.Transport):
    """
    A connection without a socket.

    Attributes:
        written: What the server has sent.
        is_closed: It was ended by the server.
    """

    written: bytes = b""
    writes: int = 0
    is_closed: bool = False
    is_paused: bool = False

    def write(self, data: Any) -> None:  # noqa: ANN401 - any bytes
        """Send something."""
        self.written += bytes(data)
        self.writes += 1

    def close(self) -> None:
        """End it."""
        self.is_closed = True

    def is_closing(self) -> bool:
        """Whether it has been ended."""
        return self.is_closed

    def pause_reading(self) -> None:
        """Let nothing more arrive."""
        self.is_paused = True

    def resume_reading(self) -> None:
        """Let more arrive."""
        self.is_paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        """Tell who is at the other end."""
        return ("192.0.2.1", 4711) if name == "peername" else default


@attrs.define
class Places:
    """Notes what a connection says that it does."""

    told: list[str] = attrs.field(factory=list[str])

    def opened(self, _: object) -> None:
        """It is there."""
        self.told.append("opened")

    def arriving(self, _: object) -> None:
        """A request has begun."""
        self.told.append("arriving")

    def answering(self, _: object) -> None:
        """A request has arrived."""
        self.told.append("answering")

    def idle(self, _: object) -> None:
        """Nothing is expected."""
        self.told.append("idle")

    def closed(self, _: object) -> None:
        """It has gone."""
        self.told.append("closed")


@attrs.define
class Asked:
    """A request as the application sees it."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes | None


@attrs.define
class Talk:
    """What came of some bytes."""

    statuses: list[int]
    is_closed: bool
    asked: list[Asked]
    written: bytes
    places: list[str]
    is_paused: bool
    writes: int


def talk(*parts: bytes, reads: bool = True, patience: int = 60) -> Talk:
    """
    Send *parts*, one after the other, and hear the answers.

    Args:
        reads: Whether the application waits for the body.
        patience: Turns of the event loop before the end.
    """
    asked: list[Asked] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        headers = dict(scope["headers"])
        seen = Asked(scope["method"], scope["path"], scope["query_string"], headers, None)
        asked.append(seen)
        body = b""
        while reads:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                seen.body = body
                break
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}
        )
        await send({"type": "http.response.body", "body": b"ok\r\n"})

    async def run() -> Talk:
        settings = config(app, lifespan="off", grace=1, keep_alive=75)
        settings.load()
        wire, places = Wire(), Places()
        listener: Any = places
        protocol = HttpProtocol(settings, ServerState(), {}, listener)
        protocol.connection_made(wire)
        for part in parts:
            if wire.is_closed:
                break
            protocol.data_received(part)
            await asyncio.sleep(0)
        for _ in range(patience):
            await asyncio.sleep(0)
        paused, closed = wire.is_paused, wire.is_closed
        protocol.connection_lost(None)
        await asyncio.sleep(0)
        statuses = [
            int(found) for found in re.findall(rb"^HTTP/1\.1 (\d+)", wire.written, re.MULTILINE)
        ]
        return Talk(
            statuses=[int(found) for found in statuses],
            is_closed=closed,
            asked=asked,
            written=wire.written,
            places=places.told,
            is_paused=paused,
            writes=wire.writes,
        )

    with asyncio.Runner() as runner:
        return runner.run(run())


BODY = b'{"pass_code": "HSP-1234-5678"}'
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: localhost\r\n"
SIZED = POST + b"Content-Length: 30\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"1e\r\n" + BODY + b"\r\n0\r\n\r\n"


def line(text: bytes) -> bytes:
    """A request with that first line."""
    return text + b"\r\nHost: localhost\r\n\r\n"


READ = {
    "GET": GET + b"\r\n",
    "a sized body": SIZED + b"\r\n" + BODY,
    "a length with spaces around": POST + b"Content-Length:  30 \r\n\r\n" + BODY,
    "a length with zeros": POST + b"Content-Length: 0030\r\n\r\n" + BODY,
    "no body": POST + b"\r\n",
    "a body of nothing": POST + b"Content-Length: 0\r\n\r\n",
    "a chunked body": CHUNKED + b"\r\n" + CHUNKS,
    "chunks in capitals": POST + b"Transfer-Encoding: CHUNKED\r\n\r\n" + CHUNKS,
    "several chunks": CHUNKED + b"\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "a chunk with an extension": CHUNKED + b"\r\n1e;a=b\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk that looks like the end": CHUNKED + b"\r\n8\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n",
    "a trailer": CHUNKED + b"\r\n1e\r\n" + BODY + b"\r\n0\r\nX-Trailer: x\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "HTTP/1.0 with a host": b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n",
    "HEAD": line(b"HEAD / HTTP/1.1"),
    "a method of somebody's own": line(b"BREW / HTTP/1.1"),
    "a method in small letters": line(b"get / HTTP/1.1"),
    "TRACE": line(b"TRACE / HTTP/1.1"),
    "CONNECT, to a path": line(b"CONNECT / HTTP/1.1"),
    "OPTIONS of all": line(b"OPTIONS * HTTP/1.1"),
    "another host's address": line(b"GET http://evil.example/healthz HTTP/1.1"),
    "a query": line(b"GET /healthz?x=y?z HTTP/1.1"),
    "an empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "spaces around a value": GET + b"X: \t a \t \r\n\r\n",
    "a tab in a header": GET + b"X: a\tb\r\n\r\n",
    "Latin-1 in a header": GET + b"X: \xe9\r\n\r\n",
    "an upgrade": GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "an upgrade with a body": SIZED + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + BODY,
    "an upgrade with chunks": CHUNKED + b"Connection: Upgrade\r\nUPGRADE:h2c\r\n\r\n" + CHUNKS,
    "a WebSocket": GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "an expectation of somebody's own": GET + b"Expect: miracles\r\n\r\n",
    "a target of 8 KiB": line(b"GET /" + b"a" * 8_191 + b" HTTP/1.1"),
    "250 headers": GET + b"X: x\r\n" * 250 + b"\r\n",
    "a header of 60 kB": GET + b"X: " + b"x" * 60_000 + b"\r\n\r\n",
}

REFUSED = {
    "a length and chunks": SIZED + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "chunks and a length": CHUNKED + b"Content-Length: 30\r\n\r\n" + CHUNKS,
    "two lengths": SIZED + b"Content-Length: 5\r\n\r\n" + BODY,
    "one length twice": SIZED + b"Content-Length: 30\r\n\r\n" + BODY,
    "a list of lengths": POST + b"Content-Length: 30, 30\r\n\r\n" + BODY,
    **{
        f"a length of {length.decode()!a}": POST + b"Content-Length: %b\r\n\r\n" % length + BODY
        for length in (b"", b"+30", b"-1", b"0x1e", b"3_0", b"30.0", b"ten", b"9" * 21, b"1e1")
    },
    **{
        f"an encoding of {encoding.decode('latin-1')!a}": POST
        + b"Transfer-Encoding: %b\r\n\r\n" % encoding
        + CHUNKS
        for encoding in (
            *(b"", b"identity", b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked"),
            *(b'"chunked"', b"xchunked", b"\x0bchunked", b"chunked;a", b"chunked,"),
        )
    },
    "two encodings": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "an encoding, then none": CHUNKED + b"Transfer-Encoding: identity\r\n\r\n" + CHUNKS,
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS,
    "chunks in HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + b"\r\n" + CHUNKS,
    **{
        f"a chunk of {size.decode()!a}": CHUNKED + b"\r\n%b\r\n" % size + BODY + b"\r\n0\r\n\r\n"
        for size in (
            *(b"zz", b"0x1e", b"-1", b"+1e", b"", b"f" * 17, b"1_e", b"1e ", b" 1e", b"1e;a\nb"),
        )
    },
    "chunks with bare line feeds": CHUNKED + b"\r\n1e\n" + BODY + b"\n0\n\n",
    "a chunk that ends with a line feed": CHUNKED + b"\r\n1e\r\n" + BODY + b"\n0\r\n\r\n",
    "a chunk without an end": CHUNKED + b"\r\n1e\r\n" + BODY + b"0\r\n\r\n",
    "a chunk with another end": CHUNKED + b"\r\n1e\r\n" + BODY + b"XX0\r\n\r\n",
    "a trailer that is none": CHUNKED + b"\r\n1e\r\n" + BODY + b"\r\n0\r\nX A\r\n\r\n",
    "a folded header": GET + b"X: a\r\n b\r\n\r\n",
    "a folded length": POST + b"Content-Length:\r\n 30\r\n\r\n" + BODY,
    "a fold in front": b"GET / HTTP/1.1\r\n X: y\r\nHost: localhost\r\n\r\n",
    "a space in a name": GET + b"X A: b\r\n\r\n",
    "no name": GET + b": b\r\n\r\n",
    "no colon": GET + b"XA\r\n\r\n",
    "NUL in a header": GET + b"X: a\x00b\r\n\r\n",
    "a control character in a header": GET + b"X: a\x01b\r\n\r\n",
    "a carriage return in a header": GET + b"X: a\rb\r\n\r\n",
    "Latin-1 in a name": GET + b"X\xe9: b\r\n\r\n",
    "bare line feeds": (GET + b"\r\n").replace(b"\r\n", b"\n"),
    "a bare line feed": b"GET / HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
    "a bare line feed at the end": GET + b"\n",
    "an empty line in front": b"\r\n" + GET + b"\r\n",
    "a space in front": b" " + GET + b"\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: other\r\n\r\n",
    "one host twice": GET + b"Host: localhost\r\n\r\n",
    "two hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    **{
        f"{version.decode()}": line(b"GET / " + version)
        for version in (
            *(
                b"HTTP/0.9",
                b"HTTP/1.2",
                b"HTTP/2.0",
                b"HTTP/3",
                b"HTTP/11.1",
                b"HTTP/1",
                b"HTTP/1.",
            ),
            *(b"http/1.1", b"RTSP/1.0", b"ICE/1.0", b"HTTP/1.1 ", b""),
        )
    },
    "no version": b"GET /\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x00\xc2\x01\x00\x00\xbe\x03\x03" + b"x" * 180,
    "rubbish": b"\x00\x01\x02\x03",
    "words": b"hello\r\n",
    "a long method": b"A" * 33,
    "a method that is none": line(b"G=T / HTTP/1.1"),
    "an authority": line(b"CONNECT example.com:443 HTTP/1.1"),
    "a target without a slash": line(b"GET healthz HTTP/1.1"),
    "no target": line(b"GET  HTTP/1.1"),
    "two spaces": line(b"GET  / HTTP/1.1"),
    "a space in the target": line(b"GET /a b HTTP/1.1"),
    "a tab": line(b"GET\t/ HTTP/1.1"),
    "Latin-1 in the target": line(b"GET /\xe9 HTTP/1.1"),
    "a control character in the target": line(b"GET /\x01 HTTP/1.1"),
    "a target of more than 8 KiB": line(b"GET /" + b"a" * 8_192 + b" HTTP/1.1"),
    "a target without an end": b"GET /" + b"a" * 70_000,
    "300 headers": GET + b"X: x\r\n" * 300 + b"\r\n",
    "a header of 70 kB": GET + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
    "a header without an end": GET + b"X: " + b"x" * 70_000,
    "headers without an end": GET + b"X: x\r\n" * 300,
    "trailers without an end": CHUNKED + b"\r\n0\r\n" + b"X: x\r\n" * 50_000 + b"X: y",
}

SMALL = 600
"""Bytes that are sent one by one, too."""


def pieces(text: bytes) -> list[list[bytes]]:
    """The same bytes, cut in several ways."""
    cut = [[text], [text[:7], text[7:]], [text[:-3], text[-3:]]]
    if len(text) <= SMALL:
        cut.append([bytes([byte]) for byte in text])
    else:
        cut.append([text[at : at + 1_000] for at in range(0, len(text), 1_000)])
    return cut


@pytest.mark.parametrize("name", READ)
def test_what_is_http_is_answered(name: str) -> None:
    """Section 5: one request is one answer, however its bytes are cut."""
    for parts in pieces(READ[name]):
        found = talk(*parts)
        assert found.statuses == [200]
        assert len(found.asked) == 1
        assert found.is_closed == ("HTTP/1.0" in name)


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused(name: str) -> None:
    """Section 5: bytes that are no HTTP/1.1, or that others may read otherwise, are a bare 400."""
    for parts in pieces(REFUSED[name]):
        found = talk(*parts)
        assert found.statuses == [400]
        assert found.is_closed
        assert b"x-request-id" not in found.written
        assert [asked for asked in found.asked if asked.body is not None] == []


def test_a_request_is_handed_on_as_it_was_sent() -> None:
    """Method, path, query, headers and body are those of the client."""
    head = b"Mix-ed /a%20b/?q=%20 HTTP/1.1\r\nHost: x\r\nX-A:  b \r\nContent-Length: 3\r\n\r\n"
    (asked,) = talk(head + b"abc").asked
    assert (asked.method, asked.path, asked.query) == ("Mix-ed", "/a b/", b"q=%20")
    assert asked.headers == {b"host": b"x", b"x-a": b"b", b"content-length": b"3"}
    assert asked.body == b"abc"
    absolute = line(b"GET http://other/healthz HTTP/1.1")
    assert talk(absolute).asked[0].path == "http://other/healthz"


def test_a_trailer_is_no_header() -> None:
    """What follows the body adds nothing to the head, of this request or of the next."""
    trailer = b"X-Forwarded-For: 203.0.113.9\r\n\r\n"
    text = CHUNKED + b"\r\n1e\r\n" + BODY + b"\r\n0\r\n" + trailer
    for parts in pieces(text + GET + b"\r\n"):
        found = talk(*parts)
        assert found.statuses == [200, 200]
        assert not [asked for asked in found.asked if b"x-forwarded-for" in asked.headers]


def test_requests_in_a_row_are_answered_in_turn() -> None:
    """Several requests at once are answered one after the other, whatever their bodies."""
    row = [GET + b"\r\n", SIZED + b"\r\n" + BODY, CHUNKED + b"\r\n" + CHUNKS, GET + b"\r\n"]
    for parts in pieces(b"".join(row) * 3):
        found = talk(*parts, patience=300)
        assert found.statuses == [200] * 12
        assert [asked.body for asked in found.asked] == [b"", BODY, BODY, b""] * 3
        assert not found.is_closed


def test_what_is_wrong_later_does_not_take_an_answer_back() -> None:
    """Requests before one that is refused are answered, and nothing after it is."""
    found = talk(GET + b"\r\n" + b"NOT HTTP\r\n\r\n" + GET + b"\r\n")
    assert found.statuses == [200, 400]
    assert found.is_closed
    assert len(found.asked) == 1


def test_after_the_last_answer_nothing_is_read() -> None:
    """A client that announces the end has no further request."""
    found = talk(GET + b"Connection: close\r\n\r\n" + GET + b"\r\n")
    assert found.statuses == [200]
    assert found.is_closed


def test_a_client_that_runs_ahead_waits() -> None:
    """Of further requests 64 KiB are taken while one is answered, and then none."""
    ahead = GET + b"\r\n" + (GET + b"\r\n") * 3_000
    assert talk(ahead, patience=1).is_paused
    assert not talk(GET + b"\r\n", GET + b"\r\n", patience=1).is_paused


def test_head_and_body_of_an_answer_leave_together() -> None:
    """An answer is written at once: what is written apart waits for an acknowledgement."""
    assert talk(GET + b"\r\n").writes == 1
    assert talk(GET + b"Connection: close\r\n\r\n").writes == 1


def test_an_early_answer_leaves_the_connection_in_order() -> None:
    """The rest of a body that nobody wants is passed over, and the next request is read."""
    for body in (SIZED + b"\r\n" + BODY, CHUNKED + b"\r\n" + CHUNKS):
        parts = [body[:-20], body[-20:] + GET, b"\r\n"]
        found = talk(*parts, reads=False)
        assert found.statuses == [200, 200]
        assert not found.is_closed


def test_the_body_is_asked_for_where_the_client_waits() -> None:
    """`Expect: 100-continue` is answered where the body is wanted; HTTP/1.0 knows no such thing."""
    waiting = SIZED + b"Expect: 100-continue\r\n\r\n"
    found = talk(waiting, b"", b"", BODY)
    assert found.statuses == [100, 200]
    assert talk(waiting, b"", b"", BODY, reads=False).statuses == [200]
    assert talk(waiting.replace(b"1.1", b"1.0"), b"", b"", BODY).statuses == [200]


def test_a_connection_tells_what_it_does() -> None:
    """Deadlines go by it: a request on its way, one that is answered, and nothing at all."""
    found = talk(GET, b"\r\n", b"", b"", GET + b"\r\n" + GET)
    assert [told for at, told in enumerate(found.places) if told != found.places[at - 1]] == [
        *("opened", "arriving", "answering", "idle", "answering", "arriving", "closed")
    ]


BODIES = st.binary(max_size=40) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", GET + b"\r\n"])


@given(
    drawn=st.lists(st.tuples(BODIES, st.booleans(), st.integers(1, 9)), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 60), max_size=30),
)
def test_no_cut_makes_two_requests_of_one(
    drawn: list[tuple[bytes, bool, int]], cuts: list[int]
) -> None:
    """Whatever a body holds and however the bytes are cut, it stays the body of its request."""
    text = b""
    for body, is_chunked, size in drawn:
        if is_chunked:
            chunks = [body[at : at + size] for at in range(0, len(body), size)]
            sent = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
            text += CHUNKED + b"\r\n" + sent + b"0\r\n\r\n"
        else:
            text += POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    parts = []
    for count in cuts:
        parts.append(text[:count])
        text = text[count:]
    found = talk(*parts, text, patience=120)
    assert found.statuses == [200] * len(drawn)
    assert [asked.body for asked in found.asked] == [body for body, _, _ in drawn]
