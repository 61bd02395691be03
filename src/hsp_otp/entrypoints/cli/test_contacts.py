"""The `test-contacts` commands: docs/contract.md, section 13.10."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Final

import attrs
from cyclopts import App as Commands
from cyclopts import Parameter

from hsp_otp.adapters.secret_keys import NUMBER_FINGERPRINTS, TEST_CODES, ring
from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.test_contacts import SqlTestContacts
from hsp_otp.adapters.system import SystemRandomness
from hsp_otp.domain.apps import App
from hsp_otp.domain.code import Code, MalformedCodeError
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.instant import DAY, to_iso
from hsp_otp.domain.policy import MOST_TEST_CONTACT_DAYS, MOST_TEST_CONTACTS, TEST_CONTACT_DAYS
from hsp_otp.domain.test_contacts import KeptTestContact, NotAdded, is_guessable
from hsp_otp.domain.verification_request import Flaw, read_contact
from hsp_otp.entrypoints.cli.common import insist_on_newest
from hsp_otp.entrypoints.cli.output import FLAG, JsonLines, table
from hsp_otp.entrypoints.cli.person import load_with_keys, read_reason
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.entrypoints.wiring import clock_of, open_database, reach_of
from hsp_otp.flows.test_contacts import ManagingTestContacts

test_contacts = Commands(
    name="test-contacts", help="Add, list and remove contacts with a fixed code, for reviewers."
)

_HEADINGS: Final = ("contact", "app", "added", "ends", "reason")

_REFUSALS: Final = {
    NotAdded.STANDS: "it is a test contact of the app already; remove it first",
    NotAdded.TOO_MANY: f"the app has {MOST_TEST_CONTACTS} test contacts already",
    NotAdded.PROVED: "it has proved itself in the app, so it belongs to somebody",
    NotAdded.OF_USER: "it belongs to a user of a pass",
}

_FLAWS: Final = {
    Flaw.NO_CONTACT: "takes a phone number or an e-mail address",
    Flaw.PHONE: "it is not a phone number",
    Flaw.EMAIL: "it is not an e-mail address",
    Flaw.REGION: "its region is not one of the app's",
}


@attrs.frozen
class _Desk:
    """What the commands about one test contact use."""

    managing: ManagingTestContacts
    app: App
    contact: Contact


@test_contacts.command
def add(
    contact: Annotated[str, Parameter(name="CONTACT")],
    /,
    *,
    app: str,
    reason: str,
    code: str | None = None,
    days: int = TEST_CONTACT_DAYS,
) -> None:
    """
    Add a test contact of an app, and print its code; nothing can print it again.

    Nothing is sent to it, and its code is always the same. Every use is in the audit and the log.
    Servers follow within 5 seconds.

    Example: hsp-otp test-contacts add "98765 43210" --app shop --reason "App Store review"

    Args:
        contact: A phone number or e-mail address that belongs to nobody; national format is
            accepted.
        app: The name of the app.
        reason: The reason, which is written to the audit and must not contain the contact.
        code: The code, with as many digits as the app's codes; drawn by default. Runs and repeats
            are refused.
        days: The days after which it ends, 90 at most.
    """
    if not 1 <= days <= MOST_TEST_CONTACT_DAYS:
        raise CommandError(
            f"--days: got {days}, takes a whole number from 1 to {MOST_TEST_CONTACT_DAYS}"
        )
    settings = load_with_keys()
    why = read_reason(reason, settings)

    async def work() -> tuple[KeptTestContact | NotAdded, Code]:
        async with _open(settings, contact, app) as desk:
            digits = _digits(desk, settings)
            fixed = desk.managing.draw_code(digits) if code is None else _read_code(code, digits)
            added = await desk.managing.add(desk.app, desk.contact, fixed, days * DAY, why)
            return added, fixed

    added, fixed = asyncio.run(work())
    if isinstance(added, NotAdded):
        raise CommandError(f"CONTACT: {_REFUSALS[added]}")
    print(
        f"{added.contact} is a test contact of {app} until {in_short(added.ends_at)} UTC, with the "
        "code",
        file=sys.stderr,
    )
    print(fixed.reveal())


@test_contacts.command(name="list")
def list_(*, json: Annotated[bool, FLAG] = False) -> None:
    """
    List all living test contacts without their codes, the oldest first.

    Example: hsp-otp test-contacts list

    Args:
        json: Print one JSON object per line.
    """
    settings = load()

    async def work() -> list[tuple[KeptTestContact, str]]:
        async with open_database(settings) as database:
            await insist_on_newest(database)
            names = {one.id: one.name for one in (await SqlApps(database).tenants()).apps}
            now = clock_of(settings).now()
            stored = await SqlTestContacts(database).list()
            return [(one, names[one.app_id]) for one in stored if one.lives(now)]

    found = asyncio.run(work())
    if not json:
        table(
            (
                (one.contact, app, in_short(one.added_at), in_short(one.ends_at), one.reason)
                for one, app in found
            ),
            _HEADINGS,
        )
        return
    writer = JsonLines()
    for one, app in found:
        writer.write(
            {
                "contact": one.contact,
                "app": app,
                "added_at": to_iso(one.added_at),
                "ends_at": to_iso(one.ends_at),
                "reason": one.reason,
            }
        )


@test_contacts.command
def remove(contact: Annotated[str, Parameter(name="CONTACT")], /, *, app: str) -> None:
    """
    Make a test contact an ordinary one; no server accepts its code after 5 seconds.

    Example: hsp-otp test-contacts remove "98765 43210" --app shop

    Args:
        contact: The phone number or e-mail address; national format is accepted.
        app: The name of the app.
    """
    settings = load_with_keys()

    async def work() -> KeptTestContact | None:
        async with _open(settings, contact, app) as desk:
            return await desk.managing.remove(desk.app, desk.contact)

    removed = asyncio.run(work())
    if removed is None:
        raise CommandError(f"CONTACT: it is not a test contact of {app}")
    print(f"removed {removed.contact}")


@asynccontextmanager
async def _open(settings: Settings, contact: str, app: str) -> AsyncGenerator[_Desk]:
    async with open_database(settings) as database:
        await insist_on_newest(database)
        found = await _app(database, app)
        managing = ManagingTestContacts(
            register=SqlTestContacts(database),
            clock=clock_of(settings),
            randomness=SystemRandomness(),
            fingerprints=ring(settings.secret_keys, NUMBER_FINGERPRINTS),
            codes=ring(settings.secret_keys, TEST_CODES),
        )
        yield _Desk(managing, found, _read_contact(contact, found, settings))


async def _app(database: Database, name: str) -> App:
    for one in (await SqlApps(database).tenants()).apps:
        if one.name == name:
            return one
    raise CommandError(f"there is no app {name!r}; hsp-otp apps show lists all")


def _read_contact(text: str, app: App, settings: Settings) -> Contact:
    found = read_contact(text, app, reach_of(settings))
    if isinstance(found, Flaw):
        raise CommandError(f"CONTACT: {_FLAWS[found]}")
    return found


def _digits(desk: _Desk, settings: Settings) -> int:
    """The number of digits of the app's codes, unless a verification names another purpose."""
    rules = desk.app.rules
    purpose = rules.default_purposes[desk.contact.kind]
    return rules.policy_of(purpose, settings.app_policies[purpose]).digits


def _read_code(text: str, digits: int) -> Code:
    try:
        code = Code.parse(text, digits)
    except MalformedCodeError:
        raise CommandError(f"--code: takes {digits} digits") from None
    if is_guessable(code.reveal()):
        raise CommandError("--code: runs and repeats are guessed first; leave it out to draw one")
    return code
