"""Prints messages to the terminal, for development. This is the only place that shows a code."""

import re
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final, TextIO

import attrs

from hsp_otp.adapters.senders.provider import Means, Provider
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import Duration
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.sender import SEND_WITHIN, Call, Mail, Message, Receipt, Sender, Sms, WhatsApp

NAME: Final = "console"

_KINDS: Final[Mapping[type[Message], str]] = {
    Sms: "SMS",
    Call: "Call",
    WhatsApp: "WhatsApp message",
    Mail: "E-mail",
}

_WIDTH: Final = 60
_ROW: Final = re.compile(rf"\S(?:.{{0,{_WIDTH - 2}}}\S)?(?!\S)|\S{{{_WIDTH}}}")
"""As many words as fit into a row, or a part of a word that is too long."""


class Console:
    """Prints every message in a box."""

    def __init__(self, stream: TextIO, name: str = NAME) -> None:
        """Print to standard output, which several processes may share; *name* is the sender's."""
        self._stream = stream
        self._name = name

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return True

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:  # noqa: ARG002
        """Implement `Sender.send`. Blocks while the terminal does."""
        box = _box(f"{_KINDS[type(message)]} to {message.to.destination}", message.text)
        # An encoding error would carry the whole text, and therefore the code, into a log.
        encoding = self._stream.encoding or "utf-8"
        printable = box.encode(encoding, "backslashreplace").decode(encoding)
        try:
            # One write, so that the boxes of several workers do not mix.
            self._stream.write(printable)
            self._stream.flush()
        except OSError as error:
            raise SendFailed("the terminal is gone") from error
        return Receipt(sender=self._name)


def _box(title: str, text: str) -> str:
    wrapped = [row for line in text.splitlines() for row in _ROW.findall(line) or [""]]
    edge = f"+{'-' * (_WIDTH + 2)}+"
    rows = [f"| {row:<{_WIDTH}} |" for row in (title, "", *wrapped)]
    return "\n".join((edge, *rows, edge, ""))


@attrs.frozen
class NoSettings:
    """The console has no settings."""


@asynccontextmanager
async def _open(_: NoSettings, means: Means) -> AsyncGenerator[Sender[Message]]:
    yield Console(sys.stdout, means.name)


def _console(channel: Channel, name: str) -> Provider[NoSettings]:
    return Provider(
        channel=channel, name=name, account=NoSettings, open=_open, development_only=True
    )


CONSOLE: Final = _console(Channel.SMS, NAME)
CONSOLE_EMAIL: Final = _console(Channel.EMAIL, "console-email")
CONSOLE_VOICE: Final = _console(Channel.VOICE, "console-voice")
CONSOLE_WHATSAPP: Final = _console(Channel.WHATSAPP, "console-whatsapp")
