"""A relay for e-mail, which records what it takes and does what a test tells it."""

import asyncio
import datetime as dt
import ipaddress
import ssl
import threading
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import attrs
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.plays import code_in

USER = "otp"
PASSWORD = "p@ss,word/1"
"""With characters that have to be encoded in a URL."""

OK = "250 OK"


@attrs.frozen
class Letter:
    """
    A message that the relay took.

    Attributes:
        sender: Of the envelope.
        to: Of the envelope.
        raw: The message.
        user: Who had signed in.
        is_encrypted: Whether it came over TLS.
    """

    sender: str
    to: str
    raw: bytes
    user: str | None
    is_encrypted: bool

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        return cast("EmailMessage", message_from_bytes(self.raw, policy=default))

    def part(self, kind: str) -> str:
        """The text of its part of that kind: ``plain`` or ``html``."""
        found = self.message.get_body((kind,))
        assert found is not None
        return str(found.get_content())

    @property
    def code(self) -> str:
        """The code in it."""
        return code_in(self.part("plain"))


@attrs.define
class Relay:
    """
    A relay on a port of its own.

    Attributes:
        taken: The messages, oldest first.
        asked: How often it was named a recipient.
        on_recipient: What it answers then; None hangs.
        on_data: What it answers to a message; None takes it and hangs.
        certificate: The file of its certificate and key; without one it offers no TLS.
        is_tls: It speaks TLS from the start.
        signs_in: It demands the user and the password.
        host: Where it listens.
    """

    taken: list[Letter] = attrs.field(factory=list[Letter])
    asked: int = 0
    on_recipient: str | None = OK
    on_data: str | None = OK
    certificate: Path | None = None
    is_tls: bool = False
    signs_in: bool = False
    host: str = "127.0.0.1"
    port: int = 0
    _loop: asyncio.AbstractEventLoop = attrs.field(factory=asyncio.SelectorEventLoop)
    _sessions: list[SMTP] = attrs.field(factory=list[SMTP])
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The value of the setting for it."""
        return f"smtp{'s' if self.is_tls else ''}://127.0.0.1:{self.port}"

    def to(self, address: str) -> list[Letter]:
        """The messages to *address*."""
        return [one for one in self.taken if one.to == address]

    def __enter__(self) -> Self:
        started = threading.Event()

        def serve() -> None:
            asyncio.set_event_loop(self._loop)
            tls = self._tls() if self.is_tls else None
            opening = self._loop.create_server(self._session, self.host, self.port, ssl=tls)
            server = self._loop.run_until_complete(opening)
            self.port = server.sockets[0].getsockname()[1]
            started.set()
            self._loop.run_forever()
            server.close()
            waiting = asyncio.all_tasks(self._loop)
            for task in waiting:
                task.cancel()
            gathered = asyncio.gather(*waiting, return_exceptions=True)
            self._loop.run_until_complete(gathered)
            for session in self._sessions:
                transport = session.transport
                if isinstance(transport, asyncio.WriteTransport):
                    transport.abort()
            self._loop.run_until_complete(asyncio.sleep(0.02))
            self._loop.close()

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        assert self._thread is not None
        self._thread.join(10)

    def _session(self) -> SMTP:
        session = SMTP(
            _Handler(self),
            hostname="relay.example.com",
            loop=self._loop,
            tls_context=self._tls() if self.certificate and not self.is_tls else None,
            require_starttls=bool(self.certificate) and not self.is_tls,
            authenticator=self._authenticate,
            # The library knows of no TLS that is there from the start.
            auth_required=self.signs_in and not self.is_tls,
            auth_require_tls=bool(self.certificate) and not self.is_tls,
        )
        self._sessions.append(session)
        return session

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        assert self.certificate is not None
        context.load_cert_chain(self.certificate)
        return context

    def _authenticate(self, *arguments: object) -> AuthResult:
        found = arguments[-1]
        assert isinstance(found, LoginPassword)
        right = (found.login, found.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False, auth_data=USER if right else None)


@attrs.frozen
class _Handler:
    relay: Relay

    async def handle_RCPT(  # noqa: N802 - the name of the library
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        self.relay.asked += 1
        answer = self.relay.on_recipient
        if answer is None:
            await asyncio.sleep(3600)
            raise AssertionError
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802
        self, _: SMTP, session: Session, envelope: Envelope
    ) -> str:
        answer = self.relay.on_data
        if answer is None or answer.startswith("2"):
            letter = Letter(
                sender=str(envelope.mail_from),
                to=envelope.rcpt_tos[0],
                raw=cast("bytes", envelope.content),
                user=cast("str | None", session.auth_data),
                is_encrypted=session.ssl is not None or self.relay.is_tls,
            )
            self.relay.taken.append(letter)
        if answer is None:
            await asyncio.sleep(3600)
        return answer or OK


def certificate(folder: Path, *names: str) -> Path:
    """Make a certificate for *names* and addresses, signed by itself, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay")])
    made = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    alternatives: list[x509.GeneralName] = []
    for one in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(one)))
        except ValueError:
            alternatives.append(x509.DNSName(one))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(made)
        .not_valid_after(made + dt.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / "relay.pem"
    file.write_bytes(pem + signed.public_bytes(serialization.Encoding.PEM))
    return file
