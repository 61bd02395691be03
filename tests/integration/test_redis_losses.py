"""What a Redis has forgotten is recovered from the database: docs/contract.md, 5.6."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from hsp_otp.adapters.system import SystemRandomness
from hsp_otp.domain.audit import DebtRow
from hsp_otp.domain.code import Code
from hsp_otp.domain.debtors import ledger_keys
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import Debt, LedgerKey, charged
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND
from hsp_otp.domain.ledger import Ledger
from hsp_otp.domain.names import ClientAddress, SessionId
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import ClientLimits
from hsp_otp.domain.purposes import Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.signup import slot_of
from hsp_otp.domain.slot_record import Held
from hsp_otp.domain.verification_request import Given
from hsp_otp.flows.pass_login import SignedIn
from tests.backend import BACKEND, SHOP
from tests.integration.redis_machine import (
    CODE,
    EVERY_SECOND,
    LIMITS,
    Site,
    alone,
    caller,
    open_site,
)
from tests.integration.redis_server import RedisServer
from tests.world import (
    PHONE,
    SignedProofs,
    of_strangers,
    open_policy,
    other_than,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of one's own."""
    found = RedisServer.start()
    yield found
    found.thaw()
    found.stop()


@pytest.fixture
async def site(tmp_path: Path, server: RedisServer) -> AsyncGenerator[Site]:
    """A site."""
    async with open_site(tmp_path, alone(server)) as found:
        yield found


def empty(server: RedisServer) -> None:
    """Somebody empties it."""
    assert server.ask("FLUSHALL").startswith(b"+OK")


def restart(server: RedisServer) -> None:
    """It restarts, and has kept nothing."""
    server.kill()
    server.begin()


@asynccontextmanager
async def recovered(server: RedisServer, *sites: Site) -> AsyncGenerator[None]:
    """What services do in the background goes on, and is done with all that was lost."""
    tasks = [asyncio.ensure_future(work()) for site in sites for work in site.recovering]
    try:
        give_up = time.monotonic() + 10
        while any(
            not server.ask("GET", f"{{hsp-otp}}:{store}:epoch").strip().endswith(b":recovered")
            for store in ("slots", "usage")
        ):
            assert time.monotonic() < give_up
            await asyncio.sleep(0.02)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("forget", [empty, restart])
async def test_a_redis_that_forgot_ten_sends_does_not_admit_the_eleventh(
    site: Site, server: RedisServer, forget: Callable[[RedisServer], None]
) -> None:
    """What was admitted stands in the rows: nobody gets a fresh budget."""
    for _ in range(5):
        assert await site.send() == "sent"
        site.clock.advance(SECOND)
    forget(server)
    for _ in range(5):
        assert await site.send() == "sent"
        site.clock.advance(SECOND)
    forget(server)
    assert await site.send() == "phone_rate_limited"
    site.clock.advance(DAY - 10 * SECOND - 1)
    assert await site.send() == "phone_rate_limited"
    site.clock.advance(1)
    assert await site.send() == "sent"


@pytest.mark.parametrize("forget", [empty, restart])
async def test_a_redis_that_forgot_ten_e_mails_does_not_admit_the_eleventh(
    site: Site, server: RedisServer, forget: Callable[[RedisServer], None]
) -> None:
    """E-mails to all tags of a mailbox are counted again, one by one or all, and no others are."""

    async def send(to: str) -> str:
        sends = site.stores.verification(site.clock, SystemRandomness(), site.outbox)
        return (await sends.verification_sends.start(SHOP, Given(to=to), BACKEND)).word

    for number in range(10):
        assert await send(f"Asha+{number}@Example.com") == "sent"
        site.clock.advance(SECOND)
    assert await send("ravi@example.com") == "sent"
    forget(server)
    assert await send("asha+x@example.com") == "email_rate_limited"
    assert await send("ravi+x@example.com") == "sent"
    forget(server)
    async with recovered(server, site):
        assert await send("ASHA@example.com") == "email_rate_limited"
        site.clock.advance(DAY - 10 * SECOND - 1)
        assert await send("asha@example.com") == "email_rate_limited"
        site.clock.advance(1)
        assert await send("asha@example.com") == "sent"


async def test_a_redis_that_forgot_strangers_sends_holds_them_back_as_before(
    site: Site, server: RedisServer
) -> None:
    """Their sends, and those of each network, are read from the rows, one by one or all."""
    at_work = attrs.evolve(EVERY_SECOND, asks_for_work=True)
    of_two = attrs.evolve(EVERY_SECOND, sends_of_one_network=2)
    for client in ("10.0.0.1", "10.0.0.2"):
        assert await site.send(client, at_work) == "sent"
        site.clock.advance(SECOND)
    empty(server)
    assert await site.send("10.9.0.1", at_work) == "work_required"
    assert await site.send("10.0.0.3", of_two) == "phone_rate_limited"
    empty(server)
    async with recovered(server, site):
        assert await site.send("10.9.0.1", at_work) == "work_required"
        assert await site.send("10.0.0.3", of_two) == "phone_rate_limited"
        assert await site.send("10.9.0.1", of_two) == "sent"


async def test_each_lane_has_the_cooldown_that_a_redis_forgot(
    site: Site, server: RedisServer
) -> None:
    """A restart from an old copy on disk: an ask of a known device keeps no stranger waiting."""
    cooling = attrs.evolve(EVERY_SECOND, cooldown=30 * SECOND)
    login = site.login(cooling)
    assert await site.send(policy=cooling) == "sent"
    code = Code(site.outbox.codes[-1])
    signed_in = await login.verify(CODE, code, None, caller("10.0.0.1"))
    assert isinstance(signed_in, SignedIn)
    known = attrs.evolve(caller("10.0.0.1"), devices=(signed_in.device_token,))
    site.clock.advance(30 * SECOND)
    assert server.ask("SAVE").startswith(b"+OK")
    assert (await login.send(CODE, known)).word == "sent"
    restart(server)
    assert (await login.send(CODE, known)).word == "resend_too_soon"
    assert await site.send(policy=cooling) == "sent"


@pytest.mark.parametrize("forget", [empty, restart])
async def test_a_code_that_a_redis_forgot_is_void(
    site: Site, server: RedisServer, forget: Callable[[RedisServer], None]
) -> None:
    """Its owner asks again, after the cooldown, which was not forgotten."""
    cooling = attrs.evolve(EVERY_SECOND, cooldown=30 * SECOND)
    assert await site.send(policy=cooling) == "sent"
    forget(server)
    assert await site.verify(site.outbox.codes[-1]) == "otp_expired"
    assert await site.send(policy=cooling) == "resend_too_soon"
    site.clock.advance(30 * SECOND)
    assert await site.send(policy=cooling) == "sent"
    assert await site.verify(site.outbox.codes[-1]) == "verified"


async def test_a_redis_that_lost_its_last_writes_revives_no_code(
    site: Site, server: RedisServer
) -> None:
    """A restart from an old copy on disk: a code that was used or replaced since is none."""
    assert await site.send() == "sent"
    first = site.outbox.codes[-1]
    assert server.ask("SAVE").startswith(b"+OK")
    assert await site.verify(first) == "verified"
    assert await site.send() == "sent"
    second = site.outbox.codes[-1]
    restart(server)
    assert await site.verify(first) == "otp_expired"
    assert await site.verify(second) == "otp_expired"
    assert await site.send() == "sent"
    assert await site.verify(site.outbox.codes[-1]) == "verified"


async def test_a_lock_outlives_a_restart(site: Site, server: RedisServer) -> None:
    """What Redis kept of failed guesses is believed, though its codes are not."""
    strict = attrs.evolve(EVERY_SECOND, failures=(Quota(1, HOUR),))
    assert await site.send(policy=strict) == "sent"
    assert await site.verify(other_than(site.outbox.codes[-1])) == "invalid_otp"
    assert server.ask("SAVE").startswith(b"+OK")
    restart(server)
    assert await site.send(policy=strict) == "locked_out"


async def test_asks_that_found_a_lock_are_counted_again(site: Site, server: RedisServer) -> None:
    """What they were charged stands in their rows: a client gets no fresh budget for others."""
    limits = ClientLimits(rejected=Quota(2, MINUTE))
    locked = of_strangers(failures=(site.clock.now(),) * 15)
    await site.stores.slots.transition(
        slot_of(PhoneNumber(PHONE)), (), lambda held: Decision(None, Held(locked, held.usages))
    )
    signup = site.stores.signup(
        site.clock, SystemRandomness(), site.outbox, SignedProofs(), limits=limits
    )
    for _ in range(2):
        asked = await signup.send(PhoneNumber(PHONE), None, caller("10.0.0.1"))
        assert asked.word == "locked_out"
    empty(server)
    gone = SessionId("A" * 22)
    refused = await signup.send(PhoneNumber(PHONE), gone, caller("10.0.0.1"))
    assert refused.word == "rate_limited"


async def test_two_sites_share_what_redis_forgot(
    site: Site, server: RedisServer, tmp_path: Path
) -> None:
    """Each finds the new epoch by itself, and neither takes a charge of the other for its own."""
    async with open_site(tmp_path, alone(server)) as other:
        other.clock.instant = site.clock.instant
        for _ in range(3):
            assert await site.send() == "sent"
        empty(server)
        assert await site.send() == "sent"
        for _ in range(6):
            assert await other.send() == "sent"
        assert await other.send() == "phone_rate_limited"
        assert await site.send() == "phone_rate_limited"
        assert await other.verify(site.outbox.codes[-1]) in {"invalid_otp", "verified"}


@pytest.mark.parametrize("forget", [empty, restart])
async def test_what_a_redis_forgot_is_read_again_once(
    site: Site, server: RedisServer, forget: Callable[[RedisServer], None]
) -> None:
    """In the background, all of it; then requests ask the database nothing, known or new."""
    cooling = open_policy(cooldown=30 * SECOND, contact_sends=Quota(2, DAY))
    assert await site.send(policy=cooling) == "sent"
    digits = site.outbox.codes[-1]
    site.clock.advance(30 * SECOND)
    forget(server)
    async with recovered(server, site):
        before = site.asked.questions
        assert site.asked.pages
        assert await site.verify(digits) == "otp_expired"
        assert await site.send(policy=cooling) == "sent"
        assert await site.send(policy=cooling) == "phone_rate_limited"
        assert await site.send(client="203.0.113.77", policy=cooling) == "phone_rate_limited"
        assert site.asked.questions == before


async def ask_for(site: Site, number: int) -> dict[LedgerKey, Ledger]:
    """Charge one message to a number of the same block; what was owed before."""
    client, range_ = ClientAddress("198.51.100.7"), "+91987650"
    keys = ledger_keys("signup", client, range_)
    now = site.clock.now()

    def decide(held: Held) -> Decision[Held, dict[LedgerKey, Ledger]]:
        owed = charged(held.ledgers, keys, Debt.ALL, now)
        row = DebtRow(
            send_id=f"c{number}",
            at=now,
            account="signup",
            range=range_,
            client=client,
            debt=Debt.ALL,
            price=83_200,
        )
        return Decision(dict(held.ledgers), attrs.evolve(held, ledgers=owed), (row,))

    return await site.stores.slots.transition(site_slot(number), keys, decide)


def site_slot(number: int) -> Slot:
    """The slot of that number."""
    return Slot(Subject(SubjectKind.PHONE, f"+9198765{number:05}"), Purpose.SIGNUP)


@pytest.mark.parametrize("forget", [empty, restart])
async def test_ledgers_that_a_redis_forgot_are_counted_again(
    site: Site, server: RedisServer, forget: Callable[[RedisServer], None]
) -> None:
    """By a request that needs them, and in the background, as they were."""
    for number in range(3):
        await ask_for(site, number)
        site.clock.advance(DAY)
    forget(server)
    found = await ask_for(site, 3)
    assert [(one.owed_days.amounts, one.owed_hours.amounts) for one in found.values()] == [
        ((1, 1, 1), (1, 1))
    ] * 4
    forget(server)
    async with recovered(server, site):
        before = site.asked.questions
        found = await ask_for(site, 4)
        assert [one.owed_days.amounts for one in found.values()] == [(1, 1, 1, 1)] * 4
        assert site.asked.questions == before
        assert site.asked.pages["ledgers"]


async def test_a_cooldown_is_recovered(site: Site, server: RedisServer) -> None:
    """Whoever has just asked cannot ask again because Redis forgot it."""
    cooling = attrs.evolve(EVERY_SECOND, cooldown=30 * SECOND)
    assert await site.send(policy=cooling) == "sent"
    empty(server)
    async with recovered(server, site):
        assert await site.send(policy=cooling) == "resend_too_soon"


async def test_failures_that_redis_kept_are_recovered(site: Site, server: RedisServer) -> None:
    """A restart from disk: what it kept of wrong guesses counts, though the code is void."""
    strict = attrs.evolve(EVERY_SECOND, failures=(Quota(1, HOUR),))
    assert await site.send(policy=strict) == "sent"
    assert await site.verify(other_than(site.outbox.codes[-1])) == "invalid_otp"
    assert server.ask("SAVE").startswith(b"+OK")
    restart(server)
    async with recovered(server, site):
        assert await site.send(policy=strict) == "locked_out"


async def test_networks_have_no_fresh_budget_either(site: Site, server: RedisServer) -> None:
    """What the addresses of a network were charged is recovered for the network."""
    limits = ClientLimits(lookups=Quota(2, HOUR), network_factor=2)
    for client in ("10.0.0.1", "10.0.0.2"):
        for _ in range(2):
            outcome = await site.login(limits=limits).validate(CODE, caller(client))
            assert outcome.word == "valid"
    empty(server)
    for _ in range(2):  # asked for by the request that needs it, and from then on known
        outcome = await site.login(limits=limits).validate(CODE, caller("10.0.0.3"))
        assert outcome.word == "lookup_rate_limited"
    empty(server)
    async with recovered(server, site):
        outcome = await site.login(limits=limits).validate(CODE, caller("10.0.0.3"))
        assert outcome.word == "lookup_rate_limited"


async def test_what_one_request_asked_for_is_not_asked_again(
    site: Site, server: RedisServer
) -> None:
    """Until all is recovered each key is asked for once, also where nothing else changes."""
    assert await site.validate(LIMITS) == "valid"
    empty(server)
    before = site.asked.questions
    for _ in range(5):
        await site.validate(LIMITS)
    assert site.asked.questions == before + 1


async def test_under_an_old_epoch_nothing_is_asked(site: Site) -> None:
    """What is missing then was never charged, whoever comes for the first time."""
    assert await site.validate(LIMITS) == "valid"
    assert await site.send() == "sent"
    site.clock.advance(DAY + MINUTE)
    before = site.asked.questions
    for number in range(5):
        client = f"203.0.{number}.1"
        outcome = await site.login(limits=LIMITS).validate(CODE, caller(client))
        assert outcome.word == "valid"
        assert await site.send(client) == "sent"
    assert site.asked.questions == before


async def test_of_two_processes_one_recovers(
    site: Site, server: RedisServer, tmp_path: Path
) -> None:
    """The other waits for it."""
    assert await site.send() == "sent"
    async with open_site(tmp_path, alone(server)) as other:
        other.clock.instant = site.clock.instant
        empty(server)
        async with recovered(server, site, other):
            for kind in ("sends", "usages"):
                pages = sorted(one.asked.pages[kind] for one in (site, other))
                assert pages[0] == 0 < pages[1]
        assert await other.send() == "sent"


async def test_where_a_process_that_recovers_has_gone_another_goes_on(
    site: Site, server: RedisServer
) -> None:
    """Once its lease has run out."""
    assert await site.send() == "sent"
    empty(server)
    for store in ("slots", "usage"):
        server.ask("SET", f"{{hsp-otp}}:{store}:recovering", "gone", "PX", "1500")
    async with recovered(server, site):
        assert site.asked.pages["sends"] > 0


async def test_in_an_outage_rows_are_read_once(site: Site, server: RedisServer) -> None:
    """Where the database counts, of each usage it looks at the rows at the first request alone."""
    assert await site.validate(LIMITS) == "valid"
    server.kill()
    before = site.asked.questions
    for _ in range(3):
        assert await site.validate(LIMITS) == "valid"
    assert await site.validate(LIMITS) == "lookup_rate_limited"
    assert site.asked.questions == before + 1
