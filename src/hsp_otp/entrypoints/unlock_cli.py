"""The command by which an operator unlocks whom failed guesses locked."""

import asyncio
from collections.abc import Sequence

from hsp_otp.adapters.keys import NUMBER_FINGERPRINTS, ring
from hsp_otp.adapters.sql.commits import Commits
from hsp_otp.adapters.sql.passes import SqlPasses
from hsp_otp.adapters.sql.stores import SqlSlots
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.names import MalformedPassCodeError, PassCode, Purpose, Slot, Subject
from hsp_otp.domain.passes import User
from hsp_otp.domain.phone import InvalidPhoneError, PhoneNumber
from hsp_otp.domain.rows import Action, AuditRow
from hsp_otp.entrypoints.command import CommandError, insist_on_newest
from hsp_otp.entrypoints.development import with_generated_keys
from hsp_otp.entrypoints.settings import Settings, check_secret_keys, load
from hsp_otp.entrypoints.wiring import open_database
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
        phone: The number of the users to unlock, instead of a pass.
        purpose: Only this purpose; all of them where not given.
    """
    settings = with_generated_keys(load())
    check_secret_keys(settings)
    if (pass_code is None) == (phone is None):
        raise CommandError("unlock takes either --pass-code or --phone")
    if not reason.strip() or not reason.strip().isprintable():
        raise CommandError("unlock takes a reason that says something, in printable text")
    if settings.challenge_store == "memory":
        raise CommandError("failed guesses live in the server's memory: restart it")
    purposes = [purpose] if purpose else list(Purpose)
    count = asyncio.run(_unlock(settings, pass_code, phone, purposes, reason.strip()))
    print(f"unlocked {count} user{'' if count == 1 else 's'}")


async def _unlock(
    settings: Settings,
    pass_code: str | None,
    phone: str | None,
    purposes: Sequence[Purpose],
    reason: str,
) -> int:
    fingerprints = ring(settings.secret_keys, NUMBER_FINGERPRINTS)
    async with open_database(settings) as database:
        await insist_on_newest(database)
        passes, slots = SqlPasses(database), SqlSlots(Commits(database))
        if pass_code is not None:
            users: Sequence[User] = [await _holder(passes, pass_code)]
        else:
            users = await _holders(passes, phone or "", settings.default_region)
        for user in users:
            for purpose in purposes:
                row = AuditRow(
                    at=SystemClock().now(),
                    flow=None,
                    purpose=purpose,
                    action=Action.UNLOCK,
                    outcome="unlocked",
                    client=None,
                    request_id=None,
                    reason=reason,
                )
                if user.phone is not None:
                    row = about(row, user.phone, fingerprints)
                await unlock_slot(slots, Slot(Subject("user", user.id), purpose), row)
    return len(users)


async def _holder(passes: SqlPasses, text: str) -> User:
    try:
        code = PassCode.parse(text)
    except MalformedPassCodeError as error:
        raise CommandError(f"--pass-code: {error}") from None
    found = await passes.find(code)
    if found is None:
        raise CommandError("there is no pass of that code")
    return found.user


async def _holders(passes: SqlPasses, text: str, region: str) -> Sequence[User]:
    try:
        phone = PhoneNumber.parse(text, region)
    except InvalidPhoneError as error:
        raise CommandError(f"--phone: {error}") from None
    users = await passes.users_of(phone)
    if not users:
        raise CommandError("nobody has that number")
    return users
