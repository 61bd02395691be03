"""Structured logs on stderr that hold no secret, whoever writes them."""

import logging
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast

import structlog
from structlog.typing import EventDict, Processor

_CAPPED: Final = {
    # Their own debug lines hold statements and parameters: full numbers, digests.
    "aiosqlite": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "alembic": logging.WARNING,
    "asyncio": logging.WARNING,
    # Bodies and headers of what goes to providers.
    "httpcore2": logging.WARNING,
    "httpx2": logging.WARNING,
    "twilio": logging.WARNING,
    # What a collector answers, and its address; what is lost is told of elsewhere.
    "opentelemetry": logging.CRITICAL,
    "urllib3": logging.ERROR,
    "litestar": logging.WARNING,
    "uvicorn": logging.WARNING,
}


def configure(*, for_people: bool) -> None:
    """
    Send everything, the libraries' logs too, to stderr as one line each.

    Args:
        for_people: Readable instead of JSON.
    """
    shared: Sequence[Processor] = (
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tell_where,
    )
    renderer = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if for_people
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
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
