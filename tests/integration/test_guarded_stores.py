"""The guard over every store: docs/contract.md, 3.1."""

import asyncio

import pytest

from hsp_otp.domain.budgets import Caps
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import GuardPolicy, LedgerKey, Ledgers
from hsp_otp.domain.instant import SECOND, after
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.prices import Prices, SenderPrices
from hsp_otp.domain.signup import slot_of
from hsp_otp.domain.slot_record import Held
from hsp_otp.flows.assembly import GuardNumbers, Journeys
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.signup import Proved, SignupCodeSent
from hsp_otp.ports.clock import Clock
from tests.integration.stores import Stores
from tests.world import ManualClock, Outbox, ScriptedRandomness

pytestmark = pytest.mark.anyio

PRICE = 80_000
PRICES = Prices({"outbox": SenderPrices({"IN": PRICE})})


def caller(number: int) -> Caller:
    """Somebody in a network of their own."""
    return Caller(ClientAddress(f"10.{number // 250}.{number % 250}.1"), f"r{number}")


def journeys(
    stores: Stores, clock: Clock, outbox: Outbox, caps: Caps, policy: GuardPolicy | None = None
) -> Journeys:
    """Those of one process."""
    numbers = GuardNumbers(
        policy=policy or GuardPolicy(),
        caps=caps,
        prices=PRICES,
        senders=dict.fromkeys(Channel, ("outbox",)),
    )
    return stores.guarded(clock, ScriptedRandomness(), outbox, numbers)


async def ledgers_of(stores: Stores, keys: tuple[LedgerKey, ...]) -> Ledgers:
    """What these groups owe."""

    def look(held: Held) -> Decision[Held, Ledgers]:
        return Decision(held.ledgers, held)

    return await stores.slots.transition(slot_of(PhoneNumber("+919876543210")), keys, look)


async def test_fifty_asks_at_once_for_the_last_of_a_cap(stores: Stores) -> None:
    """One of them is admitted."""
    clock, outbox = ManualClock(), Outbox()
    house = journeys(stores, clock, outbox, Caps(region=PRICE + PRICE // 2))
    answers = await asyncio.gather(
        *(
            house.signup.send(PhoneNumber(f"+9198{number:02}000000"), None, caller(number))
            for number in range(10, 60)
        )
    )
    words = [one.word for one in answers]
    assert sorted(words) == [*["region_rate_limited"] * 49, "sent"]
    assert len(outbox.sent) == 1


async def test_a_pay_back_and_a_refusal_that_changes_nothing(stores: Stores) -> None:
    """A right code pays in every store; a refused ask leaves each ledger as it was."""
    clock, outbox = ManualClock(), Outbox()
    house = journeys(stores, clock, outbox, Caps(), GuardPolicy(stretch=0))
    phones = [PhoneNumber(f"+91987654{number}") for number in range(3210, 3214)]
    sent = [
        await house.signup.send(phone, None, caller(number)) for number, phone in enumerate(phones)
    ]
    assert [one.word for one in sent] == [*["sent"] * 3, "range_rate_limited"]
    last = sent[2]
    assert isinstance(last, SignupCodeSent)
    keys = last.issued.owed.keys if last.issued.owed else ()
    before = await ledgers_of(stores, keys)
    clock.advance(31 * SECOND)
    refused = await house.signup.send(phones[3], None, caller(3))
    assert refused.word == "range_rate_limited"
    assert await ledgers_of(stores, keys) == before
    code = Code(outbox.codes[-1])
    proved = await house.signup.verify(last.session_id, code, caller(2))
    assert isinstance(proved, Proved)
    paid = await ledgers_of(stores, keys)
    assert [sum(paid[key].owed_days.amounts) for key in keys] == [0, 0, 2, 2]
    assert [sum(paid[key].verified_days.amounts) for key in keys] == [1, 1, 1, 1]
    again = await house.signup.send(phones[3], None, caller(3))
    assert again.word == "sent"
    await house.spending.close(after(clock.now(), SECOND))
