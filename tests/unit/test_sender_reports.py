"""What Vonage and a webhook report of messages: docs/contract.md, 5.4 and 7."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.adapters.senders.standard_webhooks import SignedReports, signature
from hsp_otp.adapters.senders.vonage import VonageAccount, VonageReceipts
from hsp_otp.adapters.senders.webhook import WebhookAccount
from hsp_otp.domain.audit import HandedOverRow
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import Instant
from tests.http import Client, Reply
from tests.world import START, ManualClock, World, run

SECRET = "abcdefghijklmnopqrstuvwxyz012345"
KEY = bytes(range(32))
MESSAGE = "0A0000000123ABCD"
FORM = "application/x-www-form-urlencoded"

NOW = START // 1_000_000


# --- Vonage


def vonage(state: str, message: str = MESSAGE, secret: str = SECRET, **more: str) -> dict[str, str]:
    """A receipt with what Vonage sends beside."""
    told = {
        "msisdn": "919876543210",
        "to": "HOUSES",
        "network-code": "40420",
        "messageId": message,
        "price": "0.03330000",
        "status": state,
        "scts": "2611220226",
        "err-code": "0",
        "nonce": "a&b=c",
        "timestamp": "1795314360",
        **more,
    }
    signed = "".join(f"&{n}={told[n].replace('&', '_').replace('=', '_')}" for n in sorted(told))
    return told | {"sig": hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()}


def client_of(sender: str, message: str, account: object) -> Client:
    """A client of a service that sends by one provider; one message was handed over."""
    world = World()
    row = HandedOverRow(send_id="c1", sender=sender, provider_message_id=message)
    run(world.audit.write(row))
    accounts = {sender: account}
    return Client(world, senders=(sender,), accounts=accounts, public_url="https://otp.example.com")


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a service that sends by Vonage."""
    with client_of("vonage", MESSAGE, VonageAccount(signature_secret=SECRET)) as found:
        yield found


def report(client: Client, body: bytes, kind: str = FORM) -> Reply:
    """Report something as Vonage does."""
    headers = {"content-type": kind}
    return client.request("POST", "/callbacks/vonage/status/", body=body, headers=headers)


def state_of(client: Client, sender: str = "vonage", message: str = MESSAGE) -> str:
    """What is known of the message."""
    states = client.world.deliveries.states
    return states.get((sender, message), DeliveryState.QUEUED).value


def test_a_signature_of_vonages_own_package() -> None:
    """A signature that a test of Vonage's own Python package has, in either case of letters."""
    told = {"param1": "value1", "param2": "value2", "timestamp": "1234567890"}
    sig = "280c4320703dbc98bfa22db676655ed2acfbfe8792b062ff7622e67f1183c287"
    receipts = VonageReceipts("signature_secret")
    for one in (sig, sig.upper()):
        assert receipts.is_signed(urlencode(told | {"sig": one}).encode(), {})
        assert receipts.is_signed(json.dumps(told | {"sig": one}).encode(), {})
    numbers = told | {"timestamp": 1234567890, "sig": sig}
    assert receipts.is_signed(json.dumps(numbers).encode(), {})
    assert not receipts.is_signed(urlencode(told | {"sig": sig[:-1]}).encode(), {})


@pytest.mark.parametrize(
    ("reported", "kept"),
    [
        ("accepted", "sent"),
        ("buffered", "sent"),
        ("delivered", "delivered"),
        ("expired", "undelivered"),
        ("rejected", "undelivered"),
        ("failed", "failed"),
        ("unknown", "queued"),
        ("teleported", "queued"),
    ],
)
@pytest.mark.parametrize("kind", [FORM, "application/json"])
def test_vonages_words(client: Client, reported: str, kept: str, kind: str) -> None:
    """Every state that Vonage has is one of ours, in a form or in JSON."""
    told = vonage(reported)
    body = urlencode(told) if kind == FORM else json.dumps(told)
    assert report(client, body.encode(), kind).status == 200
    assert state_of(client) == kept


@pytest.mark.parametrize(
    ("reported", "code", "kept"),
    [
        ("failed", "9", "blocked"),
        ("rejected", "9", "blocked"),
        ("failed", "4", "blocked"),
        ("failed", "6", "failed"),
        ("expired", "2", "undelivered"),
        ("delivered", "9", "delivered"),
    ],
)
@pytest.mark.parametrize("kind", [FORM, "application/json"])
def test_an_opt_out_at_vonage(
    client: Client, reported: str, code: str, kept: str, kind: str
) -> None:
    """13.1.6: messages that the person has declined are told apart from all others."""
    told = vonage(reported, **{"err-code": code})
    body = urlencode(told) if kind == FORM else json.dumps(told)
    assert report(client, body.encode(), kind).status == 200
    assert state_of(client) == kept


def test_a_form_of_too_many_fields_is_not_read(client: Client) -> None:
    """5.4: a report has some ten fields; one of more than 100 is refused, whoever signed it."""
    most = {f"x{number:02}": "x" for number in range(89)}
    for more, status in ((most | {"x": "x"}, 403), (most, 200)):
        told = vonage("delivered", **more)
        assert len(told) == (101 if status == 403 else 100)
        assert report(client, urlencode(told).encode()).status == status
    assert state_of(client) == "delivered"


def test_forward_only(client: Client) -> None:
    """Receipts in any order and number are 200, and the state never goes back."""
    for state in ("delivered", "accepted", "failed", "delivered"):
        assert report(client, urlencode(vonage(state)).encode()).status == 200
        assert state_of(client) == "delivered"


def test_forged_and_unknown(client: Client) -> None:
    """A bad signature is 403, and an unknown message 404 to those alone who can sign."""
    forged = vonage("delivered") | {"status": "failed"}
    assert report(client, urlencode(forged).encode()).status == 403
    other = vonage("delivered", secret="another")
    assert report(client, urlencode(other).encode()).status == 403
    assert report(client, urlencode(vonage("delivered", "0B")).encode()).status == 404
    assert report(client, urlencode(vonage("x", "0B", "another")).encode()).status == 403
    assert state_of(client) == "queued"


def test_nothing_to_check_vonage_by() -> None:
    """Without the secret of the signatures there is nothing at the address."""
    with client_of("vonage", MESSAGE, VonageAccount()) as client:
        assert report(client, urlencode(vonage("sent", secret="")).encode()).status == 404


@pytest.mark.slow
@given(st.one_of(st.binary(max_size=200), st.just(b"[" * 16_000), st.just(b'{"sig": "\\ud800"}')))
def test_no_report_is_a_500(body: bytes) -> None:
    """Any bytes are 403."""
    with client_of("vonage", MESSAGE, VonageAccount(signature_secret=SECRET)) as client:
        assert report(client, body).status == 403


# --- A webhook


def webhook(
    body: bytes, seconds: int = NOW, key: bytes = KEY, message_id: str = "r1"
) -> dict[str, str]:
    """The headers of a report."""
    signed = b".".join((message_id.encode(), str(seconds).encode(), body))
    told = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{told}",
    }


def reported(state: object = "delivered", message: object = "msg_1") -> bytes:
    """A report."""
    return json.dumps({"message_id": message, "state": state}).encode()


def post(client: Client, body: bytes, headers: dict[str, str]) -> int:
    """Report something as the webhook does."""
    return client.request("POST", "/callbacks/webhook/status/", body=body, headers=headers).status


def known(client: Client) -> str:
    """What is known of the message."""
    return state_of(client, "webhook", "msg_1")


@pytest.fixture
def hooked() -> Iterator[Client]:
    """A client of a service that sends by a webhook."""
    with client_of("webhook", "msg_1", WebhookAccount(secret=KEY)) as found:
        yield found


def test_a_signature_of_standard_webhooks() -> None:
    """The signature that the libraries of Standard Webhooks test themselves by."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    told = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert told == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("state", ["queued", "sent", "delivered", "undelivered", "failed"])
def test_a_report(hooked: Client, state: str) -> None:
    """A signed report of a message in one of our states is 200, and its state is kept."""
    assert post(hooked, reported(state), webhook(reported(state))) == 200
    assert known(hooked) == state


def test_replayed(hooked: Client) -> None:
    """The same report again, or an older one after it, changes nothing."""
    sent, delivered = reported("sent"), reported("delivered")
    for body in (sent, delivered, sent, delivered, sent):
        assert post(hooked, body, webhook(body)) == 200
    assert known(hooked) == "delivered"


@pytest.mark.parametrize(
    ("away", "status"), [(0, 200), (300, 200), (-300, 200), (301, 403), (-301, 403)]
)
def test_the_time_of_a_report(hooked: Client, away: int, status: int) -> None:
    """A report may be five minutes off our clock, either way, and not a second more."""
    assert post(hooked, reported(), webhook(reported(), NOW + away)) == status


def test_one_microsecond_too_late() -> None:
    """The tolerance ends exactly after five minutes."""
    for late, fits in ((0, True), (1, False)):
        clock = ManualClock(Instant(START + 300_000_000 + late))
        assert SignedReports(KEY, clock).is_signed(reported(), webhook(reported())) is fits


def test_several_signatures(hooked: Client) -> None:
    """While its keys rotate the other end may sign several times; one that fits suffices."""
    headers = webhook(reported())
    headers["webhook-signature"] = f"v1,AAAA {headers['webhook-signature']} v1a,BBBB"
    assert post(hooked, reported(), headers) == 200


FORGERIES = {
    "by another key": webhook(reported(), key=bytes(32)),
    "of another body": webhook(reported("failed")),
    "no headers": {"content-type": "application/json"},
    "no signature": webhook(reported()) | {"webhook-signature": ""},
    "another id": webhook(reported()) | {"webhook-id": "r2"},
    "another time": webhook(reported()) | {"webhook-timestamp": str(NOW + 1)},
    "no time": webhook(reported()) | {"webhook-timestamp": ""},
    "a time that is none": webhook(reported()) | {"webhook-timestamp": "soon"},
    "a time of other digits": webhook(reported()) | {"webhook-timestamp": "²"},
    "a very long time": webhook(reported()) | {"webhook-timestamp": "9" * 5_000},
    "no version": {one: text.removeprefix("v1,") for one, text in webhook(reported()).items()},
    "not ASCII": webhook(reported()) | {"webhook-signature": "v1,\xff"},
}


@pytest.mark.parametrize("headers", FORGERIES.values(), ids=FORGERIES)
def test_forged_reports(hooked: Client, headers: dict[str, str]) -> None:
    """Without a signature that fits a report is 403 and changes nothing."""
    assert post(hooked, reported(), headers) == 403
    assert known(hooked) == "queued"


@pytest.mark.parametrize(
    "body",
    [
        reported("teleported"),
        reported(None),
        reported(["sent"]),
        reported("sent", None),
        reported("sent", ""),
        reported("sent", 1),
        b"{}",
        b"[]",
        b"null",
        b"no JSON",
        b"",
        b'{"message_id": "msg_1", "to": "+919876543210", "text": "012345"}',
    ],
)
def test_reports_that_tell_nothing(hooked: Client, body: bytes) -> None:
    """What is signed and names no message and state of ours is 200; our own message too."""
    assert post(hooked, body, webhook(body)) == 200
    assert known(hooked) == "queued"


def test_an_unknown_message(hooked: Client) -> None:
    """A report of a message that was not handed over here is 404."""
    body = reported("sent", "msg_2")
    assert post(hooked, body, webhook(body)) == 404
