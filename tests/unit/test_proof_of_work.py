"""Work that clients do before a message is sent for them, by ALTCHA's protocol."""

import base64
import hashlib
import json
from copy import deepcopy
from typing import Any

import altcha
import attrs
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hsp_otp.adapters.proof_of_work import AltchaProofOfWork
from hsp_otp.adapters.secret_keys import WORK_CHALLENGES, WORK_SOLUTIONS, ring
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.keys import Key
from hsp_otp.domain.work import Malformed, Solved, Stale, Wrong
from hsp_otp.ports.proof_of_work import ProofOfWork, Work

NOW = Instant(1_767_225_600_000_000)
ENDS = Instant(NOW + 300_000_000)
FOREVER = Instant(4_102_444_800_000_000)
BOUND_TO = "signup k1:9f86d081884c7d65 192.0.2.0/24"
OLD = Key("old", bytes(range(32)))
NEW = Key("new", bytes(range(32, 64)))


def by(*keys: Key) -> ProofOfWork:
    """Work under *keys*; the first signs."""
    return AltchaProofOfWork(
        challenges=ring(keys, WORK_CHALLENGES), solutions=ring(keys, WORK_SOLUTIONS)
    )


WORKS = by(OLD)


def posed(level: int = 1, ends: Instant = ENDS, drawn: int = 0) -> Work:
    """Work whose counter is that of *drawn*."""
    return WORKS.pose(BOUND_TO, level, ends, drawn.to_bytes(8))


def told(work: Work) -> dict[str, Any]:
    """What a client is told of *work*: a copy, as JSON makes one."""
    found: dict[str, Any] = json.loads(
        json.dumps({"parameters": work.parameters, "signature": work.signature})
    )
    return found


def key_at(work: Work, counter: int) -> str:
    """The key that *counter* derives, as a solver computes it."""
    nonce, salt = (bytes.fromhex(str(work.parameters[name])) for name in ("nonce", "salt"))
    return hashlib.pbkdf2_hmac("sha256", nonce + counter.to_bytes(4), salt, 2000, 32).hex()


def solution(work: Work, counter: int = 500) -> dict[str, Any]:
    """A payload with that *counter*; 500 solves work of the first level whose *drawn* is 0."""
    return {
        "challenge": told(work),
        "solution": {"counter": counter, "derivedKey": key_at(work, counter)},
    }


def packed(payload: object) -> str:
    """*payload* as a client sends it."""
    return base64.b64encode(json.dumps(payload).encode()).decode()


def changed(payload: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of *payload* with *value* at *path*."""
    copy = deepcopy(payload)
    *folders, name = path.split(".")
    part: Any = copy
    for folder in folders:
        part = part[folder]
    part[name] = value
    return copy


def test_work_has_the_form_that_solvers_take() -> None:
    """Work is a challenge of ALTCHA's version 2, and tells nothing but its level and its end."""
    work = posed(level=3)
    assert set(work.parameters) == {
        *("algorithm", "cost", "data", "expiresAt", "keyLength"),
        *("keyPrefix", "keySignature", "nonce", "salt"),
    }
    assert work.parameters["algorithm"] == "PBKDF2/SHA-256"
    assert work.parameters["cost"] == 2000
    assert work.parameters["data"] == {"level": 3}
    assert work.parameters["expiresAt"] == 1_767_225_900
    lengths = {"keyPrefix": 32, "keySignature": 64, "nonce": 32, "salt": 32}
    assert {name: len(str(work.parameters[name])) for name in lengths} == lengths
    assert len(work.signature) == 64


@pytest.mark.parametrize(
    ("level", "seconds", "least", "most"),
    [
        (1, 1, 500, 1_499),
        (2, 2, 1_000, 2_999),
        (3, 4, 2_000, 5_999),
        (4, 8, 4_000, 11_999),
        (5, 16, 8_000, 23_999),
        (6, 32, 16_000, 47_999),
    ],
)
def test_every_level_is_twice_the_one_before(
    level: int, seconds: int, least: int, most: int
) -> None:
    """The counter lies between half and one and a half times what the level tells."""
    for drawn, counter in [(0, least), (most - least, most), (most - least + 1, least)]:
        work = posed(level=level, drawn=drawn)
        assert work.seconds == seconds
        assert key_at(work, counter).startswith(str(work.parameters["keyPrefix"]))


def test_the_first_level_may_be_longer() -> None:
    """An operator who makes the first level longer makes all of them longer."""
    works = attrs.evolve(
        AltchaProofOfWork(challenges=ring((OLD,), "a"), solutions=ring((OLD,), "b")), seconds=3
    )
    work = works.pose(BOUND_TO, 2, ENDS, bytes(8))
    assert work.seconds == 6
    assert key_at(work, 3_000).startswith(str(work.parameters["keyPrefix"]))


@pytest.mark.parametrize("level", [-1, 0, 7])
def test_there_are_six_levels(level: int) -> None:
    """No work is posed at another level."""
    with pytest.raises(ValueError, match="no such level"):
        posed(level=level)


def test_solved_work_is_told_by_its_nonce() -> None:
    """A solution is accepted, with what admits it once."""
    work = posed()
    found = WORKS.judge(packed(solution(work)), BOUND_TO, NOW)
    assert found == Solved(nonce=str(work.parameters["nonce"]), level=1, expires_at=ENDS)


def test_what_our_client_sends_is_accepted() -> None:
    """Work that was posed once, and solved by the TypeScript client, is still accepted."""
    posed_once = {
        "algorithm": "PBKDF2/SHA-256",
        "cost": 2000,
        "data": {"level": 1},
        "expiresAt": 4_102_444_800,
        "keyLength": 32,
        "keyPrefix": "b3441b184f3847b3ce03abb55452ebb4",
        "keySignature": "9dbf253f58a3f8a97a7e233fa158d25d08f1464ce1283c72e8001e46334c0ef7",
        "nonce": "12138eb144fe9dda950eeb2654740d2d",
        "salt": "38a7ac64bef34f59b6b81ad733e28b82",
    }
    signature = "2c61762edd86001b2276d570e066d97c344ab886fe9b119f8afda24a294d1c69"
    key = "b3441b184f3847b3ce03abb55452ebb453136786d6fa2f95045d2349b960148d"
    payload = {
        "challenge": {"parameters": posed_once, "signature": signature},
        "solution": {"counter": 500, "derivedKey": key, "time": 412},
    }
    assert WORKS.judge(packed(payload), BOUND_TO, NOW) == Solved(
        nonce="12138eb144fe9dda950eeb2654740d2d", level=1, expires_at=FOREVER
    )


def test_no_two_works_share_a_nonce() -> None:
    """Work posed twice for the same is not the same work."""
    assert posed().parameters["nonce"] != posed().parameters["nonce"]


def test_the_library_solves_and_accepts_it() -> None:
    """ALTCHA's own library solves the work, and its payload is accepted here and there."""
    work = posed(ends=FOREVER)
    challenge = altcha.Challenge.from_dict(told(work))
    found = altcha.solve_challenge(challenge, counter_start=490)
    assert found is not None
    payload = altcha.Payload(challenge, found).to_base64()
    assert isinstance(WORKS.judge(payload, BOUND_TO, NOW), Solved)
    assert accepted_by_the_library(payload)


def accepted_by_the_library(payload: str) -> bool:
    """Whether ALTCHA's own check accepts *payload*, by the machine's clock."""
    return altcha.verify_solution(
        payload,
        ring((OLD,), WORK_CHALLENGES).first.digest("work", BOUND_TO),
        hmac_key_secret=ring((OLD,), WORK_SOLUTIONS).first.secret,
    ).verified


def test_work_ends() -> None:
    """Work is good until one microsecond before its end."""
    payload = packed(solution(posed()))
    assert isinstance(WORKS.judge(payload, BOUND_TO, Instant(ENDS - 1)), Solved)
    assert WORKS.judge(payload, BOUND_TO, ENDS) == Stale()


def test_the_end_is_a_whole_second() -> None:
    """Work never lasts longer than it was posed for."""
    work = posed(ends=Instant(ENDS + 999_999))
    assert work.parameters["expiresAt"] == 1_767_225_900
    assert WORKS.judge(packed(solution(work)), BOUND_TO, ENDS) == Stale()


def test_work_is_for_one_thing() -> None:
    """Work done for something else is wrong, whatever its level, before it ends and after."""
    payload = packed(solution(posed()))
    for other in ("", BOUND_TO + " ", BOUND_TO[:-1], "pass_login" + BOUND_TO[6:]):
        assert WORKS.judge(payload, other, NOW) == Wrong()
        assert WORKS.judge(payload, other, ENDS) == Wrong()


def test_work_does_not_tell_what_it_is_for() -> None:
    """Nothing of what work is bound to can be read from it, in whole or as a fingerprint."""
    work, other = posed(), WORKS.pose("other", 1, ENDS, bytes(8))
    assert not any(part in json.dumps(told(work)) for part in BOUND_TO.split())
    same = {name for name, value in work.parameters.items() if other.parameters[name] == value}
    assert same == {"algorithm", "cost", "data", "expiresAt", "keyLength"}


def test_keys_rotate() -> None:
    """Work posed under an older key is accepted while that key is kept."""
    payload = packed(solution(posed()))
    assert isinstance(by(NEW, OLD).judge(payload, BOUND_TO, NOW), Solved)
    assert by(NEW).judge(payload, BOUND_TO, NOW) == Wrong()


@pytest.mark.parametrize("counter", [0, 1, 499, 501])
def test_a_lazy_solution_is_wrong(counter: int) -> None:
    """The key of any counter but one is wrong."""
    assert WORKS.judge(packed(solution(posed(), counter)), BOUND_TO, NOW) == Wrong()


def test_another_works_solution_is_wrong() -> None:
    """A solution of one work does not solve another, nor does its challenge's signature fit."""
    mine, others = solution(posed()), solution(posed())
    for part in ("solution", "challenge"):
        assert WORKS.judge(packed(mine | {part: others[part]}), BOUND_TO, NOW) == Wrong()
    swapped = changed(mine, "challenge.signature", others["challenge"]["signature"])
    assert WORKS.judge(packed(swapped), BOUND_TO, NOW) == Wrong()


def test_work_made_elsewhere_is_wrong() -> None:
    """A challenge that a client makes for itself is wrong, signed or not."""
    for secret in (None, "guessed"):
        easy = altcha.create_challenge(
            *("PBKDF2/SHA-256", 1),
            counter=1,
            expires_at=1_767_225_900,
            data={"level": 6},
            hmac_secret=secret,
            hmac_key_secret=secret,
        )
        found = altcha.solve_challenge(easy)
        assert found is not None
        payload = altcha.Payload(easy, found).to_base64()
        assert WORKS.judge(payload, BOUND_TO, NOW) == Wrong()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("challenge.parameters.data.level", 2),
        ("challenge.parameters.data", {}),
        ("challenge.parameters.data", {"level": 1, "more": 1}),
        ("challenge.parameters.expiresAt", 1_767_225_901),
        ("challenge.parameters.expiresAt", 10**40),
        ("challenge.parameters.expiresAt", -1),
        ("challenge.parameters.cost", 1),
        ("challenge.parameters.algorithm", "SHA-256"),
        ("challenge.parameters.algorithm", "é"),
        ("challenge.parameters.keyPrefix", ""),
        ("challenge.parameters.keyPrefix", "00"),
        ("challenge.parameters.keySignature", "0" * 64),
        ("challenge.parameters.keySignature", "é" * 64),
        ("challenge.parameters.nonce", "00" * 16),
        ("challenge.parameters.nonce", None),
        ("challenge.parameters.memoryCost", None),
        ("challenge.parameters.__proto__", {}),
        ("challenge.parameters", {}),
        ("challenge.signature", "0" * 64),
        ("challenge.signature", "é" * 64),
        ("challenge.signature", ""),
        ("challenge.signature", None),
        ("challenge.codeChallenge", {}),
        ("challenge", {}),
        ("solution.counter", 0),
        ("solution.counter", -500),
        ("solution.counter", 2**32),
        ("solution.counter", "500"),
        ("solution.counter", True),
        ("solution.derivedKey", ""),
        ("solution.derivedKey", "é" * 64),
        ("solution.derivedKey", "0" * 64),
        ("solution.derivedKey", 5),
        ("solution.time", "1"),
        ("solution.more", 1),
        ("solution", {}),
        ("more", 1),
    ],
)
def test_an_empty_or_foreign_part_is_wrong(path: str, value: object) -> None:
    """A payload in which any part was changed, left out or added is wrong, not malformed."""
    payload = changed(solution(posed()), path, value)
    assert WORKS.judge(packed(payload), BOUND_TO, NOW) == Wrong()


def test_the_key_is_taken_as_it_is_derived() -> None:
    """A derived key has one spelling: no capitals, white space or line break at its end."""
    payload = solution(posed())
    key: str = payload["solution"]["derivedKey"]
    for spelled in (key.upper(), f"{key}\n", f" {key[:-1]}", f"{key[:32]} {key[32:]}"):
        other = changed(payload, "solution.derivedKey", spelled)
        assert WORKS.judge(packed(other), BOUND_TO, NOW) == Wrong()


@pytest.mark.parametrize("time", [None, 0, 1234.5, 10**20])
def test_a_solver_may_say_how_long_it_took(time: float | None) -> None:
    """The time that a solver tells is its own affair."""
    payload = changed(solution(posed()), "solution.time", time)
    assert isinstance(WORKS.judge(packed(payload), BOUND_TO, NOW), Solved)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{}",
        "====",
        "é",
        "\ud800",
        packed({}),
        packed([]),
        packed(None),
        packed("challenge"),
        packed({"challenge": {}}),
        packed({"challenge": None, "solution": None, "test": True}),
        packed({"challenge": [], "solution": []}),
        packed({"algorithm": "SHA-256", "challenge": "", "number": 1, "salt": "", "signature": ""}),
        base64.b64encode(b'{"challenge": {}, "solution": {}').decode(),
        base64.b64encode(b'{"challenge": {}, "solution": {}, "x": "\xff"}').decode(),
        base64.b64encode(b'{"challenge": {}, "solution": {}, "x": "\\ud800"}').decode(),
        base64.b64encode(b"[" * 3_000).decode(),
        base64.b64encode(b'{"challenge": ' * 200).decode(),
        base64.b64encode(b" " * 4_000 + b'{"challenge": {}, "solution": {}}').decode(),
    ],
)
def test_what_is_no_payload_is_malformed(payload: str) -> None:
    """Anything but base64 of a JSON object with a challenge and a solution is malformed."""
    assert WORKS.judge(payload, BOUND_TO, NOW) == Malformed()


GENUINE = solution(posed(ends=FOREVER))
PATHS = [
    *("challenge", "challenge.parameters", "challenge.signature", "solution", "more"),
    *(f"challenge.parameters.{name}" for name in (*GENUINE["challenge"]["parameters"], "more")),
    *("challenge.parameters.data.level", "challenge.more"),
    *("solution.counter", "solution.derivedKey", "solution.time"),
]
HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**53, 2**63, 2**64, 10**400, 0, 1, -1])
    | st.floats()
    | st.text(st.characters(), max_size=70)
    | st.text("0123456789abcdef", min_size=30, max_size=70),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["challenge", "solution", "parameters", ""]), inner)
    ),
    max_leaves=8,
)


@given(HOSTILE)
def test_no_json_is_an_exception(payload: object) -> None:
    """Whatever JSON a client sends, it is refused."""
    assert not isinstance(WORKS.judge(packed(payload), BOUND_TO, NOW), Solved | Stale)


@given(st.text() | st.binary().map(lambda data: base64.b64encode(data).decode()))
@example("\ud800")
@example("A\n")
def test_no_text_is_an_exception(payload: str) -> None:
    """Whatever text a client sends, it is malformed."""
    assert WORKS.judge(payload, BOUND_TO, NOW) == Malformed()


@given(st.integers(1, 1_000), st.binary(min_size=1, max_size=4))
def test_no_damage_is_an_exception(place: int, put: bytes) -> None:
    """A payload damaged anywhere is answered, and never more kindly than by the library."""
    text = json.dumps(GENUINE).encode()
    damaged = text[: place % len(text)] + put + text[place % len(text) + len(put) :]
    payload = base64.b64encode(damaged).decode()
    if isinstance(WORKS.judge(payload, BOUND_TO, NOW), Solved):
        assert accepted_by_the_library(payload)


@given(st.sampled_from(PATHS), HOSTILE)
@example("challenge.parameters.cost", 2000)
@example("solution.counter", 2**31)
def test_no_member_is_an_exception(path: str, value: object) -> None:
    """Whatever stands in the place of a member is refused, or is not what the proof rests on."""
    payload = changed(GENUINE, path, value)
    assume(payload != GENUINE)
    found = WORKS.judge(packed(payload), BOUND_TO, NOW)
    if isinstance(found, Solved):
        assert path in {"solution.counter", "solution.time"}
        assert accepted_by_the_library(packed(payload))
