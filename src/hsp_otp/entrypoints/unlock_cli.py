"""The command by which an operator unlocks whom failed guesses locked."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from hsp_otp.adapters.keys import NUMBER_FINGERPRINTS, ring
from hsp_otp.adapters.sql.commits import Commits
from hsp_otp.adapters.sql.history import SqlHistory
from hsp_otp.adapters.sql.passes import SqlPasses
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.names import MalformedPassCodeError, PassCode, Purpose, Slot, Subject
from hsp_otp.domain.passes import User
from hsp_otp.domain.phone import InvalidPhoneError, PhoneNumber
from hsp_otp.domain.rows import Action, AuditRow
from hsp_otp.domain.signup import slot_of as signup_slot
from hsp_otp.entrypoints.command import CommandError, insist_on_newest
from hsp_otp.entrypoints.development import with_generated_keys
from hsp_otp.entrypoints.settings import Settings, check_secret_keys, load
from hsp_otp.entrypoints.wiring import open_database, open_redis_of, open_stores
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
    settings = with_generated_keys(load())
    check_secret_keys(settings)
    if (pass_code is None) == (phone is None):
        raise CommandError("unlock takes either --pass-code or --phone")
    if not reason.strip() or not reason.strip().isprintable():
        raise CommandError("unlock takes a reason that says something, in printable text")
    if settings.challenge_store == "memory":
        raise CommandError("failed guesses live in the server's memory: restart it")
    if pass_code is not None and purpose is Purpose.SIGNUP:
        raise CommandError("signup is about a number: unlock it with --phone")
    print(f"unlocked {asyncio.run(_unlock(settings, pass_code, phone, purpose, reason.strip()))}")


async def _unlock(
    settings: Settings,
    pass_code: str | None,
    phone: str | None,
    purpose: Purpose | None,
    reason: str,
) -> str:
    """Whom it unlocked, in words."""
    fingerprints = ring(settings.secret_keys, NUMBER_FINGERPRINTS)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings))
        await insist_on_newest(database)
        redis = await open_redis_of(stack, settings)
        commits, clock = Commits(database), SystemClock()
        history = SqlHistory(database)
        stores = open_stores(
            settings, commits, history, redis, clock=clock, randomness=SystemRandomness()
        )
        passes = SqlPasses(database)
        users: Sequence[User] = []
        number = None if phone is None else _number(phone, settings.default_region)
        if pass_code is not None:
            users = [await _holder(passes, pass_code)]
        elif number is not None and purpose is not Purpose.SIGNUP:
            users = await passes.users_of(number)
        # Of pass login the subject is the user, of signup the number.
        found = [
            (Slot(Subject("user", user.id), Purpose.PHONE_VERIFICATION), user.phone)
            for user in users
        ]
        if number is not None and purpose is not Purpose.PHONE_VERIFICATION:
            found.append((signup_slot(number), number))
        if not found:
            raise CommandError("nobody has that number")
        for slot, of in found:
            row = AuditRow(
                at=SystemClock().now(),
                flow=None,
                purpose=slot.purpose,
                action=Action.UNLOCK,
                outcome="unlocked",
                client=None,
                request_id=None,
                reason=reason,
            )
            row = row if of is None else about(row, of, fingerprints)
            await unlock_slot(stores.slots, slot, row)
    told = [f"{len(users)} user{'' if len(users) == 1 else 's'}"] if users else []
    if len(found) > len(users):
        told.append("the number's signup")
    return " and ".join(told)


async def _holder(passes: SqlPasses, text: str) -> User:
    try:
        code = PassCode.parse(text)
    except MalformedPassCodeError as error:
        raise CommandError(f"--pass-code: {error}") from None
    found = await passes.find(code)
    if found is None:
        raise CommandError("there is no pass of that code")
    return found.user


def _number(text: str, region: str) -> PhoneNumber:
    try:
        return PhoneNumber.parse(text, region)
    except InvalidPhoneError as error:
        raise CommandError(f"--phone: {error}") from None
