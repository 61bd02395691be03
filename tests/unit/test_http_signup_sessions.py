"""
What binds a code of signup, and what a session does: docs/contract.md, rules 2.3 to 2.13 and 5.3.

The tokens against other sites' pages and the audit of signup are here too.
"""

import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import structlog

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import MINUTE, SECOND
from hsp_otp.domain.names import SessionId
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.quota import UsageKey
from hsp_otp.domain.signup import slot_of
from hsp_otp.domain.slot_record import Challenge, Ended, Held
from hsp_otp.flows.signup import SignupCodeSent
from hsp_otp.ports.failures import SendFailed
from tests.http import (
    CSRF_TOKEN,
    OPEN,
    SIGNUP_SEND,
    SIGNUP_VERIFY,
    Client,
    Reply,
    csrf,
    problem,
)
from tests.world import (
    OTHER_CLIENT,
    OTHER_PHONE,
    PASS_CODE,
    PHONE,
    World,
    other_than,
    ring,
    run,
)

THIRD_PHONE = "+919911223344"


@pytest.fixture
def client() -> Iterator[Client]:
    """A client that no stranger gets in the way of; the number also has a pass."""
    with Client(**OPEN) as opened:
        opened.world.add()
        yield opened


def word(reply: Reply) -> str:
    """The error, or nothing."""
    error: str = reply.json.get("error", "")
    return error


def expired(reply: Reply, resend_in: int) -> bool:
    """Whether it is `otp_expired`, with that wait."""
    return reply.status == 400 and (word(reply), reply.json["resend_in"]) == (
        "otp_expired",
        resend_in,
    )


# What a code is good for


@attrs.frozen
class Door:
    """
    Somewhere that a code can be presented.

    Attributes:
        session_id: Of a session, or None for pass login.
        code: The one that was sent for it.
    """

    session_id: str | None
    code: str

    def present(self, client: Client, code: str) -> Reply:
        """Present *code* here."""
        if self.session_id is None:
            return client.verify(code)
        return client.prove(self.session_id, code)


def doors(client: Client) -> dict[str, Door]:
    """Pass login and sessions; those of one number one after the other."""
    login = Door(None, client.code())
    older = Door(*client.session())
    client.world.clock.advance(30 * SECOND)
    return {
        "pass login": login,
        "older session": older,
        "session": Door(*client.session()),
        "session of another number": Door(*client.session(OTHER_PHONE)),
    }


DOORS = ["pass login", "older session", "session", "session of another number"]


@pytest.mark.parametrize("right", DOORS)
@pytest.mark.parametrize("wrong", DOORS)
def test_a_code_is_good_for_one_thing(client: Client, right: str, wrong: str) -> None:
    """2.3: a code of one flow, session or number is a wrong code, or none, in every other."""
    found = doors(client)
    reply = found[wrong].present(client, found[right].code)
    if wrong == "older session":
        assert expired(reply, 30)
    elif wrong == right:
        assert reply.status == 200
    else:
        assert (word(reply), reply.json["attempts_remaining"]) == ("invalid_otp", 2)
    # It has cost nobody but the door it was presented at.
    for name, door in found.items():
        if name not in {wrong, "older session"}:
            told = door.present(client, other_than(door.code)).json
            assert told["attempts_remaining"] == 2, name
    if right not in {wrong, "older session"}:
        assert found[right].present(client, found[right].code).status == 200


def test_what_is_used_up_in_one_flow_is_not_in_another() -> None:
    """2.9: failed guesses are counted for each subject and purpose."""
    with Client(failed_guesses_per_day=1) as strict:
        strict.world.add()
        login = strict.code()
        session_id, code = strict.session()
        strict.prove(session_id, other_than(code))
        assert word(strict.prove(session_id, code)) == "locked_out"
        assert word(strict.sign_up()) == "locked_out"
        assert strict.verify(login).status == 200


def test_a_new_session_supersedes_the_code_of_the_older(client: Client) -> None:
    """2.7 and 2.11: the older session's code is `otp_expired` there, and charges no guess."""
    older, older_code = client.session()
    client.world.clock.advance(30 * SECOND)
    newer, newer_code = client.session()
    assert older != newer
    for guess in (older_code, newer_code, other_than(newer_code)):
        for _ in range(3):
            assert expired(client.prove(older, guess), 30)
    assert client.world.charged("checks") == 9
    assert client.prove(newer, other_than(newer_code)).json["attempts_remaining"] == 2
    assert client.prove(newer, newer_code).status == 200
    assert expired(client.prove(older, older_code), 30)


def test_the_older_session_asks_again(client: Client) -> None:
    """2.7: sessions of one number take turns; the one that asked last has the live code."""
    older, _ = client.session()
    client.world.clock.advance(30 * SECOND)
    newer, newer_code = client.session()
    assert word(client.sign_up(session_id=older)) == "resend_too_soon"
    client.world.clock.advance(30 * SECOND)
    _, again = client.session(session_id=older)
    assert expired(client.prove(newer, newer_code), 30)
    assert client.prove(older, again).status == 200


def test_a_new_session_dodges_no_limit() -> None:
    """2.7 and 2.9: the subject is the number: cooldown, sends and failures are the same for all."""
    with Client(failed_guesses_per_day=4) as strict:
        session_id, code = strict.session()
        for _ in range(3):
            strict.prove(session_id, other_than(code))
        assert word(strict.sign_up(client=OTHER_CLIENT)) == "resend_too_soon"
        strict.world.clock.advance(30 * SECOND)
        session_id, code = strict.session(client=OTHER_CLIENT)
        strict.prove(session_id, other_than(code))
        assert word(strict.prove(session_id, code)) == "locked_out"
        assert word(strict.sign_up(client=OTHER_CLIENT)) == "locked_out"


def test_a_code_succeeds_once(client: Client) -> None:
    """2.6: what has proved a number proves nothing more, in this session or another."""
    session_id, code = client.session()
    assert client.prove(session_id, code).status == 200
    assert word(client.prove(session_id, code)) == "already_verified"
    client.world.clock.advance(30 * SECOND)
    other, _ = client.session()
    assert word(client.prove(other, code)) == "invalid_otp"
    assert len(client.world.proofs.signed) == 1


def test_a_number_can_be_proved_again(client: Client) -> None:
    """2.6: a number is proved by a new code in a new session as often as somebody wants to."""
    for number in range(3):
        session_id, code = client.session()
        assert client.prove(session_id, code).json["proof"] == f"proof-{number + 1}"
        client.world.clock.advance(30 * SECOND)


def test_a_key_that_is_gone() -> None:
    """2.2: a code whose key has been dropped is `otp_expired`."""
    world = World()
    with Client(world) as before:
        session_id, code = before.session()
    world.codes = ring("codes", "k2")
    with Client(world) as after:
        assert expired(after.prove(session_id, code), 30)
    world.codes = ring("codes", "k2", "k1")
    with Client(world) as rotated:
        assert rotated.prove(session_id, code).status == 200


# Corrections


def latest(client: Client, number: str) -> Challenge:
    """The latest challenge of *number*, as it is stored."""

    def look(held: Held) -> Decision[Held, Challenge | None]:
        return Decision(held.record.others.challenge, held)

    found = run(client.world.slots.transition(slot_of(PhoneNumber(number)), (), look))
    assert found is not None
    return found


def test_a_correction_withdraws_the_code_of_the_old_number(client: Client) -> None:
    """5.3: the session has the new number, and the old number's code is good for nothing."""
    session_id, old = client.session()
    reply = client.sign_up(OTHER_PHONE, session_id)
    assert (reply.status, reply.json["session_id"]) == (200, session_id)
    assert reply.json["phone_masked"] == "***-***-5678"
    new = client.world.outbox.codes[1]
    withdrawn = latest(client, PHONE)
    assert (withdrawn.session, withdrawn.ended) == (session_id, Ended.WITHDRAWN)
    assert client.prove(session_id, old).json["attempts_remaining"] == 2
    assert latest(client, PHONE).attempts == 0
    assert client.prove(session_id, new).status == 200
    (proof,) = client.world.proofs.signed
    assert (proof.session_id, proof.phone.e164) == (session_id, OTHER_PHONE)


REFUSALS = ["too soon", "the number", "the client", "locked", "skipped", "no number", "a region"]


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_correction_changes_nothing(name: str) -> None:
    """5.3: the old number stays, and so does its code, whatever refuses the new one."""
    settings: dict[str, dict[str, Any]] = {
        "the number": {"phone_sends_per_day": 1},
        "the client": {"signup_sends_per_client_minute": 1},
        "locked": {"failed_guesses_per_day": 1},
    }
    wanted = {"no number": "12345", "a region": "+12015550123"}.get(name, OTHER_PHONE)
    with Client(**settings.get(name, {})) as client:
        if name in {"too soon", "the number", "locked"}:
            other, code = client.session(OTHER_PHONE, client=OTHER_CLIENT)
            if name == "locked":
                client.prove(other, other_than(code), client=OTHER_CLIENT)
        session_id, old = client.session()
        client.world.outbox.skipped = name == "skipped"
        refused = client.sign_up(wanted, session_id)
        assert (
            word(refused)
            == {
                "too soon": "resend_too_soon",
                "the number": "phone_rate_limited",
                "the client": "rate_limited",
                "locked": "locked_out",
                "skipped": "sms_failed",
                "no number": "invalid_phone",
                "a region": "region_not_allowed",
            }[name]
        )
        assert latest(client, PHONE).ended is None
        assert client.prove(session_id, old).status == 200
        (proof,) = client.world.proofs.signed
        assert proof.phone.e164 == PHONE


def test_a_correction_to_nobody(client: Client) -> None:
    """2.8 and 5.3: the new number stands although its message was lost; neither code is good."""
    session_id, old = client.session()
    client.world.outbox.failure = SendFailed()
    assert word(client.sign_up(OTHER_PHONE, session_id)) == "sms_failed"
    client.world.outbox.failure = None
    assert expired(client.prove(session_id, old), 0)
    _, again = client.session(OTHER_PHONE, session_id)
    assert client.prove(session_id, again).status == 200


def test_correcting_back(client: Client) -> None:
    """5.3: back and forth, the last number's last code is the one that proves."""
    session_id, first = client.session()
    _, second = client.session(OTHER_PHONE, session_id)
    assert word(client.sign_up(PHONE, session_id)) == "resend_too_soon"
    client.world.clock.advance(30 * SECOND)
    _, third = client.session(PHONE, session_id)
    assert client.prove(session_id, second).json["attempts_remaining"] == 2
    assert client.prove(session_id, first).json["attempts_remaining"] == 1
    assert client.prove(session_id, third).status == 200
    (proof,) = client.world.proofs.signed
    assert proof.phone.e164 == PHONE


def test_a_refused_way_back_leaves_the_correction(client: Client) -> None:
    """5.3: refused by the cooldown of the first number, the second one stays as it was."""
    session_id, _ = client.session()
    _, second = client.session(OTHER_PHONE, session_id)
    assert word(client.sign_up(PHONE, session_id)) == "resend_too_soon"
    assert client.prove(session_id, second).status == 200


def test_a_withdrawn_code_is_so_for_everybody(client: Client) -> None:
    """5.3: a code withdrawn by a correction does not come back with the number it was for."""
    session_id, first = client.session()
    client.session(OTHER_PHONE, session_id)
    client.session(THIRD_PHONE, session_id)
    for guess in (first, client.world.outbox.codes[1]):
        assert word(client.prove(session_id, guess)) == "invalid_otp"
    assert client.prove(session_id, client.world.outbox.codes[2]).status == 200


def test_a_correction_leaves_the_codes_of_other_sessions(client: Client) -> None:
    """5.3: what is withdrawn is the session's own code; the number may have a newer one."""
    session_id, _ = client.session()
    client.world.clock.advance(30 * SECOND)
    newer, code = client.session()
    client.session(OTHER_PHONE, session_id)
    assert client.prove(newer, code).status == 200


def test_the_same_number_in_another_spelling_is_no_correction(client: Client) -> None:
    """5.3 and 4: it is a code sent again, and waits as one."""
    session_id, code = client.session()
    assert word(client.sign_up("98765 43210", session_id)) == "resend_too_soon"
    assert client.prove(session_id, code).status == 200


# The end of a session


def test_a_session_ends_thirty_minutes_after_its_last_step(client: Client) -> None:
    """5.3: to the microsecond, for both routes; a code that is sent is a step."""
    session_id, _ = client.session()
    client.world.clock.advance(30 * MINUTE - 1)
    _, code = client.session(session_id=session_id)
    client.world.clock.advance(299 * SECOND)
    assert word(client.prove(session_id, other_than(code))) == "invalid_otp"
    client.world.clock.advance(30 * MINUTE - 299 * SECOND - 1)
    assert expired(client.prove(session_id, code), 0)
    client.world.clock.advance(1)
    for reply in (client.prove(session_id, code), client.sign_up(session_id=session_id)):
        assert (reply.status, word(reply)) == (400, "session_not_found")
    assert len(client.world.outbox.sent) == 2


def test_what_is_refused_is_no_step(client: Client) -> None:
    """5.3: neither refused asks nor wrong codes keep a session alive."""
    session_id, code = client.session()
    client.world.clock.advance(29 * SECOND)
    assert word(client.sign_up(session_id=session_id)) == "resend_too_soon"
    assert word(client.prove(session_id, other_than(code))) == "invalid_otp"
    client.world.clock.advance(30 * MINUTE - 29 * SECOND)
    assert word(client.sign_up(session_id=session_id)) == "session_not_found"


def test_a_proved_session_ends_too(client: Client) -> None:
    """5.3: the proof was its last step here; thirty minutes later nobody knows it."""
    session_id, code = client.session()
    client.world.clock.advance(MINUTE)
    client.prove(session_id, code)
    client.world.clock.advance(30 * MINUTE - 1)
    assert word(client.prove(session_id, code)) == "already_verified"
    client.world.clock.advance(1)
    assert word(client.prove(session_id, code)) == "session_not_found"
    assert word(client.sign_up(session_id=session_id)) == "session_not_found"


def test_a_new_session_after_the_end(client: Client) -> None:
    """5.3: a visitor whose session has ended begins anew, with the same number."""
    older, _ = client.session()
    client.world.clock.advance(30 * MINUTE)
    newer, code = client.session()
    assert newer != older
    assert client.prove(newer, code).status == 200


# Requests that no page of ours sent

FORGED: dict[str, tuple[str | None, str | None]] = {
    "nothing": (None, None),
    "no cookie": (None, CSRF_TOKEN),
    "no header": (CSRF_TOKEN, None),
    "an empty header": (CSRF_TOKEN, ""),
    "an empty cookie": ("", CSRF_TOKEN),
    "both empty": ("", ""),
    "another's token": (CSRF_TOKEN, ring("csrf").seal("beef")),
    "another's cookie": (ring("csrf").seal("beef"), CSRF_TOKEN),
    "a pair of one's own": ("abc", "abc"),
    "a pair that looks like ours": ("k1.f00d." + "0" * 64, "k1.f00d." + "0" * 64),
    "a pair with its seal cut off": ("k1.f00d.", "k1.f00d."),
    "a pair sealed by another key": (ring("codes").seal("f00d"), ring("codes").seal("f00d")),
    "a pair of a key that is gone": (
        ring("csrf", "k0").seal("f00d"),
        ring("csrf", "k0").seal("f00d"),
    ),
    "another text under the seal": (
        CSRF_TOKEN.replace("f00d", "f00e"),
        CSRF_TOKEN.replace("f00d", "f00e"),
    ),
    "letters beyond ASCII": ("\xe9", "\xe9"),
    "a header in other case": (CSRF_TOKEN, CSRF_TOKEN.upper()),
    "a header and more": (CSRF_TOKEN, f"{CSRF_TOKEN}, {CSRF_TOKEN}"),
}

CSRF_FAILED = problem(
    403,
    "Forbidden",
    "csrf_failed",
    "This page is out of date. Please reload it and try again.",
    success=False,
)


@pytest.mark.parametrize("path", [SIGNUP_SEND, SIGNUP_VERIFY, SIGNUP_SEND[:-1]])
@pytest.mark.parametrize("name", FORGED)
def test_what_carries_no_token_of_ours(client: Client, name: str, path: str) -> None:
    """5.3: 403 `csrf_failed` for every caller; nothing is sent, charged or written."""
    session_id, code = client.session()
    rows = len(client.world.audit.rows)
    members = {"phone": OTHER_PHONE, "session_id": session_id, "otp_code": code}
    for body in (json.dumps(members).encode(), b"{}", b"nonsense", b""):
        reply = client.post(path, body=body, headers=csrf(*FORGED[name]))
        assert reply.status == 403
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json == CSRF_FAILED
        assert reply.reads == 0
    assert len(client.world.outbox.sent) == 1
    assert len(client.world.audit.rows) == rows
    assert client.world.charged("checks") == 0
    assert len(client.world.sends_charged(UsageKey("signup_sends", "198.51.100.7"))) == 1
    assert client.prove(session_id, code).status == 200


def test_a_token_is_good_for_every_session(client: Client) -> None:
    """5.3: the token is the browser's; cookies of others beside it do no harm."""
    token = ring("csrf").seal("beef")
    headers = csrf() | {"cookie": f"theme=dark; csrftoken={token}; x=y", "x-csrftoken": token}
    assert client.post(SIGNUP_SEND, {"phone": PHONE}, headers=headers).status == 200
    assert client.post(SIGNUP_SEND, {"phone": OTHER_PHONE}, headers=headers).status == 200


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_token_beside_others_of_its_name(client: Client, place: int) -> None:
    """5.3: of several cookies of one name any genuine one is good, whichever comes first."""
    token = ring("csrf").seal("beef")
    pairs = ["csrftoken=planted", f"csrftoken={ring('codes').seal('f00d')}"]
    pairs.insert(place, f"csrftoken={token}")
    for cookie in (
        "; ".join(pairs),
        ";".join(pairs),
        f'{pairs[0]}; a="b;" ; {"; ".join(pairs[1:])}',
    ):
        headers = csrf() | {"cookie": cookie, "x-csrftoken": token}
        assert client.post(SIGNUP_VERIFY, {}, headers=headers).status == 400
    first, *rest = pairs
    reply = client.request(
        "POST",
        SIGNUP_VERIFY,
        body=b"{}",
        headers={"cookie": first, "x-csrftoken": token, "content-type": "application/json"},
        more_headers=[("cookie", one) for one in rest],
    )
    assert reply.status == 400
    # What is planted is no token, even where it comes in the header as well.
    for planted in ("planted", ring("codes").seal("f00d")):
        headers = csrf() | {"cookie": "; ".join(pairs), "x-csrftoken": planted}
        assert client.post(SIGNUP_VERIFY, {}, headers=headers).status == 403


def test_by_https_the_token_bears_the_prefix() -> None:
    """5.3: a neighbour can plant no cookie of the name that is read by https."""
    with Client(public_url="https://otp.example") as client:
        for name, status in (("__Host-csrftoken", 400), ("csrftoken", 403)):
            assert client.post(SIGNUP_VERIFY, {}, headers=csrf(name=name)).status == status


FOREIGN: dict[str, dict[str, str]] = {
    "cross-site": {"sec-fetch-site": "cross-site"},
    "cross-site, whatever the origin": {
        "sec-fetch-site": "cross-site",
        "origin": "http://otp.example",
    },
    "another host": {"origin": "http://evil.example"},
    "a neighbour": {"sec-fetch-site": "same-site", "origin": "http://evil.otp.example"},
    "a parent": {"sec-fetch-site": "same-site", "origin": "http://example"},
    "another port": {"sec-fetch-site": "same-site", "origin": "http://otp.example:8080"},
    "the port of another scheme": {"origin": "http://otp.example:443"},
    "no origin": {"origin": "null"},
    "another scheme": {"origin": "ftp://otp.example"},
    "more than an origin": {"origin": "http://otp.example/"},
    "a user": {"origin": "http://otp.example@evil.example"},
    "nothing": {"origin": ""},
    "nonsense": {"origin": "otp.example"},
}

OWN: dict[str, dict[str, str]] = {
    "an old browser": {},
    "the same origin": {"sec-fetch-site": "same-origin", "origin": "http://otp.example"},
    "its usual port": {"origin": "http://otp.example:80"},
    "by https, which a proxy ended": {"origin": "https://otp.example"},
    "typed by the user": {"sec-fetch-site": "none"},
    "in other case": {"origin": "http://OTP.example"},
}


@pytest.mark.parametrize("path", [SIGNUP_SEND, SIGNUP_VERIFY])
@pytest.mark.parametrize("name", FOREIGN)
def test_what_another_sites_page_sends(client: Client, name: str, path: str) -> None:
    """5.3: 403 `csrf_failed` before anything, whatever token comes along."""
    reply = client.post(path, {"phone": PHONE}, headers=FOREIGN[name])
    assert (reply.status, reply.json, reply.reads) == (403, CSRF_FAILED, 0)
    assert client.world.outbox.sent == []


@pytest.mark.parametrize("name", OWN)
def test_what_an_own_page_sends(client: Client, name: str) -> None:
    """5.3: its own origin is the host that the browser asked, or nothing in old browsers."""
    assert client.post(SIGNUP_VERIFY, {}, headers=OWN[name]).status == 400


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        # a proxy that passes another Host on
        ("10.0.0.1:8000", "https://otp.example", 400),
        ("10.0.0.1:8000", "https://otp.example:443", 400),
        ("10.0.0.1:8000", "http://otp.example", 403),
        ("10.0.0.1:8000", "https://otp.example:8443", 403),
        ("10.0.0.1:8000", "https://evil.example", 403),
        # operators who reach it by an inner name
        ("otp.internal", "https://otp.internal", 400),
        ("otp.internal:8443", "https://otp.internal:8443", 400),
        ("otp.internal:8443", "https://otp.internal", 403),
        ("[2001:db8::1]:8000", "http://[2001:DB8::1]:8000", 400),
    ],
)
def test_the_public_url_is_an_origin_too(host: str, origin: str, status: int) -> None:
    """5.3: its own origin is also that of `HSP_OTP_PUBLIC_URL`."""
    with Client(public_url="https://otp.example/prefix") as client:
        headers = {"host": host, "origin": origin}
        assert client.post(SIGNUP_VERIFY, {}, headers=headers).status == status


def test_pass_login_is_open_to_every_origin(client: Client) -> None:
    """5.3: what goes by no cookie is no matter of origins."""
    client.world.add()
    headers = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    reply = client.post("/customer/validate-pass/", {"pass_code": PASS_CODE}, headers=headers)
    assert reply.json["valid"]


def test_another_method_is_told_before_the_token(client: Client) -> None:
    """5.5: 405 with `Allow`, with or without a token."""
    for path in (SIGNUP_SEND, SIGNUP_VERIFY):
        reply = client.request("GET", path)
        assert (reply.status, word(reply)) == (405, "method_not_allowed")
        assert reply.headers["allow"] == "POST"
        assert reply.json["success"] is False


def test_pass_login_wants_no_token(client: Client) -> None:
    """5.3: the token is for what browsers send; the app has none."""
    assert client.send().status == 200


# The audit and what is told


Told = tuple[str, str, str | None, str | None]


def audited(client: Client) -> list[Told]:
    """Every row's action, outcome, masked number and region."""
    rows = client.world.audit.rows
    assert len({(row.facts.flow, row.facts.purpose) for row in rows}) == 1
    assert all(str(row.facts.client) == "198.51.100.7" for row in rows)
    assert all(row.facts.request_id == "r-1" for row in rows)
    return [
        (row.facts.action.value, row.outcome, row.facts.contact, row.facts.region) for row in rows
    ]


def test_every_outcome_leaves_a_row() -> None:
    """Section 8: one row for each well-formed request, with what may be told of its number."""
    # Of six sends to a number, signup may use three.
    with Client(**OPEN, failed_guesses_per_day=5, phone_sends_per_day=6) as client:
        session_id, code = client.session()
        client.sign_up()
        client.sign_up(OTHER_PHONE, "A" * 22)
        client.prove("A" * 22, code)
        client.prove(session_id, other_than(code))
        client.world.clock.advance(MINUTE)
        session_id, code = client.session(OTHER_PHONE, session_id)
        client.prove(session_id, code)
        client.prove(session_id, code)
        client.sign_up(OTHER_PHONE, session_id)
        session_id, code = client.session()
        for _ in range(3):
            client.prove(session_id, other_than(code))
        client.prove(session_id, code)
        client.world.clock.advance(300 * SECOND)
        client.prove(session_id, code)
        client.world.outbox.failure = SendFailed()
        client.sign_up()
        client.world.outbox.failure = None
        client.world.clock.advance(MINUTE)
        client.sign_up()
        client.world.outbox.skipped = True
        client.sign_up()
        ours, others = ("***-***-3210", "IN"), ("***-***-5678", "IN")
        assert audited(client) == [
            ("send", "sent", *ours),
            ("send", "resend_too_soon", *ours),
            ("send", "session_not_found", *others),
            ("check", "session_not_found", None, None),
            ("check", "invalid_otp", *ours),
            ("withdraw", "withdrawn", *ours),
            ("send", "sent", *others),
            ("check", "verified", *others),
            ("check", "already_verified", *others),
            ("send", "already_verified", *others),
            ("send", "sent", *ours),
            ("check", "invalid_otp", *ours),
            ("check", "invalid_otp", *ours),
            ("check", "invalid_otp", *ours),
            ("check", "too_many_attempts", *ours),
            ("check", "otp_expired", *ours),
            ("withdraw", "withdrawn", *ours),
            ("send", "sms_failed", *ours),
            ("send", "phone_rate_limited", *ours),
            ("send", "sms_failed", *ours),
        ]
        assert {(row.facts.flow, row.facts.purpose) for row in client.world.audit.rows} == {
            (client.world.audit.sends[0].flow, client.world.audit.sends[0].purpose)
        }


def test_locks_and_limits_of_the_client_leave_a_row() -> None:
    """Section 8: a lock and the client's limits too; what granted and charged nothing may fold."""
    with Client(failed_guesses_per_day=1, checks_per_client_hour=2) as client:
        session_id, code = client.session()
        client.prove(session_id, other_than(code))
        client.sign_up()
        client.prove(session_id, code)
        client.prove(session_id, code)
        ours = ("***-***-3210", "IN")
        assert audited(client)[2:] == [
            ("send", "locked_out", *ours),
            ("check", "locked_out", *ours),
            ("check", "rate_limited", None, None),
        ]
        folds = [row.folds for row in client.world.audit.rows]
        assert folds == [False, False, True, False, True]


def test_rows_hold_fingerprints_and_no_numbers(client: Client) -> None:
    """Section 8: one number and one range can be followed, and neither is there in clear."""
    session_id, code = client.session()
    client.prove(session_id, code)
    client.session(OTHER_PHONE, client=OTHER_CLIENT)
    first, second, third = client.world.audit.rows
    prints = ring("fingerprints")
    assert first.facts.contact_fingerprint == prints.fingerprint(PHONE)
    assert second.facts.contact_fingerprint == prints.fingerprint(PHONE)
    assert first.facts.range_fingerprint == prints.fingerprint("+91987654")
    assert third.facts.contact_fingerprint == prints.fingerprint(OTHER_PHONE)
    assert (first.sender, first.provider_message_id) == ("outbox", "message-1")
    told = repr([attrs.astuple(row) for row in client.world.audit.rows])
    for secret in ("9876543210", "9812345678", code, session_id, "proof-1"):
        assert secret not in told


def test_a_send_is_written_down_before_its_message_goes(client: Client) -> None:
    """Section 3: when the provider is asked, the send's row and the session are there."""
    seen: list[tuple[int, int]] = []
    client.world.outbox.witness = lambda: seen.append(
        (len(client.world.audit.sends), len(client.world.audit.rows))
    )
    client.session()
    assert seen == [(1, 0)]
    (row,) = client.world.audit.sends
    assert (row.flow.value, row.purpose.value, row.contact) == ("signup", "signup", PHONE)
    assert [taken.send_id for taken in client.world.audit.handed_over] == [row.id]


def test_no_log_line_holds_a_secret(client: Client) -> None:
    """2.2 and 8: neither a full number nor a session, code, proof or token reaches the log."""
    with structlog.testing.capture_logs() as lines:
        session_id, code = client.session()
        client.sign_up("98765 43210", session_id)
        client.prove(session_id, other_than(code))
        client.prove(session_id, f"{code}1")
        client.prove(session_id, code)
        client.prove(session_id, code)
        client.post(SIGNUP_SEND, {"phone": PHONE}, headers=csrf(None))
        client.post(SIGNUP_SEND, body=f'{{"phone": "{PHONE}", "{session_id}'.encode())
        client.request("POST", f"{SIGNUP_SEND}{session_id}", headers={"referer": session_id})
    told = repr(lines)
    assert len(lines) == 9
    for secret in (session_id, code, "9876543210", "98765 43210", "proof-1", CSRF_TOKEN, "f00d"):
        assert secret not in told


def test_a_refusal_repeats_nothing(client: Client) -> None:
    """5.5: no refusal shows the value that it refuses."""
    for secret in ("S3CR3T-value", "+12015550199", "7777777"):
        for path in (SIGNUP_SEND, SIGNUP_VERIFY):
            for body in (
                {"phone": secret},
                {"phone": PHONE, "session_id": secret},
                {"phone": [secret]},
                {"session_id": secret, "otp_code": secret},
                {"session_id": "A" * 22, "otp_code": secret},
                {secret: secret},
            ):
                reply = client.post(path, body)
                assert reply.status == 400
                assert secret.encode() not in reply.body


def test_no_repr_shows_a_session_or_a_proof(client: Client) -> None:
    """2.2: outcomes and ids keep to themselves what whoever has it acts by."""
    world = client.world
    sent = world.sign_up()
    assert isinstance(sent, SignupCodeSent)
    session_id = sent.session_id
    proved = world.prove(world.outbox.codes[0], session_id)
    assert world.audit.sends
    things = (*world.audit.sends, slot_of(PhoneNumber(PHONE)))
    for thing in (*things, sent, proved, session_id, SessionId("A" * 22), *world.proofs.signed):
        for text in (repr(thing), repr([thing])):
            for secret in (session_id.value, "A" * 22, "proof-1", "9876543210"):
                assert secret not in text
