"""Every limit as a caller meets it: docs/contract.md, section 3 and rule 2.9."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
import pytest

from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Instant
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.ports.failures import SendFailed
from tests.http import OPEN, Client, Reply
from tests.world import OTHER_CLIENT, PASS_CODE, START, other_than

UNKNOWN = "HSP-0000-0000"

# Every limit off.
OFF: dict[str, Any] = {
    **OPEN,
    "phone_sends_per_day": 0,
    "login_sends_per_client_hour": 0,
    "resend_cooldown_seconds": 0,
    "lookups_per_client_hour": 0,
    "lookup_misses_per_hour": 0,
    "unsent_asks_per_client_hour": 0,
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


def passes(client: Client, count: int) -> list[str]:
    """Passes of as many users, each with a number of its own."""
    codes = [f"HSP-1111-{number:04}" for number in range(count)]
    for number, code in enumerate(codes):
        client.world.add(code, user=f"user-{number}", phone=f"+9198765{number:05}")
    return codes


def addresses(count: int) -> list[str]:
    """Different clients, each of a network of its own."""
    return [f"10.{number // 250}.{number % 250}.1" for number in range(count)]


def sends_to_one_number(client: Client, asking: Iterable[str]) -> None:
    """For two users who share it, from these clients, a minute apart."""
    client.world.add("HSP-0000-0001", user="u1")
    client.world.add("HSP-0000-0002", user="u2")
    for number, address in enumerate(asking):
        assert client.send(f"HSP-0000-000{number % 2 + 1}", client=address).status == 200
        client.world.clock.advance(MINUTE)


def seven_sends_to_one_number(client: Client) -> None:
    """All that strangers get, from seven networks."""
    sends_to_one_number(client, addresses(7))


def three_sends_to_one_number(client: Client) -> None:
    """All that strangers of one network get, from three of its addresses."""
    sends_to_one_number(client, [f"10.0.0.{number}" for number in range(3)])


def five_sends_from_one_client(client: Client) -> None:
    """For five users, ten and a half seconds apart."""
    for code in passes(client, 5):
        assert client.send(code).status == 200
        client.world.clock.advance(10_500_000)


def one_send(client: Client) -> None:
    """A microsecond ago."""
    client.world.add()
    assert client.send().status == 200
    client.world.clock.advance(1)


def a_hundred_and_twenty_look_ups(client: Client) -> None:
    """By all three routes: 60 of validate, 30 of send, most of them too soon, and 30 of verify."""
    client.world.add()
    for number in range(30):
        assert client.validate().status == 200
        assert client.send().status in {200, 429}
        assert client.verify("1234567").json["error"] == "malformed_otp"
        assert client.verify("000000").json["error"] in {
            "invalid_otp",
            "too_many_attempts",
            "otp_expired",
        }
        assert client.validate().status == 200
        if number == 0:
            client.world.clock.advance(700_000)


def sixty_misses(client: Client) -> None:
    """Each is charged double."""
    for _ in range(60):
        assert client.validate(UNKNOWN).json["error"] == "pass_not_found"


def a_last_miss_beyond(client: Client) -> None:
    """A miss that arrives with a single unit left is admitted, and the waits account for it."""
    client.world.add()
    assert client.validate().status == 200
    client.world.clock.advance(10 * SECOND)
    assert client.validate().status == 200
    client.world.clock.advance(10 * SECOND)
    for _ in range(117):
        assert client.validate().status == 200
    assert client.validate(UNKNOWN).json["error"] == "pass_not_found"


def scan(client: Client, misses: int = 600) -> None:
    """Misses of everybody, from clients none of which comes near its own limit."""
    client.world.add()
    for number, address in enumerate(addresses(misses // 5)):
        for _ in range(5):
            assert client.validate(UNKNOWN, client=address).json["error"] == "pass_not_found"
        if number % 10 == 0:
            client.world.clock.advance(SECOND)


def two_misses_in_a_scan(client: Client) -> None:
    """What a newcomer may, in the same breath."""
    scan(client)
    for _ in range(2):
        assert client.validate(UNKNOWN).json["error"] == "pass_not_found"


def skipped(client: Client) -> None:
    """Every sender is being skipped, and so often it was asked for a code."""
    client.world.add()
    client.world.outbox.skipped = True
    for _ in range(30):
        assert client.send().json["error"] == "sms_failed"


def a_network_of_ten(client: Client) -> None:
    """Its addresses have each used up what one may send."""
    for number, code in enumerate(passes(client, 50)):
        assert client.send(code, client=f"198.51.100.{number % 10}").status == 200


def sixty_checks(client: Client) -> None:
    """None of them for a live code."""
    client.world.add()
    for _ in range(60):
        assert client.verify("123456").json["error"] == "otp_expired"
    client.world.clock.advance(1_300_000)


def fail(client: Client, guesses: int, every: int = 0) -> None:
    """Guess wrong so often, three times a code, from ever new clients."""
    client.world.add()
    for number in range(guesses):
        client.world.clock.advance(every)
        address = f"10.1.{number // 250}.{number % 250}"
        if number % 3 == 0:
            client.world.clock.advance(30 * SECOND)
            assert client.send(client=address).status == 200
        wrong = other_than(client.world.outbox.codes[-1])
        assert client.verify(wrong, client=address).json["error"] == "invalid_otp"


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
        ask=lambda client: client.send("HSP-0000-0002", client=OTHER_CLIENT),
        wait=86_400 - 420,
        settings={"work_seconds": 0},
    ),
    "sends to one number, first user": Case(
        word="phone_rate_limited",
        fill=seven_sends_to_one_number,
        ask=lambda client: client.send("HSP-0000-0001", client="10.0.3.1"),
        wait=86_400 - 420,
        settings={"work_seconds": 0},
    ),
    "sends to one number from one network": Case(
        word="phone_rate_limited",
        fill=three_sends_to_one_number,
        ask=lambda client: client.send("HSP-0000-0002", client="10.0.0.99"),
        wait=86_400 - 180,
        settings={"work_seconds": 0},
    ),
    "sends from one client": Case(
        word="rate_limited",
        fill=five_sends_from_one_client,
        ask=lambda client: client.send("HSP-1111-0004"),
        wait=3548,  # an hour less 52.5 s, rounded up
    ),
    "cooldown": Case(
        word="resend_too_soon",
        fill=one_send,
        ask=lambda client: client.send(),
        wait=30,  # 29.999999 s, rounded up
    ),
    "a fresh code of another network": Case(
        word="resend_too_soon",
        fill=one_send,
        ask=lambda client: client.send(client=OTHER_CLIENT),
        wait=120,  # 119.999999 s, rounded up
    ),
    "look-ups, validate": Case(
        word="lookup_rate_limited",
        fill=a_hundred_and_twenty_look_ups,
        ask=lambda client: client.validate(),
        wait=3600,  # 3599.3 s, rounded up
    ),
    "look-ups, send": Case(
        word="lookup_rate_limited",
        fill=a_hundred_and_twenty_look_ups,
        ask=lambda client: client.send(),
        wait=3600,
    ),
    "look-ups, verify": Case(
        word="lookup_rate_limited",
        fill=a_hundred_and_twenty_look_ups,
        ask=lambda client: client.verify("123456"),
        wait=3600,
    ),
    "look-ups, a miss is refused alike": Case(
        word="lookup_rate_limited",
        fill=a_hundred_and_twenty_look_ups,
        ask=lambda client: client.validate(UNKNOWN),
        wait=3600,
    ),
    "misses weigh double": Case(
        word="lookup_rate_limited",
        fill=sixty_misses,
        ask=lambda client: client.validate(UNKNOWN),
        wait=3600,
    ),
    "a last miss beyond": Case(
        word="lookup_rate_limited",
        fill=a_last_miss_beyond,
        ask=lambda client: client.validate(),
        wait=3590,  # two units have to leave, and the second was charged 10 s before
    ),
    "misses in a scan": Case(
        word="lookup_rate_limited",
        fill=two_misses_in_a_scan,
        ask=lambda client: client.validate(),
        wait=3600 - 12,  # two of the first five leave, and the scan is over
    ),
    "misses in a scan, a miss is refused alike": Case(
        word="lookup_rate_limited",
        fill=two_misses_in_a_scan,
        ask=lambda client: client.send(UNKNOWN),
        wait=3600 - 12,
    ),
    "asks while every sender is skipped": Case(
        word="rate_limited",
        fill=skipped,
        ask=lambda client: client.send(),
        wait=3600,
    ),
    "sends from one network": Case(
        word="rate_limited",
        fill=a_network_of_ten,
        ask=lambda client: client.send("HSP-1111-0000", client="198.51.100.99"),
        wait=3600,
    ),
    "checks": Case(
        word="rate_limited",
        fill=sixty_checks,
        ask=lambda client: client.verify("654321"),
        wait=3599,  # 3598.7 s, rounded up
    ),
    "failed guesses of a day, verify": Case(
        word="locked_out",
        fill=fifteen_failures,
        ask=lambda client: client.verify("123456"),
        wait=86_400 - 120,
        settings=OPEN,
    ),
    "failed guesses of a day, send": Case(
        word="locked_out",
        fill=fifteen_failures,
        ask=lambda client: client.send(),
        wait=86_400 - 120,
        settings=OPEN,
    ),
    "failed guesses of thirty days, verify": Case(
        word="locked_out",
        fill=forty_five_failures,
        ask=lambda client: client.verify("123456"),
        wait=27 * 86_400 + 30,
        settings={**OPEN, "phone_sends_per_day": 0},
    ),
    "failed guesses of thirty days, send": Case(
        word="locked_out",
        fill=forty_five_failures,
        ask=lambda client: client.send(),
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
    with Client(**{**case.settings, "lookups_per_client_hour": 120}) as client:
        case.fill(client)
        again = [case.ask(client) for _ in range(20)]
        for reply in again:
            assert_refused(reply, case.word, case.wait)
        client.world.clock.advance(case.wait * SECOND)
        assert case.ask(client).status != 429


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("phone_sends_per_day", "sends to one number"),
        ("login_sends_per_client_hour", "sends from one client"),
        ("known_sends_per_day", "sends to one number"),
        ("others_per_network_day", "sends to one number from one network"),
        ("resend_cooldown_seconds", "cooldown"),
        ("fresh_code_seconds", "a fresh code of another network"),
        ("lookups_per_client_hour", "look-ups, validate"),
        ("lookups_per_client_hour", "misses weigh double"),
        ("lookup_misses_per_hour", "misses in a scan"),
        ("newcomer_misses_per_hour", "misses in a scan"),
        ("unsent_asks_per_client_hour", "asks while every sender is skipped"),
        ("network_factor", "sends from one network"),
        ("checks_per_client_hour", "checks"),
        ("failed_guesses_per_day", "failed guesses of a day, verify"),
        ("failed_guesses_per_day", "failed guesses of a day, send"),
    ],
)
def test_zero_switches_a_limit_off(setting: str, name: str) -> None:
    """3.1: with 0 the request beyond the limit is admitted, and so are many more."""
    case = CASES[name]
    settings: dict[str, Any] = {**case.settings, setting: 0, "resend_cooldown_seconds": 0}
    with Client(**settings) as client:
        case.fill(client)
        assert case.ask(client).status in {200, 400}


@pytest.mark.parametrize("name", CASES)
def test_zero_switches_all_limits_off(name: str) -> None:
    """3.1: with every limit off nothing is refused by one."""
    case = CASES[name]
    with Client(**OFF) as client:
        case.fill(client)
        for _ in range(20):
            assert case.ask(client).status != 429


def test_zero_switches_the_lock_of_thirty_days_off() -> None:
    """3.1 and 2.9: without it the lock of a day is all that is left."""
    with Client(**OPEN, failed_guesses_per_30_days=0) as client:
        forty_five_failures(client)
        assert_refused(client.send(), "locked_out", 30)
        client.world.clock.advance(30 * SECOND)
        assert client.send().status == 200


def test_zero_switches_the_lock_of_the_run_off() -> None:
    """3.1 and 2.9: without it failures in a row lock nothing, however many."""
    with Client(**{**OFF, "max_attempts": 100}) as client:
        client.world.add()
        for _ in range(3):
            client.code()
            guess_wrong(client, 100)
        assert client.verify(client.code()).status == 200


# Failed guesses in a row

ROW: dict[str, Any] = {**OFF, "max_attempts": 50, "failed_guesses_in_a_row": 100}


def guess_wrong(client: Client, times: int) -> Reply:
    """The last of so many wrong guesses."""
    for _ in range(times):
        reply = client.verify(other_than(client.world.outbox.codes[-1]))
    return reply


def test_fifty_in_a_row_lock_strangers_until_an_operator_unlocks() -> None:
    """2.9 and section 5: no wait helps, so none is told, in a member or a header."""
    with Client(**ROW) as client:
        client.world.add()
        code = client.code()
        assert guess_wrong(client, 49).json["resend_in"] == 0
        fiftieth = guess_wrong(client, 1)
        assert fiftieth.json["error"] == "invalid_otp"
        assert fiftieth.json["attempts_remaining"] == 0
        assert "resend_in" not in fiftieth.json
        for wait in (0, DAY, 400 * DAY):
            client.world.clock.advance(wait)
            for reply in (client.verify(code), client.send()):
                assert reply.status == 429
                assert reply.json["error"] == "locked_out"
                assert "retry_after_seconds" not in reply.json
                assert "resend_in" not in reply.json
                assert "retry-after" not in reply.headers
        assert client.validate().status == 200


def test_a_success_ends_the_run() -> None:
    """2.9: fifty failures with a success in between lock nothing, a new code ends no run."""
    with Client(**ROW) as client:
        client.world.add()
        client.code()
        guess_wrong(client, 49)
        code = client.code()
        assert client.verify(code).status == 200
        code = client.code()
        guess_wrong(client, 49)
        assert client.verify(code).status == 200
        client.code()
        guess_wrong(client, 25)
        client.code()
        guess_wrong(client, 25)
        assert client.send().json["error"] == "locked_out"


def test_a_success_leaves_the_windows() -> None:
    """2.9: a success ends the run of 100 and leaves the windows as they are."""
    with Client(**{**OFF, "failed_guesses_per_day": 3}) as client:
        client.world.add()
        code = client.code()
        guess_wrong(client, 2)
        assert client.verify(code).status == 200
        client.code()
        guess_wrong(client, 1)
        assert_refused(client.send(), "locked_out", 86_400)


def test_the_longer_lock_answers() -> None:
    """2.9: where a window and the run both lock, no wait helps and none is told."""
    with Client(**{**OFF, "failed_guesses_per_day": 2, "failed_guesses_in_a_row": 4}) as client:
        client.world.add()
        client.code()
        guess_wrong(client, 2)
        reply = client.send()
        assert reply.json["error"] == "locked_out"
        assert "retry_after_seconds" not in reply.json


# What is counted for whom


def test_limits_of_one_client_are_not_anothers() -> None:
    """Section 3: sends, look-ups and checks are counted for each client address."""
    with Client(
        login_sends_per_client_hour=1, lookups_per_client_hour=2, checks_per_client_hour=1
    ) as client:
        first, second = passes(client, 2)
        client.send(first)
        client.verify("123456", first)
        assert client.validate(first).status == 429
        assert client.send(second, client=OTHER_CLIENT).status == 200
        assert client.verify("123456", second, client=OTHER_CLIENT).status == 400


def test_an_ipv6_client_is_its_network() -> None:
    """3.7: an IPv6 address counts as its /64, and a mapped one as what it maps."""
    with Client(lookups_per_client_hour=1) as client:
        client.world.add()
        assert client.validate(client="2001:db8:1:2::1").status == 200
        assert client.validate(client="2001:db8:1:2:ffff:ffff:ffff:ffff").status == 429
        assert client.validate(client="2001:db8:1:3::1").status == 200
        assert client.validate(client="192.0.2.1").status == 200
        assert client.validate(client="::ffff:192.0.2.1").status == 429


def test_callers_without_an_address_share_one_bucket() -> None:
    """3.7: there is never no limit."""
    with Client(lookups_per_client_hour=1) as client:
        client.world.add()
        assert client.post("/customer/validate-pass/", {"pass_code": PASS_CODE}, client=None).json[
            "valid"
        ]
        assert client.validate(client="not an address").status == 429
        assert client.world.charged("lookups", "unknown") == 1


def test_a_scan_refuses_no_newcomer() -> None:
    """3.3: whatever others miss, whoever has a right pass code signs in."""
    with Client() as client:
        scan(client)
        for address in ("198.51.100.1", "2001:db8:7::1"):
            assert client.validate(client=address).json["valid"]
            assert client.send(client=address).status == 200
            code = client.world.outbox.codes[-1]
            assert client.verify(code, client=address).status == 200
            client.world.clock.advance(30 * SECOND)


def test_in_a_scan_a_newcomer_learns_of_no_pass_why_it_is_not_usable() -> None:
    """3.3: all three routes answer alike; whoever has signed in is told as ever."""
    with Client(**{**OFF, "lookup_misses_per_hour": 5}) as client:
        client.world.add("HSP-0000-0002", user="u2", payment=PaymentStatus.PENDING)
        client.world.add("HSP-0000-0003", user="u3", phone=None)
        scan(client, 5)
        for code in (UNKNOWN, "HSP-0000-0002", "HSP-0000-0003"):
            address = f"203.0.{code[-1]}.1"
            found = client.validate(code, client=address)
            assert (found.status, found.json["error"]) == (200, "pass_not_found")
            sent = client.send(code, client=address)
            assert (sent.status, sent.json["error"]) == (400, "invalid_pass")
            verified = client.verify("123456", code, client=address)
            assert (verified.status, verified.json["error"]) == (400, "otp_expired")
            assert verified.json["resend_in"] == 0
        assert client.verify(client.code()).status == 200
        assert client.validate("HSP-0000-0003").json["error"] == "no_phone"
        assert client.verify("123456", UNKNOWN).json["error"] == "invalid_pass"


def test_in_a_scan_nobody_is_refused_to_verify() -> None:
    """3.3: however often a caller has missed, the code that it was sent signs it in."""
    with Client() as client:
        scan(client)
        code = client.code()
        for _ in range(9):
            assert client.verify("123456", UNKNOWN).json["error"] == "otp_expired"
        assert client.validate().status == 429
        assert client.verify(code).status == 200


def test_a_sign_in_is_known_for_a_day() -> None:
    """3.3: from the latest on; a look-up that hits is not enough."""
    with Client(**{**OFF, "lookup_misses_per_hour": 5}) as client:
        scan(client, 5)
        client.validate()
        for _ in range(2):
            client.validate(UNKNOWN)
        assert client.validate().status == 429
        client.world.clock.advance(HOUR)
        client.verify(client.code())
        client.world.clock.advance(DAY - SECOND - 1)
        scan(client, 5)  # takes a second
        for _ in range(9):
            assert client.validate(UNKNOWN).status == 200
        client.world.clock.advance(1)
        assert client.validate(UNKNOWN).status == 429


def test_of_a_scan_six_hundred_are_judged_and_twenty_a_network() -> None:
    """3.3: from a hundred networks of one /40, none of which comes near an address' own limit."""
    with Client() as client:
        client.world.add()
        judged = 0
        for number in range(2_400):
            address = f"2001:db8:{number % 100:x}:{number // 100:x}::1"
            judged += client.validate(UNKNOWN, client=address).status == 200
        # Six of each network had been judged when the line was reached.
        assert judged == 600 + 100 * (20 - 6)
        assert client.validate(client="2001:db8:ffff::1").json["valid"]


def test_subnets_of_one_customer_are_one_network() -> None:
    """3.9: 65 536 of them have ten times what one of them has."""
    with Client(lookups_per_client_hour=2) as client:
        client.world.add()
        answers = [client.validate(client=f"2001:db8:1:{n:x}::1").status for n in range(21)]
        assert answers == [200] * 20 + [429]
        assert client.validate(client="2001:db8:2::1").status == 200


def test_what_assert_refused_later_has_paid_for_its_look_up() -> None:
    """3.4: a refused look-up or check charges nothing; a refused send or guess has paid for it."""
    with Client(failed_guesses_per_day=1) as client:
        client.world.add()
        code = client.code()
        client.send()
        assert client.world.charged("lookups") == 2
        client.verify(other_than(code))
        client.verify(code)
        assert client.world.charged("lookups") == 4
        assert client.world.charged("checks") == 2


def test_a_failed_delivery_counts() -> None:
    """Section 3: a failed delivery counts as a send."""
    with Client(**OPEN, resend_cooldown_seconds=0) as client:
        client.world.add()
        client.world.outbox.failure = SendFailed()
        for _ in range(5):
            assert client.send().json["error"] == "sms_failed"
        assert_refused(client.send(), "rate_limited", 3600)


def test_a_right_code_gives_its_sends_back_to_its_clients() -> None:
    """3.13: neighbours behind one address do not use up each other's sends."""
    with Client(login_sends_per_client_hour=2, resend_cooldown_seconds=0) as client:
        first, second = passes(client, 2)
        client.send(first)
        code = client.code(first)
        assert_refused(client.send(second), "rate_limited", 3600)
        assert client.verify(code, first).status == 200
        assert client.send(second).status == 200
        assert client.send(second).status == 200
        assert_refused(client.send(second), "rate_limited", 3600)


def test_a_right_code_gives_sends_back_to_other_clients() -> None:
    """3.13: each address that asked for the same subject gets back its own."""
    with Client(**{**OPEN, "resend_cooldown_seconds": 0}, login_sends_per_client_hour=1) as client:
        first, second = passes(client, 2)
        client.send(first, client=OTHER_CLIENT)
        code = client.code(first)
        assert client.send(second, client=OTHER_CLIENT).json["error"] == "rate_limited"
        assert client.verify(code, first).status == 200
        assert client.send(second, client=OTHER_CLIENT).status == 200


# Work


def test_from_the_third_send_on_a_number_costs_work() -> None:
    """3.12: one level more each time; no wait helps, and a success resets nothing."""
    with Client(resend_cooldown_seconds=0) as client:
        client.world.add()
        levels = []
        for address in addresses(7):
            reply = client.send(client=address)
            if reply.json.get("error") == "work_required":
                assert reply.status == 429
                assert "retry_after_seconds" not in reply.json
                assert "retry-after" not in reply.headers
                levels.append(reply.json["work_seconds"])
                solution = reply.json["work"]["parameters"]["solution"]
                reply = client.send(client=address, work=solution)
            else:
                levels.append(0)
            assert reply.status == 200
            code = client.world.outbox.codes[-1]
            assert client.verify(code, client=address).status == 200
        assert levels == [0, 0, 1, 2, 4, 8, 16]
        assert client.send(client=OTHER_CLIENT).json["error"] == "phone_rate_limited"


def test_no_work_is_asked_for_once_it_is_off() -> None:
    """3.12: with 0 seconds all that is left are the limits."""
    with Client(work_seconds=0) as client:
        seven_sends_to_one_number(client)
        assert client.send("HSP-0000-0001").json["error"] == "phone_rate_limited"


def test_a_code_that_arrived_is_verified_without_sends() -> None:
    """3.6: a code can be verified while its owner has no sends left."""
    with Client(phone_sends_per_day=1, login_sends_per_client_hour=1) as client:
        client.world.add()
        code = client.code()
        assert client.send().status == 429
        assert client.verify(code).status == 200


# resend_in


RESENDS: dict[str, tuple[dict[str, Any], int]] = {
    "the cooldown": ({}, 30),
    "a longer cooldown": ({"resend_cooldown_seconds": 77}, 77),
    "the sends of the client": ({"login_sends_per_client_hour": 1}, 3600),
    "the sends to the number": ({"phone_sends_per_day": 1}, 86_400),
    "no limit": (OFF, 0),
}


@pytest.mark.parametrize("name", RESENDS)
def test_resend_in_counts_every_limit_on_sends(name: str) -> None:
    """Section 5: the seconds until a new code may be asked for; waiting them is enough."""
    settings, wait = RESENDS[name]
    with Client(**settings) as client:
        client.world.add()
        assert client.send().json["resend_in"] == wait
        code = client.world.outbox.codes[0]
        told = [
            client.verify(other_than(code)),
            client.verify(code, challenge_id="another"),
            client.verify(other_than(code)),
            client.verify(other_than(code)),
            client.verify(code),
        ]
        assert [(reply.json["error"], reply.json["resend_in"]) for reply in told] == [
            ("invalid_otp", wait),
            ("otp_expired", wait),
            ("invalid_otp", wait),
            ("invalid_otp", wait),
            ("too_many_attempts", wait),
        ]
        if wait:
            client.world.clock.advance((wait - 1) * SECOND)
            assert client.verify(code).json["resend_in"] == 1
            assert client.send().status == 429
            client.world.clock.advance(SECOND)
        assert client.verify(code).json["resend_in"] == 0
        assert client.send().status == 200


@pytest.mark.parametrize("name", RESENDS)
def test_resend_in_of_a_failed_delivery(name: str) -> None:
    """Section 5: `sms_failed` tells when to ask again, by every limit but the cooldown."""
    settings, wait = RESENDS[name]
    wait = 0 if "cooldown" in name else wait
    with Client(**settings) as client:
        client.world.add()
        client.world.outbox.failure = SendFailed()
        reply = client.send()
        assert (reply.json["error"], reply.json["resend_in"]) == ("sms_failed", wait)


def test_resend_in_counts_the_lock() -> None:
    """Section 5: the guess that locks tells when the lock lets go."""
    with Client(**OPEN) as client:
        fail(client, 14)
        reply = client.verify(other_than(client.world.outbox.codes[-1]))
        assert reply.json["attempts_remaining"] == 0
        assert reply.json["resend_in"] == 86_400 - 120
        client.world.clock.instant = Instant(START + 30 * SECOND + DAY)
        assert client.send().status == 200
