"""The reader of JSON bodies agrees with a slow one: docs/contract.md, 5.5."""

import json
import math
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hsp_otp.entrypoints.http.pass_login.bodies import VerifyRequest
from hsp_otp.entrypoints.http.requests import MAX_BODY_BYTES
from hsp_otp.entrypoints.http.strict_json import read_members

MEMBERS = ("pass_code", "otp", "challenge_id")


class Pairs(list[tuple[str, Any]]):
    """All members of an object, those too that stand twice."""


def number(text: str) -> float:
    """A number, where a double holds it."""
    if not math.isfinite(found := float(text)):
        raise ValueError
    return found


def depth(value: object) -> int:
    """How many levels of objects and arrays there are."""
    if isinstance(value, Pairs):
        return 1 + max([depth(inner) for _, inner in value], default=0)
    if isinstance(value, list):
        return 1 + max([depth(inner) for inner in value], default=0)
    return 0


def slowly(body: bytes) -> dict[str, str | None] | None:
    """The members as Python's own reader finds them; None where the body is malformed."""
    try:
        found: Any = json.loads(
            body.decode(),
            object_pairs_hook=Pairs,
            parse_int=number,
            parse_float=number,
            parse_constant=number,
        )
        json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate is no text
        if not isinstance(found, Pairs) or depth(found) > 64:
            return None
    except (ValueError, RecursionError):
        return None
    if any(not isinstance(value, str | None) for name, value in found if name in MEMBERS):
        return None
    return dict.fromkeys(MEMBERS) | {name: value for name, value in found if name in MEMBERS}


def quickly(body: bytes) -> dict[str, str | None] | None:
    """The same, as the service finds them."""
    try:
        found = read_members(body, VerifyRequest)
    except ValueError:
        return None
    return {name: getattr(found, name) for name in MEMBERS}


TEXTS = st.text(max_size=6) | st.sampled_from(["\ud834", "\udd1e", "[{", '"\\', "\u2028", "é", "𝄞"])
NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,4})?", fullmatch=True
) | st.sampled_from(
    [
        *("9" * 308, "1" + "0" * 308, "2" + "0" * 308, "9" * 309, "-" + "9" * 400, "9" * 5_000),
        *(
            "1e308",
            "1.8e308",
            "-1e309",
            "1e-400",
            "0e400",
            "0.1e309",
            "01",
            "1.",
            ".5",
            "+1",
            "--1",
        ),
        *("9" * 220 + "e99", "9" * 200 + "e99", "1" + "0" * 400 + "e-200", "NaN", "Infinity"),
        *("-Infinity", "1E400", "1e+400", "1e0400", "0" * 400, "-0", "1" * 250 + ".5"),
    ]
)


SCALARS = st.none() | st.booleans() | TEXTS | NUMBERS.map(lambda text: {"verbatim": text})
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(MEMBERS) | TEXTS


def written(value: object, *, escaped: bool) -> str:
    """*value* as JSON."""
    match value:
        case {"verbatim": str(text)}:
            return text
        case dict():
            inner = (
                f"{json.dumps(name, ensure_ascii=escaped)}: {written(one, escaped=escaped)}"
                for name, one in value.items()
            )
            return "{" + ", ".join(inner) + "}"
        case list():
            return "[" + ",".join(written(one, escaped=escaped) for one in value) + "]"
        case _:
            return json.dumps(value, ensure_ascii=escaped)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """JSON objects, some of them spoiled."""
    escaped = draw(st.booleans())
    members = draw(st.lists(st.tuples(NAMES, VALUES | TEXTS), max_size=5))
    text = ",".join(
        f"{json.dumps(name, ensure_ascii=escaped)} :{written(value, escaped=escaped)}"
        for name, value in members
    )
    body = f"{{{text}}}".encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(body)))
        gone = draw(st.integers(0, 2))
        new = draw(
            st.sampled_from(
                [
                    *(b"", b'"', b"\\", b"[", b"]", b"{", b"}", b",", b":", b"0", b"9", b"-", b"e"),
                    *(b".", b"\x00", b"\n", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\\ud834", b"\\u"),
                    *(
                        b"[" * 64,
                        b"]" * 64,
                        b"[" * 64 + b"]" * 64,
                        b"9" * 309,
                        b"\xef\xbb\xbf",
                        b"t",
                    ),
                ]
            )
        )
        body = body[:at] + new + body[at + gone :]
    return body


DEEPEST = b'{"x":' + b"[" * 63 + b"]" * 63 + b"}"


@given(bodies())
@example(DEEPEST)
@example(DEEPEST.replace(b"[]", b"[[]]"))
@example(DEEPEST.replace(b"[]", b'["[]\\"[", {}]'))
@example(b'{"x":' + b"[{" * 31 + b"}]" * 31 + b"}")
@example(b'{"x":"' + b"[" * 100 + b'"}')
@example(b'{"x":"\\\\","y":' + b"[" * 64 + b"]" * 64 + b"}")
@example(b'{"x":"' + b"9" * 400 + b'"}')
@example(b'{"x":"1e400"}')
@example(b'{"x":1e400}')
@example(b'{"otp":5,"otp":"5"}')
@example(b'{"otp":"4","otp":"5","otp":null}')
@example(b'{"x":"a","y":1e9,"z":"e9"}')
@example(b'{"x":"\\ud834\\udd1e\\\\ud834"}')
def test_two_readers_agree(body: bytes) -> None:
    """What is taken and what it says is the same by a reader that makes an object of everything."""
    assert quickly(body) == slowly(body)


def filled(unit: bytes, around: tuple[bytes, bytes] = (b'{"x":[', b"0]}")) -> bytes:
    """*unit*, as often as the size allows."""
    room = MAX_BODY_BYTES - len(around[0]) - len(around[1])
    return around[0] + unit * (room // len(unit)) + around[1]


COSTLY = {
    "arrays": filled(b"[],"),
    "objects": filled(b'{"":0},'),
    "sixty levels": filled(b"[" * 60 + b"]" * 60 + b","),
    "levels without an end": filled(b"[", (b'{"x":', b"")),
    "numbers": filled(b"1,"),
    "large numbers": filled(b"1e300,"),
    "members": filled(b'"":0,', (b"{", b'"":0}')),
    "escapes": filled(b"\\u00e9", (b'{"x":"', b'"}')),
    "quotes": filled(b'\\"[', (b'{"x":"', b'"}')),
}


@pytest.mark.parametrize("name", COSTLY)
def test_the_dearest_bodies_cost_little(name: str) -> None:
    """
    What 16 KiB can hold takes a fraction of the time that a reader takes that makes objects of it.

    The limits are five times what it took where this was written; of several tries the best
    counts, and only this thread's time on the processor.
    """
    body = COSTLY[name]
    assert len(body) <= MAX_BODY_BYTES
    taken = []
    for _ in range(20):
        began = time.thread_time()
        quickly(body)
        taken.append(time.thread_time() - began)
    assert min(taken) < (0.008 if name == "large numbers" else 0.002)
