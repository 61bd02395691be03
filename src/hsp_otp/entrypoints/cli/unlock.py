"""The `unlock` command."""

import asyncio
from collections.abc import Sequence

from hsp_otp.adapters.secret_keys import NUMBER_FINGERPRINTS, ring
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.names import MalformedPassCodeError, PassCode
from hsp_otp.domain.passes import PassNotFound
from hsp_otp.domain.purposes import Purpose, Slot, SubjectKind
from hsp_otp.entrypoints.cli.person import (
    insist_on_stores,
    load_with_keys,
    open_desk,
    read_number,
    read_reason,
)
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.flows.unlock import Unlocking


def unlock(
    *,
    reason: str,
    pass_code: str | None = None,
    phone: str | None = None,
    purpose: Purpose | None = None,
) -> None:
    """
    Unlock a user or number after failed guesses, and clear the failures counted.

    Example: hsp-otp unlock --pass-code HSP-1234-5678 --reason "called back"

    Args:
        reason: The reason, which is written to the audit.
        pass_code: A pass of the user to unlock.
        phone: The number to unlock with all its users, instead of a pass.
        purpose: Unlock only this purpose; all purposes by default.
    """
    settings = load_with_keys()
    if (pass_code is None) == (phone is None):
        raise CommandError("unlock takes either --pass-code or --phone")
    why = read_reason(reason, settings)
    insist_on_stores(settings)
    if pass_code and purpose and purpose.subject_kind is SubjectKind.PHONE:
        raise CommandError(f"{purpose.value} concerns a number: use --phone to unlock it")
    print(f"unlocked {asyncio.run(_unlock(settings, pass_code, phone, purpose, why))}")


async def _unlock(
    settings: Settings,
    pass_code: str | None,
    phone: str | None,
    purpose: Purpose | None,
    reason: str,
) -> str:
    """Unlock the slots, and return a description of them."""
    purposes = Purpose if purpose is None else (purpose,)
    async with open_desk(settings) as desk:
        unlocking = Unlocking(
            passes=desk.passes,
            users=desk.passes,
            slots=desk.slots,
            clock=SystemClock(),
            fingerprints=ring(settings.secret_keys, NUMBER_FINGERPRINTS),
        )
        if pass_code is not None:
            found = await unlocking.of_pass(_pass_code(pass_code), purposes, reason)
            if isinstance(found, PassNotFound):
                raise CommandError("there is no pass with that code")
        else:
            number = read_number(phone or "", settings)
            found = await unlocking.of_number(number, purposes, reason)
    if not found:
        raise CommandError("nobody has that number")
    return _in_words(found)


def _in_words(slots: Sequence[Slot]) -> str:
    """Describe the owners of *slots*."""
    users = len({slot.subject for slot in slots if slot.subject.kind is SubjectKind.USER})
    told = [f"{users} user{'' if users == 1 else 's'}"] if users else []
    numbers = [slot for slot in slots if slot.subject.kind is SubjectKind.PHONE]
    return " and ".join([*told, *(f"the number's {slot.purpose.value}" for slot in numbers)])


def _pass_code(text: str) -> PassCode:
    try:
        return PassCode.parse(text)
    except MalformedPassCodeError as error:
        raise CommandError(f"--pass-code: {error}") from None
