"""Structured logs on stderr that never hold a secret, not even in lines from libraries."""

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
    # The debug lines contain statements and parameters, with full numbers and digests.
    "aiosqlite": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "alembic": logging.WARNING,
    "asyncio": logging.WARNING,
    # The debug lines contain bodies and headers of requests to providers.
    "aiohttp": logging.WARNING,
    "twilio": logging.WARNING,
    # The lines contain a collector's answers and address; lost spans are logged elsewhere.
    "opentelemetry": logging.CRITICAL,
    "urllib3": logging.ERROR,
    "litestar": logging.WARNING,
    "uvicorn": logging.WARNING,
}


_MOST_LINES: Final = 10_000
"""The most lines that wait to be written; some 4 MB."""

_TOGETHER_SECONDS: Final = 0.005
"""The time for which lines are gathered, because waking a thread costs more than a line."""

_FAREWELL_SECONDS: Final = 1.0


def configure(*, for_people: bool) -> None:
    """Write all logs, also of libraries, to stderr as lines of JSON, or of text *for_people*."""
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name, level in _CAPPED.items():
        logging.getLogger(name).setLevel(level)


class Lines(Protocol):
    """A destination for log lines."""

    def msg(self, message: str) -> None:
        """Write one line."""
        ...


class LineWriter:
    """
    Writes lines in a separate thread, so that a slow reader delays nobody.

    While nobody reads, new lines are dropped; their number is logged once somebody reads again.
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
        """Queue one line without waiting for other writers or the reader."""
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
            with suppress(OSError):  # the reader has gone
                while left:
                    left = left[os.write(self._descriptor, left) :]

    def flush(self) -> None:
        """Write the queued lines, if the reader takes them within a second."""
        last = threading.Thread(target=self._write, daemon=True)
        last.start()
        last.join(_FAREWELL_SECONDS)


@cache
def _lines_to(stream: TextIO) -> Lines:
    try:
        return LineWriter(stream.fileno())
    except OSError:  # stderr is an object in memory
        return structlog.PrintLogger(stream)


def flush() -> None:
    """Write the queued lines before the process ends abruptly."""
    lines = _lines_to(sys.stderr)
    if isinstance(lines, LineWriter):
        lines.flush()


class _Handler(logging.Handler):
    """Handles the log records of libraries."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Render *record* and write it."""
        self._lines.msg(self.format(record))


def as_text(_: object, __: str, event: EventDict) -> str:
    """Render *event* like the library does on a terminal, but without colours and their cost."""
    told = dict(event)
    line = f"{told.pop('timestamp')} [{told.pop('level'):<9}] {told.pop('event'):<30}"
    return " ".join((line, *(f"{name}={value}" for name, value in sorted(told.items()))))


def _as_json(_: object, __: str, event: EventDict) -> str:
    try:
        return _json.encode(event).decode()
    except ValueError:  # a lone surrogate
        return json.dumps(event, default=repr)


_json = msgspec.json.Encoder(enc_hook=repr)


def _tell_where(_: object, __: str, event: EventDict) -> EventDict:
    """
    Add the types and places of exceptions to *event*, but never their texts.

    An exception's text may contain the data that caused it: a driver names the row, a parser the
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
