"""The `audit` commands: docs/contract.md, section 10, and docs/investigating.md."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

import attrs
from cyclopts import App, Parameter

from hsp_otp.adapters.secret_keys import NUMBER_FINGERPRINTS, ring
from hsp_otp.adapters.sql.audit_queries import SqlAuditQueries
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.apps import MalformedNameError, check_name
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.fraud_patterns import (
    ADDRESS,
    MISSING,
    NUMBERS_FROM_ONE_ADDRESS,
    NUMBERS_OF_ONE_PREFIX,
    UNVERIFIED,
    Suspicion,
)
from hsp_otp.domain.instant import Instant, to_iso
from hsp_otp.entrypoints.audit_timeline import in_words
from hsp_otp.entrypoints.cli.common import insist_on_newest
from hsp_otp.entrypoints.cli.output import FLAG, Shown, structured, table
from hsp_otp.entrypoints.cli.person import load_with_keys, read_address, read_email, read_number
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.time_range import in_short, read_span
from hsp_otp.entrypoints.wiring import open_database
from hsp_otp.ports.audit_queries import Entry, Span, Tally, Wanted

T = TypeVar("T")

audit = App(name="audit", help="Query the audit: who requested what, and with which outcome.")

Kind = Literal["addresses", "prefixes", "countries"]

_MOST_IN_A_TABLE: Final = 200
_OUTCOME: Final = re.compile("[a-z_]{1,64}")
_FINGERPRINT: Final = re.compile("[^:\\s]{1,64}:[0-9a-f]{32}")
_UNKNOWN: Final = "unknown"

_NAMES: Final = {
    "client": "address",
    "contact": "phone",
    "contact_fingerprint": "phone_fingerprint",
    "range_fingerprint": "prefix_fingerprint",
}
"""The columns whose names differ from the members' names."""

_FIELDS: Final[tuple[Any, ...]] = attrs.fields(Entry)
_MEMBERS: Final[Mapping[str, str]] = {
    name: _NAMES.get(name, name) for name in (str(field.name) for field in _FIELDS) if name != "id"
}
"""What is listed of an entry, with the names of the columns."""

_ENTRY_COLUMNS: Final = tuple(_MEMBERS.values())
_INSTANTS: Final = {field.name for field in _FIELDS if field.type in {Instant, Instant | None}}

_TALLY_COLUMNS: Final = tuple(field.name for field in attrs.fields(Tally))
_SUSPICION_COLUMNS: Final = (
    *("kind", "of", "who", "phone", "region", "sent", "verified", "numbers", "addresses"),
    *("missed", "hits", "first", "last", "first_request", "last_request"),
)


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Showing:
    """
    The period to show, and the output format.

    Attributes:
        since: Start of the period: a date, an ISO 8601 instant (UTC by default), or an age such as
            30m, 24h, 7d or 2w.
        until: End of the period, excluded; in the same forms as --since.
        json: Print one JSON object per line.
        csv: Print CSV with a header.
    """

    since: str | None = None
    until: str | None = None
    json: Annotated[bool, FLAG] = False
    csv: Annotated[bool, FLAG] = False

    def span(self, unless_told: str | None = None) -> Span:
        """Return the period to show, with *unless_told* as its start by default."""
        since = self.since or (unless_told if self.until is None else None)
        try:
            return read_span(since, self.until, SystemClock().now())
        except ValueError as error:
            raise CommandError(str(error)) from None


_ALL: Final = Showing()


@audit.command(name="list")
def list_(
    *,
    phone: str | None = None,
    email: str | None = None,
    address: str | None = None,
    outcome: str | None = None,
    app: str | None = None,
    showing: Showing = _ALL,
) -> None:
    """
    List rows, oldest first: all of them with --json or --csv, otherwise the latest 200.

    Example: hsp-otp audit list --address 203.0.113.7 --since 24h

    Args:
        phone: Only rows of this number; national format is accepted.
        email: Only rows of this e-mail address.
        address: Only rows of this client address; for IPv6, of its /64.
        outcome: Only rows with this outcome, such as invalid_otp.
        app: Only rows of requests for the app of this name.
    """
    wanted = Wanted(
        address=_address(address), outcome=_outcome(outcome), app=_app(app), span=showing.span()
    )
    if phone is not None and email is not None:
        raise CommandError("audit list takes either --phone or --email")
    settings = load() if phone is None and email is None else load_with_keys()
    if phone is not None or email is not None:
        contact = _contact(settings, phone, email)
        wanted = attrs.evolve(wanted, contacts=_fingerprints(settings, contact.value))
    _list(settings, wanted, showing)


@audit.command(name="range")
def range_(
    *,
    phone: str | None = None,
    fingerprint: str | None = None,
    app: str | None = None,
    showing: Showing = _ALL,
) -> None:
    """
    List the rows of a range of numbers, which differ only in the last four digits.

    Example: hsp-otp audit range --phone "98765 43210" --since 7d

    Args:
        phone: A number in the range.
        fingerprint: The range's fingerprint, as shown by top and suspicious, instead of a number.
        app: Only rows of requests for the app of this name.
    """
    if (phone is None) == (fingerprint is None):
        raise CommandError("audit range takes either --phone or --fingerprint")
    wanted = Wanted(app=_app(app), span=showing.span())
    settings = load() if phone is None else load_with_keys()
    if phone is not None:
        number = read_number(phone, settings)
        wanted = attrs.evolve(wanted, ranges=_fingerprints(settings, number.prefix))
    elif fingerprint is not None:
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise CommandError("--fingerprint: takes a range's, as shown by top and suspicious")
        wanted = attrs.evolve(wanted, ranges=(fingerprint,))
    _list(settings, wanted, showing)


@audit.command
def timeline(
    *,
    phone: str | None = None,
    email: str | None = None,
    app: str | None = None,
    showing: Showing = _ALL,
) -> None:
    """
    Describe what happened to one number or e-mail address, in plain English, oldest first.

    Example: hsp-otp audit timeline --phone "98765 43210" --since 7d

    Args:
        phone: The number; national format is accepted.
        email: The e-mail address, instead of a number.
        app: Only what happened at requests for the app of this name.
    """
    if (phone is None) == (email is None):
        raise CommandError("audit timeline takes either --phone or --email")
    writer = structured(("says", *_ENTRY_COLUMNS), as_json=showing.json, as_csv=showing.csv)
    span = showing.span()
    settings = load_with_keys()
    contact = _contact(settings, phone, email)
    wanted = Wanted(contacts=_fingerprints(settings, contact.value), app=_app(app), span=span)

    async def ask(asked: SqlAuditQueries) -> list[tuple[str, str]]:
        told: list[tuple[str, str]] = []
        async for entry in asked.entries(wanted):
            if writer is None:
                told.append((in_short(entry.at), in_words(entry)))
            else:
                writer.write({"says": in_words(entry), **_shown(entry)})
        return told

    found = _ask(settings, ask)
    if writer is None:
        region = f" ({contact.region})" if contact.region else ""
        title = f"{contact.masked}{region}, times in UTC"
        table(found, ("when", "what"), title)
    else:
        writer.close()


@audit.command
def top(kind: Kind | None = None, /, *, count: int = 10, showing: Showing = _ALL) -> None:
    """
    Show the addresses, number ranges and countries with the most traffic; last 24 hours by default.

    Addresses are ordered by requests, ranges and countries by codes sent.

    Example: hsp-otp audit top prefixes --since 7d

    Args:
        kind: Show only one of the three.
        count: How many of each to show.
    """
    if not 1 <= count <= _MOST_IN_A_TABLE:
        raise CommandError(
            f"--count: got {count}, takes a whole number from 1 to {_MOST_IN_A_TABLE}"
        )
    writer = structured(_TALLY_COLUMNS, as_json=showing.json, as_csv=showing.csv)
    span = showing.span("24h")

    async def ask(asked: SqlAuditQueries) -> list[tuple[Kind, list[Tally]]]:
        ways: dict[Kind, Callable[[Span, int], Awaitable[list[Tally]]]] = {
            "addresses": asked.top_addresses,
            "prefixes": asked.top_prefixes,
            "countries": asked.top_countries,
        }
        return [
            (one, await way(span, count))
            for one, way in ways.items()
            if kind is None or kind == one
        ]

    for one, tallies in _ask(load(), ask):
        if writer is None:
            _table_of_tallies(one, tallies)
        else:
            for tally in tallies:
                writer.write(attrs.asdict(tally))
    if writer is not None:
        writer.close()


@audit.command
def suspicious(*, showing: Showing = _ALL) -> None:
    """
    Show patterns that suggest abuse, with the evidence; last 24 hours by default.

    The patterns are many numbers in one range or from one address, codes sent but never verified,
    and look-ups that miss.

    Example: hsp-otp audit suspicious --since 7d
    """
    writer = structured(_SUSPICION_COLUMNS, as_json=showing.json, as_csv=showing.csv)
    span = showing.span("24h")

    async def ask(asked: SqlAuditQueries) -> list[Suspicion]:
        return await asked.suspicions(span)

    found = _ask(load(), ask)
    if writer is not None:
        for one in found:
            writer.write(_shown_suspicion(one))
        writer.close()
        return
    table(
        ((_SUSPECTED[one.kind], _who(one), _evidence(one)) for one in found),
        ("what", "who", "evidence"),
    )


def _list(settings: Settings, wanted: Wanted, showing: Showing) -> None:
    writer = structured(_ENTRY_COLUMNS, as_json=showing.json, as_csv=showing.csv)

    async def stream(asked: SqlAuditQueries) -> list[Entry]:
        if writer is None:
            return await asked.latest(wanted, _MOST_IN_A_TABLE + 1)
        async for entry in asked.entries(wanted):
            writer.write(_shown(entry))
        return []

    found = _ask(settings, stream)
    if writer is not None:
        writer.close()
        return
    if len(found) > _MOST_IN_A_TABLE:
        print(f"only the latest {_MOST_IN_A_TABLE}; --json and --csv list all", file=sys.stderr)
    table(
        (
            (
                *(in_short(one.at), one.flow, one.lane, one.action, one.outcome),
                *(one.contact or one.pass_code, one.region, one.client),
                *(one.sender, one.state, one.count, one.request_id),
            )
            for one in found[-_MOST_IN_A_TABLE:]
        ),
        (
            *("when (UTC)", "flow", "lane", "action", "outcome"),
            *("number or pass", "country", "address"),
            *("sender", "state", "times", "request"),
        ),
    )


def _table_of_tallies(kind: Kind, tallies: Sequence[Tally]) -> None:
    match kind:
        case "addresses":
            headings: tuple[str, ...] = (
                *("address", "requests", "sent", "verified", "wrong", "missed", "refused"),
            )
            rows: list[tuple[object, ...]] = [
                (one.who, one.requests, one.sent, one.verified, one.wrong, one.missed, one.refused)
                for one in tallies
            ]
        case "prefixes":
            headings = ("range of numbers", "country", "sent", "verified", "numbers")
            rows = [(one.who, one.region, one.sent, one.verified, one.numbers) for one in tallies]
        case "countries":
            headings = ("country", "sent", "verified", "numbers")
            rows = [(one.who, one.sent, one.verified, one.numbers) for one in tallies]
    table(rows, headings, f"{kind}:")
    print()


_SUSPECTED: Final = {
    NUMBERS_OF_ONE_PREFIX: "many numbers in one range",
    NUMBERS_FROM_ONE_ADDRESS: "many numbers from one address",
    UNVERIFIED: "codes sent but not verified",
    MISSING: "look-ups that miss",
}


def _who(found: Suspicion) -> str:
    who = f"{found.of} {found.traffic.who}"
    return f"{who} ({found.phone})" if found.phone else who


def _evidence(found: Suspicion) -> str:
    seen = found.traffic
    if found.kind == MISSING:
        told = [f"{seen.missed} misses and {seen.hits} hits"]
    else:
        told = [f"{seen.sent} sent, {seen.verified} verified"]
        if seen.numbers:
            told.append(_counted(seen.numbers, "number"))
        if found.of != ADDRESS:
            told.append(_counted(seen.addresses, "address", "addresses"))
    told.append(f"{in_short(seen.first)} to {in_short(seen.last)}")
    told.append("requests " + " to ".join(one or "unknown" for one in found.requests))
    return ", ".join(told)


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _shown(entry: Entry) -> Shown:
    told = attrs.asdict(entry)
    for name in _INSTANTS:
        told[name] = None if told[name] is None else to_iso(Instant(told[name]))
    return {column: told[name] for name, column in _MEMBERS.items()}


def _shown_suspicion(found: Suspicion) -> Shown:
    told = attrs.asdict(found.traffic) | {
        "kind": found.kind,
        "of": found.of,
        "phone": found.phone,
        "first": to_iso(found.traffic.first),
        "last": to_iso(found.traffic.last),
        "first_request": found.requests[0],
        "last_request": found.requests[-1],
    }
    return {name: told[name] for name in _SUSPICION_COLUMNS}


def _ask(settings: Settings, work: Callable[[SqlAuditQueries], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_database(settings) as database:
            await insist_on_newest(database)
            return await work(SqlAuditQueries(database))

    return asyncio.run(run())


def _contact(settings: Settings, phone: str | None, email: str | None) -> Contact:
    """The contact that one of the two options names."""
    if email is not None:
        return Contact.of_email(read_email(email))
    return Contact.of_phone(read_number(phone or "", settings))


def _fingerprints(settings: Settings, text: str) -> tuple[str, ...]:
    return ring(settings.secret_keys, NUMBER_FINGERPRINTS).fingerprints(text)


def _address(text: str | None) -> str | None:
    return text if text is None or text == _UNKNOWN else read_address(text).value


def _outcome(text: str | None) -> str | None:
    if text is not None and not _OUTCOME.fullmatch(text):
        raise CommandError("--outcome: takes a word such as invalid_otp")
    return text


def _app(text: str | None) -> str | None:
    try:
        return None if text is None else check_name(text)
    except MalformedNameError as error:
        raise CommandError(f"--app: {error}") from None
