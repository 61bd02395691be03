"""Every row of the tables of docs/contract.md, 5.1, and what section 2 says of their order."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from hsp_otp.domain.instant import DAY, SECOND, Duration, Instant
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.ports.failures import SendFailed, SendRejected
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt
from tests.http import OPEN, SEND, VALIDATE, VERIFY, Client, Reply, problem
from tests.world import (
    OTHER_CLIENT,
    OTHER_PHONE,
    PASS_CODE,
    START,
    Outbox,
    World,
    other_than,
    ring,
)

OTHER_PASS = "HSP-8765-4321"
UNKNOWN = "HSP-0000-0000"

CANNOT_FIND = "We cannot find a pass with this code. Please check it."
NO_PHONE = "There is no phone number for this pass. Please contact support."
CANNOT_USE = "This pass code cannot be used. Please check it."
NO_LONGER_VALID = "This code is no longer valid. Please ask for a new one."
USED_UP = "There were too many wrong codes. Please ask for a new one."
LOCKED = "There were too many wrong codes. Please try again later or contact support."
TOO_MANY_LOOK_UPS = "Too many pass codes were tried from your network. Please try again later."
TOO_MANY_REQUESTS = "There were too many requests from your network. Please try again later."


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with the contract's numbers; one paid pass is held."""
    with Client() as opened:
        opened.world.add()
        yield opened


def is_json(reply: Reply, status: int) -> bool:
    """Whether it is a plain answer of that status."""
    return reply.status == status and reply.headers["content-type"] == "application/json"


def is_problem(reply: Reply, status: int) -> bool:
    """Whether it is an error of that status (RFC 9457)."""
    return reply.status == status and reply.headers["content-type"] == "application/problem+json"


def challenge_id(client: Client) -> str:
    """The id of the latest challenge."""
    challenge = client.world.record().challenge
    assert challenge is not None
    return challenge.id


def waste(client: Client, guesses: int) -> str:
    """Present a wrong code so often, and tell the right one."""
    code = client.world.outbox.codes[-1]
    for _ in range(guesses):
        assert client.verify(other_than(code)).json["error"] == "invalid_otp"
    return code


# Validate


@pytest.mark.parametrize(
    "spelling", ["HSP-1234-5678", "hsp-1234-5678", " Hsp-1234-5678\n", "\u3000hSP-1234-5678\t"]
)
def test_a_usable_pass(client: Client, spelling: str) -> None:
    """5.1, validate: a usable pass shows where its code would go; case and outer space aside."""
    reply = client.validate(spelling)
    assert is_json(reply, 200)
    assert reply.json == {"valid": True, "phone_masked": "***-***-3210"}


def test_a_pass_past_its_end_is_usable(client: Client) -> None:
    """5.1: being past its end does not make a pass unusable."""
    client.world.add(expires_at=Instant(START - 1))
    assert client.validate().json == {"valid": True, "phone_masked": "***-***-3210"}


MISSING: list[dict[str, Any]] = [
    {},
    {"pass_code": None},
    {"pass_code": ""},
    {"pass_code": " \t\r\n"},
    {"pass_code": "\u00a0\u2003\u3000"},
    {"otp": "123456"},
]


@pytest.mark.parametrize("members", MISSING, ids=str)
def test_validate_without_a_pass_code(client: Client, members: dict[str, Any]) -> None:
    """5.1, validate: missing, null, empty and nothing but white space are the same."""
    reply = client.post(VALIDATE, members)
    assert is_problem(reply, 400)
    assert reply.json == problem(
        400, "Bad Request", "pass_code_required", "Please enter your pass code.", valid=False
    )


MALFORMED_PASSES = [
    "HSP-1234-567",
    "HSP-1234-56789",
    "HSP12345678",
    "HSP 1234 5678",
    "HSP--1234-5678",
    "ABC-1234-5678",
    "HSP-1234-5678 x",
    "HSP-1234-5678\nHSP-1234-5678",
    "HSP-१२३४-५६७८",
    "H\u017fP-1234-5678",
    "HSP/1234/5678",
]


@pytest.mark.parametrize("spelling", MALFORMED_PASSES, ids=ascii)
def test_validate_a_malformed_pass_code(client: Client, spelling: str) -> None:
    """5.1, validate: what is not of the form in ASCII is told apart from what is unknown."""
    reply = client.validate(spelling)
    assert is_problem(reply, 400)
    assert reply.json == problem(
        400,
        "Bad Request",
        "invalid_format",
        "A pass code looks like HSP-1234-5678. Please check it.",
        valid=False,
    )


def test_validate_an_unknown_pass(client: Client) -> None:
    """5.1, validate: no such pass is a plain answer."""
    reply = client.validate(UNKNOWN)
    assert is_json(reply, 200)
    assert reply.json == {
        "valid": False,
        "error": "pass_not_found",
        "message": CANNOT_FIND,
        "request_id": "r-1",
    }


@pytest.mark.parametrize(
    "payment", [PaymentStatus.PENDING, PaymentStatus.REFUNDED, PaymentStatus.CANCELLED]
)
def test_validate_an_unpaid_pass(client: Client, payment: PaymentStatus) -> None:
    """5.1, validate: every payment status but paid is a plain answer."""
    client.world.add(payment=payment)
    reply = client.validate()
    assert is_json(reply, 200)
    assert reply.json == {
        "valid": False,
        "error": "pass_not_paid",
        "message": "This pass has not been paid for. Please complete the purchase, then try again.",
        "request_id": "r-1",
    }


def test_validate_a_pass_without_a_phone(client: Client) -> None:
    """5.1, validate: a user without a phone is an error."""
    client.world.add(phone=None)
    reply = client.validate()
    assert is_problem(reply, 400)
    assert reply.json == problem(400, "Bad Request", "no_phone", NO_PHONE, valid=False)


def test_an_unpaid_pass_without_a_phone_is_unpaid(client: Client) -> None:
    """5.1, validate: the payment comes before the phone, as in the table."""
    client.world.add(phone=None, payment=PaymentStatus.PENDING)
    assert client.validate().json["error"] == "pass_not_paid"


# Send


def test_a_code_is_sent(client: Client) -> None:
    """5.1, send: where it went, how long it lives, when the next may be asked for, and its id."""
    reply = client.send(" hsp-1234-5678 ")
    assert is_json(reply, 200)
    assert reply.json == {
        "sent": True,
        "phone_masked": "***-***-3210",
        "expires_in": 600,
        "resend_in": 30,
        "challenge_id": challenge_id(client),
    }
    (sms,) = client.world.outbox.sent
    assert sms.to.value == "+919876543210"


def test_the_lifetime_of_a_code_is_the_policys() -> None:
    """5.1, send: `expires_in` is the lifetime that the policy says, and the code's own."""
    with Client(login_code_seconds=61) as client:
        client.world.add()
        assert client.send().json["expires_in"] == 61
        client.world.clock.advance(61 * SECOND - 1)
        assert client.verify(waste(client, 1)).status == 200


@pytest.mark.parametrize("members", MISSING[:2], ids=str)
def test_send_without_a_pass_code(client: Client, members: dict[str, Any]) -> None:
    """5.1, send: a missing pass code has the same word as at validate."""
    reply = client.post(SEND, members)
    assert is_problem(reply, 400)
    assert reply.json == problem(
        400, "Bad Request", "pass_code_required", "Please enter your pass code.", sent=False
    )


@pytest.mark.parametrize("spelling", [MALFORMED_PASSES[0], UNKNOWN])
def test_send_for_no_pass(client: Client, spelling: str) -> None:
    """5.1, send: a malformed pass code and an unknown one are answered alike."""
    reply = client.send(spelling)
    assert is_problem(reply, 400)
    assert reply.json == problem(400, "Bad Request", "invalid_pass", CANNOT_USE, sent=False)
    assert client.world.outbox.sent == []


@pytest.mark.parametrize(
    "payment", [PaymentStatus.PENDING, PaymentStatus.REFUNDED, PaymentStatus.CANCELLED]
)
def test_send_for_an_unpaid_pass(client: Client, payment: PaymentStatus) -> None:
    """5.1, send: an unpaid pass is answered as an unknown one."""
    client.world.add(payment=payment)
    reply = client.send()
    assert is_problem(reply, 400)
    assert reply.json == problem(400, "Bad Request", "invalid_pass", CANNOT_USE, sent=False)
    assert client.world.outbox.sent == []


def test_send_for_a_pass_without_a_phone(client: Client) -> None:
    """5.1, send: a user without a phone has a word of its own."""
    client.world.add(phone=None)
    reply = client.send()
    assert is_problem(reply, 400)
    assert reply.json == problem(400, "Bad Request", "no_phone_number", NO_PHONE, sent=False)


UNSENT = {
    "failed": (SendFailed(), "We could not send the message. Please try again."),
    "refused": (
        SendRejected(),
        "We cannot send messages to the phone number of this pass. Please contact support.",
    ),
}


@pytest.mark.parametrize("how", UNSENT)
def test_no_sender_took_the_message(client: Client, how: str) -> None:
    """5.1, send, and 2.8: the code is withdrawn, and the next ask does not wait."""
    failure, sentence = UNSENT[how]
    client.world.outbox.failure = failure
    reply = client.send()
    assert is_problem(reply, 400)
    assert reply.json == problem(
        400,
        "Bad Request",
        "sms_failed",
        sentence,
        sent=False,
        resend_in=0,
    )
    client.world.outbox.failure = None
    assert client.verify("123456").json["error"] == "otp_expired"
    assert client.send().status == 200


class Losing(Outbox):
    """A provider that sends the message and says that it did not."""

    async def send(
        self, message: Message, within: Duration = SEND_WITHIN, names: Sequence[str] = ()
    ) -> Receipt:
        """Keep the promise of `Sender.send`."""
        await super().send(message, within, names)
        raise SendFailed


def test_a_withdrawn_code_never_succeeds() -> None:
    """2.8: a code that arrived although its provider said otherwise signs nobody in."""
    with Client(World(outbox=Losing())) as client:
        client.world.add()
        assert client.send().json["error"] == "sms_failed"
        (code,) = client.world.outbox.codes
        assert client.verify(code).json == expired(0)
        assert client.verify(code, challenge_id=challenge_id(client)).json == expired(0)
        assert client.world.record().run == 0


# The refusals of all three by a limit; test_http_limits has the numbers


def test_too_many_look_ups() -> None:
    """5.1: the three routes share the look-ups, and each has its own member."""
    with Client(lookups_per_client_hour=1) as client:
        client.world.add()
        client.validate()
        for path, member in ((VALIDATE, "valid"), (SEND, "sent"), (VERIFY, "success")):
            for pass_code in (PASS_CODE, UNKNOWN):
                reply = client.post(path, {"pass_code": pass_code, "otp": "123456"})
                assert is_problem(reply, 429)
                assert reply.headers["retry-after"] == "3600"
                assert reply.json == problem(
                    429,
                    "Too Many Requests",
                    "lookup_rate_limited",
                    TOO_MANY_LOOK_UPS,
                    **{member: False},
                    retry_after_seconds=3600,
                )


def test_locked_by_wrong_guesses() -> None:
    """5.1 and 2.9: while locked, nothing is sent and nothing checked, the right code included."""
    with Client(failed_guesses_per_day=2) as client:
        client.world.add()
        client.code()
        code = waste(client, 2)
        client.world.clock.advance(60 * SECOND)
        for reply, member in ((client.send(), "sent"), (client.verify(code), "success")):
            assert is_problem(reply, 429)
            assert reply.headers["retry-after"] == "86340"
            assert reply.json == problem(
                429,
                "Too Many Requests",
                "locked_out",
                LOCKED,
                **{member: False},
                retry_after_seconds=86_340,
            )
        assert client.validate().status == 200
        assert len(client.world.outbox.sent) == 1


def test_the_number_has_used_up_its_sends() -> None:
    """5.1, send: the number's limit."""
    with Client(phone_sends_per_day=1) as client:
        client.world.add()
        client.code()
        reply = client.send()
        assert is_problem(reply, 429)
        assert reply.headers["retry-after"] == "86400"
        assert reply.json == problem(
            429,
            "Too Many Requests",
            "phone_rate_limited",
            "Too many codes were sent to this phone number. Please try again later.",
            sent=False,
            retry_after_seconds=86_400,
        )


def test_the_client_has_used_up_its_sends() -> None:
    """5.1, send: the client's limit."""
    with Client(login_sends_per_client_hour=1) as client:
        client.world.add()
        client.code()
        reply = client.send()
        assert is_problem(reply, 429)
        assert reply.headers["retry-after"] == "3600"
        assert reply.json == problem(
            429,
            "Too Many Requests",
            "rate_limited",
            TOO_MANY_REQUESTS,
            sent=False,
            retry_after_seconds=3600,
        )


def test_too_soon_after_the_last_one(client: Client) -> None:
    """5.1, send: the cooldown."""
    client.code()
    reply = client.send()
    assert is_problem(reply, 429)
    assert reply.headers["retry-after"] == "30"
    assert reply.json == problem(
        429,
        "Too Many Requests",
        "resend_too_soon",
        "A code is on its way. Please wait a moment before you ask for another.",
        sent=False,
        retry_after_seconds=30,
        live=True,
    )


def test_too_soon_after_a_code_that_is_over(client: Client) -> None:
    """5.1, send: after three wrong guesses, no code is said to be on its way."""
    client.code()
    waste(client, 3)
    assert client.send().json == problem(
        429,
        "Too Many Requests",
        "resend_too_soon",
        "Please wait a moment before you ask for another code.",
        sent=False,
        retry_after_seconds=30,
        live=False,
    )


def test_too_soon_after_a_code_that_was_right(client: Client) -> None:
    """5.1, send: a code that has been used is not said to be on its way either."""
    client.verify(client.code())
    assert client.send().json["live"] is False


def test_too_many_checks() -> None:
    """5.1, verify: the client's limit on checks."""
    with Client(checks_per_client_hour=1) as client:
        client.world.add()
        code = client.code()
        client.verify(other_than(code))
        reply = client.verify(code)
        assert is_problem(reply, 429)
        assert reply.headers["retry-after"] == "3600"
        assert reply.json == problem(
            429,
            "Too Many Requests",
            "rate_limited",
            TOO_MANY_REQUESTS,
            success=False,
            retry_after_seconds=3600,
        )


# Verify


def signed_in(reply: Reply) -> dict[str, Any]:
    """The members of a success, without the refresh token and the device token."""
    assert is_json(reply, 200)
    members: dict[str, Any] = reply.json
    assert re.fullmatch(r"[A-Za-z0-9._-]{60,}", members.pop("refresh_token"))
    assert re.fullmatch(r"k1\.[0-9]{10}\.[0-9a-f]{64}", members.pop("device_token"))
    return members


def test_the_right_code_signs_in(client: Client) -> None:
    """5.1, verify: tokens, the user with the number in full, and the pass."""
    code = client.code()
    assert signed_in(client.verify(code)) == {
        "success": True,
        "access_token": "access-1",
        "token_type": "Bearer",
        "expires_in": 900,
        "user": {
            "id": "u1",
            "email": "u1@example.com",
            "first_name": "Asha",
            "last_name": "Rao",
            "phone_number": "+919876543210",
        },
        "pass": {
            "pass_code": "HSP-1234-5678",
            "status": "active",
            "plan_name": "Gold",
            "expires_at": None,
            "days_until_expiry": None,
            "is_expired": False,
        },
    }


def test_the_refresh_token_is_of_its_sign_in(client: Client) -> None:
    """5.2: a refresh token belongs to a family that bears the id of its challenge."""
    family = client.send().json["challenge_id"]
    reply = client.verify(client.world.outbox.codes[0])
    assert reply.json["refresh_token"].split(".")[:2] == ["k1", family]
    assert client.world.access_tokens.signed[0].family_id == family


ENDS: list[tuple[int, dict[str, Any]]] = [
    (1, {"status": "active", "days_until_expiry": 0, "is_expired": False}),
    (DAY - 1, {"status": "active", "days_until_expiry": 0, "is_expired": False}),
    (DAY, {"status": "active", "days_until_expiry": 1, "is_expired": False}),
    (30 * DAY + 1, {"status": "active", "days_until_expiry": 30, "is_expired": False}),
    (0, {"status": "expired", "days_until_expiry": 0, "is_expired": True}),
    (-1, {"status": "expired", "days_until_expiry": 0, "is_expired": True}),
    (-400 * DAY, {"status": "expired", "days_until_expiry": 0, "is_expired": True}),
]


@pytest.mark.parametrize(("left", "told"), ENDS)
def test_the_end_of_a_pass(client: Client, left: int, told: dict[str, Any]) -> None:
    """5.1, 3 and 5: full days left; a pass past its end signs in, says so, and is marked."""
    client.world.add(expires_at=Instant(START + left))
    found = client.verify(client.code()).json["pass"]
    assert {name: found[name] for name in told} == told
    assert [row.pass_ended for row in client.world.audit.sign_ins] == [told["is_expired"]]


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (1_767_225_600_000_000, "2026-01-01T00:00:00Z"),
        (1_798_761_599_000_000, "2026-12-31T23:59:59Z"),
        (1_798_761_599_500_000, "2026-12-31T23:59:59.500000Z"),
    ],
)
def test_the_end_is_told_in_utc(client: Client, at: int, shown: str) -> None:
    """5.1, 3: `expires_at` is ISO 8601 with Z."""
    client.world.add(expires_at=Instant(at))
    assert client.verify(client.code()).json["pass"]["expires_at"] == shown


def test_a_sign_in_marks_the_user(client: Client) -> None:
    """5.1, 5: a sign-in leaves its mark at the user, once, and a refusal leaves none."""
    code = client.code()
    client.verify(other_than(code))
    assert client.world.audit.sign_ins == []
    client.verify(code)
    client.verify(code)
    assert [row.user_id for row in client.world.audit.sign_ins] == ["u1"]


FIELDS_MISSING: list[dict[str, Any]] = [
    {},
    {"pass_code": PASS_CODE},
    {"otp": "123456"},
    {"pass_code": None, "otp": "123456"},
    {"pass_code": PASS_CODE, "otp": None},
    {"pass_code": " ", "otp": "123456"},
    {"pass_code": PASS_CODE, "otp": " \n"},
    {"pass_code": "nonsense", "otp": ""},
    {"pass_code": "", "otp": "nonsense"},
]


@pytest.mark.parametrize("members", FIELDS_MISSING, ids=str)
def test_verify_with_a_member_missing(client: Client, members: dict[str, Any]) -> None:
    """5.1, verify: one word for both members, and it comes before their form."""
    reply = client.post(VERIFY, members)
    assert is_problem(reply, 400)
    assert reply.json == problem(
        400,
        "Bad Request",
        "missing_fields",
        "Something is missing. Please fill in every field.",
        success=False,
    )


@pytest.mark.parametrize("spelling", [MALFORMED_PASSES[0], UNKNOWN])
def test_verify_for_no_pass(client: Client, spelling: str) -> None:
    """5.1, verify: a malformed pass code and an unknown one are answered alike."""
    reply = client.verify("123456", spelling)
    assert is_problem(reply, 400)
    assert reply.json == problem(400, "Bad Request", "invalid_pass", CANNOT_USE, success=False)


@pytest.mark.parametrize(
    "unusable",
    [
        {"payment": PaymentStatus.PENDING},
        {"payment": PaymentStatus.REFUNDED},
        {"payment": PaymentStatus.CANCELLED},
        {"phone": None},
    ],
    ids=str,
)
def test_verify_for_an_unusable_pass(client: Client, unusable: dict[str, Any]) -> None:
    """5.1, verify, and 7: answered as an unknown one, and no guess is judged."""
    code = client.code()
    client.world.add(**unusable)
    reply = client.verify(code)
    assert is_problem(reply, 400)
    assert reply.json == problem(400, "Bad Request", "invalid_pass", CANNOT_USE, success=False)
    client.world.add()
    assert client.verify(code).status == 200


@pytest.mark.parametrize(
    "otp",
    ["1", "12345", "1234567", "12345a", "abcdef", "12.34.56", "-123456", "123456-", "+12345"],
)
def test_not_the_right_number_of_digits(client: Client, otp: str) -> None:
    """5.1, verify, and 2.10: malformed, without `resend_in`, and nothing is charged."""
    client.code()
    before = len(client.world.audit.rows)
    reply = client.verify(otp)
    assert is_problem(reply, 400)
    assert reply.json == problem(
        400,
        "Bad Request",
        "malformed_otp",
        "Please enter all the digits of the code.",
        success=False,
    )
    assert client.world.charged("checks") == 0
    assert client.world.charged("lookups") == 1
    assert client.world.record().run == 0
    assert len(client.world.audit.rows) == before


SPELLINGS: dict[str, Callable[[str], str]] = {
    "outer white space": lambda code: f" {code}\n",
    "a space": lambda code: f"{code[:3]} {code[3:]}",
    "a dash": lambda code: f"{code[:3]}-{code[3:]}",
    "en dashes": "\u2013".join,
    "no-break spaces": "\u00a0".join,
    "Devanagari": lambda code: "".join(chr(0x0966 + int(digit)) for digit in code),
    "full width": lambda code: "".join(chr(0xFF10 + int(digit)) for digit in code),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_code_is_read_kindly(client: Client, spelling: str) -> None:
    """2.10: outer white space, spaces and dashes between digits, and digits of any script."""
    assert client.verify(SPELLINGS[spelling](client.code())).status == 200


def test_the_digits_are_the_policys() -> None:
    """2.10: exactly as many digits as the policy says."""
    with Client(code_digits=8) as client:
        client.world.add()
        code = client.code()
        assert len(code) == 8
        assert client.verify(code[:6]).json["error"] == "malformed_otp"
        assert client.verify(code).status == 200


def test_wrong_codes(client: Client) -> None:
    """2.5 and 2.11: three guesses are counted down, then the right code is refused too."""
    code = client.code()
    for remaining in (2, 1, 0):
        reply = client.verify(other_than(code))
        assert is_problem(reply, 400)
        assert reply.json == problem(
            400,
            "Bad Request",
            "invalid_otp",
            "This code is wrong.",
            success=False,
            attempts_remaining=remaining,
            resend_in=30,
        )
    used_up = problem(400, "Bad Request", "too_many_attempts", USED_UP, success=False, resend_in=30)
    for guess in (code, other_than(code)):
        reply = client.verify(guess)
        assert is_problem(reply, 400)
        assert reply.json == used_up


def test_guesses_are_used_up_until_the_lifetime_ends(client: Client) -> None:
    """2.11: `too_many_attempts` to the last microsecond of the lifetime, `otp_expired` after."""
    client.code()
    code = waste(client, 3)
    client.world.clock.advance(600 * SECOND - 1)
    reply = client.verify(code)
    assert reply.json == problem(
        400, "Bad Request", "too_many_attempts", USED_UP, success=False, resend_in=0
    )
    client.world.clock.advance(1)
    assert client.verify(code).json == problem(
        400, "Bad Request", "otp_expired", NO_LONGER_VALID, success=False, resend_in=0
    )


def test_the_guesses_are_the_policys() -> None:
    """2.5: as many guesses as the policy says."""
    with Client(max_attempts=1) as client:
        client.world.add()
        code = client.code()
        assert client.verify(other_than(code)).json["attempts_remaining"] == 0
        assert client.verify(code).json["error"] == "too_many_attempts"


def test_a_code_lives_ten_minutes(client: Client) -> None:
    """2.4: alive while `now < expires_at`."""
    first = client.code()
    client.world.clock.advance(600 * SECOND - 1)
    assert client.verify(first).status == 200
    second = client.code()
    client.world.clock.advance(600 * SECOND)
    reply = client.verify(second)
    assert is_problem(reply, 400)
    assert reply.json == problem(
        400, "Bad Request", "otp_expired", NO_LONGER_VALID, success=False, resend_in=0
    )


def expired(resend_in: int) -> dict[str, Any]:
    """The whole body of `otp_expired`."""
    return problem(
        400, "Bad Request", "otp_expired", NO_LONGER_VALID, success=False, resend_in=resend_in
    )


def test_a_code_never_sent(client: Client) -> None:
    """5.1, verify: without a challenge there is no live code, and one may be asked for at once."""
    reply = client.verify("123456")
    assert is_problem(reply, 400)
    assert reply.json == expired(0)


def test_a_code_used(client: Client) -> None:
    """2.6: a code succeeds once."""
    code = client.code()
    assert client.verify(code).status == 200
    assert client.verify(code).json == expired(30)
    assert client.verify(other_than(code)).json == expired(30)
    assert len(client.world.access_tokens.signed) == 1


def test_a_success_stays_single_where_the_store_forgets(client: Client) -> None:
    """2.13: a challenge leads to one sign-in, whatever its store has forgotten."""
    code = client.code()
    before = client.world.whole_record()
    client.verify(code)
    client.world.restore(before)
    assert client.verify(code).json == expired(30)
    assert len(client.world.audit.sign_ins) == 1


def test_a_code_replaced(client: Client) -> None:
    """2.7 and 2.11: without an id an older code is judged against the live one, as a wrong code."""
    older = client.code()
    client.world.clock.advance(30 * SECOND)
    newer = client.code()
    assert client.verify(older).json == problem(
        400,
        "Bad Request",
        "invalid_otp",
        "This code is wrong.",
        success=False,
        attempts_remaining=2,
        resend_in=30,
    )
    assert client.verify(newer).status == 200


def test_a_code_replaced_and_named(client: Client) -> None:
    """2.11: with the id of another challenge no guess is charged; the check and look-up are."""
    older_id = client.send().json["challenge_id"]
    older = client.world.outbox.codes[0]
    client.world.clock.advance(30 * SECOND)
    newer_id = client.send().json["challenge_id"]
    newer = client.world.outbox.codes[1]
    for named in (older_id, "another", "\x00", "x" * 4000):
        for guess in (older, newer):
            assert client.verify(guess, challenge_id=named).json == expired(30)
    assert client.world.record().run == 0
    assert client.world.charged("checks") == 8
    assert client.world.charged("lookups") == 10
    reply = client.verify(other_than(newer), challenge_id=newer_id)
    assert reply.json["attempts_remaining"] == 2
    assert client.verify(newer, challenge_id=newer_id).status == 200


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_no_challenge_named(client: Client, nothing: str | None) -> None:
    """Section 5: a `challenge_id` of null, or nothing but white space, is left out."""
    code = client.code()
    members = {"pass_code": PASS_CODE, "otp": code, "challenge_id": nothing}
    assert client.post(VERIFY, members).status == 200


def test_the_challenge_named_with_outer_space(client: Client) -> None:
    """2.12: outer white space of a member is trimmed before anything else."""
    named = client.send().json["challenge_id"]
    code = client.world.outbox.codes[0]
    assert client.verify(code, challenge_id=f" {named}\n").status == 200


def test_another_pass_of_the_same_user(client: Client) -> None:
    """5.1, 4: a code asked for with one pass signs in with any usable pass of its user."""
    client.world.add(OTHER_PASS)
    code = client.code()
    assert client.verify(code, OTHER_PASS).json["pass"]["pass_code"] == "HSP-8765-4321"
    assert client.verify(code).json == expired(30)


def test_passes_of_one_user_share_the_live_code(client: Client) -> None:
    """2.7: asking with another pass of the same user replaces the code, and has to wait."""
    client.world.add(OTHER_PASS)
    client.code()
    assert client.send(OTHER_PASS).json["error"] == "resend_too_soon"
    client.world.clock.advance(30 * SECOND)
    newer = client.code(OTHER_PASS)
    assert client.verify(newer).status == 200


def test_a_pass_of_another_user(client: Client) -> None:
    """2.3: a code signs in nobody but its user, even where two users share a number."""
    client.world.add(OTHER_PASS, user="u2")
    code = client.code()
    assert client.verify(code, OTHER_PASS).json == expired(0)
    assert client.verify(code).status == 200


def test_a_number_changed_meanwhile(client: Client) -> None:
    """5.1, 4: a code sent to the old number is a wrong code, and costs a guess."""
    code = client.code()
    client.world.add(phone=OTHER_PHONE)
    reply = client.verify(code)
    assert reply.json["error"] == "invalid_otp"
    assert reply.json["attempts_remaining"] == 2
    client.world.add()
    assert client.verify(code).status == 200


def test_a_key_that_is_gone() -> None:
    """2.2: a code whose key has been dropped is `otp_expired`."""
    world = World()
    world.add()
    with Client(world) as before:
        code = before.code()
    world.codes = ring("codes", "k2")
    with Client(world) as after:
        assert after.verify(code).json == expired(30)
    world.codes = ring("codes", "k2", "k1")
    with Client(world) as rotated:
        assert rotated.verify(code).status == 200


# Uniform errors


@pytest.mark.parametrize(
    "change",
    [{"payment": PaymentStatus.PENDING}, {"phone": None}, None],
    ids=["unpaid", "without a phone", "unknown"],
)
def test_uniform_pass_errors(change: dict[str, Any] | None) -> None:
    """5.1, 6: unknown, unpaid and without a phone are not told apart, by any route."""
    with Client(uniform_pass_errors=True) as client:
        if change is not None:
            client.world.add(**change)
        looked_up = client.validate()
        assert is_json(looked_up, 200)
        assert looked_up.json == {
            "valid": False,
            "error": "pass_not_found",
            "message": CANNOT_FIND,
            "request_id": "r-1",
        }
        sent = client.send()
        assert is_problem(sent, 400)
        assert sent.json == problem(400, "Bad Request", "invalid_pass", CANNOT_USE, sent=False)
        verified = client.verify("123456")
        assert is_problem(verified, 400)
        assert verified.json == problem(
            400, "Bad Request", "invalid_pass", CANNOT_USE, success=False
        )


def test_uniform_pass_errors_leave_the_rest() -> None:
    """5.1, 6: a usable pass, a malformed one and a limit are told as ever."""
    with Client(uniform_pass_errors=True, lookups_per_client_hour=1) as client:
        client.world.add()
        assert client.validate("nonsense").json["error"] == "invalid_format"
        assert client.validate().json == {"valid": True, "phone_masked": "***-***-3210"}
        assert client.validate().json["error"] == "lookup_rate_limited"


# The order of judgement


def test_the_form_comes_before_every_limit() -> None:
    """2.12: what is not well-formed is told so also where nothing else would be admitted."""
    with Client(lookups_per_client_hour=1, checks_per_client_hour=1) as client:
        client.world.add()
        client.verify("123456")
        assert client.validate().status == 429
        assert client.validate("x").json["error"] == "invalid_format"
        assert client.send("x").json["error"] == "invalid_pass"
        assert client.send("x").status == 400
        assert client.verify("123", "x").json["error"] == "invalid_pass"
        assert client.verify("123").json["error"] == "malformed_otp"
        assert client.verify("").json["error"] == "missing_fields"
        assert client.verify("123456").status == 429


def test_members_in_the_order_of_the_table() -> None:
    """2.12: a missing member, the pass's form, the code's form; and only then the pass itself."""
    with Client() as client:
        assert client.verify(" ", "nonsense").json["error"] == "missing_fields"
        assert client.verify("nonsense", "nonsense").json["error"] == "invalid_pass"
        assert client.verify("nonsense", UNKNOWN).json["error"] == "malformed_otp"
        assert client.verify("123456", UNKNOWN).json["error"] == "invalid_pass"


def test_the_clients_limits_come_before_the_pass() -> None:
    """2.12: a client out of checks or look-ups does not learn whether a pass is usable."""
    with Client(checks_per_client_hour=1) as client:
        client.verify("123456", UNKNOWN)
        assert client.verify("123456", UNKNOWN).json["error"] == "rate_limited"


def test_the_clients_limits_come_before_the_lock() -> None:
    """2.12: the client's look-ups and checks, then the lock."""
    with Client(failed_guesses_per_day=1, checks_per_client_hour=1) as client:
        client.world.add()
        code = client.code()
        client.verify(other_than(code))
        assert client.verify(code).json["error"] == "rate_limited"
        assert client.verify(code, client=OTHER_CLIENT).json["error"] == "locked_out"


def test_of_checks_and_look_ups_the_longest_wait_answers() -> None:
    """2.12: they are judged together, and the wait that is told suffices for both."""
    with Client(checks_per_client_hour=1, lookups_per_client_hour=2) as client:
        client.world.add()
        client.validate()
        client.world.clock.advance(60 * SECOND)
        client.verify("123456")
        reply = client.verify("123456")
        assert (reply.json["error"], reply.json["retry_after_seconds"]) == ("rate_limited", 3600)
        client.world.clock.advance(3600 * SECOND)
        assert client.verify("123456").status == 400


def test_the_pass_comes_before_the_lock() -> None:
    """2.12: a locked user's pass that is no longer paid is no pass."""
    with Client(failed_guesses_per_day=1) as client:
        client.world.add()
        client.verify(other_than(client.code()))
        client.world.add(payment=PaymentStatus.REFUNDED)
        assert client.send().json["error"] == "invalid_pass"
        assert client.verify("123456").json["error"] == "invalid_pass"


def test_the_lock_comes_before_the_sends() -> None:
    """2.12: the lock answers also where a limit on sends would have the longer wait."""
    with Client(failed_guesses_per_day=0, failed_guesses_in_a_row=1) as client:
        client.world.add()
        client.verify(other_than(client.code()))
        assert client.send().json["error"] == "locked_out"


def test_the_lock_comes_before_the_challenge() -> None:
    """2.12: a locked user is told of the lock, not of the code."""
    with Client(failed_guesses_per_day=1) as client:
        client.world.add()
        code = client.code()
        client.verify(other_than(code))
        for named in ("another", challenge_id(client)):
            assert client.verify(code, challenge_id=named).json["error"] == "locked_out"
        client.world.clock.advance(600 * SECOND)
        assert client.verify(code).json["error"] == "locked_out"


def test_of_the_sends_the_longest_wait_answers() -> None:
    """2.12: all limits on sends are judged together, so the wait that is told suffices."""
    with Client(phone_sends_per_day=1, login_sends_per_client_hour=1) as client:
        client.world.add()
        client.code()
        reply = client.send()
        assert (reply.json["error"], reply.json["retry_after_seconds"]) == (
            "phone_rate_limited",
            86_400,
        )
    with Client(login_sends_per_client_hour=1, resend_cooldown_seconds=3601) as client:
        client.world.add()
        client.code()
        reply = client.send()
        assert (reply.json["error"], reply.json["retry_after_seconds"]) == (
            "resend_too_soon",
            3601,
        )
        client.world.clock.advance(3601 * SECOND)
        assert client.send().status == 200


def test_another_id_comes_before_the_guesses(client: Client) -> None:
    """2.11: another id is `otp_expired` also where the guesses are used up."""
    client.code()
    code = waste(client, 3)
    assert client.verify(code, challenge_id="another").json == expired(30)


# What is told


def test_no_answer_shows_a_code_or_a_number(client: Client) -> None:
    """2.2 and 5.1, 2: no code in any answer, and a full number in that of the sign-in alone."""
    client.world.add(OTHER_PASS)
    sent = client.send()
    code = client.world.outbox.codes[0]
    replies = [
        sent,
        client.send(),
        client.validate(),
        client.verify(other_than(code)),
        client.verify(code, challenge_id="another"),
        client.verify(f"{code}1"),
        client.verify(code, "HSP-9999-9999"),
    ]
    for reply in replies:
        assert code.encode() not in reply.body
        assert b"9876543210" not in reply.body
    success = client.verify(code)
    assert code.encode() not in success.body
    assert success.body.count(b"9876543210") == 1


@pytest.mark.parametrize("path", [VALIDATE, SEND, VERIFY])
def test_routes_answer_without_their_trailing_slash(path: str) -> None:
    """Section 5: with and without the trailing slash, errors too."""
    with Client(**OPEN) as client:
        client.world.add()
        client.code()
        members = {"pass_code": PASS_CODE, "otp": "123456"}
        for given in ({}, members):
            client.world.clock.advance(60 * SECOND)
            with_slash = client.post(path, given)
            client.world.clock.advance(60 * SECOND)
            without = client.post(path.rstrip("/"), given)
            assert (with_slash.status, set(with_slash.json)) == (without.status, set(without.json))
