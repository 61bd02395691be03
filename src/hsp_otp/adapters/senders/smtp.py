"""E-mail, handed to relays by SMTP."""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formataddr, formatdate
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote, urlsplit

import attrs

from hsp_otp.adapters.senders.http_client import PROBE_SECONDS
from hsp_otp.adapters.senders.provider import (
    Means,
    Probed,
    Provider,
    ReasonError,
    Shape,
    setting,
)
from hsp_otp.adapters.senders.standard_webhooks import KEY_TAKES, SignedReports, read_key
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.delivery import DeliveryState, message_id
from hsp_otp.domain.email_address import EmailAddress, InvalidEmailError
from hsp_otp.domain.instant import SECOND, Duration
from hsp_otp.ports.failures import SendFailed, SendRefusedHere, SendRejected
from hsp_otp.ports.sender import SEND_WITHIN, Mail, Receipt, Sender

if TYPE_CHECKING:
    from aiosmtplib import SMTP

NAME: Final = "smtp"

_PORTS: Final = {"smtp": 587, "smtps": 465}
"""The ports of submission, with STARTTLS and with TLS from the start (RFC 8314)."""

_HOST: Final = re.compile(r"[a-z0-9.:-]+")

_POLICY: Final = SMTP_POLICY.clone(cte_type="7bit")
"""Bodies that every relay takes, whatever it supports."""

_GOODBYE_SECONDS: Final = 0.5
"""How long an answer waits for the end of the conversation after its message is taken."""

_NOT_AVAILABLE: Final = 421
_REFUSED_FOR_NOW: Final = range(400, 500)
_REFUSED: Final = range(500, 600)
_TAKEN: Final = range(200, 300)


@attrs.frozen(kw_only=True)
class Relay:
    """
    A server that takes messages.

    Attributes:
        is_tls: TLS from the start. Otherwise STARTTLS is demanded, except of this machine.
    """

    host: str
    port: int
    user: str
    password: str = attrs.field(repr=False)
    is_tls: bool

    @property
    def is_here(self) -> bool:
        """Whether nobody else can read what is sent to it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def _relays(given: str) -> tuple[Relay, ...]:
    return tuple(_relay(one.strip()) for one in given.split(","))


def _relay(given: str) -> Relay:
    parts = urlsplit(given)
    if parts.scheme not in _PORTS or not _HOST.fullmatch(parts.hostname or ""):
        raise ReasonError("it takes smtp:// or smtps:// and a host")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ReasonError("it has a port that is none")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ReasonError("nothing may follow its host and port")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise ReasonError("it has a user without a password, or the reverse")
    if not (user + password).isprintable():
        raise ReasonError("it has an unprintable character")
    return Relay(
        host=parts.hostname or "",
        port=port or _PORTS[parts.scheme],
        user=user,
        password=password,
        is_tls=parts.scheme == "smtps",
    )


def _address(given: str) -> str:
    try:
        return EmailAddress.parse(given).text
    except InvalidEmailError:
        raise ValueError from None


@attrs.frozen(kw_only=True)
class SmtpAccount:
    """The relays, and the address that messages come from."""

    url: tuple[Relay, ...] = setting(
        _relays,
        (),
        "relays for e-mail, tried in this order; smtp:// begins TLS by STARTTLS",
        takes="smtp://user:password@host:587 or smtps://user:password@host:465, several with "
        "commas; special characters as in URLs, such as %40 for @",
        shown_default="none",
        secret=True,
        required=True,
        shape=Shape.LIST,
    )
    from_: str = setting(
        _address,
        "",
        "address that e-mails come from, and that bounces go to",
        takes="an e-mail address",
        required=True,
    )
    signature_secret: bytes = setting(
        read_key,
        b"",
        "verifies reports of bounces; without it none are taken",
        takes=KEY_TAKES,
        secret=True,
    )


class SmtpMail:
    """Hands messages to one relay, each over a connection of its own."""

    def __init__(self, account: SmtpAccount, tls: ssl.SSLContext, means: Means) -> None:
        self._relay = account.url[means.place]
        self._from = EmailAddress(account.from_)
        self._tls = tls
        self._means = means

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return True

    async def send(self, message: Mail, within: Duration = SEND_WITHIN) -> Receipt:
        """Implement `Sender.send`."""
        from aiosmtplib import (  # noqa: PLC0415 - imported late, as in `_signed_in`
            SMTPDataError,
            SMTPRecipientRefused,
            SMTPResponseException,
        )

        named = _name_of(message, self._from.domain)
        written = self._written(message, named)
        try:
            async with (
                asyncio.timeout(within / SECOND),
                _signed_in(self._relay, self._tls, self._from.domain) as client,
            ):
                await client.mail(self._from.text)
                await client.rcpt(message.to.destination)
                try:
                    await client.data(written)
                except SMTPDataError as error:
                    if error.code not in _TAKEN:
                        raise
                await _say_goodbye(client)
            return Receipt(sender=self._means.name, provider_message_id=named)
        except SMTPRecipientRefused as error:
            failure = _refusal(error.code)
        except SMTPResponseException as error:
            failure = SendFailed(f"the relay answered {error.code}")
        except Exception as error:  # noqa: BLE001 - the client's errors are many
            failure = SendFailed(f"the relay did not answer: {type(error).__name__}")
        # Raised here, so that the error is not in its context: it may contain the address.
        raise failure

    def _written(self, message: Mail, named: str) -> bytes:
        mail = EmailMessage(_POLICY)
        mail["From"] = formataddr((message.sender_name, message.sender_address or self._from.text))
        mail["To"] = message.to.destination
        mail["Subject"] = message.subject
        mail["Date"] = formatdate(self._means.clock.now() / SECOND, usegmt=True)
        mail["Message-ID"] = named
        # Nobody reads an answer, least of all one that a machine gives (RFC 3834).
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        mail.set_content(message.text + "\n")
        mail.add_alternative(message.html, subtype="html")
        # Before, it would become a header of the text alone.
        mail["Content-Language"] = message.language
        return mail.as_bytes()


def _name_of(message: Mail, domain: str) -> str:
    """
    The message's id, with as much of the *domain* as there is room for where it is stored.

    It is the same at every relay: a mailbox that gets the message twice can tell.
    """
    while message_id(f"<{message.id}@{domain}>") is None and "." in domain:
        domain = domain.partition(".")[2]
    return f"<{message.id}@{domain}>"


def _refusal(code: int) -> SendFailed:
    """
    The failure that a relay's answer to the recipient is.

    An address can be refused for now because of its own server, so that tells nothing of the relay.
    """
    if code in _REFUSED:
        return SendRejected(f"the relay refused the address: {code}")
    if code in _REFUSED_FOR_NOW and code != _NOT_AVAILABLE:
        return SendRefusedHere(f"the relay refused the address for now: {code}")
    return SendFailed(f"the relay answered {code}")


@asynccontextmanager
async def _signed_in(relay: Relay, tls: ssl.SSLContext, domain: str) -> "AsyncGenerator[SMTP]":
    """A connection for one message, as *domain*."""
    # Imported late: only services that send e-mail need it.
    from aiosmtplib import SMTP  # noqa: PLC0415

    client = SMTP(
        hostname=relay.host,
        port=relay.port,
        use_tls=relay.is_tls,
        start_tls=False,
        tls_context=tls,
        # By default, the machine's own name is resolved, for however long that takes.
        local_hostname=domain,
        timeout=None,
    )
    transport: asyncio.BaseTransport | None = None
    try:
        await client.connect()
        transport = client.transport
        if not relay.is_tls and not relay.is_here:
            await client.starttls()
            transport = client.transport
        if relay.user:
            await client.login(relay.user, relay.password)
        yield client
    finally:
        # Closing it would wait for the other end.
        if transport is not None:
            cast("asyncio.WriteTransport", transport).abort()


async def _say_goodbye(client: "SMTP") -> None:
    """End the conversation, if that does not take long: the message is taken."""
    with suppress(Exception):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await client.quit()


@attrs.frozen
class SmtpReports:
    """
    Reads reports of bounces, which a program of the operator's makes in the form of a webhook's.

    The brackets around the message's id may be missing.
    """

    signed: SignedReports

    def is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Implement `Receipts.is_signed`."""
        return self.signed.is_signed(body, headers)

    def read(self, body: bytes) -> Sequence[tuple[str, DeliveryState]]:
        """Implement `Receipts.read`."""
        return [(f"<{named.strip('<>')}>", state) for named, state in self.signed.read(body)]


@asynccontextmanager
async def _open(account: SmtpAccount, means: Means) -> AsyncGenerator[Sender[Mail]]:
    yield SmtpMail(account, ssl.create_default_context(), means)


def _receipts(account: SmtpAccount, means: Means) -> SmtpReports | None:
    if not account.signature_secret:
        return None
    return SmtpReports(SignedReports(account.signature_secret, means.clock))


async def _probe(account: SmtpAccount, means: Means) -> Probed:
    """Sign in, and say goodbye."""
    from aiosmtplib import SMTPAuthenticationError, SMTPResponseException  # noqa: PLC0415

    relay = account.url[means.place]
    domain = EmailAddress(account.from_).domain
    where, variable = f"{relay.host}:{relay.port}", "HSP_OTP_SMTP_URL"
    try:
        async with (
            asyncio.timeout(PROBE_SECONDS),
            _signed_in(relay, ssl.create_default_context(), domain) as client,
        ):
            await _say_goodbye(client)
    except SMTPAuthenticationError as error:
        return Probed(f"{variable}: {where} refuses the user and password: {error.code}")
    except SMTPResponseException as error:
        return Probed(f"{variable}: {where} answered {error.code}")
    except Exception as error:  # noqa: BLE001 - the client's errors are many
        cause = error.__cause__ or error
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Probed(f"{variable}: {where} has no valid certificate: {cause.verify_message}")
        return Probed(f"{variable}: {where} did not answer: {type(error).__name__}")
    return Probed(told=f"{where} takes messages{' of the user' if relay.user else ''}")


SMTP_RELAYS: Final = Provider(
    channel=Channel.EMAIL,
    name=NAME,
    account=SmtpAccount,
    open=_open,
    receipts=_receipts,
    probe=_probe,
    count=lambda account: max(1, len(account.url)),
)
