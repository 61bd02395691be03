"""The `let` command."""

import asyncio

from hsp_otp.adapters.secret_keys import NUMBER_FINGERPRINTS, ring
from hsp_otp.domain.challenge_outcomes import Locked
from hsp_otp.domain.purposes import SubjectKind
from hsp_otp.entrypoints.cli.person import (
    find_person,
    insist_on_one,
    insist_on_stores,
    load_with_keys,
    open_desk,
    read_address,
    read_reason,
)
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.entrypoints.wiring import clock_of
from hsp_otp.flows.let import LetIn, Letting


def let(
    *, address: str, reason: str, pass_code: str | None = None, phone: str | None = None
) -> None:
    """
    Let one address past the limits and the lock of unknown devices, for an hour.

    For a person who calls from a new device while strangers have used up what such devices may do.

    Example: hsp-otp let --phone "98765 43210" --address 203.0.113.7 --reason "called, ticket 4711"

    Args:
        address: The client address; for IPv6, any address in its /64.
        reason: The reason, which is written to the audit.
        pass_code: A pass of the user.
        phone: The number, with all its users and its signup, instead of a pass.
    """
    settings = load_with_keys()
    insist_on_one("let", pass_code, phone)
    client = read_address(address)
    why = read_reason(reason, settings)
    insist_on_stores(settings)

    async def work() -> tuple[LetIn, ...]:
        async with open_desk(settings) as desk:
            letting = Letting(
                slots=desk.slots,
                clock=clock_of(settings),
                fingerprints=ring(settings.secret_keys, NUMBER_FINGERPRINTS),
                policies=settings.policies,
            )
            person = await find_person(desk, settings, pass_code, phone)
            return await letting.let(person, client, why)

    found = asyncio.run(work())
    print(f"let {client.value} in:")
    for one in found:
        print(f"  {_in_words(one)}")


def _in_words(one: LetIn) -> str:
    slot, given = one.slot, one.let
    subject = slot.subject
    who = f"user {subject.id}" if subject.kind is SubjectKind.USER else "the number"
    told = f"{slot.purpose.value} of {who}: {given.sends} sends and {given.guesses} guesses"
    return f"{told} until {in_short(given.until)} UTC{_still_locked(one.locked)}"


def _still_locked(locked: Locked | None) -> str:
    if locked is None:
        return ""
    until = "" if locked.retry_at is None else f" until {in_short(locked.retry_at)} UTC"
    return f"; all devices are locked out{until}, unless you run hsp-otp unlock"
