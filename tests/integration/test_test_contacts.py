"""Test contacts in every store that keeps them: docs/contract.md, 13.10."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import attrs
import pytest
from sqlalchemy import func, select

from hsp_otp.adapters.memory import MemoryTestContacts
from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.database import Database, insert
from hsp_otp.adapters.sql.erasure import SqlErasure
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.adapters.sql.purge import SqlPurge
from hsp_otp.adapters.sql.tables import proved_contacts, users
from hsp_otp.adapters.sql.test_contacts import SqlTestContacts
from hsp_otp.adapters.system import SystemRandomness
from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.app_limits import AppSent, charged_keys, claim_keys
from hsp_otp.domain.apps import Account, App
from hsp_otp.domain.audit import ProvedRow
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, SECOND, after
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.test_contacts import KeptTestContact, NotAdded
from hsp_otp.flows.test_contacts import ManagingTestContacts
from hsp_otp.ports.apps import AppRegister
from hsp_otp.ports.erasure import OfNumber
from tests.backend import SHOP, TEST_CODE, other_app
from tests.integration.stores import RINGS, Stores
from tests.integration.test_api_keys import Timer
from tests.integration.test_contracts import audit_row
from tests.integration.test_verifications import VERIFICATION, send
from tests.world import OTHER_PHONE, PHONE, START, ManualClock

pytestmark = pytest.mark.anyio

CLUB = other_app("club")
CONTACT = Contact(ContactKind.PHONE, PHONE)


def managing_over(stores: Stores) -> ManagingTestContacts:
    """What an operator adds and removes test contacts with."""
    return managing(stores.test_contacts)


def managing(register: MemoryTestContacts | SqlTestContacts) -> ManagingTestContacts:
    """The same, over one register."""
    return ManagingTestContacts(
        register=register,
        clock=ManualClock(),
        randomness=SystemRandomness(),
        fingerprints=RINGS.fingerprints,
        codes=RINGS.test_codes,
    )


async def add_apps(register: AppRegister, *apps: App) -> None:
    """Store *apps* as they are."""
    accounts = (Account(id="acme", name="acme", made_at=START),)
    tenants = Tenants(accounts=accounts, apps=apps)
    await register.transition(lambda _: Decision(None, tenants))


async def add(
    told: ManagingTestContacts, phone: str = PHONE, app: App = SHOP
) -> KeptTestContact | NotAdded:
    """Make a number a test contact for a day."""
    contact = Contact(ContactKind.PHONE, phone)
    return await told.add(app, contact, Code(TEST_CODE), DAY, "a review")


# --- Every store


async def test_a_test_contact_is_found_as_it_was_added(stores: Stores) -> None:
    """It is found in its app until it is removed, and each change has its row."""
    await add_apps(stores.apps, SHOP, CLUB)
    told, found = managing_over(stores), stores.test_contacts
    kept, others = await add(told), await add(told, app=CLUB)
    assert isinstance(kept, KeptTestContact)
    assert [*await found.of_app(SHOP.id)] == [kept]
    assert {*await found.list()} == {kept, others}
    assert await add(told) is NotAdded.STANDS
    assert await told.remove(SHOP, CONTACT) == kept
    assert await told.remove(SHOP, CONTACT) is None
    assert await found.list() == [others]
    assert [row.outcome for row in await stores.told()] == ["added", "added", "removed"]


async def test_what_has_proved_itself_is_refused(stores: Stores) -> None:
    """A contact that has proved itself in an app stays an ordinary one, in that app alone."""
    await add_apps(stores.apps, SHOP, CLUB)
    fingerprint = RINGS.fingerprints.fingerprint(PHONE)
    for at in (START, after(START, SECOND), START):
        row = ProvedRow(app_id=SHOP.id, fingerprint=fingerprint, at=at)
        await stores.audit.write(row, row)
    told = managing_over(stores)
    assert await add(told) is NotAdded.PROVED
    assert isinstance(await add(told, app=CLUB), KeptTestContact)


async def test_what_proves_itself_later_is_not_found(stores: Stores) -> None:
    """A test contact that proves itself while it is added is not found."""
    await add_apps(stores.apps, SHOP, CLUB)
    kept = await add(managing_over(stores))
    assert isinstance(kept, KeptTestContact)
    await stores.audit.write(ProvedRow(app_id=SHOP.id, fingerprint=kept.fingerprint, at=START))
    assert [*await stores.test_contacts.of_app(SHOP.id)] == []


# --- SQL


@asynccontextmanager
async def worker(url: str, timer: Timer | None = None) -> AsyncGenerator[SqlTestContacts]:
    """A process of its own, as far as the database can tell."""
    async with Database(url, durable=False) as database:
        yield SqlTestContacts(database, timer or Timer())


async def test_the_contact_of_a_user_is_refused(database: Database) -> None:
    """The number of a user of a pass never becomes a test contact."""
    await add_apps(SqlApps(database), SHOP)
    user = {"id": "u1", "email": "u@example.com", "first_name": "A", "last_name": "B"}
    async with database.write() as connection:
        await connection.execute(
            insert(connection, users).values(phone_number=PHONE, is_verified=True, **user)
        )
    assert await add(managing(SqlTestContacts(database))) is NotAdded.OF_USER


async def test_a_removal_is_seen_after_five_seconds(url: str) -> None:
    """Until then a process may remember a test contact, and that there is none."""
    timer = Timer()
    async with worker(url, timer) as found, worker(url) as other:
        await add_apps(SqlApps(other.database), SHOP)
        assert await found.of_app(SHOP.id) == ()
        kept = await add(managing(other))
        timer.seconds += 5
        assert await found.of_app(SHOP.id) == (kept,)
        await managing(other).remove(SHOP, CONTACT)
        timer.seconds += 4.99
        assert await found.of_app(SHOP.id) == (kept,)
        timer.seconds += 0.01
        assert await found.of_app(SHOP.id) == ()


async def test_ten_of_an_app_at_once(url: str) -> None:
    """Of sixteen that four writers add at once, ten are added, and each of them once."""
    async with AsyncExitStack() as stack:
        writers = [await stack.enter_async_context(worker(url)) for _ in range(4)]
        await add_apps(SqlApps(writers[0].database), SHOP)
        outcomes = await asyncio.gather(
            *(add(managing(writers[number % 4]), f"+9198765432{number:02}") for number in range(16))
        )
        words = Counter(one if isinstance(one, NotAdded) else "added" for one in outcomes)
        assert words == {"added": 10, NotAdded.TOO_MANY: 6}
        assert len(await writers[0].list()) == 10


async def test_they_are_purged_and_erased(database: Database, commits: GroupCommit) -> None:
    """A purge deletes ended ones and old proofs, and an erasure those of the number."""
    await add_apps(SqlApps(database), SHOP)
    told, register = managing(SqlTestContacts(database)), SqlTestContacts(database)
    await add(told)
    await add(told, OTHER_PHONE)
    fingerprints = RINGS.fingerprints.fingerprints(PHONE)
    (of_other,) = RINGS.fingerprints.fingerprints(OTHER_PHONE)
    for fingerprint, at in ((fingerprints[0], 1), (of_other, 2), ("k1:old", 0)):
        row = ProvedRow(app_id=CLUB.id, fingerprint=fingerprint, at=after(START, at))
        await commits.write(row)
    purge, erasure = SqlPurge(database), SqlErasure(database)
    assert await purge.test_contacts(after(START, DAY)) == 0
    assert await purge.proved_contacts(after(START, 1)) == 1
    whose = OfNumber(phone=PhoneNumber(PHONE), users=(), fingerprints=tuple(fingerprints))
    kept = await erasure.kept(whose, (), START)
    assert (kept.test_contacts, kept.proved) == (1, 1)
    await erasure.erase(whose, (), START, audit_row("erased"))
    assert [one.contact for one in await register.list()] == ["***-***-5678"]
    async with database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(proved_contacts)) == 1
    assert await purge.test_contacts(after(START, DAY + 1)) == 1


async def test_a_verification_of_a_test_contact(stores: Stores) -> None:
    """It is found as one, it has no sends, and its idempotency key is found."""
    verification = attrs.evolve(VERIFICATION, test_contact="t1")
    await stores.audit.write(verification, send("s1", test_contact="t1"))
    assert await stores.verifications.find("v1") == verification
    assert list(await stores.verifications.sends_of("v1")) == []
    found = await stores.verifications.find_send(("s1",))
    assert found is not None
    assert (found.test, found.state) == (True, None)


async def test_a_store_that_lost_its_data_counts_no_test_contact(
    database: Database, commits: GroupCommit
) -> None:
    """Only the idempotency key of what was not sent comes back, and no limit or cooldown."""
    told = SqlLimitRecovery(database)
    slot = attrs.evolve(VERIFICATION, subject=None).slot
    await commits.write(
        send("s1", test_contact="t1", slot=str(slot)), send("s2", at=after(START, 1))
    )
    client = VERIFICATION.client
    limits = charged_keys(AppSent(app_id=SHOP.id, contact=CONTACT, client=client))
    (claim,) = claim_keys(("s1",))
    found = await told.sends((*limits, claim), after(START, SECOND))
    assert found == {**dict.fromkeys(limits, (after(START, 1),)), claim: (START,)}
    assert await told.asked_at(slot) == {}
    pages = [page async for page in told.all_asked_at(after(START, SECOND))]
    assert [{*page} for page in pages] == [{str(VERIFICATION.slot)}]
