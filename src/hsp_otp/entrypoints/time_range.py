"""Parses the time ranges of commands, and formats instants."""

import re
from typing import Final

from hsp_otp.domain.instant import DAY, HOUR, MINUTE, Duration, Instant, after, from_iso, to_iso
from hsp_otp.ports.audit_queries import Span

_AGO: Final = re.compile(r"([0-9]{1,5})([mhdw])")
_UNITS: Final[dict[str, Duration]] = {"m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}

TAKES: Final = "a date, an ISO 8601 instant (UTC by default), or an age such as 30m, 24h, 7d, 2w"


def read_span(since: str | None, until: str | None, now: Instant) -> Span:
    """
    Return the span between two times; a missing end leaves the span open on that side.

    Args:
        since: The start, included; an amount of time means that long ago.
        until: The end, excluded; an amount of time means that long ago.

    Raises:
        ValueError: A text is not a time, or they are in the wrong order; the message begins with
            the option.
    """
    span = Span()
    if since is not None:
        span = Span(_read("--since", since, now), span.until)
    if until is not None:
        span = Span(span.since, _read("--until", until, now))
    if span.since >= span.until:
        raise ValueError("--since is not before --until")
    return span


def in_short(instant: Instant) -> str:
    """Format *instant* for a table, to the second and in UTC."""
    return to_iso(Instant(instant - instant % 1_000_000)).replace("T", " ").removesuffix("Z")


def _read(option: str, text: str, now: Instant) -> Instant:
    if ago := _AGO.fullmatch(text):
        return after(now, -int(ago[1]) * _UNITS[ago[2]])
    try:
        return from_iso(text)
    except ValueError:
        raise ValueError(f"{option}: got {text!r}, takes {TAKES}") from None
