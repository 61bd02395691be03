"""Attacks that used to lock an owner out, and work, over HTTP: docs/contract.md."""

import base64
import hashlib
import json
from copy import deepcopy
from typing import Any, Final

import altcha
import attrs
import pytest

from hsp_otp.adapters.proof_of_work import AltchaProofOfWork
from hsp_otp.domain.instant import DAY, SECOND, Duration, Instant
from hsp_otp.domain.policy import WORK_BYTES
from tests.http import SEND, SIGNUP_SEND, VERIFY, Client, Reply
from tests.world import (
    OTHER_PHONE,
    PASS_CODE,
    PHONE,
    START,
    ScriptedRandomness,
    World,
    other_than,
    ring,
)

HOME: Final = "198.51.100.7"
"""Where the owner is."""

VANDAL: Final = "203.0.113.9"


def network(number: int) -> str:
    """An address in a network of its own."""
    return f"10.0.{number}.1"


def ask(
    client: Client,
    address: str,
    *,
    token: str | None = None,
    work: str | None = None,
    pass_code: str = PASS_CODE,
) -> Reply:
    """Ask for a code of the pass."""
    members = {"pass_code": pass_code, "device_token": token, "work": work}
    given = {name: value for name, value in members.items() if value is not None}
    return client.post(SEND, given, client=address)


def ask_and_work(client: Client, address: str) -> Reply:
    """Ask for a code, and again with the work that the answer asks for, if any."""
    reply = ask(client, address)
    if reply.json.get("error") != "work_required":
        return reply
    return ask(client, address, work=reply.json["work"]["parameters"]["solution"])


def guess(
    client: Client,
    address: str,
    otp: str,
    *,
    token: str | None = None,
    challenge_id: str | None = None,
) -> Reply:
    """Present a code of the pass."""
    members = {"pass_code": PASS_CODE, "otp": otp, "device_token": token}
    members["challenge_id"] = challenge_id
    given = {name: value for name, value in members.items() if value is not None}
    return client.post(VERIFY, given, client=address)


def refused(reply: Reply) -> tuple[int, str, int | None]:
    """The status, the word and the wait of a refusal, which its header repeats."""
    wait = reply.json.get("retry_after_seconds")
    assert reply.headers.get("retry-after") == (None if wait is None else str(wait))
    return reply.status, reply.json["error"], wait


def go(client: Client, duration: Duration) -> None:
    """Go to that long after the beginning of the attack."""
    client.world.clock.instant = Instant(START + DAY + duration)


@attrs.define
class Owner:
    """The owner's device, which signed in a day before the attack."""

    client: Client
    token: str

    def signs_in(self) -> None:
        """Ask and sign in at once, at the first try."""
        assert ask(self.client, HOME, token=self.token).status == 200
        reply = guess(self.client, HOME, self.client.world.outbox.codes[-1], token=self.token)
        assert (reply.status, reply.json["success"]) == (200, True)
        self.token = reply.json["device_token"]


def attacked() -> Owner:
    """A service with the contract's numbers, at the beginning of an attack."""
    client = Client()
    client.world.add()
    reply = guess(client, HOME, client.code(client=HOME))
    assert reply.status == 200
    go(client, 0)
    return Owner(client, reply.json["device_token"])


def test_twenty_requests_of_one_address() -> None:
    """
    Twenty asks in 125 s get two codes and work to do; the owner's device signs in at once, and the
    owner's new device two minutes after the last of those codes.
    """
    owner = attacked()
    client = owner.client
    told: list[tuple[int, str, int | None]] = []
    for number in range(20):
        go(client, number * 125 * SECOND // 19)
        reply = ask(client, VANDAL)
        told.append((200, "sent", None) if reply.status == 200 else refused(reply))
    sent, work = (200, "sent", None), (429, "work_required", None)
    assert told == [
        sent,
        *((429, "resend_too_soon", wait) for wait in (24, 17, 11, 4)),
        sent,
        *((429, "resend_too_soon", wait) for wait in (24, 17, 11, 4)),
        *[work] * 10,
    ]
    second = 5 * 125 * SECOND // 19
    assert refused(ask(client, HOME)) == (429, "resend_too_soon", 28)
    owner.signs_in()
    go(client, second + 120 * SECOND - 1)
    assert refused(ask(client, HOME)) == (429, "resend_too_soon", 1)
    go(client, second + 120 * SECOND)
    assert ask_and_work(client, HOME).status == 200
    assert guess(client, HOME, client.world.outbox.codes[-1]).status == 200


def test_twenty_requests_with_work() -> None:
    """Whoever does the work gets the three codes of a network, and has to wait for a day then."""
    owner = attacked()
    client = owner.client
    for second in (0, 30, 60):
        go(client, second * SECOND)
        assert ask_and_work(client, VANDAL).status == 200
    go(client, 90 * SECOND)
    assert refused(ask_and_work(client, VANDAL)) == (429, "phone_rate_limited", 86_310)
    assert refused(ask(client, "203.0.113.77")) == (429, "phone_rate_limited", 86_310)
    owner.signs_in()


def test_sixty_guesses() -> None:
    """
    Of sixty guesses of one address nine are judged, three for each code of its network; of those of
    more networks fifteen, until the first is a day old. The owner's device signs in at once.
    """
    owner = attacked()
    client = owner.client
    words: list[str] = []
    for second in (0, 30, 60):
        go(client, second * SECOND)
        challenge_id = ask_and_work(client, VANDAL).json["challenge_id"]
        wrong = other_than(client.world.outbox.codes[-1])
        for _ in range(20):
            reply = guess(client, VANDAL, wrong, challenge_id=challenge_id)
            words.append(reply.json["error"])
    assert words == [*["invalid_otp"] * 3, *["too_many_attempts"] * 17] * 3
    assert refused(guess(client, VANDAL, "000000")) == (429, "rate_limited", 3_540)
    owner.signs_in()
    for number in range(2):
        go(client, (180 + 120 * number) * SECOND)
        assert ask_and_work(client, network(number)).status == 200
        wrong = other_than(client.world.outbox.codes[-1])
        for left in (2, 1, 0):
            assert guess(client, network(number), wrong).json["attempts_remaining"] == left
    locked = (429, "locked_out", 86_100)
    assert refused(guess(client, network(1), wrong)) == locked
    assert refused(ask(client, network(2))) == locked
    owner.signs_in()
    go(client, DAY - 1)
    assert refused(ask(client, network(2))) == (429, "locked_out", 1)
    owner.signs_in()


def test_guesses_without_a_challenge_id() -> None:
    """From other networks they are not judged, and the owner's new device presents its code."""
    client = attacked().client
    challenge_id = ask(client, HOME).json["challenge_id"]
    digits = client.world.outbox.codes[-1]
    for named in (None, None, None, "A" * 22):
        reply = guess(client, VANDAL, other_than(digits), challenge_id=named)
        assert (reply.status, reply.json["error"]) == (400, "otp_expired")
    elsewhere = guess(client, network(0), digits, challenge_id=challenge_id)
    assert elsewhere.status == 200


def test_guesses_without_a_challenge_id_for_old_apps() -> None:
    """Where guesses are not bound, three from anywhere exhaust the code."""
    client = Client(bind_guesses=False)
    client.world.add()
    digits = client.code(client=HOME)
    for left in (2, 1, 0):
        reply = guess(client, VANDAL, other_than(digits))
        assert (reply.json["error"], reply.json["attempts_remaining"]) == ("invalid_otp", left)
    assert guess(client, HOME, digits).json["error"] == "too_many_attempts"


def burn(client: Client, address: str) -> int:
    """Ask for a code, waste its guesses, and return how many requests it took."""
    reply = ask(client, address)
    requests = 1
    if reply.json.get("error") == "work_required":
        work = reply.json["work"]["parameters"]["solution"]
        reply = ask(client, address, work=work)
        requests = 2
    if reply.status != 200:
        return requests
    wrong = other_than(client.world.outbox.codes[-1])
    while guess(client, address, wrong).json["error"] == "invalid_otp":
        requests += 1
    return requests + 1


def test_134_requests_over_days() -> None:
    """
    Ten networks that guess for three days lock the others for 30 days, and then for good; at any
    time the owner's device signs in at once, and its success ends the others' run.
    """
    owner = attacked()
    client, requests = owner.client, 0
    for day in range(3):
        for number in range(10):
            go(client, day * DAY + number * 120 * SECOND)
            requests += burn(client, network(number))
        assert refused(ask(client, HOME))[:2] == (429, "locked_out")
        if day == 2:
            assert refused(ask(client, HOME))[2] == 28 * 86_400 - 9 * 120
    before = client.world.whole_record()
    assert (before.others.run, len(before.others.failures)) == (45, 45)
    for number in range(2):
        go(client, 30 * DAY + number * 120 * SECOND)
        requests += burn(client, network(number))
    while requests < 134:
        assert refused(ask(client, network(requests))) == (429, "locked_out", None)
        requests += 1
    assert client.world.whole_record().others.run == 50
    owner.signs_in()
    assert client.world.whole_record().others.run == 0
    assert refused(ask(client, HOME)) == (429, "resend_too_soon", 120)


@pytest.mark.parametrize("day", range(4))
def test_an_owner_signs_in_on_each_day_of_an_attack(day: int) -> None:
    """On whichever day of the attack, the owner's device signs in at its first try."""
    owner = attacked()
    for one in range(day + 1):
        for number in range(5):
            go(owner.client, one * DAY + number * 120 * SECOND)
            burn(owner.client, network(number))
    owner.signs_in()


def test_ten_signup_asks() -> None:
    """
    Ten networks that ask for the number in signup get four codes; both devices of the owner get
    theirs in pass login.
    """
    owner = attacked()
    client = owner.client
    told: list[object] = []
    for number in range(10):
        go(client, number * 120 * SECOND)
        reply = client.sign_up(client=network(number))
        if reply.json.get("error") == "work_required":
            work = reply.json["work"]["parameters"]["solution"]
            members = {"phone": PHONE, "work": work}
            told.append(reply.json["work_seconds"])
            reply = client.post(SIGNUP_SEND, members, client=network(number))
        told.append("sent" if reply.status == 200 else refused(reply))
    full = [(429, "phone_rate_limited", 86_400 - 120 * number) for number in range(4, 10)]
    assert told == ["sent", "sent", 1, "sent", 2, "sent", *full]
    owner.signs_in()
    reply = ask(client, HOME)
    assert (reply.json["error"], reply.json["work_seconds"]) == ("work_required", 4)
    assert ask_and_work(client, HOME).status == 200
    assert guess(client, HOME, client.world.outbox.codes[-1]).status == 200


# Work


@attrs.define
class EasyWork:
    """Random bytes with which the least counter solves any work."""

    scripted: ScriptedRandomness = attrs.field(factory=ScriptedRandomness)

    def draw(self, count: int) -> bytes:
        """Keep the promise of `Randomness.draw`."""
        return bytes(count) if count == WORK_BYTES else self.scripted.draw(count)


def working(**settings: Any) -> Client:  # noqa: ANN401 - of every kind
    """A service with ALTCHA's work, in which two strangers have asked for a code of the pass."""
    work = AltchaProofOfWork(challenges=ring("challenges"), solutions=ring("solutions"))
    world = World(work=work, randomness=EasyWork())
    chosen: dict[str, Any] = {
        "resend_cooldown_seconds": 0,
        "fresh_code_seconds": 0,
        "login_sends_per_client_hour": 0,
        "others_per_network_day": 0,
    }
    client = Client(world, **chosen | settings)
    world.add()
    world.add("HSP-8765-4321", user="u2", phone=OTHER_PHONE)
    for _ in range(2):
        assert ask(client, HOME).status == 200
        assert ask(client, HOME, pass_code="HSP-8765-4321").status == 200
    return client


def posed(reply: Reply) -> dict[str, Any]:
    """The work that an answer asks for, which names no wait."""
    assert refused(reply) == (429, "work_required", None)
    assert reply.json["sent"] is False
    work: dict[str, Any] = reply.json["work"]
    assert reply.json["work_seconds"] == 2 ** (work["parameters"]["data"]["level"] - 1)
    return work


def solve(work: dict[str, Any]) -> str:
    """What ALTCHA's own solver sends; it begins where this service's counters begin."""
    challenge = altcha.Challenge.from_dict(work)
    start = 500 * 2 ** (work["parameters"]["data"]["level"] - 1) - 10
    found = altcha.solve_challenge(challenge, counter_start=start)
    assert found is not None
    return altcha.Payload(challenge, found).to_base64()


def payload(work: dict[str, Any], counter: int) -> dict[str, Any]:
    """A solution with that counter, with the key that goes with it."""
    nonce, salt = (bytes.fromhex(work["parameters"][name]) for name in ("nonce", "salt"))
    key = hashlib.pbkdf2_hmac("sha256", nonce + counter.to_bytes(4), salt, 2000, 32).hex()
    return {"challenge": work, "solution": {"counter": counter, "derivedKey": key}}


def packed(told: object) -> str:
    """*told* as a client sends it."""
    return base64.b64encode(json.dumps(told).encode()).decode()


def assert_refused(client: Client, work: str, address: str = HOME, level: int = 1) -> None:
    """The work is refused with new work of that level, and nothing is sent or charged."""
    messages, record = len(client.world.outbox.sent), client.world.whole_record()
    new = posed(ask(client, address, work=work))
    assert new["parameters"]["data"] == {"level": level}
    assert len(client.world.outbox.sent) == messages
    assert client.world.whole_record() == record


def test_solved_work_gets_a_code() -> None:
    """What ALTCHA's solver makes of the work is admitted, and the next ask costs twice as much."""
    client = working()
    assert ask(client, HOME, work=solve(posed(ask(client, HOME)))).status == 200
    assert posed(ask(client, HOME))["parameters"]["data"] == {"level": 2}


def test_a_solver_that_did_nothing() -> None:
    """Counter 0, another counter with its own key, and no key at all solve nothing."""
    client = working()
    work = posed(ask(client, HOME))
    right = payload(work, 500)
    idle: tuple[dict[str, Any], ...] = (
        payload(work, 0),
        payload(work, 1),
        payload(work, 499),
        {**right, "solution": {"counter": 500, "derivedKey": "0" * 64}},
        {**right, "solution": {"counter": 500, "derivedKey": work["parameters"]["keyPrefix"]}},
        {**right, "solution": {}},
        {**right, "challenge": {}},
        {"challenge": {}, "solution": {}},
    )
    for lazy in idle:
        assert_refused(client, packed(lazy))
    assert ask(client, HOME, work=packed(right)).status == 200


def test_work_that_a_client_changes() -> None:
    """Neither a lower level, nor a later end, nor an easier key goes with the signature."""
    client = working()
    right = payload(posed(ask(client, HOME)), 500)
    for name, value in (
        ("data", {"level": 2}),
        ("expiresAt", right["challenge"]["parameters"]["expiresAt"] + 1),
        ("keyPrefix", "00"),
        ("cost", 1),
        ("nonce", "00" * 16),
    ):
        changed = deepcopy(right)
        changed["challenge"]["parameters"][name] = value
        assert_refused(client, packed(changed))
    assert ask(client, HOME, work=packed(right)).status == 200


def test_work_for_something_else() -> None:
    """Work of another pass, another network or another flow is refused, and stays good there."""
    client = working()
    other = solve(posed(ask(client, HOME, pass_code="HSP-8765-4321")))
    assert_refused(client, other)
    elsewhere = solve(posed(ask(client, VANDAL)))
    assert_refused(client, elsewhere)
    reply = client.sign_up(client=HOME)
    assert reply.json["error"] == "work_required"
    assert_refused(client, solve(reply.json["work"]))
    assert ask(client, VANDAL, work=elsewhere).status == 200
    assert ask(client, HOME, work=other, pass_code="HSP-8765-4321").status == 200


def test_work_for_another_number() -> None:
    """In signup, work for one number is refused for another."""
    client = working()
    work = solve(client.sign_up(PHONE, client=HOME).json["work"])
    for phone, status in ((OTHER_PHONE, 429), (PHONE, 200)):
        reply = client.post(SIGNUP_SEND, {"phone": phone, "work": work}, client=HOME)
        assert reply.status == status


def test_work_of_a_neighbour() -> None:
    """Work is good for every address of the network that it was posed to."""
    client = working()
    work = solve(posed(ask(client, HOME)))
    assert ask(client, "198.51.100.8", work=work).status == 200


def test_work_of_another_level() -> None:
    """Work of the level before is refused once another ask has been admitted."""
    client = working()
    first, second = (solve(posed(ask(client, HOME))) for _ in range(2))
    assert ask(client, HOME, work=first).status == 200
    assert_refused(client, second, level=2)


def test_work_is_good_once() -> None:
    """At the highest level, where the next ask costs no more, spent work is refused."""
    client = working(phone_sends_per_day=20)
    for level in range(1, 7):
        work = posed(ask(client, HOME))
        assert work["parameters"]["data"] == {"level": level}
        spent = solve(work)
        assert ask(client, HOME, work=spent).status == 200
    assert_refused(client, spent, level=6)
    assert ask(client, HOME, work=solve(posed(ask(client, HOME)))).status == 200


def test_work_lasts_five_minutes() -> None:
    """Work is admitted until 300 s after it was posed, to the microsecond."""
    for late, status in ((-1, 200), (0, 429)):
        client = working()
        work = solve(posed(ask(client, HOME)))
        client.world.clock.advance(300 * SECOND + late)
        assert ask(client, HOME, work=work).status == status


@pytest.mark.parametrize(
    "work",
    [
        "!",
        "e30",
        base64.b64encode(b"\xff").decode(),
        base64.b64encode(b"{").decode(),
        packed([]),
        packed({}),
        packed({"challenge": {}}),
        packed({"challenge": [], "solution": {}}),
        "A" * 5_000,
    ],
)
def test_malformed_work(work: str) -> None:
    """What is no payload at all is a malformed request, and nothing is sent or charged."""
    client = working()
    messages, record = len(client.world.outbox.sent), client.world.whole_record()
    reply = ask(client, HOME, work=work)
    assert (reply.status, reply.json["error"]) == (400, "malformed_request")
    assert len(client.world.outbox.sent) == messages
    assert client.world.whole_record() == record


def test_work_that_nobody_asked_for() -> None:
    """Beside a free ask wrong work makes no difference, and blank work is none."""
    client = Client()
    client.world.add()
    work = packed({"challenge": {}, "solution": {}})
    client.world.work = working().world.work
    assert ask(Client(client.world), HOME, work=work).status == 200
    blank = working()
    posed(ask(blank, HOME, work=" "))
