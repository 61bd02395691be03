"""Every row of the tables of docs/contract.md, 5.3, and the numbers that signup takes (4)."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import MINUTE, SECOND, Duration, after
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Purpose
from hsp_otp.ports.failures import SendFailed, SendRejected
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt
from hsp_otp.ports.tokens import Proof
from tests.http import OPEN, SIGNUP_SEND, SIGNUP_VERIFY, Client, Reply, problem
from tests.world import OTHER_CLIENT, OTHER_PHONE, PHONE, Outbox, World, other_than, ring

UNKNOWN = "A" * 22

NO_LONGER_VALID = "This code is no longer valid. Please ask for a new one."
NO_NUMBER = "We cannot send messages to this number. Please check it."
ENDED = "This session has ended. Please start again."
TOO_MANY_REQUESTS = "There were too many requests from your network. Please try again later."
LOCKED = "There were too many wrong codes. Please try again later or contact support."
USED_UP = "There were too many wrong codes. Please ask for a new code."


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with the contract's numbers."""
    with Client() as opened:
        yield opened


def is_json(reply: Reply, status: int) -> bool:
    """Whether it is a plain answer of that status."""
    return reply.status == status and reply.headers["content-type"] == "application/json"


def is_problem(reply: Reply, status: int) -> bool:
    """Whether it is an error of that status (RFC 9457)."""
    return reply.status == status and reply.headers["content-type"] == "application/problem+json"


def refused(error: str, message: str, **members: int) -> dict[str, Any]:
    """The whole body of a 400."""
    return problem(400, "Bad Request", error, message, success=False, **members)


def limited(error: str, message: str, wait: int, **members: int | bool) -> dict[str, Any]:
    """The whole body of a 429."""
    return problem(
        429,
        "Too Many Requests",
        error,
        message,
        success=False,
        retry_after_seconds=wait,
        **members,
    )


NOT_FOUND = refused("session_not_found", ENDED)
ALREADY = refused(
    "already_verified",
    "Your mobile number is already verified. Please go on to the next step.",
    next_step=2,
)


# Send


def test_a_code_is_sent(client: Client) -> None:
    """5.3, send: a session, where the code went, how long it lives, when the next may be had."""
    reply = client.sign_up()
    assert is_json(reply, 200)
    session_id = reply.json["session_id"]
    assert reply.json == {
        "success": True,
        "message": "We sent a code to your phone.",
        "session_id": session_id,
        "phone_masked": "***-***-3210",
        "expires_in": 300,
        "resend_in": 30,
    }
    (sms,) = client.world.outbox.sent
    assert sms.to.value == "+919876543210"
    assert "for 5 min (signup)" in sms.text


def test_a_session_id_says_nothing(client: Client) -> None:
    """5.3: 128 bits drawn for this session alone: 22 characters of URL-safe base64."""
    ids = [
        client.sign_up(f"+9198765{number:05}", client=f"10.0.0.{number}").json["session_id"]
        for number in range(20)
    ]
    assert len(set(ids)) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", session_id) for session_id in ids)


def test_the_session_comes_back_in_a_cookie(client: Client) -> None:
    """5.3: the page finds its session again; no script reads it and no other site sends it."""
    reply = client.sign_up()
    cookie = reply.headers["set-cookie"].split("; ")
    assert cookie[0] == f"signup_session={reply.json['session_id']}"
    assert {part.lower() for part in cookie[1:]} == {
        "httponly",
        "max-age=1800",
        "path=/users",
        "samesite=lax",
    }


def test_the_cookie_is_for_https_where_the_service_is() -> None:
    """5.3: behind a proxy that speaks https it goes by https alone, and no neighbour plants it."""
    with Client(public_url="https://otp.example") as client:
        reply = client.sign_up()
        cookie = reply.headers["set-cookie"].split("; ")
        assert cookie[0] == f"__Host-signup_session={reply.json['session_id']}"
        assert {part.lower() for part in cookie[1:]} == {
            *("httponly", "max-age=1800", "path=/", "samesite=lax", "secure"),
        }


def test_the_cookie_is_not_read(client: Client) -> None:
    """5.3: to this API a session is the member `session_id` alone."""
    session_id, code = client.session()
    cookie = f"csrftoken={ring('csrf').seal('f00d')}; signup_session={session_id}"
    reply = client.post(SIGNUP_VERIFY, {"otp_code": code}, headers={"cookie": cookie})
    assert reply.json["error"] == "missing_fields"


def test_a_code_is_sent_again(client: Client) -> None:
    """5.3, send: in the same session; the older code is judged as any wrong one (2.11)."""
    session_id, older = client.session()
    client.world.clock.advance(30 * SECOND)
    reply = client.sign_up(session_id=session_id)
    assert is_json(reply, 200)
    assert reply.json["session_id"] == session_id
    assert client.prove(session_id, older).json["attempts_remaining"] == 2
    assert client.prove(session_id, client.world.outbox.codes[1]).status == 200


def test_the_lifetime_of_a_code_is_the_policys() -> None:
    """5.3, send: `expires_in` is the lifetime that the policy says, and the code's own."""
    with Client(signup_code_seconds=61) as client:
        assert client.sign_up().json["expires_in"] == 61
        session_id = client.sign_up(OTHER_PHONE).json["session_id"]
        client.world.clock.advance(61 * SECOND - 1)
        assert client.prove(session_id, client.world.outbox.codes[1]).status == 200


MISSING: list[dict[str, Any]] = [
    {},
    {"phone": None},
    {"phone": ""},
    {"phone": " \t\r\n"},
    {"phone": "\u00a0\u2003\u3000"},
    {"session_id": UNKNOWN},
    {"session_id": "nonsense", "phone": " "},
    {"phone_number": PHONE},
]


@pytest.mark.parametrize("members", MISSING, ids=str)
def test_send_without_a_number(client: Client, members: dict[str, Any]) -> None:
    """5.3, send: missing, null, empty and nothing but white space are the same, and come first."""
    reply = client.post(SIGNUP_SEND, members)
    assert is_problem(reply, 400)
    assert reply.json == refused("phone_required", "Please enter your mobile number.")


NO_PHONES = {
    "a word": "nonsense",
    "no digits": "+",
    "too short": "98765",
    "too long": "+9198765432101",
    "of no country": "+999876543210",
    "letters": "+91 98765 4321O",
    "a vanity number": "+1 800 FLOWERS",
    "a URI": "tel:+919876543210",
    "an extension": "+919876543210 ext. 5",
    "an extension by a mark": "+919876543210;ext=5",
    "two numbers": "+919876543210, +919812345678",
    "a comma": "98765,43210",
    "two numbers and a slash": "98765 43210/98123 45678",
    "decimals": "+919876543210.5",
    "an invalid range": "+911234567890",
    "a landline": "+912212345678",
    "a landline of Delhi": "+91 11 2345 6789",
    "a toll-free number": "+911800123456",
    "two plus signs": "++919876543210",
    "a plus sign inside": "91+9876543210",
    "a plus sign alone in parentheses": "(+)9876543210",
    "an emergency number": "112",
    "a huge number": "9" * 4000,
    "one with much around it": "9876543210" + "-" * 80,
}


@pytest.mark.parametrize("name", NO_PHONES)
def test_send_to_no_number_that_we_may_text(client: Client, name: str) -> None:
    """5.3, send, and 4: neither malformed nor invalid numbers, nor others than mobiles."""
    reply = client.sign_up(NO_PHONES[name])
    assert is_problem(reply, 400)
    assert reply.json == refused("invalid_phone", NO_NUMBER)
    assert client.world.outbox.sent == []
    assert client.world.audit.rows == []


ELSEWHERE = {
    "Spain": "+34600123456",
    "the United States": "+12015550123",
    "Canada": "+16135550123",
    "Pakistan": "+923001234567",
    "a landline in London": "+442071234567",
    "no country: satellite phones": "+881612345678",
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_send_to_another_region(client: Client, name: str) -> None:
    """5.3, send: India alone unless a setting says more; the region comes before the type (4)."""
    reply = client.sign_up(ELSEWHERE[name])
    assert is_problem(reply, 400)
    assert reply.json == refused(
        "region_not_allowed",
        "We cannot send codes to numbers in this country. Please use another number.",
    )
    assert client.world.outbox.sent == []
    assert client.world.audit.rows == []


REGIONS: dict[str, dict[str, str | None]] = {
    "US": {
        "+12015550123": None,
        "+16135550123": "region_not_allowed",  # Canada
        "+18762101234": "region_not_allowed",  # Jamaica
        "+919876543210": "region_not_allowed",
    },
    "CA": {"+16135550123": None, "+12015550123": "region_not_allowed"},
    "GB": {
        "+447400123456": None,
        "+447781123456": "region_not_allowed",  # Guernsey
        "+447797123456": "region_not_allowed",  # Jersey
        "+447624123456": "region_not_allowed",  # the Isle of Man
        "+442071234567": "invalid_phone",  # a landline in London
    },
    "GG JE": {
        "+447781123456": None,
        "+447797123456": None,
        "+447400123456": "region_not_allowed",
    },
    "IN US": {"+919876543210": None, "+12015550123": None},
    "KZ": {"+77710009998": None, "+79123456789": "region_not_allowed"},
}


@pytest.mark.parametrize("regions", REGIONS)
def test_regions_are_not_calling_codes(regions: str) -> None:
    """4: a region is an ISO code; of one calling code, one region may be allowed and one not."""
    with Client(signup_regions=frozenset(regions.split())) as client:
        for number, error in REGIONS[regions].items():
            assert client.sign_up(number).json.get("error") == error, number


def test_the_default_region_is_a_setting() -> None:
    """4: national form is that of the default region, which need not be an allowed one."""
    with Client(default_region="US", signup_regions=frozenset({"US", "IN"})) as client:
        assert client.sign_up("(201) 555-0123").status == 200
        assert client.sign_up("98765 43210").json["error"] == "invalid_phone"
        assert client.sign_up("+91 98765 43210").status == 200
    with Client(default_region="US") as client:
        assert client.sign_up("(201) 555-0123").json["error"] == "region_not_allowed"


SPELLINGS = [
    "+919876543210",
    "9876543210",
    "09876543210",
    "+91 98765 43210",
    "(+91) 98765-43210",
    "+91.98765.43210",
    "98765\u00a043210",
    "+91\u201098765\u201343210",
    "\u202a\uff0b91 98765/43210\u202c",
    "+91 098765 43210",
    "0919876543210",
    " +91-98765-43210\n",
    "\u096f\u096e\u096d\u096c\u096b\u096a\u0969\u0968\u0967\u0966",
    "+\uff19\uff11 \uff19\uff18\uff17\uff16\uff15 \uff14\uff13\uff12\uff11\uff10",
]


@pytest.mark.parametrize("spelling", SPELLINGS, ids=ascii)
def test_every_spelling_is_one_number(client: Client, spelling: str) -> None:
    """4: whatever its spelling, one identity: one cooldown, one audit trail, one message."""
    client.session()
    reply = client.sign_up(spelling, client=OTHER_CLIENT)
    assert reply.json["error"] == "resend_too_soon"
    client.world.clock.advance(30 * SECOND)
    assert client.sign_up(spelling).json["phone_masked"] == "***-***-3210"
    assert [sms.to.value for sms in client.world.outbox.sent] == ["+919876543210"] * 2
    assert len({row.facts.contact_fingerprint for row in client.world.audit.rows}) == 1


def test_all_spellings_share_the_sends_of_a_number() -> None:
    """3 and 4: spelling a number anew buys no further message."""
    with Client(work_seconds=0) as client:
        for number, spelling in enumerate(SPELLINGS[:4]):
            assert client.sign_up(spelling, client=f"10.0.{number}.1").status == 200
            client.world.clock.advance(2 * MINUTE)
        for spelling in SPELLINGS:
            reply = client.sign_up(spelling, client=OTHER_CLIENT)
            assert reply.json["error"] == "phone_rate_limited"


UNSENT = {
    "failed": (SendFailed(), "We could not send the message. Please try again."),
    "refused": (
        SendRejected(),
        "We cannot send messages to this number. Please use another number.",
    ),
}


@pytest.mark.parametrize("how", UNSENT)
def test_no_sender_took_the_message(client: Client, how: str) -> None:
    """5.3, send, and 2.8: the next ask does not wait."""
    failure, sentence = UNSENT[how]
    client.world.outbox.failure = failure
    reply = client.sign_up()
    assert is_problem(reply, 400)
    assert reply.json == refused("sms_failed", sentence, resend_in=0)
    client.world.outbox.failure = None
    assert client.sign_up().status == 200


class Losing(Outbox):
    """A provider that sends the message and says that it did not."""

    async def send(
        self, message: Message, within: Duration = SEND_WITHIN, names: Sequence[str] = ()
    ) -> Receipt:
        """Keep the promise of `Sender.send`."""
        await super().send(message, within, names)
        raise SendFailed


def test_a_withdrawn_code_never_succeeds() -> None:
    """2.8: a code that arrived although its provider said otherwise proves nothing."""
    world = World()
    with Client(world) as client:
        session_id, _ = client.session()
        client.world.clock.advance(30 * SECOND)
        world.outbox = Losing()
    with Client(world) as client:
        assert client.sign_up(session_id=session_id).json["error"] == "sms_failed"
        (code,) = client.world.outbox.codes
        assert client.prove(session_id, code).json == refused(
            "otp_expired", NO_LONGER_VALID, resend_in=0
        )
        assert client.world.proofs.signed == []


def test_every_sender_is_skipped(client: Client) -> None:
    """Section 3: nothing is charged and no session begins while nobody would take a message."""
    client.world.outbox.skipped = True
    reply = client.sign_up()
    assert is_problem(reply, 400)
    assert reply.json == refused("sms_failed", "We could not send the message. Please try again.")
    client.world.outbox.skipped = False
    assert client.sign_up().status == 200


# Sessions that are none

NO_SESSIONS = {
    "another": UNKNOWN,
    "too short": UNKNOWN[:-1],
    "too long": f"{UNKNOWN}A",
    "much too long": "A" * 8000,
    "NUL": f"{UNKNOWN[:10]}\x00{UNKNOWN[:11]}",
    "nothing but a NUL": "\x00",
    "a newline inside": f"{UNKNOWN[:10]}\n{UNKNOWN[:11]}",
    "a control character": f"{UNKNOWN[:10]}\x1b{UNKNOWN[:11]}",
    "a space inside": f"{UNKNOWN[:10]} {UNKNOWN[:11]}",
    "a padding": f"{UNKNOWN[:-2]}==",
    "the other alphabet": f"{UNKNOWN[:-2]}+/",
    "letters that merely look so": f"{UNKNOWN[:-1]}\u0410",
    "digits of another script": f"{UNKNOWN[:-1]}\u0967",
    "a UUID": "f81d4fae-7dec-41d0-a765-00a0c91e6bf6",
    "a path": "../../../../etc/passwd",
    "a colon": f"signup:{UNKNOWN[:15]}",
}


@pytest.mark.parametrize("name", NO_SESSIONS)
def test_no_such_session(client: Client, name: str) -> None:
    """5.3, both: unknown ids and what cannot be one are not told apart, and nothing is sent."""
    sent = client.sign_up(session_id=NO_SESSIONS[name])
    assert is_problem(sent, 400)
    assert sent.json == NOT_FOUND
    assert client.world.outbox.sent == []
    verified = client.prove(NO_SESSIONS[name], "123456")
    assert is_problem(verified, 400)
    assert verified.json == NOT_FOUND


def test_a_session_id_with_outer_space(client: Client) -> None:
    """2.12: outer white space of a member is trimmed before anything else."""
    session_id, code = client.session()
    assert client.prove(f" {session_id}\n", code).status == 200


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_no_session_named(client: Client, nothing: str | None) -> None:
    """Section 5: a `session_id` of null, or nothing but white space, is left out."""
    assert client.post(SIGNUP_SEND, {"phone": PHONE, "session_id": nothing}).status == 200


def test_a_session_past_step_1(client: Client) -> None:
    """5.3, both: a proved number is neither proved again nor replaced; nothing is sent."""
    session_id, code = client.session()
    assert client.prove(session_id, code).status == 200
    client.world.clock.advance(MINUTE)
    for reply in (
        client.sign_up(session_id=session_id),
        client.sign_up(OTHER_PHONE, session_id),
        client.prove(session_id, code),
        client.prove(session_id, other_than(code)),
    ):
        assert is_problem(reply, 400)
        assert reply.json == ALREADY
    assert len(client.world.outbox.sent) == 1
    assert len(client.world.proofs.signed) == 1


# The refusals by a limit; test_http_signup_limits has the numbers


def test_the_number_has_used_up_its_sends() -> None:
    """5.3, send: the number's limit."""
    with Client(phone_sends_per_day=1) as client:
        client.session()
        reply = client.sign_up()
        assert is_problem(reply, 429)
        assert reply.headers["retry-after"] == "86400"
        assert reply.json == limited(
            "phone_rate_limited",
            "Too many codes were sent to this phone number. Please try again later.",
            86_400,
        )


def test_the_client_has_used_up_its_sends() -> None:
    """5.3, send: the client's limit."""
    with Client(signup_sends_per_client_minute=1) as client:
        client.session()
        reply = client.sign_up(OTHER_PHONE)
        assert is_problem(reply, 429)
        assert reply.headers["retry-after"] == "60"
        assert reply.json == limited("rate_limited", TOO_MANY_REQUESTS, 60)


def test_too_soon_after_the_last_one(client: Client) -> None:
    """5.3, send: the cooldown; only the session of a code can still use it."""
    session_id, _ = client.session()
    for session, live, sentence in (
        (
            session_id,
            True,
            "A code is on its way. Please wait a moment before you ask for another.",
        ),
        (None, False, "Please wait a moment before you ask for another code."),
    ):
        reply = client.sign_up(session_id=session)
        assert is_problem(reply, 429)
        assert reply.headers["retry-after"] == "30"
        assert reply.json == limited("resend_too_soon", sentence, 30, live=live)


def test_locked_by_wrong_guesses() -> None:
    """5.3 and 2.9: while locked, nothing is sent and nothing checked, the right code included."""
    with Client(failed_guesses_per_day=2) as client:
        session_id, code = client.session()
        client.prove(session_id, other_than(code))
        client.prove(session_id, other_than(code))
        client.world.clock.advance(60 * SECOND)
        for reply in (
            client.sign_up(),
            client.sign_up(session_id=session_id),
            client.prove(session_id, code),
        ):
            assert is_problem(reply, 429)
            assert reply.headers["retry-after"] == "86340"
            assert reply.json == limited("locked_out", LOCKED, 86_340)
        assert len(client.world.outbox.sent) == 1


def test_too_many_checks() -> None:
    """5.3, verify: the client's limit on checks."""
    with Client(checks_per_client_hour=1) as client:
        session_id, code = client.session()
        client.prove(session_id, other_than(code))
        reply = client.prove(session_id, code)
        assert is_problem(reply, 429)
        assert reply.headers["retry-after"] == "3600"
        assert reply.json == limited("rate_limited", TOO_MANY_REQUESTS, 3600)


# Verify


def test_the_right_code_proves_the_number(client: Client) -> None:
    """5.3, verify: the next step, and a proof of ten minutes for whoever runs it."""
    session_id, code = client.session()
    reply = client.prove(session_id, code)
    assert is_json(reply, 200)
    assert reply.json == {
        "success": True,
        "message": "Your mobile number is verified.",
        "next_step": 2,
        "proof": "proof-1",
        "device_token": reply.json["device_token"],
    }
    assert re.fullmatch(r"k1\.1767225600\.[0-9a-f]{64}", reply.json["device_token"])
    (proof,) = client.world.proofs.signed
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", proof.token_id)
    assert proof.token_id != session_id
    assert proof == Proof(
        session_id=session_id,
        phone=PhoneNumber(PHONE),
        token_id=proof.token_id,
        channel=Channel.SMS,
        purpose=Purpose.SIGNUP,
        issued_at=client.world.clock.now(),
        expires_at=after(client.world.clock.now(), 600 * SECOND),
    )


FIELDS_MISSING: list[dict[str, Any]] = [
    {},
    {"session_id": UNKNOWN},
    {"otp_code": "123456"},
    {"session_id": None, "otp_code": "123456"},
    {"session_id": UNKNOWN, "otp_code": None},
    {"session_id": " ", "otp_code": "123456"},
    {"session_id": UNKNOWN, "otp_code": " \n"},
    {"session_id": "nonsense", "otp_code": ""},
    {"session_id": "", "otp_code": "nonsense"},
    {"session_id": UNKNOWN, "otp": "123456"},
]


@pytest.mark.parametrize("members", FIELDS_MISSING, ids=str)
def test_verify_with_a_member_missing(client: Client, members: dict[str, Any]) -> None:
    """5.3, verify: one word for both members, and it comes before their form."""
    reply = client.post(SIGNUP_VERIFY, members)
    assert is_problem(reply, 400)
    assert reply.json == refused(
        "missing_fields", "Something is missing. Please fill in every field."
    )


@pytest.mark.parametrize(
    "otp_code",
    [
        *("1", "12345", "1234567", "12345a", "abcdef", "12.34.56", "-123456", "123456-", "+12345"),
        *("123\x00456", "123\n456", "123/456", "1" * 8000),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_not_the_right_number_of_digits(client: Client, otp_code: str) -> None:
    """5.3, verify, and 2.10: malformed, without `resend_in`, and nothing is charged."""
    session_id, code = client.session()
    before = len(client.world.audit.rows)
    reply = client.prove(session_id, otp_code)
    assert is_problem(reply, 400)
    assert reply.json == refused("malformed_otp", "Please enter all the digits of the code.")
    assert client.world.charged("checks") == 0
    assert len(client.world.audit.rows) == before
    assert client.prove(session_id, other_than(code)).json["attempts_remaining"] == 2


CODE_SPELLINGS: dict[str, Callable[[str], str]] = {
    "outer white space": lambda code: f" {code}\n",
    "a space": lambda code: f"{code[:3]} {code[3:]}",
    "en dashes": "\u2013".join,
    "marks of direction": lambda code: f"\u200e{code}\u202c",
    "Devanagari": lambda code: "".join(chr(0x0966 + int(digit)) for digit in code),
}


@pytest.mark.parametrize("spelling", CODE_SPELLINGS)
def test_a_code_is_read_kindly(client: Client, spelling: str) -> None:
    """2.10: outer white space, spaces and dashes between digits, and digits of any script."""
    session_id, code = client.session()
    assert client.prove(session_id, CODE_SPELLINGS[spelling](code)).status == 200


def test_the_digits_are_the_policys() -> None:
    """2.10: exactly as many digits as the policy says."""
    with Client(code_digits=8) as client:
        session_id, code = client.session()
        assert len(code) == 8
        assert client.prove(session_id, code[:6]).json["error"] == "malformed_otp"
        assert client.prove(session_id, code).status == 200


def test_wrong_codes(client: Client) -> None:
    """2.5 and 5.3: three guesses are counted down; what comes after is a limit, told as one."""
    session_id, code = client.session()
    client.world.clock.advance(500_000)
    for remaining in (2, 1, 0):
        reply = client.prove(session_id, other_than(code))
        assert is_problem(reply, 400)
        assert reply.json == refused(
            "invalid_otp", "This code is wrong.", attempts_remaining=remaining, resend_in=30
        )
    for guess in (code, other_than(code)):
        reply = client.prove(session_id, guess)
        assert is_problem(reply, 429)
        assert reply.headers["retry-after"] == "30"
        assert reply.json == limited("too_many_attempts", USED_UP, 30, resend_in=30)


def test_used_up_guesses_tell_when_another_code_may_be_had(client: Client) -> None:
    """5.3: `retry_after_seconds` of `too_many_attempts` is `resend_in`, and waiting it helps."""
    session_id, code = client.session()
    for _ in range(3):
        client.prove(session_id, other_than(code))
    client.world.clock.advance(29 * SECOND)
    assert client.prove(session_id, code).json == limited(
        "too_many_attempts", USED_UP, 1, resend_in=1
    )
    client.world.clock.advance(SECOND)
    reply = client.prove(session_id, code)
    assert reply.headers["retry-after"] == "0"
    assert reply.json == limited("too_many_attempts", USED_UP, 0, resend_in=0)
    _, code = client.session(session_id=session_id)
    assert client.prove(session_id, code).status == 200


def test_guesses_are_used_up_until_the_lifetime_ends(client: Client) -> None:
    """2.11: `too_many_attempts` to the last microsecond of the lifetime, `otp_expired` after."""
    session_id, code = client.session()
    for _ in range(3):
        client.prove(session_id, other_than(code))
    client.world.clock.advance(300 * SECOND - 1)
    assert client.prove(session_id, code).json["error"] == "too_many_attempts"
    client.world.clock.advance(1)
    assert client.prove(session_id, code).json == refused(
        "otp_expired", NO_LONGER_VALID, resend_in=0
    )


def test_a_code_lives_five_minutes(client: Client) -> None:
    """2.4: alive while `now < expires_at`."""
    first, first_code = client.session()
    second, second_code = client.session(OTHER_PHONE)
    client.world.clock.advance(300 * SECOND - 1)
    assert client.prove(first, first_code).status == 200
    client.world.clock.advance(1)
    reply = client.prove(second, second_code)
    assert is_problem(reply, 400)
    assert reply.json == refused("otp_expired", NO_LONGER_VALID, resend_in=0)


def test_the_numbers_are_those_of_signup() -> None:
    """Rule 2.4: signup and pass login have a policy each, and share what both settings say."""
    with Client(signup_code_seconds=120, login_code_seconds=240, max_attempts=5) as client:
        assert client.sign_up().json["expires_in"] == 120
        client.world.add()
        assert client.send().json["expires_in"] == 240
        session_id, code = client.session(OTHER_PHONE)
        assert client.prove(session_id, other_than(code)).json["attempts_remaining"] == 4


@pytest.mark.parametrize("path", [SIGNUP_SEND, SIGNUP_VERIFY])
def test_routes_answer_without_their_trailing_slash(path: str) -> None:
    """Section 5: with and without the trailing slash, errors too."""
    with Client(**OPEN) as client:
        session_id, _ = client.session()
        members = {"phone": PHONE, "session_id": session_id, "otp_code": "123456"}
        for given in ({}, members):
            client.world.clock.advance(60 * SECOND)
            with_slash = client.post(path, given)
            client.world.clock.advance(60 * SECOND)
            without = client.post(path.rstrip("/"), given)
            assert (with_slash.status, set(with_slash.json)) == (without.status, set(without.json))


def test_a_caller_is_answered_in_their_language(client: Client) -> None:
    """Section 6: successes and refusals alike, and the message too."""
    spanish = {"accept-language": "es"}
    sent = client.post(SIGNUP_SEND, {"phone": PHONE}, headers=spanish)
    assert sent.headers["content-language"] == "es"
    assert sent.json["message"] != "We sent a code to your phone."
    assert " in es," in client.world.outbox.sent[0].text
    again = client.post(SIGNUP_SEND, {"phone": PHONE}, headers=spanish)
    assert again.headers["content-language"] == "es"
