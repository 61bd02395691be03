"""The `erase` command: docs/erasing.md."""

import asyncio
from typing import Annotated

from cyclopts import Parameter

from hsp_otp.adapters.secret_keys import NUMBER_FINGERPRINTS, ring
from hsp_otp.adapters.sql.erasure import SqlErasure
from hsp_otp.adapters.sql.verifications import SqlVerifications
from hsp_otp.domain.challenge_outcomes import Locked
from hsp_otp.domain.instant import DAY, after
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import SEND_ROW_DAYS
from hsp_otp.entrypoints.cli.output import FLAG
from hsp_otp.entrypoints.cli.person import (
    insist_on_stores,
    load_with_keys,
    open_desk,
    read_number,
    read_reason,
)
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.entrypoints.wiring import clock_of
from hsp_otp.flows.erase import Erasing, Found


def erase(
    number: Annotated[str, Parameter(name="NUMBER")],
    /,
    *,
    yes: Annotated[bool, FLAG] = False,
    reason: str | None = None,
) -> None:
    """
    Erase a person's data by phone number; without --yes, only show what would be erased.

    Erases all users with the number, their passes and their sign-ins. Records that limits and
    locks still count are kept until they expire. Also remove the person from the data that you
    import.

    Example: hsp-otp erase "98765 43210" --yes --reason "asked by letter"

    Args:
        number: The phone number; national format is accepted.
        yes: Erase the data.
        reason: The reason, which is written to the audit and must not contain the number.
    """
    settings = load_with_keys()
    insist_on_stores(settings)
    phone = read_number(number, settings, "NUMBER")
    if yes and reason is None:
        raise CommandError("--yes needs a --reason, which is written to the audit")
    why = None if reason is None else read_reason(reason, settings)
    for line in asyncio.run(_erase(settings, phone, why if yes else None)):
        print(line)


async def _erase(settings: Settings, phone: PhoneNumber, reason: str | None) -> list[str]:
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
        found = await erasing.look(phone)
        if isinstance(found, Locked):
            raise CommandError(_locked(found))
        if reason is not None:
            locked = await erasing.erase(phone, found, reason)
            if locked is not None:
                raise CommandError(_locked(locked))
    return _in_words(phone, found, settings, is_done=reason is not None)


def _in_words(phone: PhoneNumber, found: Found, settings: Settings, *, is_done: bool) -> list[str]:
    kept = found.kept
    lines = [
        f"{phone.masked}{f' ({phone.region})' if phone.region else ''}",
        "erased:" if is_done else "would be erased:",
        f"  users: {len(found.users)}" + "".join(f", {user}" for user in found.users),
        f"  passes: {kept.passes}",
        *(f"  {plural}: {count}" for plural, count in kept.records.items()),
        f"  verifications: {kept.verifications}",
        f"  test contacts: {kept.test_contacts}",
        f"  apps in which the number was verified: {kept.proved}",
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


def _locked(outcome: Locked) -> str:
    when = "" if outcome.retry_at is None else f" until {in_short(outcome.retry_at)} UTC"
    return (
        f"the number is locked after wrong guesses{when}, and erasing would lift the lock: "
        "wait, or run hsp-otp unlock first"
    )
