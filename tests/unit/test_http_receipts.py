"""What providers report of messages: docs/contract.md, 5.4 and 7."""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.adapters.senders.twilio_account import TwilioAccount
from hsp_otp.domain.audit import HandedOverRow
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.ports.failures import SendFailed, Unavailable
from tests.http import Body, Client, Reply, problem
from tests.world import World, run

PATH = "/callbacks/twilio/status/"
URL = "https://otp.example.com/callbacks/twilio/status/"
TOKEN = "0123456789abcdef0123456789abcdef"
SID = "SM0123456789abcdef0123456789abcdef"
FORM = "application/x-www-form-urlencoded"

NOT_FOUND = problem(404, "Not Found", "not_found", "There is nothing at this address.")
FORBIDDEN = problem(403, "Forbidden", "forbidden", "This is not allowed.")


def signature(form: Mapping[str, str], url: str = URL, token: str = TOKEN) -> str:
    """
    What Twilio signs: the address, then every name with its value in the order of the names.

    https://www.twilio.com/docs/usage/security#validating-requests
    """
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


def status(state: str, sid: str = SID) -> dict[str, str]:
    """A callback's form, with what Twilio sends beside."""
    return {
        "SmsSid": sid,
        "SmsStatus": state,
        "MessageStatus": state,
        "To": "+919876543210",
        "MessageSid": sid,
        "AccountSid": "AC0123456789abcdef0123456789abcdef",
        "From": "+15005550006",
        "ApiVersion": "2010-04-01",
        "ErrorMessage": "",
    }


def opened(**settings: Any) -> Client:  # noqa: ANN401 - of every kind
    """A client of a service that sends by Twilio; one message was handed over."""
    world = World()
    row = HandedOverRow(send_id="c1", sender="twilio", provider_message_id=SID)
    run(world.audit.write(row))
    given: dict[str, Any] = {
        "senders": ("twilio",),
        "accounts": {"twilio": TwilioAccount(auth_token=TOKEN)},
        "public_url": "https://otp.example.com",
    }
    return Client(world, **(given | settings))


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a service that asks for receipts."""
    with opened() as found:
        yield found


def post(
    client: Client, body: Body, signed: str | None, path: str = PATH, kind: str = FORM
) -> Reply:
    """Post *body* with the signature *signed*."""
    return client.request(
        "POST", path, body=body, headers={"content-type": kind, "x-twilio-signature": signed}
    )


def report(client: Client, form: Mapping[str, str], url: str = URL) -> Reply:
    """Report *form* as Twilio does."""
    return post(client, urlencode(form).encode(), signature(form, url))


@pytest.mark.parametrize(
    ("reported", "code", "kept"),
    [
        ("undelivered", "21610", "blocked"),
        ("failed", "21610", "blocked"),
        ("undelivered", "30450", "blocked"),
        ("failed", "63014", "blocked"),
        ("undelivered", "30003", "undelivered"),
        ("failed", "", "failed"),
        ("sent", "21610", "sent"),
    ],
)
def test_an_opt_out(client: Client, reported: str, code: str, kept: str) -> None:
    """13.1.6: who has opted out, and a block for fraud, are told apart from all others."""
    assert report(client, status(reported) | {"ErrorCode": code}).status == 200
    assert state_of(client) == kept


def state_of(client: Client) -> str:
    """What is known of the message."""
    key = ("twilio", SID)
    return client.world.deliveries.states.get(key, DeliveryState.QUEUED).value


def test_a_signature_of_twilios_own_documentation() -> None:
    """The signature that this test computes is the one that Twilio's documentation shows."""
    form = {
        "Digits": "1234",
        "To": "+18005551212",
        "From": "+12349013030",
        "Caller": "+12349013030",
        "CallSid": "CA1234567890ABCDE",
    }
    told = signature(form, "https://mycompany.com/myapp.php?foo=1&bar=2", "12345")
    assert told == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="


@pytest.mark.parametrize("path", [PATH, PATH[:-1]])
def test_a_receipt(client: Client, path: str) -> None:
    """A signed receipt of a message that was handed over is 200, and its state is kept."""
    form = status("delivered")
    reply = post(client, urlencode(form).encode(), signature(form), path)
    assert reply.status == 200
    assert reply.json == {}
    assert state_of(client) == "delivered"
    assert client.world.audit.rows == []


@pytest.mark.parametrize(
    ("reported", "kept"),
    [
        ("accepted", "queued"),
        ("scheduled", "queued"),
        ("queued", "queued"),
        ("sending", "queued"),
        ("sent", "sent"),
        ("delivered", "delivered"),
        ("read", "delivered"),
        ("undelivered", "undelivered"),
        ("failed", "failed"),
        ("canceled", "failed"),
    ],
)
def test_twilios_words(client: Client, reported: str, kept: str) -> None:
    """Every state that Twilio has is one of ours."""
    assert report(client, status(reported)).status == 200
    assert state_of(client) == kept


def test_out_of_order_and_twice(client: Client) -> None:
    """Receipts in any order and number are 200, and the state never goes back."""
    seen = []
    for state in ("sent", "queued", "sent", "delivered", "sent", "delivered", "failed", "queued"):
        assert report(client, status(state)).status == 200
        seen.append(state_of(client))
    assert seen == ["sent", "sent", "sent", *["delivered"] * 5]


def test_after_the_codes_end(client: Client) -> None:
    """A receipt that comes a day after its code's end is taken like any other."""
    client.world.clock.advance(86_400_000_000)
    assert report(client, status("delivered")).status == 200
    assert state_of(client) == "delivered"


def test_a_state_nobody_knows(client: Client) -> None:
    """A new word of Twilio's, or none, is 200 and changes nothing."""
    report(client, status("sent"))
    for form in (status("teleported"), status(""), {"MessageSid": SID}, {}):
        assert report(client, form).status == 200
    assert state_of(client) == "sent"


def test_an_unknown_message(client: Client) -> None:
    """A receipt of a message that was not handed over here is 404."""
    reply = report(client, status("delivered", sid="SM00000000000000000000000000000000"))
    assert reply.status == 404
    assert reply.json == NOT_FOUND
    assert state_of(client) == "queued"


@pytest.mark.parametrize(
    "settings",
    [
        {"public_url": ""},
        {"senders": ("console",), "accounts": {"console": None}},
        {"senders": ()},
    ],
    ids=["no address", "console", "nobody"],
)
def test_nobody_asked_for_receipts(settings: dict[str, object]) -> None:
    """Where no receipts are asked for there is nothing at the address, signed or not."""
    with opened(**settings) as client:
        for reply in (report(client, status("sent")), post(client, b"MessageStatus=sent", None)):
            assert reply.status == 404
            assert reply.json == NOT_FOUND


@pytest.mark.parametrize("sid", ["SM 1", "SM1\n", "x" * 65, "\u202eSM1", "é", "SM1\x00"])
def test_an_id_that_is_none(client: Client, sid: str) -> None:
    """A signed receipt whose message has an id of another form is of no message, and not kept."""
    client.world.add()
    client.world.outbox.failure = SendFailed("away")
    client.send()
    reply = report(client, status("delivered", sid=sid))
    assert (reply.status, reply.json) == (404, NOT_FOUND)


def test_a_receipt_before_the_answer_to_the_send(client: Client) -> None:
    """While a message is handed over a signed receipt of it is 200, and then it is applied."""
    world, seen = client.world, list[Reply]()
    world.add()
    world.outbox.witness = lambda: seen.append(report(client, status("delivered", sid="SM9")))
    client.send()
    assert [(reply.status, reply.json) for reply in seen] == [(200, {})]
    row = HandedOverRow(send_id="c9", sender="twilio", provider_message_id="SM9")
    run(world.audit.write(row))
    world.clock.advance(250_000)
    run(world.early.try_again())
    assert world.deliveries.states == {("twilio", "SM9"): DeliveryState.DELIVERED}


def test_a_forged_receipt_before_the_answer_to_the_send(client: Client) -> None:
    """What is not signed is not kept, whatever is under way."""
    world, seen = client.world, list[Reply]()
    world.add()
    body = urlencode(status("delivered", sid="SM9")).encode()
    world.outbox.witness = lambda: seen.append(post(client, body, "forged"))
    client.send()
    assert [reply.status for reply in seen] == [403]
    row = HandedOverRow(send_id="c9", sender="twilio", provider_message_id="SM9")
    run(world.audit.write(row))
    run(world.early.close())
    assert world.deliveries.states == {}


FORGERIES = {
    "none": None,
    "empty": "",
    "of nothing": signature({}),
    "of another state": signature(status("failed")),
    "by another token": signature(status("delivered"), token="1" * 32),
    "by no token": signature(status("delivered"), token=""),
    "for another address": signature(status("delivered"), "https://evil.example" + PATH),
    "for http": signature(status("delivered"), URL.replace("https", "http")),
    "for the address without its slash": signature(status("delivered"), URL[:-1]),
    "longer": signature(status("delivered")) + "=",
    "in lower case": signature(status("delivered")).lower(),
    "not ASCII": "\xff" * 28,
}


@pytest.mark.parametrize("signed", FORGERIES.values(), ids=FORGERIES)
def test_forgeries(client: Client, signed: str | None) -> None:
    """Without Twilio's own signature a receipt is 403, known or not, and changes nothing."""
    reply = post(client, urlencode(status("delivered")).encode(), signed)
    assert reply.status == 403
    assert reply.json == FORBIDDEN
    assert reply.headers["content-type"] == "application/problem+json"
    assert state_of(client) == "queued"


def test_an_unknown_message_is_not_told_to_a_forger(client: Client) -> None:
    """Who cannot sign does not learn which messages there are."""
    reply = post(client, urlencode(status("sent", sid="SM1")).encode(), "forged")
    assert (reply.status, reply.json) == (403, FORBIDDEN)


@pytest.mark.parametrize(
    ("public", "signed"),
    [
        ("https://otp.example.com", "https://otp.example.com:443"),
        ("https://otp.example.com:8443", "https://otp.example.com:8443"),
        ("http://otp.example.com:8080/one", "http://otp.example.com:8080/one"),
    ],
)
def test_the_public_address_is_what_is_signed(public: str, signed: str) -> None:
    """The signature covers the address as providers know it, whatever the request came to."""
    with opened(public_url=public) as client:
        assert report(client, status("sent"), signed + PATH).status == 200


def test_values_that_are_not_plain(client: Client) -> None:
    """Values with spaces, signs and letters of any script are signed as what they mean."""
    form = status("sent") | {"ErrorMessage": "नहीं & 100 % = +1 é"}
    assert report(client, form).status == 200
    assert state_of(client) == "sent"


HOSTILE = {
    "empty": b"",
    "not UTF-8": b"\xff\xfe=\xff",
    "half an escape": b"MessageSid=%&MessageStatus=%F",
    "surrogates": b"MessageSid=%ED%A0%80",
    "control characters": b"MessageSid=%00%01&MessageStatus=sent",
    "only ampersands": b"&" * 16_000,
    "many members": b"a=1&" * 4_000,
    "a name that repeats": b"MessageSid=a&MessageSid=b",
    "JSON": b'{"MessageSid": "SM1"}',
    "multipart": b"--x\r\nContent-Disposition: form-data; name=MessageSid\r\n\r\nSM1\r\n--x--",
}


@pytest.mark.parametrize("kind", [FORM, "application/json", "multipart/form-data; boundary=x", ""])
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bodies(client: Client, body: bytes, kind: str) -> None:
    """Whatever comes with a signature that is none is 403, in whatever type."""
    assert post(client, body, "forged", kind=kind).status == 403
    assert state_of(client) == "queued"


@pytest.mark.slow
@given(st.binary(max_size=200), st.text(max_size=40, alphabet=st.characters(max_codepoint=255)))
def test_no_body_and_no_signature_is_a_500(body: bytes, signed: str) -> None:
    """Any bytes with any signature are 403."""
    with opened() as client:
        assert post(client, body, signed).status == 403


@pytest.mark.slow
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(["MessageSid", "MessageStatus"]), st.text(max_size=10)),
        st.one_of(st.sampled_from([SID, "sent", "delivered"]), st.text(max_size=10)),
        max_size=5,
    )
)
def test_whatever_twilio_signs_is_taken_or_unknown(form: dict[str, str]) -> None:
    """Any form that Twilio signs is 200 or 404."""
    with opened() as client:
        assert report(client, form).status in {200, 404}


def test_a_form_of_too_many_fields_is_not_read(client: Client) -> None:
    """5.4: a report has some ten fields; one of more than 100 is refused, whoever signed it."""
    form = status("delivered")
    most = form | {f"X{number:02}": "x" for number in range(100 - len(form))}
    assert report(client, most | {"X": "x"}).status == 403
    assert state_of(client) == "queued"
    assert report(client, most).status == 200
    assert state_of(client) == "delivered"


def test_a_body_that_is_too_large(client: Client) -> None:
    """A body above 16 KiB is 413, and read no further."""
    assert post(client, b"a" * 16_385, "forged").status == 413
    assert post(client, [b"a" * 9_000, b"a" * 9_000, b"a"], "forged").reads == 2


def test_a_body_that_breaks_off(client: Client) -> None:
    """A caller that goes away in the middle of its body is 400 for the log, no bug of ours."""
    assert post(client, [b"MessageSid=", None], "forged").status == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_another_method(client: Client, method: str) -> None:
    """Receipts are posted."""
    reply = client.request(method, PATH)
    assert reply.status == 405
    assert reply.headers["allow"] == "POST"


def test_the_database_is_away() -> None:
    """While the database is away a receipt is 503, so that Twilio may tell again."""
    with opened() as client:
        client.world.deliveries.failure = Unavailable("away")
        reply = report(client, status("sent"))
        assert reply.status == 503
        assert reply.headers["retry-after"] == "2"
