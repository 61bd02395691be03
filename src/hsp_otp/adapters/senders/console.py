"""Prints messages to the terminal, for development. This is the only place that shows a code."""

import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, TextIO

import attrs

from hsp_otp.adapters.senders.provider import Means, Provider
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import Duration
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.sender import SEND_WITHIN, Mail, Message, Receipt, Sender

NAME: Final = "console"
_EMAIL_NAME: Final = "console-email"

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
        kind = "E-mail" if isinstance(message, Mail) else "SMS"
        box = _box(f"{kind} to {message.to.destination}", message.text)
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


CONSOLE: Final = Provider(name=NAME, account=NoSettings, open=_open, development_only=True)

CONSOLE_EMAIL: Final = Provider(
    channel=Channel.EMAIL,
    name=_EMAIL_NAME,
    account=NoSettings,
    open=_open,
    development_only=True,
)
