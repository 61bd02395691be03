"""The `erase` command: docs/erasing.md."""

import asyncio
from typing import Annotated, TypeAlias, assert_never

import attrs
from cyclopts import Parameter

from hsp_otp.adapters.secret_keys import NUMBER_FINGERPRINTS, ring
from hsp_otp.adapters.sql.erasure import SqlErasure
from hsp_otp.adapters.sql.verifications import SqlVerifications
from hsp_otp.domain.challenge_outcomes import Locked
from hsp_otp.domain.email_address import EmailAddress
from hsp_otp.domain.instant import DAY, after
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import SEND_ROW_DAYS
from hsp_otp.entrypoints.cli.output import FLAG
from hsp_otp.entrypoints.cli.person import (
    find_app,
    insist_on_stores,
    load_with_keys,
    open_desk,
    read_email,
    read_number,
    read_reason,
)
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.entrypoints.wiring import clock_of
from hsp_otp.flows.erase import Erasing, Found
from hsp_otp.ports.erasure import Kept, OfAddress, OfAppUser, OfNumber, Whose


@attrs.frozen
class _UserOfApp:
    """A user by the id that the backend of an app has for them, and the name of the app."""

    app: str
    subject: str = attrs.field(repr=False)


_Whom: TypeAlias = PhoneNumber | EmailAddress | _UserOfApp


def erase(
    number: Annotated[str | None, Parameter(name="NUMBER")] = None,
    /,
    *,
    email: str | None = None,
    app: str | None = None,
    subject: str | None = None,
    yes: Annotated[bool, FLAG] = False,
    reason: str | None = None,
) -> None:
    """
    Erase a person's data; without --yes, only show what would be erased.

    By number, erases all users with it, their passes and their sign-ins, and what apps have
    verified of it; by e-mail address, what apps have verified of it; by app, what was verified of
    one of its users. Records that limits and locks still count are kept until they expire. Also
    remove the person from the data that you import.

    Example: hsp-otp erase "98765 43210" --yes --reason "asked by letter"

    Args:
        number: The phone number; national format is accepted.
        email: The e-mail address, instead of a number.
        app: The app whose user to erase, instead of a number.
        subject: The id of that user, as the app's backend gives it.
        yes: Erase the data.
        reason: The reason, which is written to the audit and must not contain the contact.
    """
    settings = load_with_keys()
    insist_on_stores(settings)
    if number is not None and email is None and app is None and subject is None:
        whom: _Whom = read_number(number, settings, "NUMBER")
    elif number is None and email is not None and app is None and subject is None:
        whom = read_email(email)
    elif number is None and email is None and app is not None and subject is not None:
        whom = _UserOfApp(app, subject)
    else:
        raise CommandError("erase takes either a number, --email, or --app and --subject")
    if yes and reason is None:
        raise CommandError("--yes needs a --reason, which is written to the audit")
    why = None if reason is None else read_reason(reason, settings)
    for line in asyncio.run(_erase(settings, whom, why if yes else None)):
        print(line)


async def _erase(settings: Settings, whom: _Whom, reason: str | None) -> list[str]:
    """Describe what is erased and what is kept; erase only with a *reason*."""
    async with open_desk(settings) as desk:
        erasing = Erasing(
            users=desk.passes,
            slots=desk.slots,
            verifications=SqlVerifications(desk.database),
            erasure=SqlErasure(desk.database),
            clock=clock_of(settings),
            fingerprints=ring(settings.secret_keys, NUMBER_FINGERPRINTS),
            policies=settings.policies,
            app_policies=settings.app_policies,
        )
        if isinstance(whom, PhoneNumber):
            found = await erasing.look(whom)
        elif isinstance(whom, EmailAddress):
            found = await erasing.look_at_address(whom)
        else:
            found = await erasing.look_at_user(await find_app(desk, whom.app), whom.subject)
        if isinstance(found, Locked):
            raise CommandError(_locked(whom, found))
        if reason is not None:
            locked = await erasing.erase(found, reason)
            if locked is not None:
                raise CommandError(_locked(whom, locked))
    return _in_words(found, settings, is_done=reason is not None)


def _in_words(found: Found, settings: Settings, *, is_done: bool) -> list[str]:
    kept = found.kept
    lines = [
        *_named(found.whose, kept, is_done=is_done),
        f"  sends that no limit counts any more: {kept.old_sends}",
        "  live codes",
        *(["  known devices, which become strangers"] if found.devices else []),
        "kept:",
    ]
    if kept.sends:
        past = in_short(after(clock_of(settings).now(), SEND_ROW_DAYS * DAY))
        lines.append(f"  sends that limits count: {kept.sends}, until purge after {past} UTC")
    if found.until is not None:
        lines.append(f"  wrong guesses and cooldown, until {in_short(found.until)} UTC")
    lines.append(
        f"  audit rows, masked: {kept.audit}, each until purge after {settings.audit_days} days"
    )
    if not is_done:
        lines.append("nothing was changed; add --yes --reason TEXT to erase")
    return lines


def _named(whose: Whose, kept: Kept, *, is_done: bool) -> list[str]:
    """Name the person, and count the rows that are deleted whatever limits count."""
    done = "erased:" if is_done else "would be erased:"
    match whose:
        case OfNumber(phone=phone, users=users):
            return [
                f"{phone.masked}{f' ({phone.region})' if phone.region else ''}",
                done,
                f"  users: {len(users)}" + "".join(f", {user}" for user in users),
                f"  passes: {kept.passes}",
                *(f"  {plural}: {count}" for plural, count in kept.records.items()),
                f"  verifications: {kept.verifications}",
                f"  test contacts: {kept.test_contacts}",
                f"  apps in which the number was verified: {kept.proved}",
            ]
        case OfAddress(contact=contact):
            return [
                contact.masked,
                done,
                f"  verifications: {kept.verifications}",
                f"  test contacts: {kept.test_contacts}",
                f"  apps in which the address was verified: {kept.proved}",
            ]
        case OfAppUser(app=app):
            return [f"a user of app {app.name}", done, f"  verifications: {kept.verifications}"]
        case _:
            assert_never(whose)


def _locked(whom: _Whom, outcome: Locked) -> str:
    who = {PhoneNumber: "number", EmailAddress: "address", _UserOfApp: "user"}[type(whom)]
    when = "" if outcome.retry_at is None else f" until {in_short(outcome.retry_at)} UTC"
    return (
        f"the {who} is locked after wrong guesses{when}, and erasing would lift the lock: "
        "wait, or run hsp-otp unlock first"
    )
