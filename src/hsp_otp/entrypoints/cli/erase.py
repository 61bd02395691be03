"""The command for a person who wants to be forgotten: `docs/erasing.md`."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated, Any, Final

import attrs
from cyclopts import Parameter

from hsp_otp.adapters.secret_keys import NUMBER_FINGERPRINTS, ring
from hsp_otp.adapters.sql.erasure import SqlErasure
from hsp_otp.adapters.sql.purge import SqlPurge
from hsp_otp.adapters.sql.record_kinds import RECORD_KINDS, RecordKind
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.challenge import Locked, slots_about
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.instant import CLOCK_SKEW, DAY, Instant, after
from hsp_otp.domain.names import Slot
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import SEND_ROW_DAYS
from hsp_otp.domain.quota import LONGEST_WINDOW
from hsp_otp.domain.rows import Action, AuditRow
from hsp_otp.entrypoints.cli.output import FLAG
from hsp_otp.entrypoints.cli.person import (
    Desk,
    insist_on_stores,
    load_with_keys,
    open_desk,
    read_number,
    read_reason,
)
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.flows.caller import about
from hsp_otp.flows.otp import forget_slot

_WORD: Final = "erased"


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


@attrs.frozen
class _Found:
    """
    Whom the number belongs to, and what there is of them.

    Attributes:
        slots: Theirs, and the number's own.
        until: When the last of what limits count of the slots counts no more.
    """

    users: tuple[str, ...]
    slots: tuple[Slot, ...]
    until: Instant | None

    def records(
        self, phone: PhoneNumber
    ) -> Iterator[tuple[RecordKind[Any], Callable[[Any], bool]]]:
        """The kinds of records that tell of people, and which of them tell of these."""
        for kind in RECORD_KINDS:
            is_theirs = kind.about(self.users, phone)
            if is_theirs is not None:
                yield kind, is_theirs


async def _erase(settings: Settings, phone: PhoneNumber, reason: str | None) -> list[str]:
    """What goes and what stays, in words; done only with a *reason*."""
    now = SystemClock().now()
    counted_since = after(now, -LONGEST_WINDOW - CLOCK_SKEW)
    fingerprints = ring(settings.secret_keys, NUMBER_FINGERPRINTS)
    async with open_desk(settings) as desk:
        found = await _find(desk, settings, phone, now)
        erasure, purge = SqlErasure(desk.database), SqlPurge(desk.database)
        kept = await erasure.kept(
            phone, found.slots, counted_since, fingerprints.fingerprints(phone.e164)
        )
        counts = [
            f"  {kind.plural}: {await purge.count(kind, is_theirs)}"
            for kind, is_theirs in found.records(phone)
        ]
        if reason is not None:
            row = AuditRow(
                at=now,
                flow=None,
                purpose=None,
                action=Action.ERASE,
                outcome=_WORD,
                client=None,
                request_id=None,
                reason=reason,
            )
            await _forget(desk, settings, phone, found, now)
            await erasure.erase(
                phone,
                found.slots,
                counted_since,
                # Found by whoever asks for the number, and by nobody else.
                attrs.evolve(about(row, Contact.of_phone(phone), fingerprints), contact=None),
            )
            # Again, for whoever was just asking or signing in; a lock can be no news by now.
            with suppress(CommandError):
                await _forget(desk, settings, phone, found, now)
    lines = [
        f"{phone.masked}{f' ({phone.region})' if phone.region else ''}",
        "gone:" if reason is not None else "would go:",
        f"  users: {len(found.users)}" + "".join(f", {user}" for user in found.users),
        f"  passes: {kept.passes}",
        *counts,
        f"  sends that no limit counts any more: {kept.old_sends}",
        "  codes that are on their way",
        "stays:",
    ]
    if kept.sends:
        past = in_short(after(now, SEND_ROW_DAYS * DAY))
        lines.append(f"  sends that limits count: {kept.sends}, until purge after {past} UTC")
    if found.until is not None:
        lines.append(f"  wrong guesses and cooldown, until {in_short(found.until)} UTC")
    lines.append(
        f"  audit rows, masked: {kept.audit}, each until purge after {settings.audit_days} days"
    )
    if reason is None:
        lines.append("nothing was changed; --yes --reason TEXT erases")
    return lines


async def _find(desk: Desk, settings: Settings, phone: PhoneNumber, now: Instant) -> _Found:
    """
    Whom the number belongs to.

    Raises:
        CommandError: One of the slots is locked, which erasing would lift.
    """
    users = await desk.passes.users_of(phone)
    ids = tuple(user.id for user in users)
    slots = tuple(slots_about(ids, Contact.of_phone(phone)))
    until: Instant | None = None
    for slot in slots:
        policy = settings.policies[slot.purpose]
        outcome = await forget_slot(desk.slots, slot, policy, now, only_look=True)
        if isinstance(outcome, Locked):
            raise CommandError(_locked(outcome))
        if outcome.until is not None:
            until = max(until or outcome.until, outcome.until)
    return _Found(ids, slots, until)


async def _forget(
    desk: Desk, settings: Settings, phone: PhoneNumber, found: _Found, now: Instant
) -> None:
    """
    Forget the records.

    Raises:
        CommandError: One of the slots is locked by now.
    """
    for slot in found.slots:
        outcome = await forget_slot(desk.slots, slot, settings.policies[slot.purpose], now)
        if isinstance(outcome, Locked):
            raise CommandError(_locked(outcome))
    for kind, is_theirs in found.records(phone):
        await SqlPurge(desk.database).records(kind, is_theirs)


def _locked(outcome: Locked) -> str:
    when = "" if outcome.retry_at is None else f" until {in_short(outcome.retry_at)} UTC"
    return (
        f"wrong guesses lock it{when}, and erasing would lift that: "
        "wait, or unlock it first by hsp-otp unlock"
    )
