"""Verifications as they are stored and found, in every SQL database (docs/contract.md)."""

from functools import partial
from pathlib import Path

import attrs
import pytest
from sqlalchemy import func, insert, select

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.erasure import SqlErasure
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.adapters.sql.purge import SqlPurge
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.adapters.sql.tables import accounts, apps, audit, sends, verifications
from hsp_otp.adapters.sql.verifications import SqlVerifications
from hsp_otp.domain.app_limits import AppSent, charged_keys, check_demand, claim_keys
from hsp_otp.domain.audit import Action, EndedRow, HandedOverRow, SendRow, UnsentRow
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import DAY, MINUTE, SECOND, Instant, after
from hsp_otp.domain.names import UNKNOWN_CLIENT, ClientAddress, Language
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import APP_PURPOSES, Flow, Purpose
from hsp_otp.domain.quota import UsageKey, Usages
from hsp_otp.domain.slot_record import Challenge
from hsp_otp.domain.verification import Approval, Approved, ApprovedElsewhere, approve
from hsp_otp.domain.verification_record import NamedValue, Status, Verification
from hsp_otp.ports.erasure import Kept, OfAppUser, OfNumber
from hsp_otp.ports.verifications import Event, KeptSend
from tests.audit_rows import evolved
from tests.backend import SHOP
from tests.integration.behind import execute, postgres_url, upgrade_to
from tests.integration.postgres_server import DATABASES
from tests.integration.stores import (
    POSTGRES,
    Kind,
    Stores,
    postgres_file,
    sqlite_path,
    sqlite_url,
)
from tests.integration.test_contracts import audit_row
from tests.world import CLIENT, OTHER_PHONE, PHONE, START

pytestmark = pytest.mark.anyio

CONTACT = Contact(ContactKind.PHONE, PHONE)
HERE = ClientAddress(CLIENT)
VALUES = (NamedValue("card", "c1"), NamedValue("user", "u1"))
VERIFICATION = Verification(
    id="v1",
    app_id=SHOP.id,
    purpose=Purpose.LOGIN_VERIFICATION,
    subject="ann smith",
    contact=CONTACT,
    channel=Channel.SMS,
    language=Language("pt-BR"),
    client=HERE,
    values=VALUES,
    metadata={"order": "ü\x00"},
    app_hash="FA+9qCX9VSu",
    digits=8,
    created_at=START,
    expires_at=after(START, 300 * SECOND),
)
LEAST = Verification(
    id="v2",
    app_id="another",
    purpose=Purpose.PHONE_VERIFICATION,
    contact=CONTACT,
    channel=Channel.SMS,
    language=Language("en"),
    digits=6,
    created_at=after(START, SECOND),
    expires_at=after(START, MINUTE),
)


CHALLENGE = Challenge(
    id="v1",
    flow=Flow.VERIFICATION,
    purpose=Purpose.LOGIN_VERIFICATION,
    slot=str(VERIFICATION.slot),
    contact=CONTACT,
    key_id="k1",
    nonce=bytes(16),
    issued_at=START,
    expires_at=after(START, MINUTE),
)


def send(name: str, **changes: object) -> SendRow:
    """An admitted send of the verification."""
    row = SendRow(
        id=name,
        at=START,
        flow=Flow.VERIFICATION,
        purpose=Purpose.LOGIN_VERIFICATION,
        slot=str(VERIFICATION.slot),
        contact=PHONE,
        client=HERE,
        language=Language("pt-BR"),
        verification_id="v1",
        app_id=SHOP.id,
        values=VALUES,
        request=f"request of {name}",
    )
    return attrs.evolve(row, **changes)  # type: ignore[arg-type]


def with_send(verification: Verification) -> tuple[Verification, SendRow]:
    """A verification and a send of it, which are written together."""
    contact = verification.contact
    row = send(
        f"send of {verification.id}",
        at=verification.created_at,
        slot=str(verification.slot),
        contact=contact.limited,
        sent_to=contact.value if contact.value != contact.limited else None,
        verification_id=verification.id,
        app_id=verification.app_id,
        test_contact=verification.test_contact,
    )
    return verification, row


@pytest.fixture
def found(database: Database) -> SqlVerifications:
    """What is tested."""
    return SqlVerifications(database)


async def test_a_verification_is_found_as_it_was_stored(
    commits: GroupCommit, found: SqlVerifications
) -> None:
    """Everything comes back; storing it again changes nothing; the first end stays."""
    await commits.write(*with_send(VERIFICATION), *with_send(LEAST))
    assert await found.find("v1") == VERIFICATION
    assert await found.find("v2") == LEAST
    assert await found.find("v3") is None
    await commits.write(attrs.evolve(VERIFICATION, digits=4))
    assert await found.find("v1") == VERIFICATION
    now = after(START, SECOND)
    for status in (Status.CANCELED, Status.APPROVED):
        await commits.write(EndedRow(verification_id="v1", status=status, at=now))
    ended = attrs.evolve(VERIFICATION, ended=Status.CANCELED, ended_at=now)
    assert await found.find("v1") == ended


async def test_an_end_is_written_with_its_beginning(
    commits: GroupCommit, found: SqlVerifications
) -> None:
    """One transaction may store a verification and its end, and a send and its failure."""
    unsent = UnsentRow(send_id="s1", at=after(START, 1))
    ended = EndedRow(verification_id="v1", status=Status.FAILED, at=after(START, 1))
    await commits.write(VERIFICATION, send("s1"), unsent, ended)
    stored = await found.find("v1")
    assert stored is not None
    assert stored.ended is Status.FAILED
    (kept,) = await found.sends_of("v1")
    assert kept.was_refused


async def test_the_sends_of_a_verification(commits: GroupCommit, found: SqlVerifications) -> None:
    """They come in order, each with its state; those of journeys are not found by their ids."""
    await commits.write(
        send("s2", at=after(START, SECOND)),
        send("s1"),
        send("s3", at=after(START, MINUTE), request=None),
        send("other", verification_id="v2"),
        send("login", verification_id=None, app_id=None, values=(), request=None),
    )
    await commits.write(HandedOverRow(send_id="s1", sender="console", provider_message_id="m1"))
    await commits.write(UnsentRow(send_id="s1", at=START))
    await commits.write(UnsentRow(send_id="s2", at=after(START, 2 * SECOND)))
    first, second, third = await found.sends_of("v1")
    assert first == KeptSend(
        id="s1",
        verification_id="v1",
        at=START,
        channel=Channel.SMS,
        sender="console",
        state=DeliveryState.QUEUED,
        state_at=None,
        request="request of s1",
        test=False,
    )
    assert (second.was_refused, second.state_at) == (True, after(START, 2 * SECOND))
    assert (third.state, third.request, third.was_refused) == (None, None, False)
    assert await found.find_send(("nothing", "s2")) == second
    assert await found.find_send(("nothing", "login")) is None


async def test_the_events_of_a_verification(commits: GroupCommit, found: SqlVerifications) -> None:
    """The requests about it come in their order, without those that only looked."""
    for at, action, of in (
        (2, Action.CHECK, "v1"),
        (1, Action.SEND, "v1"),
        (3, Action.READ, "v1"),
        (4, Action.SEND, "v2"),
    ):
        row = audit_row("sent", at=after(START, at))
        await commits.write(evolved(row, action=action, verification_id=of))
    assert await found.events_of("v1") == [
        Event(after(START, 1), "send", "sent"),
        Event(after(START, 2), "check", "sent"),
    ]


async def test_the_slots_of_a_contact(
    commits: GroupCommit, found: SqlVerifications, database: Database
) -> None:
    """A contact has a slot in every app, and those of the users that codes were sent for."""
    async with database.write() as connection:
        await connection.execute(insert(accounts).values(id="acme", name="acme", made_at=1))
        await connection.execute(
            insert(apps).values(
                id=SHOP.id, account_id="acme", name="shop", rules="{}", made_at=1, changed_at=1
            )
        )
    other = attrs.evolve(LEAST, id="v3", contact=Contact(ContactKind.PHONE, OTHER_PHONE))
    again = attrs.evolve(VERIFICATION, id="v9")
    for one in (VERIFICATION, again, LEAST, other):
        await commits.write(*with_send(one))
    assert {str(slot) for slot in await found.slots_of(CONTACT)} == {
        *(f"{purpose.value}:app:{SHOP.id}:{PHONE}" for purpose in APP_PURPOSES),
        f"login_verification:app:{SHOP.id}:ann smith",
        f"phone_verification:app:another:{PHONE}",
    }


async def test_verifications_are_purged_and_erased(
    commits: GroupCommit, database: Database, found: SqlVerifications
) -> None:
    """A purge deletes old ones, and an erasure those of the number."""
    phone = PhoneNumber(PHONE)
    other = attrs.evolve(LEAST, id="v3", contact=Contact(ContactKind.PHONE, OTHER_PHONE))
    for one in (VERIFICATION, LEAST, other):
        await commits.write(*with_send(one))
    assert await SqlPurge(database).verifications(after(START, 1)) == 1
    assert await found.find("v1") is None
    erasure, whose = SqlErasure(database), OfNumber(phone=phone, users=(), fingerprints=())
    assert (await erasure.kept(whose, (), START)).verifications == 1
    await erasure.erase(whose, (), START, audit_row("erased"))
    assert (await found.find("v2"), await found.find("v3")) == (None, other)
    async with database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(verifications)) == 1


async def test_a_user_of_an_app_is_erased(
    commits: GroupCommit, database: Database, found: SqlVerifications
) -> None:
    """An erasure deletes what an app has verified of one user, and what nothing counts any more."""
    other_app = attrs.evolve(VERIFICATION, id="v2", app_id="another")
    other_user = attrs.evolve(VERIFICATION, id="v3", subject="ann")
    of_test = attrs.evolve(VERIFICATION, id="v4", test_contact="t1")
    counted = after(START, DAY)
    slot = str(VERIFICATION.slot)
    await commits.write(
        *(VERIFICATION, *with_send(other_app), other_user, of_test),
        send("s1", slot=slot),
        send("s2", slot=slot, at=counted),
        send("s3", slot=str(other_user.slot), verification_id="v3"),
        send("s4", slot=str(of_test.slot), verification_id="v4", test_contact="t1"),
        evolved(audit_row("sent"), app="shop", subject_fingerprint="k1:ann smith"),
        evolved(audit_row("sent"), app="another", subject_fingerprint="k1:ann smith"),
    )
    erasure = SqlErasure(database)
    whose = OfAppUser(app=SHOP, subject="ann smith", fingerprints=("k1:ann smith", "k0:ann smith"))
    kept = await erasure.kept(whose, (VERIFICATION.slot,), counted)
    assert kept == Kept(
        passes=0,
        old_sends=2,
        sends=1,
        verifications=2,
        test_contacts=0,
        proved=0,
        audit=1,
        records={},
    )
    await erasure.erase(whose, (VERIFICATION.slot,), counted, audit_row("erased"))
    left = [await found.find(one) for one in ("v1", "v2", "v3", "v4")]
    assert left == [None, other_app, other_user, None]
    async with database.read() as connection:
        ids = await connection.scalars(select(sends.c.id).order_by(sends.c.id))
        assert list(ids) == ["s2", "s3", "send of v2"]
        assert await connection.scalar(select(func.count()).select_from(audit)) == 3


async def test_an_approval_stands_once(stores: Stores) -> None:
    """In every store, the first approval of a verification stands."""

    def note(held: Approval | None, at: Instant) -> Decision[Approval | None, object]:
        decision = approve(held, CHALLENGE, at)
        return Decision(decision.outcome, decision.becomes)

    for at, approved in ((START, Approved), (after(START, SECOND), ApprovedElsewhere)):
        told = await stores.approvals.transition("v1", partial(note, at=at))
        assert isinstance(told, approved)


# What a store that has lost its data is told


def sent(*, client: ClientAddress | None = HERE, channel: Channel = Channel.SMS) -> AppSent:
    """What a send of the verification is charged to."""
    return AppSent(app_id=SHOP.id, contact=CONTACT, client=client, values=VALUES, channel=channel)


async def test_the_limits_of_apps_are_recovered(commits: GroupCommit, database: Database) -> None:
    """Each limit on an app's sends is rebuilt from their rows, and each claim of a key."""
    now = after(START, MINUTE)
    await commits.write(
        send("s1"),
        send("s2", at=after(START, SECOND), client=UNKNOWN_CLIENT, request=None),
        send(
            "s3",
            at=after(START, 2 * SECOND),
            app_id="another",
            values=VALUES[:1],
            channel=Channel.VOICE,
        ),
        send("old", at=after(START, -2 * DAY)),
    )
    first, second, third = START, after(START, SECOND), after(START, 2 * SECOND)
    keys = (*charged_keys(sent(channel=Channel.VOICE)), *claim_keys(("s1", "s2")))
    told = await SqlLimitRecovery(database).sends(keys, now)
    contact, app, client, card, user, calls, claimed, unclaimed = (told[key] for key in keys)
    assert (contact, calls) == ((first, second, third), (third,))
    assert (app, client, card, user) == (
        (first, second),
        (first,),
        (first, second),
        (first, second),
    )
    assert (claimed, unclaimed) == ((first,), ())
    everything: dict[UsageKey, object] = {}
    async for page in SqlLimitRecovery(database, page=1).all_sends(now):
        assert everything.keys().isdisjoint(page)
        everything |= page
    assert {key: everything.get(key, ()) for key in keys} == told


async def test_the_checks_of_an_app_are_recovered(commits: GroupCommit, database: Database) -> None:
    """The checks of an app's clients are rebuilt from the audit."""
    now = after(START, MINUTE)
    key = check_demand(SHOP, HERE).key
    row = audit_row("invalid_otp", at=START)
    await commits.write(evolved(row, client=HERE, charged=(key.scope,)))
    history = SqlLimitRecovery(database)
    assert await history.usages((key,), now) == {key: (START,)}
    pages: list[Usages] = [page async for page in history.all_usages(now)]
    assert [page[key] for page in pages if key in page] == [(START,)]


async def test_verifications_of_before(sql_kind: Kind, tmp_path: Path) -> None:
    """After the upgrade, each is for the contact that was stored with it."""
    file = sqlite_path(tmp_path)
    if sql_kind is POSTGRES:
        file = postgres_file(tmp_path)
        file.write_text(await DATABASES.empty())
    contacts = {"v1": PHONE, "v2": "asha+a@example.com", "v3": "asha@example.com"}
    async with Database(postgres_url(file) or sqlite_url(tmp_path), durable=False) as database:
        await upgrade_to(database, "0016")
        for name, contact in contacts.items():
            execute(
                file,
                "INSERT INTO verifications (id, at, app_id, purpose, contact, channel, language,"
                " metadata, digits, expires_at)"
                " VALUES (?, 1, 'a', 'password_reset', ?, 'sms', 'en', '{}', 6, 2)",
                *(name, contact),
            )
            execute(
                file,
                "INSERT INTO sends (id, at, flow, purpose, slot, contact, client, verification_id)"
                " VALUES (?, 1, 'verification', 'password_reset', '', ?, 'unknown', ?)",
                *(f"s{name}", Contact.stored(contact).limited, name),
            )
        await upgrade(database)
        found = SqlVerifications(database)
        told = {name: await found.find(name) for name in contacts}
    assert {name: one and one.contact.value for name, one in told.items()} == contacts
