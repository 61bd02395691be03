"""Relays for e-mail: docs/contract.md, section 7."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from urllib.parse import quote

import attrs
import pytest

from hsp_otp.adapters.messages import GettextMessages
from hsp_otp.adapters.senders.circuit_breaker import CircuitBreaker
from hsp_otp.adapters.senders.failover import Failover
from hsp_otp.adapters.senders.provider import Means, Probed
from hsp_otp.adapters.senders.smtp import SMTP_RELAYS
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.email_address import EmailAddress
from hsp_otp.domain.instant import MINUTE
from hsp_otp.domain.names import ENGLISH, Language
from hsp_otp.domain.purposes import Purpose
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.ports.failures import SendFailed, SendRefusedHere, SendRejected
from hsp_otp.ports.messages import Letterhead
from hsp_otp.ports.sender import Mail, Sender
from tests.integration.behind import LATE, PATIENCE_SECONDS, within
from tests.integration.test_senders import everything
from tests.relay import PASSWORD, USER, Letter, Relay, certificate

pytestmark = pytest.mark.anyio

CODE = "012345"
TO = "Asha.Rao+shop@example.com"
FROM = "codes@otp.example.com"
SHORT, LONG = 500_000, 5_000_000


def mail(
    to: str = TO,
    language: Language = ENGLISH,
    name: str = "Acme Shop",
    purpose: Purpose = Purpose.EMAIL_VERIFICATION,
) -> Mail:
    """The message with the code, as an app's."""
    text = GettextMessages({}).mail(
        purpose, Code(CODE), 10 * MINUTE, language, Letterhead(service_name=name)
    )
    return Mail(
        id="aI7HpmwPr-rSBiYSYhURXQ",
        to=Contact.of_email(EmailAddress.parse(to)),
        subject=text.subject,
        text=text.text,
        html=text.html,
        language=text.language,
        useful_for=10 * MINUTE,
        sender_name=text.service_name,
    )


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A relay on this machine, without TLS."""
    with Relay() as found:
        yield found


@asynccontextmanager
async def opened(*urls: str, from_: str = FROM) -> AsyncGenerator[Failover]:
    """The relays as the service opens them."""
    given = {"HSP_OTP_SMTP_URL": ",".join(urls), "HSP_OTP_SMTP_FROM": from_}
    account = load(given).accounts["smtp"]
    clock, names = (
        SystemClock(),
        [f"smtp-{place + 1}" if place else "smtp" for place, _ in enumerate(urls)],
    )
    async with AsyncExitStack() as stack:
        circuits: list[CircuitBreaker] = []
        for place, name in enumerate(names):
            means = Means(
                clock=clock, randomness=SystemRandomness(), callback=None, place=place, name=name
            )
            sender: Sender[Mail] = await stack.enter_async_context(SMTP_RELAYS.open(account, means))
            circuits.append(CircuitBreaker(name, sender, clock))
        yield Failover(circuits, clock, names)


async def failure_of(url: str, message: Mail | None = None, given: int = LONG) -> SendFailed:
    """What one relay's failure is: in its time, and without a secret."""
    given_settings = {"HSP_OTP_SMTP_URL": url, "HSP_OTP_SMTP_FROM": FROM}
    means = Means(clock=SystemClock(), randomness=SystemRandomness(), callback=None, name="smtp")
    async with SMTP_RELAYS.open(load(given_settings).accounts["smtp"], means) as sender:
        began = asyncio.get_running_loop().time()
        with pytest.raises(SendFailed) as caught:
            await sender.send(message or mail(), given)
        assert asyncio.get_running_loop().time() - began < given / 1_000_000 + 0.5
    told = everything(caught.value)
    assert not [
        one for one in (CODE, TO, TO.lower(), "Asha", PASSWORD, quote(PASSWORD, "")) if one in told
    ]
    return caught.value


# --- The message


@pytest.mark.parametrize("language", ["en", "es", "hi"])
@pytest.mark.parametrize(
    "purpose", [Purpose.EMAIL_VERIFICATION, Purpose.LOGIN_VERIFICATION, Purpose.PASSWORD_RESET]
)
async def test_a_message(relay: Relay, language: str, purpose: Purpose) -> None:
    """Text and HTML hold the code once and nothing to open or load; the subject has no digit."""
    async with opened(relay.url) as sender:
        receipt = await sender.send(mail(language=Language(language), purpose=purpose))
    (letter,) = relay.taken
    message = letter.message
    assert (receipt.sender, receipt.provider_message_id) == ("smtp", message["Message-ID"])
    assert message["Message-ID"] == "<aI7HpmwPr-rSBiYSYhURXQ@otp.example.com>"
    assert (letter.sender, letter.to) == (FROM, TO)
    assert (message["To"], message["From"]) == (TO, f"Acme Shop <{FROM}>")
    assert (message["Auto-Submitted"], message["X-Auto-Response-Suppress"]) == (
        "auto-generated",
        "All",
    )
    assert message["Content-Language"] == language
    assert abs(message["Date"].datetime.timestamp() - time.time()) < 60  # noqa: TID251
    assert not re.search(r"\d", message["Subject"])
    assert "Acme Shop" in message["Subject"]
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    for text in (letter.part("plain"), letter.part("html")):
        assert text.count(CODE) == 1
        assert "10" in text
        assert not re.search(r"https?:|www\.|href|src=|<img|url\(|@import|<link|<script", text)
    assert letter.raw.isascii()


@pytest.mark.parametrize("name", ["Café Ñandú", "W" * 40, "A & B's (Shop), Co.", "ΔΦΓ"])
async def test_names_of_services(relay: Relay, name: str) -> None:
    """Any name that a service may have arrives as it is, in each header and part."""
    async with opened(relay.url) as sender:
        await sender.send(mail(name=name))
    (letter,) = relay.taken
    assert letter.message["From"].addresses[0].display_name == name
    assert letter.message["Subject"] == f"Your {name} code"
    assert name in letter.part("plain")


async def test_an_app_has_an_address_of_its_own(relay: Relay) -> None:
    """It comes from the app's address; bounces go to the service's."""
    async with opened(relay.url) as sender:
        await sender.send(attrs.evolve(mail(), sender_address="codes@shop.example.com"))
    (letter,) = relay.taken
    assert letter.message["From"] == "Acme Shop <codes@shop.example.com>"
    assert letter.sender == FROM


@pytest.mark.parametrize("member", ["subject", "sender_name", "sender_address"])
async def test_headers_cannot_be_broken(relay: Relay, member: str) -> None:
    """A line break in the value of a header makes no header, and nothing is sent."""
    broken = mail()
    object.__setattr__(broken, member, "a\r\nBcc: b@example.com")
    async with opened(relay.url) as sender:
        with pytest.raises(ValueError, match=r"."):
            await sender.send(broken)
    assert relay.taken == []


async def test_an_id_fits_where_it_is_stored(relay: Relay) -> None:
    """Under a long domain, the message is named after as much of it as there is room for."""
    async with opened(relay.url, from_=f"codes@{'a' * 30}.{'b' * 30}.example.com") as sender:
        receipt = await sender.send(mail())
    assert receipt.provider_message_id == "<aI7HpmwPr-rSBiYSYhURXQ@example.com>"
    assert relay.taken[0].message["Message-ID"] == receipt.provider_message_id


# --- Answers


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("550 5.1.1 no such mailbox", SendRejected),
        ("553 5.1.3 bad address", SendRejected),
        ("450 4.2.0 greylisted", SendRefusedHere),
        ("452 4.2.2 mailbox full", SendRefusedHere),
        ("421 4.3.2 going down", SendFailed),
    ],
)
async def test_a_refused_recipient(relay: Relay, answer: str, kind: type[SendFailed]) -> None:
    """5xx refuses the address everywhere, 4xx here and for now; 421 is the relay's own trouble."""
    relay.on_recipient = f"{answer} {TO} {CODE}"
    assert type(await failure_of(relay.url)) is kind
    assert (relay.asked, relay.taken) == (1, [])


@pytest.mark.parametrize("answer", ["451 4.3.0 later", "552 5.3.4 too big", "554 5.7.1 no"])
async def test_a_refused_message(relay: Relay, answer: str) -> None:
    """What a relay does not take after the message is its own trouble."""
    relay.on_data = f"{answer} {TO} {CODE}"
    assert type(await failure_of(relay.url)) is SendFailed


async def test_another_2xx_takes_it(relay: Relay) -> None:
    """Any 2xx after the message has taken it."""
    relay.on_data = "252 will try"
    async with opened(relay.url) as sender:
        assert (await sender.send(mail())).sender == "smtp"


@pytest.mark.parametrize("where", ["on_recipient", "on_data"])
async def test_a_relay_that_hangs(relay: Relay, where: str) -> None:
    """Nobody waits longer than was given."""
    setattr(relay, where, None)
    assert type(await failure_of(relay.url, given=SHORT)) is SendFailed


@pytest.mark.parametrize(
    "greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"554 no\r\n", b"2"]
)
async def test_something_else_listens(greeting: bytes) -> None:
    """What speaks no SMTP, or hangs up, is a failure."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert type(await failure_of(f"smtp://127.0.0.1:{port}")) is SendFailed


async def test_nobody_is_there() -> None:
    """Where nothing listens the send fails at once."""
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]
    assert type(await failure_of(f"smtp://127.0.0.1:{port}")) is SendFailed


async def test_a_cancelled_send_is_cancelled(relay: Relay) -> None:
    """Who is told to stop stops."""
    relay.on_recipient = None
    async with opened(relay.url) as sender:
        sending = asyncio.create_task(sender.send(mail()))
        await within(PATIENCE_SECONDS, lambda: relay.asked == 1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


# --- In turn


@pytest.fixture
def other() -> Iterator[Relay]:
    """A second relay."""
    with Relay() as found:
        yield found


@pytest.mark.parametrize(
    ("where", "answer"), [("on_recipient", "451 4.7.1 later"), ("on_data", "554 no")]
)
async def test_the_next_takes_it(relay: Relay, other: Relay, where: str, answer: str) -> None:
    """What one relay does not take, the next does: the same message under the same id."""
    setattr(relay, where, answer)
    async with opened(relay.url, other.url) as sender:
        receipt = await sender.send(mail())
    assert receipt.sender == "smtp-2"
    (letter,) = other.taken
    assert letter.code == CODE
    assert letter.message["Message-ID"] == receipt.provider_message_id


async def test_a_refused_address_is_not_tried_elsewhere(relay: Relay, other: Relay) -> None:
    """A refusal of the address is final."""
    relay.on_recipient = "550 5.1.1 no such mailbox"
    async with opened(relay.url, other.url) as sender:
        with pytest.raises(SendRejected):
            await sender.send(mail())
    assert (relay.asked, other.asked) == (1, 0)


async def test_a_relay_that_hangs_leaves_half(relay: Relay, other: Relay) -> None:
    """The first of two that hangs is given up after half of the time."""
    relay.on_data = None
    began = asyncio.get_running_loop().time()
    async with opened(relay.url, other.url) as sender:
        receipt = await sender.send(mail())
    assert receipt.sender == "smtp-2"
    assert asyncio.get_running_loop().time() - began < 7 + LATE


async def test_all_hang(relay: Relay, other: Relay) -> None:
    """Where all hang it is over within 8 s."""
    relay.on_recipient = other.on_data = None
    began = asyncio.get_running_loop().time()
    async with opened(relay.url, other.url) as sender:
        with pytest.raises(SendFailed):
            await sender.send(mail())
    assert 7.3 < asyncio.get_running_loop().time() - began < 8 + LATE


async def test_refused_addresses_skip_no_relay(relay: Relay) -> None:
    """After any number of refused addresses, for now or for ever, the relay takes the next."""
    async with opened(relay.url) as sender:
        for number in range(12):
            relay.on_recipient = ("550 no", "450 later")[number % 2]
            with pytest.raises(SendFailed):
                await sender.send(mail(f"ann@example{number}.com"))
        relay.on_recipient = "250 OK"
        assert (await sender.send(mail())).sender == "smtp"


async def test_a_failing_relay_is_skipped(relay: Relay) -> None:
    """A relay that fails for addresses of three domains is skipped."""
    relay.on_data = "451 4.3.0 later"
    async with opened(relay.url) as sender:
        for number in range(5):
            assert sender.available()
            with pytest.raises(SendFailed):
                await sender.send(mail(f"ann@example{number % 3}.com"))
        assert not sender.available()


# --- TLS and users

EVERYWHERE = "0.0.0.0"  # noqa: S104 - for the name below

OUTSIDE = socket.gethostname()
"""A name of this machine that is not taken for a loopback address."""


def url_of(relay: Relay, host: str, user: str = "") -> str:
    """The setting for a relay by that name."""
    return f"smtp{'s' if relay.is_tls else ''}://{user}{host}:{relay.port}"


@pytest.fixture(params=[False, True], ids=["STARTTLS", "TLS"])
def encrypted(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Relay]:
    """A relay with TLS and a user, whose certificate the machine knows."""
    file = certificate(tmp_path, OUTSIDE, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with Relay(certificate=file, is_tls=request.param, signs_in=True, host=EVERYWHERE) as found:
        yield found


SIGNED_IN = f"{USER}:{quote(PASSWORD, '')}@"


async def test_tls_and_a_user(encrypted: Relay) -> None:
    """The message goes over TLS, after signing in."""
    async with opened(url_of(encrypted, OUTSIDE, SIGNED_IN)) as sender:
        await sender.send(mail())
    (letter,) = encrypted.taken
    assert (letter.user, letter.is_encrypted) == (USER, True)


async def test_a_wrong_password(encrypted: Relay) -> None:
    """A refused user is the relay's trouble."""
    url = url_of(encrypted, OUTSIDE, f"{USER}:{quote(PASSWORD, '')}x@")
    assert type(await failure_of(url)) is SendFailed
    assert encrypted.taken == []


async def test_a_certificate_of_nobody(
    encrypted: Relay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is sent to a relay whose certificate nobody has vouched for."""
    (tmp_path / "empty.pem").write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "empty.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert type(await failure_of(url_of(encrypted, OUTSIDE, SIGNED_IN))) is SendFailed
    assert (encrypted.asked, encrypted.taken) == (0, [])


async def test_a_certificate_for_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent to a relay with the certificate of another."""
    file = certificate(tmp_path, "other.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with Relay(certificate=file, is_tls=True, host=EVERYWHERE) as relay:
        assert type(await failure_of(url_of(relay, OUTSIDE))) is SendFailed
        assert relay.asked == 0


async def test_a_relay_without_tls() -> None:
    """Nothing is sent to another machine's relay that has no TLS."""
    with Relay(host=EVERYWHERE) as relay:
        assert type(await failure_of(url_of(relay, OUTSIDE))) is SendFailed
        assert relay.asked == 0
        async with opened(url_of(relay, "localhost")) as sender:
            await sender.send(mail())
        assert len(relay.taken) == 1


# --- doctor


async def probe(url: str) -> Probed:
    """What doctor is told of a relay."""
    given = {"HSP_OTP_SMTP_URL": url, "HSP_OTP_SMTP_FROM": FROM}
    means = Means(clock=SystemClock(), randomness=SystemRandomness(), callback=None, name="smtp")
    probed = await SMTP_RELAYS.probe(load(given).accounts["smtp"], means)
    assert PASSWORD not in repr(probed)
    return probed


async def test_a_probe_sends_nothing(encrypted: Relay) -> None:
    """It signs in, and names what is wrong."""
    found = await probe(url_of(encrypted, OUTSIDE, SIGNED_IN))
    assert (found.wrong, found.told) == (
        None,
        f"{OUTSIDE}:{encrypted.port} takes messages of the user",
    )
    assert "refuses the user" in str((await probe(url_of(encrypted, OUTSIDE, f"{USER}:x@"))).wrong)
    assert encrypted.asked == 0


async def test_what_a_probe_finds(tmp_path: Path) -> None:
    """Nobody there, a certificate of nobody, something else."""
    file = certificate(tmp_path, OUTSIDE)
    with Relay(certificate=file, is_tls=True, host=EVERYWHERE) as relay:
        assert "no valid certificate" in str((await probe(url_of(relay, OUTSIDE))).wrong)
    assert "did not answer" in str((await probe("smtp://127.0.0.1:9")).wrong)


# --- Letters


def test_letters() -> None:
    """The relay of these tests reads what it takes."""
    raw = b"Subject: x\r\n\r\n012345\r\n"
    assert Letter("a@example.com", "b@example.com", raw, None, is_encrypted=False).code == CODE
