"""Prints messages to the terminal, for development. This is the only place that shows a code."""

import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, TextIO

import attrs

from hsp_otp.adapters.senders.provider import Means, Provider
from hsp_otp.domain.instant import Duration
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt, Sender

NAME: Final = "console"

_WIDTH: Final = 60
_ROW: Final = re.compile(rf"\S(?:.{{0,{_WIDTH - 2}}}\S)?(?!\S)|\S{{{_WIDTH}}}")
"""As many words as fit into a row, or a part of a word that is too long."""


class ConsoleSms:
    """Prints every message in a box."""

    def __init__(self, stream: TextIO) -> None:
        """Print to standard output, which several processes may share."""
        self._stream = stream

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return True

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:  # noqa: ARG002
        """Implement `Sender.send`. Blocks while the terminal does."""
        box = _box(f"SMS to {message.to.value}", message.text)
        # An encoding error would carry the whole text, and therefore the code, into a log.
        encoding = self._stream.encoding or "utf-8"
        printable = box.encode(encoding, "backslashreplace").decode(encoding)
        try:
            # One write, so that the boxes of several workers do not mix.
            self._stream.write(printable)
            self._stream.flush()
        except OSError as error:
            raise SendFailed("the terminal is gone") from error
        return Receipt(sender=NAME)


def _box(title: str, text: str) -> str:
    wrapped = [row for line in text.splitlines() for row in _ROW.findall(line) or [""]]
    edge = f"+{'-' * (_WIDTH + 2)}+"
    rows = [f"| {row:<{_WIDTH}} |" for row in (title, "", *wrapped)]
    return "\n".join((edge, *rows, edge, ""))


@attrs.frozen
class NoSettings:
    """The console has no settings."""


@asynccontextmanager
async def _open(_: NoSettings, __: Means) -> AsyncGenerator[Sender]:
    yield ConsoleSms(sys.stdout)


CONSOLE: Final = Provider(name=NAME, account=NoSettings, open=_open, development_only=True)
