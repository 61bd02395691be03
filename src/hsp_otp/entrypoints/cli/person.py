"""
Functions that the commands about one person share: reading arguments and opening stores.

They raise CommandError for what they reject, and Unavailable if a store does not answer.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

import attrs

from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.adapters.sql.passes import SqlPasses
from hsp_otp.adapters.sql.verifications import SqlVerifications
from hsp_otp.adapters.system import SystemRandomness
from hsp_otp.domain.apps import App
from hsp_otp.domain.email_address import EmailAddress, InvalidEmailError
from hsp_otp.domain.names import ClientAddress, MalformedPassCodeError, PassCode
from hsp_otp.domain.passes import PassNotFound
from hsp_otp.domain.phone import InvalidPhoneError, PhoneNumber, mentions_number
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.typed_text import plain, visible, visible_in_names
from hsp_otp.entrypoints.cli.common import insist_on_newest
from hsp_otp.entrypoints.client_address import find_client
from hsp_otp.entrypoints.development import with_generated_keys
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.checks import check_secret_keys
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.wiring import clock_of, open_database, open_redis_of, open_stores
from hsp_otp.flows.person import People, Person, user_of_app
from hsp_otp.ports.challenges import SlotRepository

_LONGEST_REASON = 500
_UNKNOWN = ClientAddress("unknown")


@attrs.frozen
class Desk:
    """The stores that the commands about one person use."""

    database: Database
    passes: SqlPasses
    slots: SlotRepository


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncGenerator[Desk]:
    """Open the stores that *settings* choose, if the database has the newest schema."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings))
        await insist_on_newest(database)
        redis = await open_redis_of(stack, settings)
        stores = open_stores(
            settings,
            GroupCommit(database),
            SqlLimitRecovery(database),
            redis,
            clock=clock_of(settings),
            randomness=SystemRandomness(),
        )
        yield Desk(database, SqlPasses(database), stores.slots)


def load_with_keys() -> Settings:
    """Load the settings; raises SettingsError if there are no secret keys for fingerprints."""
    settings = with_generated_keys(load())
    check_secret_keys(settings)
    return settings


def insist_on_stores(settings: Settings) -> None:
    """Reject challenges in a server's memory, which no command reaches."""
    if settings.challenge_store == "memory":
        raise CommandError(
            "the challenges are in the server's memory, which no command reaches: restart the "
            "server to clear them"
        )


def read_number(text: str, settings: Settings, name: str = "--phone") -> PhoneNumber:
    """Parse the number that was given as the option *name*."""
    try:
        return PhoneNumber.parse(text, settings.default_region)
    except InvalidPhoneError as error:
        raise CommandError(f"{name}: {error}") from None


def read_email(text: str) -> EmailAddress:
    """Parse the e-mail address that was given as `--email`."""
    try:
        return EmailAddress.parse(text)
    except InvalidEmailError as error:
        raise CommandError(f"--email: {error}") from None


def read_pass_code(text: str) -> PassCode:
    """Parse the pass code that was given as `--pass-code`."""
    try:
        return PassCode.parse(text)
    except MalformedPassCodeError as error:
        raise CommandError(f"--pass-code: {error}") from None


def insist_on_one(command: str, pass_code: str | None, phone: str | None) -> None:
    """Reject a person who is named by neither a pass nor a number, or by both."""
    if (pass_code is None) == (phone is None):
        raise CommandError(f"{command} takes either --pass-code or --phone")


async def find_person(
    desk: Desk,
    settings: Settings,
    pass_code: str | None,
    phone: str | None,
    purposes: Iterable[Purpose] = Purpose,
) -> Person:
    """The person with that pass or that number."""
    people = People(
        passes=desk.passes, users=desk.passes, verifications=SqlVerifications(desk.database)
    )
    if pass_code is not None:
        found = await people.of_pass(read_pass_code(pass_code), purposes)
        if isinstance(found, PassNotFound):
            raise CommandError("there is no pass with that code")
    else:
        found = await people.of_number(read_number(phone or "", settings), purposes)
    if not found.slots:
        raise CommandError("nobody has that number")
    return found


async def find_app(desk: Desk, name: str) -> App:
    """The app of that name."""
    tenants = await SqlApps(desk.database).tenants()
    app = next((one for one in tenants.apps if one.name == name), None)
    if app is None:
        raise CommandError(f"there is no app {name}")
    return app


async def find_holder_of_address(
    desk: Desk, email: str, purposes: Iterable[Purpose] = Purpose
) -> Person:
    """The users of apps with that e-mail address."""
    people = People(
        passes=desk.passes, users=desk.passes, verifications=SqlVerifications(desk.database)
    )
    found = await people.of_address(read_email(email), purposes)
    if not found.slots:
        raise CommandError("no app verifies that address")
    return found


async def find_user_of_app(
    desk: Desk, name: str, subject: str, purposes: Iterable[Purpose] = Purpose
) -> Person:
    """The user of the app of that name for whom its backend has that id."""
    found = user_of_app(await find_app(desk, name), subject, purposes)
    if not found.slots:
        raise CommandError("apps verify nothing for that purpose")
    return found


def read_address(text: str) -> ClientAddress:
    """
    Parse the client address that was given as `--address`, as the addresses of callers are read.

    An IPv6 address counts as its /64, which may be given as such.
    """
    one = text.removesuffix("::/64") + "::" if text.endswith("::/64") else text
    found = find_client(one, (), ()).address
    if found == _UNKNOWN:
        raise CommandError("--address: takes an IPv4 or IPv6 address")
    return found


def read_reason(text: str, settings: Settings) -> str:
    """Return the reason as it may be stored in the audit."""
    reason = visible_in_names(text).strip()
    if not plain(reason) or not visible(reason).isprintable():
        raise CommandError("--reason: takes printable text that is not empty")
    if len(reason) > _LONGEST_REASON:
        raise CommandError(f"--reason: takes {_LONGEST_REASON} characters at most")
    if mentions_number(reason, settings.default_region) or PassCode.is_in(reason):
        raise CommandError("--reason: the audit never holds a full number or pass code")
    return reason
