"""Structured logs on stderr that hold no secret, whoever writes them."""

import atexit
import json
import logging
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor

_CAPPED: Final = {
    # Their own debug lines hold statements and parameters: full numbers, digests.
    "aiosqlite": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "alembic": logging.WARNING,
    "asyncio": logging.WARNING,
    # Bodies and headers of what goes to providers.
    "aiohttp": logging.WARNING,
    "twilio": logging.WARNING,
    # What a collector answers, and its address; what is lost is told of elsewhere.
    "opentelemetry": logging.CRITICAL,
    "urllib3": logging.ERROR,
    "litestar": logging.WARNING,
    "uvicorn": logging.WARNING,
}


_MOST_LINES: Final = 10_000
"""That wait to be written; some 4 MB."""

_TOGETHER_SECONDS: Final = 0.005
"""Lines of a moment are written together: waking a thread costs more than a line."""

_FAREWELL_SECONDS: Final = 1.0


def configure(*, for_people: bool) -> None:
    """
    Send everything, the libraries' logs too, to stderr as one line each.

    Args:
        for_people: Readable instead of JSON.
    """
    lines = _lines_to(sys.stderr)
    shared: Sequence[Processor] = (
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tell_where,
    )
    renderer: Processor = _as_json
    if for_people:
        renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else as_text
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: lines,
    )
    handler = _Handler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name, level in _CAPPED.items():
        logging.getLogger(name).setLevel(level)


class Lines(Protocol):
    """Takes lines of the log."""

    def msg(self, message: str) -> None:
        """Take one."""
        ...


class LineWriter:
    """
    Writes lines in a thread of its own, so that nobody waits for whoever reads them.

    Where they are not read, new ones are dropped, and how many is said once they are read again.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: deque[str] = deque()
        self._lost = 0
        self._counting = threading.Lock()
        self._wake = threading.Semaphore(0)
        self._is_awake = False
        self._writing = threading.Lock()
        threading.Thread(target=self._run, name="log", daemon=True).start()
        atexit.register(self.flush)

    def msg(self, message: str) -> None:
        """Take one line; waits for nobody who writes or reads."""
        if len(self._waiting) >= _MOST_LINES:
            with self._counting:
                self._lost += 1
            return
        self._waiting.append(message)
        if not self._is_awake:
            self._is_awake = True
            self._wake.release()

    log = debug = info = warning = warn = error = critical = exception = fatal = msg

    def _run(self) -> None:
        while True:
            self._wake.acquire()
            time.sleep(_TOGETHER_SECONDS)
            self._is_awake = False
            self._write()

    def _write(self) -> None:
        with self._writing:
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            with self._counting:
                lost, self._lost = self._lost, 0
            if lost:
                lines.append(json.dumps({"event": "log_lines_lost", "lines": lost}))
            left = "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace")
            with suppress(OSError):  # whoever read them has gone
                while left:
                    left = left[os.write(self._descriptor, left) :]

    def flush(self) -> None:
        """Write what has been taken, where somebody reads it within a second."""
        last = threading.Thread(target=self._write, daemon=True)
        last.start()
        last.join(_FAREWELL_SECONDS)


@cache
def _lines_to(stream: TextIO) -> Lines:
    try:
        return LineWriter(stream.fileno())
    except OSError:  # it is in memory
        return structlog.PrintLogger(stream)


def flush() -> None:
    """Write what has been said, before the process ends without another word."""
    lines = _lines_to(sys.stderr)
    if isinstance(lines, LineWriter):
        lines.flush()


class _Handler(logging.Handler):
    """Takes what libraries log."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Render it and hand it on."""
        self._lines.msg(self.format(record))


def as_text(_: object, __: str, event: EventDict) -> str:
    """As the library shows it on a terminal, without its colours and what they cost."""
    told = dict(event)
    line = f"{told.pop('timestamp')} [{told.pop('level'):<9}] {told.pop('event'):<30}"
    return " ".join((line, *(f"{name}={value}" for name, value in sorted(told.items()))))


def _as_json(_: object, __: str, event: EventDict) -> str:
    try:
        return _json.encode(event).decode()
    except ValueError:  # half a character
        return json.dumps(event, default=repr)


_json = msgspec.json.Encoder(enc_hook=repr)


def _tell_where(_: object, __: str, event: EventDict) -> EventDict:
    """
    Put the kinds of exceptions and their places into *event*, never their texts.

    An exception's text may hold what it stumbled over: a driver names the row, a parser the
    value.
    """
    given: Any = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    error: Any = cast("tuple[Any, ...]", given)[1] if isinstance(given, tuple) else given
    causes: list[str] = []
    while isinstance(error, BaseException):
        causes.append(f"{type(error).__qualname__} at {_place(error.__traceback__)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if causes:
        event["error"] = causes
    return event


def _place(where: TracebackType | None) -> str:
    frames = traceback.extract_tb(where)
    return " < ".join(
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    )
