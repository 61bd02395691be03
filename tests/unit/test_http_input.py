"""Bad input: never a 500, nothing charged, nothing stored; docs/contract.md, 5.5."""

import json
import string
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.slot_record import SlotRecord
from tests.http import (
    FLOW_MEMBERS,
    SEND,
    SIGNUP_SEND,
    SIGNUP_VERIFY,
    VALIDATE,
    VERIFY,
    Client,
    Reply,
    problem,
    shared,
)
from tests.world import OTHER_PHONE, PASS_CODE

ROUTES = [VERIFY, VALIDATE, SEND, SIGNUP_SEND, SIGNUP_VERIFY]
"""All have one function before them; the first takes the most members."""

JSON = "application/json"

PASS = (
    b'"pass_code": "HSP-1234-5678", "otp": "123456", '
    b'"phone": "+919812345678", "session_id": "AAAAAAAAAAAAAAAAAAAAAA", "otp_code": "123456"'
)
"""Members that every route takes; nobody has a session of that id."""

NAMES = ["pass_code", "otp", "phone", "session_id", "otp_code"]


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of whom no work is asked; a code has been sent for the one paid pass."""
    with Client(work_seconds=0) as opened:
        opened.world.add()
        opened.code()
        yield opened


def right(client: Client) -> dict[str, str]:
    """Members that succeed at every route, half a minute after codes were sent for them."""
    session_id, code = client.session(OTHER_PHONE)
    client.world.clock.advance(30_000_000)
    return {
        "pass_code": PASS_CODE,
        "otp": client.world.outbox.codes[0],
        "phone": OTHER_PHONE,
        "session_id": session_id,
        "otp_code": code,
    }


def stored(client: Client) -> tuple[int, int, int, int, int, int, SlotRecord]:
    """All that a request could have charged or stored."""
    world = client.world
    return (
        world.charged("lookups"),
        world.charged("checks"),
        world.charged("lookup_misses", "everybody"),
        len(world.audit.rows),
        len(world.audit.sends),
        len(world.outbox.sent),
        world.whole_record(),
    )


MALFORMED_REQUEST = (400, "Bad Request", "malformed_request")


def refuses(client: Client, path: str, reply: Reply, told: tuple[int, str, str]) -> None:
    """Assert the whole answer, by its status, its title and its word."""
    status, title, word = told
    assert reply.status == status
    assert reply.headers["content-type"] == "application/problem+json"
    message = reply.json["message"]
    flow = next(member for route, member in FLOW_MEMBERS.items() if route[:-1] in path)
    assert reply.json == problem(status, title, word, message, **{flow: False})
    assert client.world.record().run == 0


# Not the JSON object that it should be

NOT_AN_OBJECT = {
    "empty": b"",
    "white space": b" \r\n\t ",
    "nothing": b"null",
    "true": b"true",
    "a number": b"17",
    "a string": b'"HSP-1234-5678"',
    "an array": b"[]",
    "an array of objects": b"[{" + PASS + b"}]",
}

MALFORMED = {
    "truncated": b'{"pass_code": "HSP-1234-5678"',
    "truncated in a string": b'{"pass_code": "HSP-12',
    "truncated in an escape": b'{"pass_code": "\\u00',
    "an open brace": b"{",
    "two objects": b"{" + PASS + b"}{" + PASS + b"}",
    "something after": b"{" + PASS + b"} x",
    "a trailing comma": b"{" + PASS + b",}",
    "single quotes": b"{'pass_code': 'HSP-1234-5678', 'otp': '123456'}",
    "a bare word": b"{" + PASS + b', "x": yes}',
    "a comment": b"{" + PASS + b"} // x",
    "a form": b"pass_code=HSP-1234-5678&otp=123456",
    "a byte order mark": b"\xef\xbb\xbf{" + PASS + b"}",
    "UTF-16": ("{" + PASS.decode() + "}").encode("utf-16"),
    "UTF-32": ("{" + PASS.decode() + "}").encode("utf-32"),
    "UTF-16 without a mark": ("{" + PASS.decode() + "}").encode("utf-16-le"),
    "NUL outside": b"{" + PASS + b"}\x00",
    "a raw control character": b"{" + PASS + b', "x": "a\x01b"}',
    "a raw newline in a member": b'{"pass_code": "HSP-1234\n-5678", "otp": "123456"}',
    "a bad escape": b"{" + PASS + b', "x": "\\q"}',
    "NaN": b"{" + PASS + b', "x": NaN}',
    "NaN instead of a code": b'{"pass_code": NaN, "otp": NaN}',
    "infinity": b"{" + PASS + b', "x": Infinity}',
    "minus infinity": b"{" + PASS + b', "x": [-Infinity]}',
    "a leading zero": b"{" + PASS + b', "x": 017}',
    "a number of its own kind": b"{" + PASS + b', "x": 0x10}',
    "a member without a value": b'{"pass_code"}',
    "a member that is no string": b'{1: "x", ' + PASS + b"}",
}

NOT_UTF_8 = {
    "instead of JSON": b"\xff\xfe\xfd",
    "in a member": b'{"pass_code": "HSP-1234-5678\xff", "otp": "123456\xff"}',
    "in an unknown member": b"{" + PASS + b', "x": "\xff"}',
    "in a name": b"{" + PASS + b', "\xff": 1}',
    "deep in an unknown member": b"{" + PASS + b', "x": [{"y": "\xc3\x28"}]}',
    "overlong": b"{" + PASS + b', "x": "\xc0\xaf"}',
    "a surrogate in bytes": b"{" + PASS + b', "x": "\xed\xa0\x80"}',
    "beyond Unicode": b"{" + PASS + b', "x": "\xf4\x90\x80\x80"}',
    "truncated": b"{" + PASS + b', "x": "\xe2\x82"}',
    "Latin-1": '{"pass_code": "HSP-1234-5678", "otp": "123456", "x": "é"}'.encode("latin-1"),
}

LONE_SURROGATES = {
    "high in the pass code": b'{"pass_code": "HSP-1234-5678\\ud800", "otp": "123456"}',
    "low in the pass code": b'{"pass_code": "\\udfffHSP-1234-5678", "otp": "123456"}',
    "alone in the pass code": b'{"pass_code": "\\ud800", "otp": "123456"}',
    "in an unknown member": b"{" + PASS + b', "x": "\\udc00"}',
    "in a name": b"{" + PASS + b', "\\ud834": "x"}',
    "deep in an unknown member": b"{" + PASS + b', "x": [[{"y": ["\\ud834"]}]]}',
    "in the wrong order": b"{" + PASS + b', "x": "\\udd1e\\ud834"}',
    "before an escape": b"{" + PASS + b', "x": "\\ud834\\u0041"}',
}

WRONG_TYPES = ["17", "0", "-1.5", "1e400", "true", "false", "[]", '["HSP-1234-5678"]', "{}"]

BAD_BODIES = {
    f"{kind}: {name}": body
    for kind, bodies in (
        ("no object", NOT_AN_OBJECT),
        ("malformed", MALFORMED),
        ("not UTF-8", NOT_UTF_8),
        ("lone surrogate", LONE_SURROGATES),
        (
            "wrong type",
            {
                value: f'{{"pass_code": {value}, "otp": "1", "phone": {value}, '
                f'"otp_code": {value}}}'.encode()
                for value in WRONG_TYPES
            },
        ),
    )
    for name, body in bodies.items()
}


@pytest.mark.parametrize(("path", "name"), shared(ROUTES, BAD_BODIES))
def test_what_is_no_json_object_is_malformed(client: Client, path: str, name: str) -> None:
    """5.5: 400 `malformed_request`; nothing charged, nothing stored."""
    before = stored(client)
    reply = client.post(path, body=BAD_BODIES[name])
    refuses(client, path, reply, MALFORMED_REQUEST)
    assert stored(client) == before


@pytest.mark.parametrize("member", ["otp", "challenge_id"])
@pytest.mark.parametrize("value", [*WRONG_TYPES, '"\\ud800"'])
def test_members_of_verify_are_strings(client: Client, member: str, value: str) -> None:
    """5.5: any other type in place of a string is malformed, the optional member's too."""
    before = stored(client)
    given_members = {"pass_code": f'"{PASS_CODE}"', "otp": '"123456"', member: value}
    body = "{" + ",".join(f'"{name}": {text}' for name, text in given_members.items()) + "}"
    reply = client.post(VERIFY, body=body.encode())
    refuses(client, VERIFY, reply, MALFORMED_REQUEST)
    assert stored(client) == before


@pytest.mark.parametrize(
    ("path", "member"),
    [
        (SIGNUP_SEND, "phone"),
        (SIGNUP_SEND, "session_id"),
        (SIGNUP_VERIFY, "session_id"),
        (SIGNUP_VERIFY, "otp_code"),
    ],
)
@pytest.mark.parametrize("value", [*WRONG_TYPES, '"\\ud800"'])
def test_members_of_signup_are_strings(client: Client, path: str, member: str, value: str) -> None:
    """5.5: any other type in place of a string is malformed, the optional member's too."""
    members = {name: f'"{text}"' for name, text in right(client).items()} | {member: value}
    before = stored(client)
    body = "{" + ",".join(f'"{name}": {text}' for name, text in members.items()) + "}"
    reply = client.post(path, body=body.encode())
    refuses(client, path, reply, MALFORMED_REQUEST)
    assert stored(client) == before


@pytest.mark.parametrize("path", [VALIDATE, SEND, VERIFY])
def test_a_type_is_judged_before_what_is_missing(client: Client, path: str) -> None:
    """2.12: the form of the request comes before its members."""
    for body in (b'{"pass_code": null, "otp": 5}', b'{"otp": "", "pass_code": 5}'):
        reply = client.post(path, body=body)
        expected = "malformed_request"
        if path != VERIFY and b"null" in body:
            expected = "pass_code_required"  # otp is unknown there
        assert reply.json["error"] == expected


# Nesting


def nested(levels: int, opened: str = "[", closed: str = "]", inside: str = "") -> bytes:
    """Members that every route takes, and an unknown one; so many levels, the object included."""
    x = opened * (levels - 1) + inside + closed * (levels - 1)
    return b"{" + PASS + b', "x": ' + (x or "0").encode() + b"}"


ARRAYS = ("[", "]", "")
FULL_ARRAYS = ("[", "]", "0")
OBJECTS = ('{"a":', "}", "0")
SHAPES = {"arrays": ARRAYS, "full arrays": FULL_ARRAYS, "objects": OBJECTS}


@pytest.mark.parametrize(("path", "shape"), shared(ROUTES, SHAPES))
def test_sixty_four_levels_are_read(client: Client, path: str, shape: str) -> None:
    """5.5: nesting is malformed beyond 64 levels, and ignored in an unknown member up to them."""
    client.world.clock.advance(60_000_000)
    for levels in (1, 2, 60, 64):
        opened, closed, inside = SHAPES[shape]
        reply = client.post(path, body=nested(levels, opened, closed, inside))
        assert reply.json.get("error") != "malformed_request", levels


@pytest.mark.parametrize(("path", "shape"), shared(ROUTES, SHAPES))
def test_deeper_nesting_is_malformed(client: Client, path: str, shape: str) -> None:
    """5.5: from the 65th level to as deep as the size allows, also where it never ends."""
    before = stored(client)
    opened, closed, inside = SHAPES[shape]
    room = 16_384 - len(nested(1)) - 1
    deepest = room // len(opened + closed)
    for levels in [65, 66, 100, *range(200, 1201, 50), 1500, 2000, deepest]:
        reply = client.post(path, body=nested(levels, opened, closed, inside))
        refuses(client, path, reply, MALFORMED_REQUEST)
    endless = b"{" + PASS + b', "x": ' + opened.encode() * (room // len(opened))
    reply = client.post(path, body=endless)
    refuses(client, path, reply, MALFORMED_REQUEST)
    assert stored(client) == before


@pytest.mark.parametrize(("path", "levels"), shared(ROUTES, [2, 64, 65, 1000, 8000]))
def test_nesting_in_place_of_a_member_or_an_object(client: Client, path: str, levels: int) -> None:
    """5.5: an array in place of a string or of the object is malformed, however deep."""
    before = stored(client)
    deep = b"[" * levels + b"]" * levels
    known = b"{" + b", ".join(b'"%b": %b' % (name.encode(), deep) for name in NAMES) + b"}"
    for body in (deep, known[:16_384], b'{"otp": "123456", "pass_code": ' + deep):
        reply = client.post(path, body=body)
        refuses(client, path, reply, MALFORMED_REQUEST)
    assert stored(client) == before


# Members

CONTROLS = [chr(number) for number in [*range(0x20), 0x7F, *range(0x80, 0xA0)]]
INVISIBLE = ["\u200b", "\u200e", "\u202e", "\u2066", "\ufeff", "\u00ad", "\u034f", "\U000e0001"]


@pytest.mark.parametrize("character", [*CONTROLS, "\ufffe", "\u20e3"], ids=ascii)
def test_control_characters_inside_a_member(client: Client, character: str) -> None:
    """5.5: NUL and other control characters get the member's own word."""
    code = client.world.outbox.codes[0]
    spoiled = f"HSP-12{character}34-5678"
    signup = right(client)
    digits, known = signup["otp_code"], signup["session_id"]
    strange = f"{known[:10]}{character}{known[10:-1]}"
    before = stored(client)
    for path, members, word in (
        (SIGNUP_SEND, {"phone": f"98765{character}43210"}, "invalid_phone"),
        (SIGNUP_SEND, {"phone": OTHER_PHONE, "session_id": strange}, "session_not_found"),
        (SIGNUP_VERIFY, {"session_id": strange, "otp_code": digits}, "session_not_found"),
        (
            SIGNUP_VERIFY,
            {"session_id": known, "otp_code": f"{digits[:3]}{character}{digits[3:]}"},
            "malformed_otp",
        ),
        (VALIDATE, {"pass_code": spoiled}, "invalid_format"),
        (SEND, {"pass_code": spoiled}, "invalid_pass"),
        (VERIFY, {"pass_code": spoiled, "otp": code}, "invalid_pass"),
        (
            VERIFY,
            {"pass_code": PASS_CODE, "otp": f"{code[:3]}{character}{code[3:]}"},
            "malformed_otp",
        ),
    ):
        refuses(client, path, client.post(path, members), (400, "Bad Request", word))
    assert stored(client) == before


@pytest.mark.parametrize("character", INVISIBLE, ids=ascii)
@pytest.mark.parametrize("path", ROUTES)
def test_invisible_characters_inside_a_member(client: Client, path: str, character: str) -> None:
    """Section 5: what nobody sees is no part of what somebody typed, in any member."""
    members = right(client)
    for name in ("pass_code", "otp", "phone", "otp_code"):
        typed = members[name]
        members[name] = f"{character} {typed[:5]}{character}{typed[5:]}{character}\n{character}"
    assert client.post(path, members).status == 200


@pytest.mark.parametrize("character", INVISIBLE, ids=ascii)
def test_invisible_characters_inside_an_id(client: Client, character: str) -> None:
    """Section 5: ids and tokens are made by machines and read as they are."""
    members = right(client)
    session = members["session_id"]
    for strange in (f"{session[:10]}{character}{session[10:]}", f"{session}{character}"):
        for path in (SIGNUP_SEND, SIGNUP_VERIFY):
            reply = client.post(path, members | {"session_id": strange})
            refuses(client, path, reply, (400, "Bad Request", "session_not_found"))


@pytest.mark.parametrize("path", ROUTES)
def test_a_member_of_nothing_that_can_be_seen(client: Client, path: str) -> None:
    """Section 5: white space and invisible characters are as good as no member."""
    before = stored(client)
    word = {
        VALIDATE: "pass_code_required",
        SEND: "pass_code_required",
        SIGNUP_SEND: "phone_required",
    }.get(path, "missing_fields")
    for text in (*INVISIBLE, "\u200b \ufeff\n\u3164"):
        reply = client.post(path, dict.fromkeys(NAMES, text))
        refuses(client, path, reply, (400, "Bad Request", word))
    assert stored(client) == before


@pytest.mark.parametrize("path", ROUTES)
def test_nothing_but_a_nul(client: Client, path: str) -> None:
    """5.5: NUL is no white space, so a member of it is not missing."""
    reply = client.post(path, dict.fromkeys(NAMES, "\x00"))
    word = {
        VALIDATE: "invalid_format",
        SIGNUP_SEND: "invalid_phone",
        SIGNUP_VERIFY: "session_not_found",
    }.get(path, "invalid_pass")
    refuses(client, path, reply, (400, "Bad Request", word))


def test_a_member_of_any_length_is_read(client: Client) -> None:
    """5.5: a long member is refused by its own word."""
    for path, word in ((VALIDATE, "invalid_format"), (SEND, "invalid_pass")):
        reply = client.post(path, {"pass_code": "HSP-1234-5678" * 1000})
        refuses(client, path, reply, (400, "Bad Request", word))
    reply = client.verify("1" * 16_000)
    refuses(client, VERIFY, reply, (400, "Bad Request", "malformed_otp"))
    for reply, path, word in (
        (client.sign_up("9" * 16_000), SIGNUP_SEND, "invalid_phone"),
        (client.sign_up(session_id="A" * 16_000), SIGNUP_SEND, "session_not_found"),
        (client.prove("A" * 22, "1" * 16_000), SIGNUP_VERIFY, "malformed_otp"),
    ):
        refuses(client, path, reply, (400, "Bad Request", word))


EXTRA = [
    '"x": 1',
    '"x": null',
    '"x": [1, {"y": "z"}]',
    '"PASS_CODE": 5',
    '"": ""',
    '"x": "\\u0000"',
    '"x": "\\ud834\\udd1e"',
    '"x": 1e300',
    '"x": -1e-400',
    '"x": ' + "9" * 300,
    '"x": 1.' + "7" * 5000,
    '"challenge_id": null',
    '"x": 1, "x": 2',
]


@pytest.mark.parametrize(("path", "extra"), shared(ROUTES, EXTRA), ids=lambda text: text[:30])
def test_unknown_members_are_ignored(client: Client, path: str, extra: str) -> None:
    """Section 5: whatever JSON stands in a member that a route does not know."""
    body = f"{json.dumps(right(client))[:-1]}, {extra}}}"
    assert client.post(path, body=body.encode()).status == 200


@pytest.mark.parametrize(
    ("path", "number"),
    shared(ROUTES, ["1e400", "-1e400", "9" * 400, "9" * 16_000]),
    ids=lambda text: f"{text[:9]} of {len(text)}" if text[0] != "/" else text,
)
def test_numbers_beyond_all_measure_are_malformed(client: Client, path: str, number: str) -> None:
    """RFC 8259, 6: what a double does not hold is refused, at any length within the size."""
    before = stored(client)
    reply = client.post(path, body=b"{" + PASS + b', "x": ' + number.encode() + b"}")
    refuses(client, path, reply, MALFORMED_REQUEST)
    assert stored(client) == before


@pytest.mark.parametrize("path", ROUTES)
def test_of_a_member_that_stands_twice_the_last_counts(client: Client, path: str) -> None:
    """What stands twice is read as most JSON readers do: the last one counts."""
    good = json.dumps(right(client)).encode()[1:-1]
    bad = json.dumps(dict.fromkeys(NAMES, "x") | {"pass_code": "HSP-0000-0000"}).encode()
    reply = client.post(path, body=b"{" + good + b"," + bad[1:])
    assert reply.json[FLOW_MEMBERS[path]] is False
    assert client.post(path, body=bad[:-1] + b"," + good + b"}").status == 200


@pytest.mark.parametrize(
    ("path", "first"),
    shared(ROUTES, [b'"x": "\\ud800"', b'"x": ' + b"[" * 70 + b"]" * 70]),
)
def test_what_a_later_member_replaces_is_read_too(client: Client, path: str, first: bytes) -> None:
    """5.5: a lone surrogate or nesting is malformed also where the member stands once more."""
    before = stored(client)
    reply = client.post(path, body=b"{" + PASS + b"," + first + b', "x": 1}')
    refuses(client, path, reply, MALFORMED_REQUEST)
    assert stored(client) == before


@pytest.mark.parametrize("path", ROUTES)
def test_white_space_around_the_json_is_ignored(client: Client, path: str) -> None:
    """RFC 8259, 2: white space may stand around the object."""
    members = json.dumps(right(client), indent="\t", separators=(" ,\r\n", " :\n"))
    body = b"\r\n\t " + members.encode() + b" \n"
    assert client.post(path, body=body).status == 200


# Size


def padded(size: int) -> bytes:
    """A body that is right and of that size."""
    body = b"{" + PASS + b', "x": "'
    return body + b"." * (size - len(body) - 2) + b'"}'


SERVED = {None, "invalid_otp", "otp_expired", "session_not_found"}
"""What becomes of a body that is read."""


def too_large(reply: Reply) -> tuple[int, str, str]:
    """413 is titled by the Python that runs: RFC 9110 has renamed it."""
    title = reply.json["title"]
    assert title in {"Request Entity Too Large", "Content Too Large"}
    return (413, title, "body_too_large")


@pytest.mark.parametrize("path", ROUTES)
def test_sixteen_kibibytes_are_read(client: Client, path: str) -> None:
    """5.5: a body of exactly 16 KiB is taken, with its length announced or not."""
    client.world.clock.advance(60_000_000)
    body = padded(16_384)
    assert len(body) == 16_384
    assert client.post(path, body=body).json.get("error") in SERVED
    client.world.clock.advance(60_000_000)
    parts = [body[:1], body[1:16_000], b"", body[16_000:]]
    reply = client.post(path, body=parts)
    assert reply.json.get("error") in SERVED
    assert reply.reads == 4


@pytest.mark.parametrize("path", ROUTES)
def test_a_byte_more_is_too_large(client: Client, path: str) -> None:
    """5.5: 413 `body_too_large`, whatever is in it."""
    before = stored(client)
    for body in (padded(16_385), b" " * 16_385, b"\xff" * 1_000_000):
        reply = client.post(path, body=body)
        refuses(client, path, reply, too_large(reply))
        assert reply.reads == 0
        reply = client.post(path, body=[body])
        refuses(client, path, reply, too_large(reply))
    assert stored(client) == before


@pytest.mark.parametrize("path", ROUTES)
def test_the_rest_of_a_large_body_is_not_read(client: Client, path: str) -> None:
    """5.5: reading stops with the part that goes beyond the limit."""
    body = [b"." * 8192, b"." * 8192, b".", *[b"." * 8192] * 1000]
    reply = client.post(path, body=body)
    refuses(client, path, reply, too_large(reply))
    assert reply.reads == 3


@pytest.mark.parametrize("path", ROUTES)
def test_a_length_that_is_a_lie(client: Client, path: str) -> None:
    """5.5: what arrives is counted too, and a length that is no number is malformed."""
    reply = client.request(
        "POST",
        path,
        body=[b"." * 20_000],
        headers={"content-type": JSON, "content-length": "10"},
    )
    refuses(client, path, reply, too_large(reply))
    reply = client.request(
        "POST", path, body=[b"{}"], headers={"content-type": JSON, "content-length": "ten"}
    )
    refuses(client, path, reply, MALFORMED_REQUEST)


@pytest.mark.parametrize("path", ROUTES)
def test_a_client_that_leaves(client: Client, path: str) -> None:
    """5.5: a body that breaks off with its connection charges nothing, and is no 500."""
    before = stored(client)
    for body in ([None], [b"{" + PASS + b"}", None]):
        refuses(client, path, client.post(path, body=body), MALFORMED_REQUEST)
    assert stored(client) == before


# Content type


JSON_TYPES = [
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    'application/json; charset="utf-8"',
    "application/json ; Charset=Utf-8",
    "APPLICATION/JSON",
    "Application/Json;charset=utf8",
    "application/json;",
    "application/json; charset=utf-8;",
    "application/json; version=1",
    "application/json; version=1; charset=utf-8",
    'application/json; profile="https://example.com/a;b"; charset=utf-8',
]


@pytest.mark.parametrize(("path", "content_type"), shared(ROUTES, JSON_TYPES))
def test_json_by_any_spelling(client: Client, path: str, content_type: str) -> None:
    """Section 5: JSON in UTF-8, by the spellings and parameters of RFC 9110, 8.3."""
    assert client.post(path, right(client), headers={"content-type": content_type}).status == 200


OTHER_TYPES = [
    None,
    "",
    ";",
    "text/plain",
    "text/json",
    "application/jsonp",
    "application/x-json",
    "application/problem+json",
    "application/json, text/plain",
    "json",
    "*/*",
    "application/*",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "application/msgpack",
    "application/octet-stream",
    "application/json; charset=latin-1",
    "application/json; charset=iso-8859-1",
    "application/json; charset=utf-16",
    'application/json; charset="utf-7"',
    "application/json; version=1; charset=latin-1",
    "\xff\xfe",
]


@pytest.mark.parametrize(("path", "content_type"), shared(ROUTES, OTHER_TYPES))
def test_what_is_not_declared_as_json(client: Client, path: str, content_type: str | None) -> None:
    """5.5: 415 `unsupported_media_type`, also where the body is right, or nonsense."""
    before = stored(client)
    for body in (b"{" + PASS + b"}", b"nonsense", b""):
        reply = client.post(path, body=body, headers={"content-type": content_type})
        refuses(client, path, reply, (415, "Unsupported Media Type", "unsupported_media_type"))
        assert reply.reads == 0
    assert stored(client) == before


# Method

METHODS = ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "NONE", "BREW"]


@pytest.mark.parametrize(
    ("path", "method"),
    shared(
        [spelling for path in ROUTES for spelling in (path, path[:-1])],
        [*METHODS, "post", "PO\x00ST"],
    ),
)
def test_another_method(client: Client, path: str, method: str) -> None:
    """5.5: 405 `method_not_allowed` with `Allow`, whatever the body."""
    before = stored(client)
    for body in (b"{" + PASS + b"}", b"\xff"):
        reply = client.request(method, path, body=body, headers={"content-type": JSON})
        refuses(client, path, reply, (405, "Method Not Allowed", "method_not_allowed"))
        assert reply.headers["allow"] == "POST"
    assert stored(client) == before


@pytest.mark.parametrize(
    ("path", "method"),
    shared(
        ["/healthz", "/healthz/", "/readyz", "/readyz/"],
        ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"],
    ),
)
def test_another_method_of_the_routes_around(client: Client, path: str, method: str) -> None:
    """5.5: `Allow` names HEAD wherever it names GET."""
    reply = client.request(method, path)
    assert reply.status == 405
    assert reply.headers["allow"] == "GET, HEAD"
    assert reply.json == problem(
        405,
        "Method Not Allowed",
        "method_not_allowed",
        "This address does not accept this kind of request.",
    )


# What is never done


SECRETS = ["S3CR3T-value", "HSP-7777-7777", "777777"]


def test_an_answer_never_repeats_what_was_refused(client: Client) -> None:
    """5.5: no refusal shows the value that it refuses."""
    for path in ROUTES:
        for secret in SECRETS:
            for body in (
                {"pass_code": secret, "otp": secret, "challenge_id": secret},
                {"pass_code": PASS_CODE, "otp": f"{secret}x"},
                {"pass_code": [secret]},
                {"pass_code": {secret: secret}},
                {"phone": secret, "session_id": secret, "otp_code": secret},
                {"phone": OTHER_PHONE, "session_id": secret},
                {"phone": [secret], "session_id": [secret]},
                {secret: secret},
                [secret],
                secret,
            ):
                client.world.clock.advance(60_000_000)
                reply = client.post(path, body)
                told = reply.body + repr(reply.headers).encode()
                assert secret.encode() not in told, (path, body)
            for malformed in (
                f'{{"pass_code": "{secret}',
                f'{{"pass_code": "{secret}\\q"}}',
                secret,
            ):
                assert secret.encode() not in client.post(path, body=malformed.encode()).body
            typed = client.post(path, {}, headers={"content-type": f"text/{secret}"})
            assert secret.encode() not in typed.body
            assert secret.encode() not in client.request("GET", f"{path}{secret}").body
            assert secret.encode() not in client.request(secret, path).body


NEVER_LIMITED: dict[str, Any] = {
    "lookups_per_client_hour": 0,
    "lookup_misses_per_hour": 0,
    "checks_per_client_hour": 0,
    "signup_sends_per_client_minute": 0,
    "signup_sends_per_client_hour": 0,
}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
PASS_CODES = (
    st.just(PASS_CODE)
    | st.text(st.sampled_from("HSPhsp-0123456789 \t\u0660\u2010\x00"), max_size=16)
    | st.from_regex(r"HSP-\d{4}-\d{4}", fullmatch=True)
)
OTPS = st.text(st.sampled_from(string.digits + " -\u0661\uff11\u00b2\u2460\x00"), max_size=12)
PHONES = (
    st.just(OTHER_PHONE)
    | st.from_regex(r"\+?[0-9]{1,15}", fullmatch=True)
    | st.text(st.sampled_from(string.digits + "+ .-()\u0967\uff11\u00b2;extl\x00"), max_size=20)
)
SESSION_IDS = st.just("A" * 22) | st.from_regex(r"[A-Za-z0-9_-]{22}", fullmatch=True)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "pass_code": PASS_CODES | VALUES,
        "otp": OTPS | VALUES,
        "phone": PHONES | VALUES,
        "session_id": SESSION_IDS | VALUES,
        "otp_code": OTPS | VALUES,
        "challenge_id": st.text() | VALUES,
        "x": VALUES,
    },
)
BODIES = (
    st.binary(max_size=200)
    | MEMBERS.map(lambda members: json.dumps(members).encode())
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.tuples(MEMBERS, st.integers(0, 60), st.binary(max_size=3)).map(
        lambda made: json.dumps(made[0]).encode()[: made[1]] + made[2]
    )
)


@pytest.mark.slow
@pytest.mark.parametrize("path", ROUTES)
def test_no_bytes_whatever_are_a_500(path: str) -> None:
    """5.5: any body is answered, and by a success or by a word of the tables."""
    with Client(**NEVER_LIMITED) as client:
        client.world.add()

        @given(body=BODIES)
        def answers(body: bytes) -> None:
            reply = client.post(path, body=body)
            assert reply.status in {200, 400, 429}
            assert FLOW_MEMBERS[path] in reply.json

        answers()


HEADER = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=30)


REQUESTS = st.fixed_dictionaries(
    {
        "method": st.sampled_from([*METHODS, "POST"]) | st.text(string.ascii_uppercase, min_size=1),
        "path": st.sampled_from([*ROUTES, "/healthz"]) | st.text(max_size=20).map("/".__add__),
        "content_type": st.none() | st.just(JSON) | HEADER,
        "header": HEADER,
        "forged": st.booleans(),
    }
)


@pytest.mark.slow
def test_no_request_line_or_header_is_a_500() -> None:
    """5.5: nor is any method, path or header."""
    with Client() as client:

        @given(drawn=REQUESTS)
        def answers(drawn: dict[str, Any]) -> None:
            names = ("x-request-id", "x-forwarded-for", "host", "accept")
            headers = dict.fromkeys(names, drawn["header"])
            if drawn["forged"]:
                headers |= dict.fromkeys(("cookie", "x-csrftoken"), drawn["header"])
            headers["content-type"] = drawn["content_type"]
            reply = client.request(drawn["method"], drawn["path"], body=b"{}", headers=headers)
            assert reply.status < 500

        answers()
