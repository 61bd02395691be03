"""The console sender."""

import asyncio
import io

import attrs
import pytest

from hsp_otp.adapters.senders.console import Console
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.names import ENGLISH
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.sender import Call, Mail, Message, Receipt, Sms, WhatsApp

TEXT = (
    "012345 is your House Service Pass code. It expires in 10 minutes. Do not share it with anyone."
)
SMS = Sms(to=Contact(ContactKind.PHONE, "+919876543210"), text=TEXT, useful_for=600_000_000)


class Terminal(io.RawIOBase):
    """What reaches the terminal, write by write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def writable(self) -> bool:
        """It is written to."""
        return True

    def write(self, data: object) -> int:
        """Take all of it."""
        assert isinstance(data, memoryview | bytes)
        self.writes.append(bytes(data))
        return len(data)


class GoneTerminal(io.StringIO):
    """A terminal that was closed."""

    def write(self, text: str) -> int:  # noqa: ARG002 - it is never printed
        """Take nothing."""
        raise BrokenPipeError


def _stream(terminal: Terminal, encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(terminal), encoding=encoding)


def test_the_box() -> None:
    """The message stands in a box under the full number, and the receipt names the sender."""
    stream = io.StringIO()
    assert asyncio.run(Console(stream).send(SMS)) == Receipt(sender="console")
    assert stream.getvalue() == (
        "+--------------------------------------------------------------+\n"
        "| SMS to +919876543210                                         |\n"
        "|                                                              |\n"
        "| 012345 is your House Service Pass code. It expires in 10     |\n"
        "| minutes. Do not share it with anyone.                        |\n"
        "+--------------------------------------------------------------+\n"
    )


TO = SMS.to
CALL = Call(
    id="c1", to=TO, code="012345", language=ENGLISH, service_name="Shop", useful_for=600_000_000
)
WHATSAPP = WhatsApp(id="w1", to=TO, code="012345", language=ENGLISH, useful_for=600_000_000)
MAIL = Mail(
    id="m1",
    to=Contact(ContactKind.EMAIL, "asha@example.com"),
    subject="Your Shop code",
    text="Your code is 012345.",
    html="<p>Your code is 012345.</p>",
    language=ENGLISH,
    useful_for=600_000_000,
    sender_name="Shop",
)


@pytest.mark.parametrize(
    ("message", "title", "text"),
    [
        (CALL, "Call to +919876543210", "Your Shop code is 0, 1, 2, 3, 4, 5."),
        (WHATSAPP, "WhatsApp message to +919876543210", "012345 is your verification code."),
        (MAIL, "E-mail to asha@example.com", "Your code is 012345."),
    ],
)
def test_every_channel(message: Message, title: str, text: str) -> None:
    """The box says how the message would go, and what it says; its `repr` hides the code."""
    stream = io.StringIO()
    assert asyncio.run(Console(stream, "mine").send(message)) == Receipt(sender="mine")
    rows = [row.strip("| ") for row in stream.getvalue().splitlines()[1:-1]]
    assert rows == [title, "", text]
    assert "012345" not in repr(message)


def test_one_write() -> None:
    """A box reaches the terminal at once and in one piece: several workers share it."""
    terminal = Terminal()
    stream = _stream(terminal)
    sender = Console(stream)
    asyncio.run(sender.send(SMS))
    assert len(terminal.writes) == 1
    asyncio.run(sender.send(SMS))
    assert len(terminal.writes) == 2
    assert terminal.writes[0] == terminal.writes[1]
    assert terminal.writes[0].endswith(b"-+\n")


def test_lines_are_kept() -> None:
    """A message of several lines keeps them, empty ones too."""
    stream = io.StringIO()
    sms = attrs.evolve(SMS, text="012345\n\n@example.com #012345")
    asyncio.run(Console(stream).send(sms))
    rows = [row.strip("| ") for row in stream.getvalue().splitlines()[1:-1]]
    assert rows == ["SMS to +919876543210", "", "012345", "", "@example.com #012345"]


def test_a_narrow_encoding() -> None:
    """A terminal that lacks a character gets its name: no error that would carry the code."""
    terminal = Terminal()
    stream = _stream(terminal, "ascii")
    sms = attrs.evolve(SMS, text="012345 is your Café code.")
    asyncio.run(Console(stream).send(sms))
    assert rb"012345 is your Caf\xe9 code." in terminal.writes[0]


def test_a_terminal_that_is_gone() -> None:
    """Where the terminal is gone the message was not handed over, and the error shows nothing."""
    with pytest.raises(SendFailed, match=r"^the terminal is gone$"):
        asyncio.run(Console(GoneTerminal()).send(SMS))


def test_it_is_always_there() -> None:
    """Nothing makes the console skip a message."""
    assert Console(GoneTerminal()).available()
