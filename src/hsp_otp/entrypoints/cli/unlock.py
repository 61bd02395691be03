"""The `unlock` command."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from hsp_otp.adapters.secret_keys import NUMBER_FINGERPRINTS, ring
from hsp_otp.domain.purposes import PURPOSES, Purpose, Slot, SubjectKind
from hsp_otp.entrypoints.cli.output import FLAG
from hsp_otp.entrypoints.cli.person import (
    find_holder_of_address,
    find_person,
    find_user_of_app,
    insist_on_one,
    insist_on_stores,
    load_with_keys,
    open_desk,
    read_reason,
)
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.wiring import clock_of
from hsp_otp.flows.person import Person
from hsp_otp.flows.unlock import Unlocking


def unlock(
    *,
    reason: str,
    pass_code: str | None = None,
    phone: str | None = None,
    email: str | None = None,
    app: str | None = None,
    subject: str | None = None,
    purpose: Purpose | None = None,
    devices: Annotated[bool, FLAG] = False,
) -> None:
    """
    Unlock a user or contact after failed guesses, and clear the failures counted.

    Example: hsp-otp unlock --pass-code HSP-1234-5678 --reason "called back"

    Args:
        reason: The reason, which is written to the audit.
        pass_code: A pass of the user to unlock.
        phone: The number to unlock with all its users, also in apps, instead of a pass.
        email: The e-mail address to unlock in all apps, instead of a pass.
        app: The app whose user to unlock, instead of a pass.
        subject: The id of that user, as the app's backend gives it.
        purpose: Unlock only this purpose; all purposes by default.
        devices: Also forget all known devices, for example after one was stolen.
    """
    settings = load_with_keys()
    if app is None and subject is None and email is None:
        insist_on_one("unlock", pass_code, phone)
    elif email is not None and any((pass_code, phone, app, subject)):
        raise CommandError("unlock takes --email alone")
    elif email is None and (app is None or subject is None or pass_code or phone):
        raise CommandError("unlock takes --app and --subject together, and no pass or number")
    why = read_reason(reason, settings)
    insist_on_stores(settings)
    of_users = {one for one, row in PURPOSES.items() if row.subject_kind is SubjectKind.USER}
    if pass_code and purpose and purpose not in of_users:
        raise CommandError(f"{purpose.value} concerns a number: use --phone to unlock it")

    async def work() -> Person:
        purposes = Purpose if purpose is None else (purpose,)
        async with open_desk(settings) as desk:
            if app is not None and subject is not None:
                person = await find_user_of_app(desk, app, subject, purposes)
            elif email is not None:
                person = await find_holder_of_address(desk, email, purposes)
            else:
                person = await find_person(desk, settings, pass_code, phone, purposes)
            unlocking = Unlocking(
                slots=desk.slots,
                clock=clock_of(settings),
                fingerprints=ring(settings.secret_keys, NUMBER_FINGERPRINTS),
            )
            await unlocking.unlock(person, why, devices=devices)
            return person

    forgotten = "; no device is known any more" if devices else ""
    print(f"unlocked {_in_words(asyncio.run(work()).slots)}{forgotten}")


def _in_words(slots: Sequence[Slot]) -> str:
    """Describe the owners of *slots*."""
    users = len({slot.subject for slot in slots if slot.subject.kind is SubjectKind.USER})
    told = [f"{users} user{'' if users == 1 else 's'}"] if users else []
    numbers = [slot for slot in slots if slot.subject.kind is SubjectKind.PHONE]
    told += [f"the number's {slot.purpose.value}" for slot in numbers]
    if any(slot.subject.kind is SubjectKind.APP for slot in slots):
        told.append("verifications for apps")
    return " and ".join(told)
