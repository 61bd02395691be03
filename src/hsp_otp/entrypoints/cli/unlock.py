"""The command by which an operator unlocks whom failed guesses locked."""

import asyncio
from collections.abc import Sequence

from hsp_otp.adapters.secret_keys import NUMBER_FINGERPRINTS, ring
from hsp_otp.adapters.sql.passes import SqlPasses
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.challenge import slots_about
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.names import MalformedPassCodeError, PassCode, Purpose, Slot, SubjectKind
from hsp_otp.domain.passes import User
from hsp_otp.domain.rows import Action, AuditRow
from hsp_otp.entrypoints.cli.person import (
    insist_on_stores,
    load_with_keys,
    open_desk,
    read_number,
    read_reason,
)
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.flows.caller import about
from hsp_otp.flows.otp import unlock_slot


def unlock(
    *,
    reason: str,
    pass_code: str | None = None,
    phone: str | None = None,
    purpose: Purpose | None = None,
) -> None:
    """
    Unlock whom failed guesses locked: clear the windows and the run.

    Example: hsp-otp unlock --pass-code HSP-1234-5678 --reason "called back"

    Args:
        reason: Why; it is written to the audit.
        pass_code: A pass of the user to unlock.
        phone: The number to unlock, with all users who have it, instead of a pass.
        purpose: Only this purpose; all of them where not given.
    """
    settings = load_with_keys()
    if (pass_code is None) == (phone is None):
        raise CommandError("unlock takes either --pass-code or --phone")
    why = read_reason(reason, settings)
    insist_on_stores(settings)
    if pass_code and purpose and purpose.subject_kind is SubjectKind.PHONE:
        raise CommandError(f"{purpose.value} is about a number: unlock it with --phone")
    print(f"unlocked {asyncio.run(_unlock(settings, pass_code, phone, purpose, why))}")


async def _unlock(
    settings: Settings,
    pass_code: str | None,
    phone: str | None,
    purpose: Purpose | None,
    reason: str,
) -> str:
    """Whom it unlocked, in words."""
    fingerprints = ring(settings.secret_keys, NUMBER_FINGERPRINTS)
    purposes = Purpose if purpose is None else (purpose,)
    async with open_desk(settings) as desk:
        number = None if phone is None else read_number(phone, settings)
        code = None if pass_code is None else _pass_code(pass_code)
        if code is not None:
            users = [await _holder(desk.passes, code)]
        else:
            users = [] if number is None else await desk.passes.users_of(number)
        numbers = {user.id: user.phone for user in users}
        contact = None if number is None else Contact.of_phone(number)
        found = slots_about(tuple(numbers), contact, purposes)
        if not found:
            raise CommandError("nobody has that number")
        for slot in found:
            row = AuditRow(
                at=SystemClock().now(),
                flow=None,
                purpose=slot.purpose,
                action=Action.UNLOCK,
                outcome="unlocked",
                client=None,
                request_id=None,
                pass_code=None if code is None else code.masked,
                reason=reason,
            )
            of = numbers.get(slot.subject.id, number)
            row = row if of is None else about(row, Contact.of_phone(of), fingerprints)
            await unlock_slot(desk.slots, slot, row)
    return _in_words(found)


def _in_words(slots: Sequence[Slot]) -> str:
    """Whose slots they are."""
    users = len({slot.subject for slot in slots if slot.subject.kind is SubjectKind.USER})
    told = [f"{users} user{'' if users == 1 else 's'}"] if users else []
    numbers = [slot for slot in slots if slot.subject.kind is SubjectKind.PHONE]
    return " and ".join([*told, *(f"the number's {slot.purpose.value}" for slot in numbers)])


def _pass_code(text: str) -> PassCode:
    try:
        return PassCode.parse(text)
    except MalformedPassCodeError as error:
        raise CommandError(f"--pass-code: {error}") from None


async def _holder(passes: SqlPasses, code: PassCode) -> User:
    found = await passes.find(code)
    if found is None:
        raise CommandError("there is no pass of that code")
    return found.user
