"""The `erase` command: docs/erasing.md."""

import asyncio
from typing import Annotated

from cyclopts import Parameter

from hsp_otp.adapters.secret_keys import NUMBER_FINGERPRINTS, ring
from hsp_otp.adapters.sql.erasure import SqlErasure
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.challenge import Locked
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
from hsp_otp.flows.erase import Erasing, Found


def erase(
    number: Annotated[str, Parameter(name="NUMBER")],
    /,
    *,
    yes: Annotated[bool, FLAG] = False,
    reason: str | None = None,
) -> None:
    """
    Erase what is kept of a person by their number; without --yes only tell what that would be.

    All users who have the number go, with their passes and sign-ins. What limits and locks count
    stays for as long as they count it. Take the person out of what you import from, too.

    Example: hsp-otp erase "98765 43210" --yes --reason "asked by letter"

    Args:
        number: In national form too.
        yes: Erase.
        reason: Why; it is written to the audit, which has to do without the number.
    """
    settings = load_with_keys()
    insist_on_stores(settings)
    phone = read_number(number, settings, "NUMBER")
    if yes and reason is None:
        raise CommandError("--yes takes a --reason, which is written to the audit")
    why = None if reason is None else read_reason(reason, settings)
    for line in asyncio.run(_erase(settings, phone, why if yes else None)):
        print(line)


async def _erase(settings: Settings, phone: PhoneNumber, reason: str | None) -> list[str]:
    """What goes and what stays, in words; done only with a *reason*."""
    async with open_desk(settings) as desk:
        erasing = Erasing(
            users=desk.passes,
            slots=desk.slots,
            erasure=SqlErasure(desk.database),
            clock=SystemClock(),
            fingerprints=ring(settings.secret_keys, NUMBER_FINGERPRINTS),
            policies=settings.policies,
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
        "gone:" if is_done else "would go:",
        f"  users: {len(found.users)}" + "".join(f", {user}" for user in found.users),
        f"  passes: {kept.passes}",
        *(f"  {plural}: {count}" for plural, count in kept.records.items()),
        f"  sends that no limit counts any more: {kept.old_sends}",
        "  codes that are on their way",
        "stays:",
    ]
    if kept.sends:
        past = in_short(after(SystemClock().now(), SEND_ROW_DAYS * DAY))
        lines.append(f"  sends that limits count: {kept.sends}, until purge after {past} UTC")
    if found.until is not None:
        lines.append(f"  wrong guesses and cooldown, until {in_short(found.until)} UTC")
    lines.append(
        f"  audit rows, masked: {kept.audit}, each until purge after {settings.audit_days} days"
    )
    if not is_done:
        lines.append("nothing was changed; --yes --reason TEXT erases")
    return lines


def _locked(outcome: Locked) -> str:
    when = "" if outcome.retry_at is None else f" until {in_short(outcome.retry_at)} UTC"
    return (
        f"wrong guesses lock it{when}, and erasing would lift that: "
        "wait, or unlock it first by hsp-otp unlock"
    )
