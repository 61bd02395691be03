"""Codes by e-mail from a running server, over relays: docs/contract.md, 2.2, 7 and 13."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Final

import attrs
import httpx2
import pytest

from tests.e2e.production import by, prepare, query
from tests.e2e.server import PATIENCE_SECONDS, Server, command
from tests.e2e.test_many_verifications import read_tables, words
from tests.gateway import Gateway
from tests.integration.behind import LATE
from tests.plays import PLAYS
from tests.relay import OK, Relay
from tests.world import other_than

VERIFICATIONS: Final = "/v1/verifications"
BOUNCES: Final = "/callbacks/smtp/status/"

APP: Final = """
[shop]
account = "acme"
service_name = "Acme Shop"
proof_audience = "acme-shop"
[shop.limits]
sends_per_minute = 0
"""

pytestmark = pytest.mark.timeout(180)


@attrs.define(kw_only=True)
class Site:
    """
    A server of one worker with two relays; the backend of an app asks it.

    Attributes:
        key: Of the app.
        addresses: Of people of whom no test has heard yet.
        codes: All that were sent.
    """

    server: Server
    first: Relay
    second: Relay
    key: str = attrs.field(repr=False)
    addresses: Iterator[str]
    codes: set[str] = attrs.field(factory=set[str], repr=False)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> httpx2.Response:
        """Make a request with the key."""
        return httpx2.request(
            method,
            f"http://127.0.0.1:{self.server.port}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.key}"} | headers,
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    def start(self, to: str) -> tuple[httpx2.Response, float]:
        """Start a verification; the answer, and how long it took."""
        began = time.monotonic()
        answer = self.ask("POST", VERIFICATIONS, {"to": to})
        return answer, time.monotonic() - began

    def is_right(self, started: httpx2.Response, code: str) -> bool:
        """Check a code."""
        path = f"{VERIFICATIONS}/{started.json()['id']}/check"
        return self.ask("POST", path, {"code": code}).status_code == 200

    def codes_at(self, relay: Relay, to: str) -> list[str]:
        """The codes in the messages to *to* that a relay has taken."""
        found = [letter.code for letter in relay.to(to)]
        self.codes |= {*found}
        return found

    def report(self, message: str, state: str, **headers: str) -> int:
        """What a program of the operator's does with a bounce; how that is answered."""
        body, signed = PLAYS["webhook"].report(message, state, "")
        url = f"http://127.0.0.1:{self.server.port}{BOUNCES}"
        return httpx2.post(
            url, content=body, headers=signed | headers, timeout=PATIENCE_SECONDS, trust_env=False
        ).status_code


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """In production mode; codes have ten digits, which nothing else looks like."""
    folder = tmp_path_factory.mktemp("mail")
    with ExitStack() as stack:
        first, second = (stack.enter_context(Relay()) for _ in range(2))
        settings = prepare(folder, people=1) | by(twilio=stack.enter_context(Gateway()))
        (folder / "apps.toml").write_text(APP)
        assert command(folder, "apps", "import", "apps.toml", **settings).returncode == 0
        new = "api-keys new --name checkout --app shop"
        made = command(folder, *new.split(), **settings)
        settings |= {
            "SENDERS": "twilio,smtp",
            "SMTP_URL": f"{first.url},{second.url}",
            "SMTP_FROM": "codes@otp.example.com",
            "SMTP_SIGNATURE_SECRET": PLAYS["webhook"].settings("")["WEBHOOK_SECRET"],
            "PUBLIC_URL": "https://otp.example.com",
            "TRUSTED_PROXIES": "127.0.0.1/32",
            "VERIFY_API": "true",
            "CODE_DIGITS": "10",
            "METRICS_PORT": "0",
        }
        server = stack.enter_context(Server(folder, "serve", **settings))
        yield Site(
            server=server,
            first=first,
            second=second,
            key=made.stdout.strip(),
            addresses=(f"Asha.Rao{number}+Tag@Example{number}.com" for number in count()),
        )


@pytest.fixture(autouse=True)
def well(site: Site) -> Iterator[None]:
    """Both relays work again after each test."""
    yield
    for relay in (site.first, site.second):
        relay.on_recipient = relay.on_data = OK


def sent_to(address: str) -> str:
    """The address as messages are sent to it."""
    local, _, domain = address.partition("@")
    return f"{local}@{domain.lower()}"


def test_the_first_relay_takes_it(site: Site) -> None:
    """The message goes to the first relay alone, its code is right once, and it is in the proof."""
    to = next(site.addresses)
    started, _ = site.start(to)
    assert started.status_code == 200, started.text
    (code,) = site.codes_at(site.first, sent_to(to))
    assert site.second.to(sent_to(to)) == []
    assert site.is_right(started, code)
    assert not site.is_right(started, code)
    found = site.ask("GET", f"{VERIFICATIONS}/{started.json()['id']}").json()
    assert [(one["channel"], one["sender"]) for one in found["sends"]] == [("email", "smtp")]


@pytest.mark.parametrize(
    ("where", "answer", "taken"),
    [
        ("on_recipient", "450 4.2.0 greylisted", 0),
        ("on_recipient", "421 4.3.2 going down", 0),
        ("on_data", "451 4.3.0 later", 0),
        ("on_recipient", None, 0),
        ("on_data", None, 1),
    ],
)
def test_the_second_relay_takes_it(site: Site, where: str, answer: str | None, taken: int) -> None:
    """What the first does not take, or hangs over, the second gets with the same code in time."""
    to = next(site.addresses)
    setattr(site.first, where, None if answer is None else f"{answer} {to}")
    started, seconds = site.start(to)
    assert (started.status_code, seconds < 8 + LATE) == (200, True), started.text
    (code,) = site.codes_at(site.second, sent_to(to))
    assert site.codes_at(site.first, sent_to(to)) == [code] * taken
    assert site.is_right(started, code)
    # One that works in between keeps the circuit of the first closed.
    setattr(site.first, where, OK)
    assert site.start(next(site.addresses))[0].status_code == 200


def test_a_refused_mailbox(site: Site) -> None:
    """A 5xx to the recipient ends the verification, and no other relay is asked."""
    to, before = next(site.addresses), site.second.asked
    site.first.on_recipient = f"550 5.1.1 no mailbox {to}"
    started, _ = site.start(to)
    assert (started.status_code, started.json()["error"]) == (400, "delivery_failed")
    assert started.json()["resend_in"] == 0
    assert site.second.asked == before


def test_all_relays_hang(site: Site) -> None:
    """The answer comes within 8 s, and what a relay has taken all the same is never right."""
    to = next(site.addresses)
    site.first.on_data = site.second.on_data = None
    started, seconds = site.start(to)
    assert (started.status_code, started.json()["error"]) == (400, "delivery_failed")
    assert seconds < 8 + LATE
    (code,) = site.codes_at(site.first, sent_to(to))
    assert site.codes_at(site.second, sent_to(to)) == [code]
    asked = "SELECT verification_id FROM sends WHERE sent_to = ?"
    ((verification,),) = query(site.server.folder, asked, to.lower())
    path = f"{VERIFICATIONS}/{verification}"
    assert site.ask("GET", path).json()["status"] == "failed"
    checked = site.ask("POST", f"{path}/check", {"code": code})
    assert (checked.status_code, checked.json()["verification_status"]) == (400, "failed")


def test_a_bounce(site: Site) -> None:
    """A signed report changes the state of its message; a forged one changes nothing."""
    to = next(site.addresses)
    started, _ = site.start(to)
    (letter,) = site.first.to(sent_to(to))
    site.codes.add(letter.code)
    message, path = letter.message["Message-ID"], f"{VERIFICATIONS}/{started.json()['id']}"

    def state() -> str:
        (send,) = site.ask("GET", path).json()["sends"]
        return str(send["state"])

    assert state() == "queued"
    forged = {"webhook-signature": f"v1,{'A' * 43}="}
    assert site.report(message, "failed", **forged) == 403
    assert site.report(message, "failed", **{"webhook-timestamp": "1"}) == 403
    assert state() == "queued"
    assert site.report(message.strip("<>"), "failed") == 200
    assert state() == "failed"
    assert site.is_right(started, letter.code)


def test_no_secret_is_left(site: Site) -> None:
    """No code and no whole address is in output or metrics, and no code is in the database."""
    refused, to = next(site.addresses), next(site.addresses)
    site.first.on_recipient = f"550 5.1.1 no mailbox {refused}"
    site.start(refused)
    site.first.on_recipient = OK
    started, _ = site.start(to)
    (code,) = site.codes_at(site.first, sent_to(to))
    assert not site.is_right(started, other_than(code))
    assert site.is_right(started, code)
    shown = "\n".join(f"{sample} {value}" for sample, value in site.server.metrics().items())
    tables = read_tables(site.server.folder / "hsp-otp.db")
    told = {"log": site.server.errors, "output": site.server.output, "metrics": shown}
    assert "email" in shown
    for place, text in {**told, **tables}.items():
        assert not site.codes & words(text), place
    for place, text in told.items():
        assert "asha" not in text.lower(), place
        assert site.key[40:83] not in text, place
    full = re.compile(r"asha\.rao\d+(\+tag)?@example", re.IGNORECASE)
    assert {place for place, text in tables.items() if full.search(text)} == {
        "sends.contact",
        "sends.sent_to",
        "sends.slot",
        "slot.key",
        "slot.body",
        "usage.key",
    }
