"""The sandbox of development mode, in files that the workers of one machine share."""

import fcntl
import os
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from mmap import mmap
from pathlib import Path
from typing import Final

import attrs
from msgspec import json

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import DAY, Duration, Instant, after
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.sandbox import Outbox, SentMessage
from hsp_otp.ports.sender import SEND_WITHIN, Call, Message, Receipt, Senders

FURTHEST: Final[Duration] = 100 * 366 * DAY
"""How far the clock can be ahead of the real time: it must stay within four-digit years."""

_KEPT: Final = 100
"""The most messages in an outbox."""

_FULL_BYTES: Final = 256 * 1024
"""The size of the file from which on old messages are dropped from it."""

_BYTES: Final = 8

_CODE: Final = re.compile(r"[0-9]{4,10}")
"""The first such digits of any message are its code: names and texts with others are refused."""


class SharedClock:
    """A clock that is ahead of another one by what a file says, in microseconds."""

    def __init__(self, file: Path, real: Clock) -> None:
        """
        Open *file*, or create it for its owner alone; may raise OSError.

        Args:
            real: The clock that this one is ahead of.
        """
        self._file = _open(file)
        if os.fstat(self._file).st_size < _BYTES:
            os.truncate(self._file, _BYTES)  # of zeros
        # A request looks at the clock a dozen times, and a call of the system takes a microsecond.
        self._shared = mmap(self._file, _BYTES)
        self._real = real

    def now(self) -> Instant:
        """Implement `Clock.now`."""
        return after(self._real.now(), self._ahead())

    def advance(self, duration: Duration) -> bool:
        """Implement `TurnableClock.advance`."""
        with _locked(self._file):
            ahead = self._ahead() + duration
            if ahead > FURTHEST:
                return False
            self._shared[:] = ahead.to_bytes(_BYTES, "big")
            return True

    def close(self) -> None:
        """Close the file."""
        self._shared.close()
        os.close(self._file)

    def _ahead(self) -> Duration:
        return int.from_bytes(self._shared[:], "big")


class FileOutbox:
    """The latest messages, one JSON object per line."""

    def __init__(self, file: Path) -> None:
        """Open *file*, or create it for its owner alone; may raise OSError."""
        self._file = _open(file)

    def add(self, message: SentMessage) -> None:
        """Implement `Outbox.add`."""
        with _locked(self._file):
            size = os.fstat(self._file).st_size
            os.pwrite(self._file, json.encode(message) + b"\n", size)
            if size > _FULL_BYTES:
                kept = b"".join(line + b"\n" for line in self._lines()[-_KEPT:])
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, kept, 0)

    def messages(self) -> list[SentMessage]:
        """Implement `Outbox.messages`."""
        with _locked(self._file):
            lines = self._lines()
        return [json.decode(line, type=SentMessage) for line in reversed(lines[-_KEPT:])]

    def clear(self) -> None:
        """Implement `Outbox.clear`."""
        with _locked(self._file):
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _lines(self) -> list[bytes]:
        return os.pread(self._file, os.fstat(self._file).st_size, 0).splitlines()


@attrs.frozen(kw_only=True)
class RecordedSenders:
    """Keeps the messages that senders take in an outbox."""

    senders: Senders
    channel: Channel
    outbox: Outbox
    clock: Clock

    def available(self, names: Sequence[str] = ()) -> bool:
        """Implement `Senders.available`."""
        return self.senders.available(names)

    async def send(
        self, message: Message, within: Duration = SEND_WITHIN, names: Sequence[str] = ()
    ) -> Receipt:
        """Implement `Senders.send`."""
        receipt = await self.senders.send(message, within, names)
        self.outbox.add(
            SentMessage(
                at=self.clock.now(),
                to=message.to.value,
                channel=self.channel,
                text=message.text,
                code=_code_in(message),
            )
        )
        return receipt


def _code_in(message: Message) -> str:
    if isinstance(message, Call):  # its digits stand apart
        return message.code
    found = _CODE.search(message.text)
    return found[0] if found else ""


def _open(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextmanager
def _locked(file: int) -> Generator[None]:
    """Keep other processes out of *file* meanwhile."""
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
