"""Every limit of signup as a caller meets it, and the order of judgement: 2.9, 2.12 and 3."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from hsp_otp.domain.instant import DAY, MINUTE, SECOND, Instant
from hsp_otp.ports.failures import SendFailed
from tests.http import OPEN, SIGNUP_SEND, Client, Reply
from tests.world import OTHER_CLIENT, OTHER_PHONE, PHONE, START, other_than

UNKNOWN = "A" * 22

# Every limit off.
OFF: dict[str, Any] = {
    **OPEN,
    "phone_sends_per_day": 0,
    "signup_sends_per_client_minute": 0,
    "signup_sends_per_client_hour": 0,
    "login_sends_per_client_hour": 0,
    "lookups_per_client_hour": 0,
    "resend_cooldown_seconds": 0,
    "checks_per_client_hour": 0,
    "failed_guesses_per_day": 0,
    "failed_guesses_per_30_days": 0,
    "failed_guesses_in_a_row": 0,
}


@attrs.frozen(kw_only=True)
class Case:
    """
    One limit with the numbers of the contract.

    Attributes:
        fill: Uses it up; every request of it is admitted.
        ask: The request that is then refused.
        wait: What it is told, seconds.
        settings: Of other limits that would be in the way.
    """

    word: str
    fill: Callable[[Client], None]
    ask: Callable[[Client], Reply]
    wait: int
    settings: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


def phone(number: int) -> str:
    """Different numbers."""
    return f"+9198765{number:05}"


def address(number: int) -> str:
    """Different clients, each of a network of its own."""
    return f"10.{number // 250}.{number % 250}.1"


def seven_sends_to_one_number(client: Client) -> None:
    """Four of signup and three of pass login, from seven networks, a minute apart."""
    client.world.add()
    for number in range(7):
        ask = client.send if number % 2 else client.sign_up
        assert ask(client=address(number)).status == 200
        client.world.clock.advance(MINUTE)


def four_sends_of_signup(client: Client) -> None:
    """All that signup sends to one number, from four networks, two minutes apart."""
    for number in range(4):
        assert client.sign_up(client=address(number)).status == 200
        client.world.clock.advance(2 * MINUTE)


def three_sends_of_one_network(client: Client) -> None:
    """To one number, from three addresses, a minute apart."""
    for number in range(3):
        assert client.sign_up(client=f"10.0.0.{number}").status == 200
        client.world.clock.advance(MINUTE)


def five_sends_of_one_minute(client: Client) -> None:
    """To five numbers, half a second apart."""
    for number in range(5):
        assert client.sign_up(phone(number)).status == 200
        client.world.clock.advance(500_000)


def twenty_sends_of_one_hour(client: Client) -> None:
    """To twenty numbers, 12.3 s apart: never six of them within a minute."""
    for number in range(20):
        assert client.sign_up(phone(number)).status == 200
        client.world.clock.advance(12_300_000)


def one_send(client: Client) -> None:
    """A microsecond ago."""
    assert client.sign_up().status == 200
    client.world.clock.advance(1)


def sixty_checks(client: Client) -> None:
    """Half of them in pass login, none for a live code."""
    client.world.add()
    for _ in range(30):
        assert client.verify("123456").json["error"] == "otp_expired"
        assert client.prove(UNKNOWN, "123456").json["error"] == "session_not_found"
    client.world.clock.advance(1_300_000)


def fail(client: Client, guesses: int) -> None:
    """Guess wrong so often, three times a code, a new session each, from ever new clients."""
    session_id = ""
    for number in range(guesses):
        there = f"10.1.{number // 250}.{number % 250}"
        if number % 3 == 0:
            client.world.clock.advance(30 * SECOND)
            session_id, _ = client.session(client=there)
        wrong = other_than(client.world.outbox.codes[-1])
        assert client.prove(session_id, wrong, client=there).json["error"] == "invalid_otp"


def fifteen_failures(client: Client) -> None:
    """Five codes, all guesses wrong; the first of them 30 s after the start."""
    fail(client, 15)


def forty_five_failures(client: Client) -> None:
    """Fifteen on each of three days, the first of them 30 s after the start."""
    for _ in range(3):
        began = client.world.clock.now()
        fail(client, 15)
        client.world.clock.instant = Instant(began + DAY)


CASES = {
    "sends to one number": Case(
        word="phone_rate_limited",
        fill=seven_sends_to_one_number,
        ask=lambda client: client.sign_up(client=OTHER_CLIENT),
        wait=86_400 - 420,
        settings={"work_seconds": 0},
    ),
    "sends to one number, of pass login": Case(
        word="phone_rate_limited",
        fill=seven_sends_to_one_number,
        ask=lambda client: client.send(client=OTHER_CLIENT),
        wait=86_400 - 420,
        settings={"work_seconds": 0},
    ),
    "sends of signup to one number": Case(
        word="phone_rate_limited",
        fill=four_sends_of_signup,
        ask=lambda client: client.sign_up(client=OTHER_CLIENT),
        wait=86_400 - 480,
        settings={"work_seconds": 0},
    ),
    "sends to one number from one network": Case(
        word="phone_rate_limited",
        fill=three_sends_of_one_network,
        ask=lambda client: client.sign_up(client="10.0.0.99"),
        wait=86_400 - 180,
        settings={"work_seconds": 0},
    ),
    "sends of a minute": Case(
        word="rate_limited",
        fill=five_sends_of_one_minute,
        ask=lambda client: client.sign_up(OTHER_PHONE),
        wait=58,  # a minute less 2.5 s, rounded up
    ),
    "sends of an hour": Case(
        word="rate_limited",
        fill=twenty_sends_of_one_hour,
        ask=lambda client: client.sign_up(OTHER_PHONE),
        wait=3600 - 246,
    ),
    "cooldown": Case(
        word="resend_too_soon",
        fill=one_send,
        ask=lambda client: client.sign_up(),
        wait=30,  # 29.999999 s, rounded up
    ),
    "a fresh code of another network": Case(
        word="resend_too_soon",
        fill=one_send,
        ask=lambda client: client.sign_up(client=OTHER_CLIENT),
        wait=120,  # 119.999999 s, rounded up
    ),
    "checks": Case(
        word="rate_limited",
        fill=sixty_checks,
        ask=lambda client: client.prove(UNKNOWN, "654321"),
        wait=3599,  # 3598.7 s, rounded up
    ),
    "checks, of pass login": Case(
        word="rate_limited",
        fill=sixty_checks,
        ask=lambda client: client.verify("654321"),
        wait=3599,
    ),
    "failed guesses of a day": Case(
        word="locked_out",
        fill=fifteen_failures,
        ask=lambda client: client.sign_up(),
        wait=86_400 - 120,
        settings={**OPEN, "phone_sends_per_day": 0},
    ),
    "failed guesses of thirty days": Case(
        word="locked_out",
        fill=forty_five_failures,
        ask=lambda client: client.sign_up(),
        wait=27 * 86_400 + 30,
        settings=OPEN,
    ),
}


def assert_refused(reply: Reply, word: str, wait: int) -> None:
    """Assert that a limit said no, and for how long."""
    assert reply.status == 429
    assert reply.json["error"] == word
    assert reply.json["retry_after_seconds"] == wait
    assert reply.headers["retry-after"] == str(wait)
    assert "resend_in" not in reply.json


@pytest.mark.parametrize("name", CASES)
def test_a_limit_lets_go_when_it_said(name: str) -> None:
    """Section 3: the wait is exact and rounded up; a second earlier the answer is still no."""
    case = CASES[name]
    with Client(**case.settings) as client:
        case.fill(client)
        assert_refused(case.ask(client), case.word, case.wait)
        client.world.clock.advance((case.wait - 1) * SECOND)
        assert_refused(case.ask(client), case.word, 1)
        client.world.clock.advance(SECOND)
        assert case.ask(client).status != 429


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_charges_and_postpones_nothing(name: str) -> None:
    """Section 3: however often a refused request is repeated, its wait is what it was."""
    case = CASES[name]
    with Client(**case.settings) as client:
        case.fill(client)
        for _ in range(20):
            assert_refused(case.ask(client), case.word, case.wait)
        client.world.clock.advance(case.wait * SECOND)
        assert case.ask(client).status != 429


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("phone_sends_per_day", "sends to one number, of pass login"),
        ("signup_sends_per_client_minute", "sends of a minute"),
        ("signup_sends_per_client_hour", "sends of an hour"),
        ("others_per_network_day", "sends to one number from one network"),
        ("resend_cooldown_seconds", "cooldown"),
        ("fresh_code_seconds", "a fresh code of another network"),
        ("checks_per_client_hour", "checks"),
        ("failed_guesses_per_day", "failed guesses of a day"),
    ],
)
def test_zero_switches_a_limit_off(setting: str, name: str) -> None:
    """3.1: with 0 the request beyond the limit is admitted."""
    case = CASES[name]
    settings: dict[str, Any] = {**case.settings, setting: 0, "resend_cooldown_seconds": 0}
    with Client(**settings) as client:
        case.fill(client)
        assert case.ask(client).status in {200, 400}


@pytest.mark.parametrize("name", CASES)
def test_zero_switches_all_limits_off(name: str) -> None:
    """3.1: with every limit off nothing is refused by one."""
    with Client(**OFF) as client:
        CASES[name].fill(client)
        for _ in range(20):
            assert CASES[name].ask(client).status != 429


def test_a_lock_is_told_to_checks_too() -> None:
    """2.9: a locked number's codes are not checked, in whatever session; the wait is the same."""
    with Client(**OPEN, phone_sends_per_day=0) as client:
        fail(client, 14)
        client.world.clock.advance(60 * SECOND)
        session_id, code = client.session()
        reply = client.prove(session_id, other_than(code))
        assert (reply.json["attempts_remaining"], reply.json["resend_in"]) == (2, 86_400 - 180)
        assert_refused(client.prove(session_id, code), "locked_out", 86_400 - 180)


def test_fifty_in_a_row_lock_strangers_until_an_operator_unlocks() -> None:
    """2.9 and section 5: no wait helps, so none is told, in a member or a header."""
    with Client(**{**OFF, "max_attempts": 100, "failed_guesses_in_a_row": 100}) as client:
        session_id, code = client.session()
        for _ in range(49):
            assert client.prove(session_id, other_than(code)).json["resend_in"] == 0
        fiftieth = client.prove(session_id, other_than(code))
        assert fiftieth.json["error"] == "invalid_otp"
        assert "resend_in" not in fiftieth.json
        client.world.clock.advance(29 * MINUTE)
        for reply in (client.prove(session_id, code), client.sign_up()):
            assert (reply.status, reply.json["error"]) == (429, "locked_out")
            assert "retry_after_seconds" not in reply.json
            assert "resend_in" not in reply.json
            assert "retry-after" not in reply.headers


def test_a_success_ends_the_run() -> None:
    """2.9: a proved number begins a new run."""
    with Client(**{**OFF, "max_attempts": 3, "failed_guesses_in_a_row": 6}) as client:
        for _ in range(3):
            session_id, code = client.session()
            client.prove(session_id, other_than(code))
            client.prove(session_id, other_than(code))
            assert client.prove(session_id, code).status == 200


# What is counted for whom


def test_limits_of_one_client_are_not_anothers() -> None:
    """Section 3: sends and checks are counted for each client address."""
    with Client(signup_sends_per_client_minute=1, checks_per_client_hour=1) as client:
        session_id, code = client.session()
        client.prove(session_id, other_than(code))
        assert client.sign_up(OTHER_PHONE).status == 429
        assert client.prove(session_id, code).status == 429
        assert client.sign_up(OTHER_PHONE, client=OTHER_CLIENT).status == 200
        assert client.prove(session_id, code, client=OTHER_CLIENT).status == 200


def test_the_sends_of_a_client_are_counted_for_each_flow() -> None:
    """Section 3: a client's sends of pass login and of signup are two budgets."""
    with Client(signup_sends_per_client_minute=1, login_sends_per_client_hour=1) as client:
        client.world.add()
        client.world.add("HSP-0000-0001", user="u2", phone=phone(2))
        assert client.sign_up(OTHER_PHONE).status == 200
        assert client.send().status == 200
        assert client.sign_up(phone(1)).json["error"] == "rate_limited"
        assert client.send("HSP-0000-0001").json["error"] == "rate_limited"


def test_signup_leaves_sends_to_pass_login() -> None:
    """3.10: of the seven that strangers get, signup uses four at most."""
    with Client(work_seconds=0) as client:
        client.world.add()
        four_sends_of_signup(client)
        assert client.sign_up(client=OTHER_CLIENT).json["error"] == "phone_rate_limited"
        assert client.send(client=OTHER_CLIENT).status == 200


def test_a_proof_gives_its_send_back_to_the_client() -> None:
    """3.13: people behind one address who prove what they ask for do not use up its sends."""
    with Client(signup_sends_per_client_hour=1) as client:
        session_id, code = client.session()
        assert client.sign_up(OTHER_PHONE).json["error"] == "rate_limited"
        assert client.prove(session_id, code).status == 200
        assert client.sign_up(OTHER_PHONE).status == 200


def test_the_cooldown_is_of_a_number_and_purpose() -> None:
    """Section 3: neither another number nor pass login waits for a signup."""
    with Client() as client:
        client.world.add()
        assert client.sign_up().status == 200
        assert client.send().status == 200
        assert client.sign_up(OTHER_PHONE).status == 200
        assert client.sign_up().json["error"] == "resend_too_soon"


def test_an_ipv6_client_is_its_network() -> None:
    """3.7: an IPv6 address counts as its /64."""
    with Client(signup_sends_per_client_minute=1) as client:
        assert client.sign_up(client="2001:db8:1:2::1").status == 200
        assert client.sign_up(OTHER_PHONE, client="2001:db8:1:2:ffff::1").status == 429
        assert client.sign_up(OTHER_PHONE, client="2001:db8:1:3::1").status == 200


def test_a_failed_delivery_counts() -> None:
    """Section 3: a failed delivery counts as a send, of the client and of the number."""
    with Client(**OPEN, resend_cooldown_seconds=0, phone_sends_per_day=7) as client:
        client.world.outbox.failure = SendFailed()
        for _ in range(4):
            assert client.sign_up().json["error"] == "sms_failed"
        assert_refused(client.sign_up(), "phone_rate_limited", 86_400)
        assert client.sign_up(OTHER_PHONE).json["error"] == "sms_failed"
        assert_refused(client.sign_up(phone(1)), "rate_limited", 60)


def test_a_refused_correction_charges_neither_number() -> None:
    """Section 3 and 5.3: nor the client."""
    with Client(**OPEN, phone_sends_per_day=4) as client:  # two of them for signup
        client.session(OTHER_PHONE, client=OTHER_CLIENT)
        session_id, _ = client.session()
        for _ in range(10):
            refused = client.sign_up(OTHER_PHONE, session_id)
            assert refused.json["error"] == "resend_too_soon"
        client.world.clock.advance(30 * SECOND)
        for wanted in (OTHER_PHONE, PHONE, phone(1), phone(2)):
            assert client.sign_up(wanted, session_id).status == 200
        assert_refused(client.sign_up(phone(3), session_id), "rate_limited", 30)


def test_what_is_malformed_charges_nothing() -> None:
    """2.10: neither a send nor a check."""
    with Client(signup_sends_per_client_minute=1, checks_per_client_hour=1) as client:
        for _ in range(5):
            client.sign_up("12345")
            client.sign_up("+12015550123")
            client.sign_up(session_id="x")
            client.sign_up(session_id=UNKNOWN)
            client.prove("x", "123456")
            client.prove(UNKNOWN, "x")
        session_id, code = client.session()
        assert client.prove(session_id, code).status == 200


def test_a_code_that_arrived_is_verified_without_sends() -> None:
    """3.6: a code can be verified while its number has no sends left."""
    with Client(phone_sends_per_day=1, signup_sends_per_client_minute=1) as client:
        session_id, code = client.session()
        assert client.sign_up().status == 429
        assert client.prove(session_id, code).status == 200


# resend_in


RESENDS: dict[str, tuple[dict[str, Any], int]] = {
    "the cooldown": ({}, 30),
    "a longer cooldown": ({"resend_cooldown_seconds": 77}, 77),
    "the client's sends of a minute": ({"signup_sends_per_client_minute": 1}, 60),
    "the client's sends of an hour": ({"signup_sends_per_client_hour": 1}, 3600),
    "the sends to the number": ({"phone_sends_per_day": 1}, 86_400),
    "no limit": (OFF, 0),
}


@pytest.mark.parametrize("name", RESENDS)
def test_resend_in_counts_every_limit_on_sends(name: str) -> None:
    """Section 5: the seconds until a new code may be asked for; waiting them is enough."""
    settings, wait = RESENDS[name]
    with Client(**settings) as client:
        reply = client.sign_up()
        assert reply.json["resend_in"] == wait
        session_id, (code,) = reply.json["session_id"], client.world.outbox.codes
        for guess in [other_than(code)] * 3 + [code]:
            told = client.prove(session_id, guess)
            assert told.json["resend_in"] == wait
            assert told.json.get("retry_after_seconds", wait) == wait
        if wait:
            client.world.clock.advance((wait - 1) * SECOND)
            assert client.sign_up().status == 429
            client.world.clock.advance(SECOND)
        assert client.sign_up().status == 200


@pytest.mark.parametrize("name", RESENDS)
def test_resend_in_of_a_failed_delivery(name: str) -> None:
    """Section 5: `sms_failed` tells when to ask again, by every limit but the cooldown."""
    settings, wait = RESENDS[name]
    wait = 0 if "cooldown" in name else wait
    with Client(**settings) as client:
        client.world.outbox.failure = SendFailed()
        reply = client.sign_up()
        assert (reply.json["error"], reply.json["resend_in"]) == ("sms_failed", wait)


def test_resend_in_of_the_fifth_send_of_a_minute() -> None:
    """Section 5: the send that uses a limit up tells of it at once."""
    with Client() as client:
        told = []
        for number in range(5):
            told.append(client.sign_up(phone(number)).json["resend_in"])
            client.world.clock.advance(SECOND)
        assert told == [30, 30, 30, 30, 56]


# The order of judgement


def test_the_token_comes_before_everything() -> None:
    """5.3: without one nothing else is looked at, not even whether it is JSON."""
    with Client() as client:
        headers = {"cookie": None, "content-type": "text/plain"}
        reply = client.post(SIGNUP_SEND, body=b"\xff", headers=headers)
        assert reply.json["error"] == "csrf_failed"


def test_the_form_comes_before_every_limit() -> None:
    """2.12: what is not well-formed is told so also where nothing else would be admitted."""
    with Client(signup_sends_per_client_minute=1, checks_per_client_hour=1) as client:
        client.session()
        client.prove(UNKNOWN, "123456")
        assert client.sign_up("").json["error"] == "phone_required"
        assert client.sign_up("x").json["error"] == "invalid_phone"
        assert client.sign_up("+12015550123").json["error"] == "region_not_allowed"
        assert client.sign_up(session_id="x").json["error"] == "session_not_found"
        assert client.sign_up().status == 429
        assert client.prove("", "123456").json["error"] == "missing_fields"
        assert client.prove("x", "123456").json["error"] == "session_not_found"
        assert client.prove(UNKNOWN, "x").json["error"] == "malformed_otp"
        assert client.prove(UNKNOWN, "123456").status == 429


def test_members_in_the_order_of_the_tables() -> None:
    """2.12: what is missing, the first member's form, the second's; then what they stand for."""
    with Client() as client:
        assert client.sign_up(" ", "x").json["error"] == "phone_required"
        assert client.sign_up("x", "x").json["error"] == "invalid_phone"
        assert client.sign_up("+12015550123", "x").json["error"] == "region_not_allowed"
        assert client.prove("x", " ").json["error"] == "missing_fields"
        assert client.prove("x", "x").json["error"] == "session_not_found"
        assert client.prove(UNKNOWN, "x").json["error"] == "malformed_otp"
        assert client.prove(UNKNOWN, "123456").json["error"] == "session_not_found"


def test_the_clients_checks_come_before_the_session() -> None:
    """2.12: a client out of checks does not learn whether there is such a session."""
    with Client(checks_per_client_hour=2) as client:
        session_id, code = client.session()
        assert client.prove(session_id, code).status == 200
        client.prove(UNKNOWN, "123456")
        for named in (session_id, UNKNOWN):
            assert client.prove(named, code).json["error"] == "rate_limited"


def test_the_session_comes_before_the_lock_and_the_limits() -> None:
    """2.12: whoever names a session that is none is told so, whatever holds for the number."""
    with Client(failed_guesses_per_day=1) as client:
        session_id, code = client.session()
        client.prove(session_id, other_than(code))
        assert client.sign_up(session_id=UNKNOWN).json["error"] == "session_not_found"
        assert client.sign_up(session_id=session_id).json["error"] == "locked_out"
    with Client(phone_sends_per_day=1) as client:
        session_id, code = client.session()
        client.prove(session_id, code)
        assert client.sign_up(session_id=session_id).json["error"] == "already_verified"
        assert client.sign_up().json["error"] == "phone_rate_limited"


def test_the_lock_comes_before_the_sends() -> None:
    """2.12: the lock answers also where a limit on sends would have the longer wait."""
    with Client(failed_guesses_per_day=0, failed_guesses_in_a_row=1) as client:
        session_id, code = client.session()
        client.prove(session_id, other_than(code))
        assert client.sign_up().json["error"] == "locked_out"


def test_the_lock_comes_before_the_challenge() -> None:
    """2.12: a locked number's sessions are told of the lock, not of the code."""
    with Client(failed_guesses_per_day=1) as client:
        older, _ = client.session()
        client.world.clock.advance(30 * SECOND)
        newer, code = client.session()
        client.prove(newer, other_than(code))
        client.world.clock.advance(300 * SECOND)
        for session_id in (older, newer):
            assert client.prove(session_id, code).json["error"] == "locked_out"


def test_another_session_comes_before_the_guesses() -> None:
    """2.11: another session's code is `otp_expired` also where the guesses are used up."""
    with Client() as client:
        older, _ = client.session()
        client.world.clock.advance(30 * SECOND)
        newer, code = client.session()
        for _ in range(3):
            client.prove(newer, other_than(code))
        assert client.prove(older, code).json["error"] == "otp_expired"
        assert client.prove(newer, code).json["error"] == "too_many_attempts"


def test_of_the_sends_the_longest_wait_answers() -> None:
    """2.12: all limits on sends are judged together, so the wait that is told suffices."""
    with Client(phone_sends_per_day=1, signup_sends_per_client_hour=1) as client:
        client.session()
        assert_refused(client.sign_up(), "phone_rate_limited", 86_400)
        assert_refused(client.sign_up(OTHER_PHONE), "rate_limited", 3600)
    with Client(signup_sends_per_client_minute=1, resend_cooldown_seconds=61) as client:
        client.session()
        assert_refused(client.sign_up(), "resend_too_soon", 61)
        client.world.clock.advance(61 * SECOND)
        assert client.sign_up().status == 200


def test_of_minute_and_hour_the_longer_wait_answers() -> None:
    """2.12: a client that is out of both is told to wait for both."""
    with Client(signup_sends_per_client_minute=2, signup_sends_per_client_hour=2) as client:
        client.sign_up(phone(1))
        client.world.clock.advance(10 * SECOND)
        client.sign_up(phone(2))
        assert_refused(client.sign_up(phone(3)), "rate_limited", 3590)
        client.world.clock.instant = Instant(START + 3600 * SECOND)
        assert client.sign_up(phone(3)).status == 200
