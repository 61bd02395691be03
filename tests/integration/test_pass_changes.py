"""Changes of passes and users on real databases: `docs/contract.md`, sections 5.9 and 10."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import attrs
import pytest

from hsp_otp.adapters.sql.connections import RefusedError
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.pass_changes import PassStep, SqlPassRepository, change, take_turn
from hsp_otp.adapters.sql.passes import SqlPasses
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.listed_passes import ListedPass
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.pass_changes import Change, HeldPass, PassPut, PutOutcome, UserIdTaken, end, put
from hsp_otp.domain.passes import KeptPass, Pass, User
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.passes import PassRepository
from tests.audit_rows import evolved, row_of
from tests.integration.behind import LATE, PATIENCE_SECONDS, execute, upgrade_to
from tests.integration.postgres_server import DATABASES
from tests.integration.racers import Call, Racers, listed
from tests.integration.stores import (
    KINDS,
    POSTGRES,
    Kind,
    Stores,
    postgres_file,
    sqlite_path,
    sqlite_url,
)

pytestmark = pytest.mark.anyio

CODE = PassCode("HSP-1234-5678")
ROW = row_of(
    at=Instant(1),
    flow=None,
    purpose=None,
    action=Action.PUT_PASS,
    outcome="added",
    client=None,
    request_id="r1",
    api_key_id="k",
)


@pytest.fixture(params=[one for one in KINDS if "redis" not in one.name], ids=lambda one: one.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Every kind of store that passes may be in."""
    found: Kind = request.param
    return found


def putting(
    one: ListedPass, new_id: str = "u1", *rows: AuditRow
) -> Callable[[HeldPass], Decision[HeldPass, PutOutcome]]:
    """The step that puts *one*, and writes *rows*."""
    return lambda held: attrs.evolve(put(held, one, new_id), rows=rows)


async def do_put(
    passes: PassRepository, one: ListedPass, new_id: str = "u1", *rows: AuditRow
) -> PutOutcome:
    """Put *one*."""
    return await passes.transition(one.code, one.user, putting(one, new_id, *rows))


def as_stored(one: ListedPass, user_id: str = "u1") -> Pass:
    """What is stored of *one*."""
    return Pass(
        code=one.code,
        user=User(
            id=user_id,
            house_id=one.user.house_id,
            email=one.user.email,
            first_name=one.user.first_name,
            last_name=one.user.last_name,
            phone=one.user.phone,
        ),
        payment_status=one.payment_status,
        plan_name=one.plan_name,
        expires_at=one.expires_at,
    )


async def stored(passes: PassRepository, code: PassCode = CODE) -> Pass | None:
    """The pass of a code."""
    kept = await passes.find_kept(code)
    return None if kept is None else kept.found


# The promises of the port


async def test_what_is_put_is_found(stores: Stores) -> None:
    """A pass and its user are stored whole, and replaced whole; the user keeps the first id."""
    one, other = listed(CODE.value, "3210"), listed(CODE.value, "3211")
    passes = stores.pass_repository
    assert await stored(passes) is None
    assert await do_put(passes, one) == PassPut(of_pass=Change.ADDED, of_user=Change.ADDED)
    assert await passes.find_kept(CODE) == KeptPass(as_stored(one), "active", is_verified=False)
    assert await do_put(passes, other, "u2") == PassPut(
        of_pass=Change.CHANGED, of_user=Change.CHANGED
    )
    assert await stored(passes) == as_stored(other)
    assert await stores.passes.find(CODE) == as_stored(other)


async def test_what_ends_is_gone(stores: Stores) -> None:
    """The pass is deleted and its user stays, with everything."""
    passes, one = stores.pass_repository, listed(CODE.value, "3210")
    await do_put(passes, one)
    assert await passes.transition(CODE, None, end) is Change.ENDED
    assert await stored(passes) is None
    assert await passes.transition(CODE, None, end) is Change.UNCHANGED
    again = attrs.evolve(one, user=attrs.evolve(one.user, house_id=None))
    assert await do_put(passes, again, "u2") == PassPut(
        of_pass=Change.ADDED, of_user=Change.UNCHANGED
    )
    assert await stored(passes) == as_stored(one)


async def test_rows_are_written_with_the_change(stores: Stores) -> None:
    """The rows of a decision are stored, as often as it is made."""
    await do_put(stores.pass_repository, listed(CODE.value, "3210"), "u1", ROW)
    (row,) = await stores.told()
    assert (row.action, row.outcome, row.request_id) == ("put_pass", "added", "r1")


async def test_users_are_found(stores: Stores) -> None:
    """A user is held by the house's id, by the id that answers have shown, and by the address."""
    passes, one = stores.pass_repository, listed(CODE.value, "3210")
    seen: list[HeldPass] = []

    def look(held: HeldPass) -> Decision[HeldPass, None]:
        seen.append(held)
        return Decision(None, held)

    await do_put(passes, one)
    user = as_stored(one).user
    for holder in (
        one.user,
        attrs.evolve(one.user, house_id="u1"),
        attrs.evolve(one.user, house_id=None),
        attrs.evolve(one.user, email="x@example.com"),
        attrs.evolve(one.user, email="x@example.com", house_id="4712"),
        None,
    ):
        await passes.transition(PassCode("HSP-0000-0000"), holder, look)
    found = [(held.by_id, held.by_email) for held in seen]
    assert found == [
        (user, user), (user, user), (None, user), (user, None), (None, None), (None, None)
    ]  # fmt: skip
    assert {held.stored for held in seen} == {None}


async def test_a_user_holds_several_passes(stores: Stores) -> None:
    """What changes with one of them changes for all."""
    passes, other = stores.pass_repository, PassCode("HSP-0000-0002")
    await do_put(passes, listed(CODE.value, "3210"))
    await do_put(passes, listed(other.value, "3211"))
    both = [await stored(passes, code) for code in (CODE, other)]
    assert [one and one.user for one in both] == 2 * [as_stored(listed("", "3211")).user]


async def test_puts_at_once(stores: Stores) -> None:
    """Of forty puts with two contents, one of the two is left, and whole."""
    contents = [listed(CODE.value, f"321{number % 2}") for number in range(40)]
    outcomes = await asyncio.gather(
        *(do_put(stores.pass_repository, one, f"u{number}") for number, one in enumerate(contents))
    )
    found = await stored(stores.pass_repository)
    assert found is not None
    assert found in [as_stored(one, found.user.id) for one in contents]
    changes = [one.change for one in outcomes if isinstance(one, PassPut)]
    assert len(changes) == 40
    assert changes.count(Change.ADDED) == 1


async def test_a_step_that_breaks(stores: Stores) -> None:
    """A decision that raises fails its own caller, and no other."""

    def breaks(held: HeldPass) -> Decision[HeldPass, PutOutcome]:
        raise LookupError(str(held.stored is None))

    one = listed(CODE.value, "3210")
    broken, good = await asyncio.gather(
        stores.pass_repository.transition(CODE, one.user, breaks),
        do_put(stores.pass_repository, one),
        return_exceptions=True,
    )
    assert isinstance(broken, LookupError)
    assert isinstance(good, PassPut)
    assert await stored(stores.pass_repository) == as_stored(one)


async def test_an_interrupted_step_leaves_nobody_waiting(stores: Stores) -> None:
    """If a task of many changes is cancelled, all end, those behind too, and the next works."""

    def cut(_: HeldPass) -> Decision[HeldPass, PutOutcome]:
        raise asyncio.CancelledError

    one = listed(CODE.value, "3210")
    async with asyncio.timeout(PATIENCE_SECONDS):
        first, *others = await asyncio.gather(
            stores.pass_repository.transition(CODE, one.user, cut),
            *(do_put(stores.pass_repository, one) for _ in range(120)),
            return_exceptions=True,
        )
    assert isinstance(first, Unavailable | asyncio.CancelledError)
    assert {type(outcome) for outcome in others} <= {PassPut, Unavailable}
    assert isinstance(await do_put(stores.pass_repository, one), PassPut)


# SQL alone


def database_of(kind: Kind, folder: Path) -> Database:
    """Another connection to the database of *kind* in *folder*."""
    url = postgres_file(folder).read_text() if kind is POSTGRES else sqlite_url(folder)
    return Database(url, durable=False)


def repository(database: Database) -> SqlPassRepository:
    """The passes of a database."""
    return SqlPassRepository(database, SqlPasses(database))


def person(number: int, email: int) -> ListedPass:
    """A pass of a user with a number, and an address with one."""
    one = listed(f"HSP-0000-{number:04}", "3210")
    user = attrs.evolve(one.user, house_id=str(number), email=f"{email}@example.com")
    return attrs.evolve(one, user=user)


async def test_users_who_exchange_addresses_at_once(database: Database) -> None:
    """Steps of one transaction may hand an address on; each is decided on what is before it."""
    passes = repository(database)
    for number in (1, 2):
        await do_put(passes, person(number, number), f"u{number}")
    moves = [person(1, 9), person(2, 1), person(1, 2), person(3, 9)]
    outcomes = await asyncio.gather(*(do_put(passes, one, "u3") for one in moves))
    assert all(isinstance(one, PassPut) for one in outcomes)
    emails = [
        (await stored(passes, one.code)) for one in (person(1, 0), person(2, 0), person(3, 0))
    ]
    assert [one and one.user.email for one in emails] == [
        "2@example.com", "1@example.com", "9@example.com"
    ]  # fmt: skip


async def test_an_address_of_somebody_else(database: Database) -> None:
    """It is not taken over, and the row stays as it is."""
    passes = repository(database)
    for number in (1, 2):
        await do_put(passes, person(number, number), f"u{number}")
    assert await do_put(passes, person(1, 2)) == UserIdTaken()
    assert await stored(passes, person(1, 1).code) == as_stored(person(1, 1), "u1")


async def test_marks_of_sign_ins(database: Database, file: Path) -> None:
    """A new number is not verified and a new end makes active; anything else leaves the marks."""
    passes, one = repository(database), listed(CODE.value, "3210")
    await do_put(passes, one)
    execute(file, "UPDATE users SET is_verified = true")
    execute(file, "UPDATE passes SET status = 'expired'")
    named = attrs.evolve(one, plan_name="x", user=attrs.evolve(one.user, first_name="x"))
    await do_put(passes, named)
    assert await passes.find_kept(CODE) == KeptPass(as_stored(named), "expired", is_verified=True)
    other = attrs.evolve(named, expires_at=None, user=attrs.evolve(named.user, phone=None))
    await do_put(passes, other)
    assert await passes.find_kept(CODE) == KeptPass(as_stored(other), "active", is_verified=False)


async def test_no_change_without_its_row(database: Database) -> None:
    """A row that cannot be written takes the change with it."""
    bad = evolved(ROW, at=cast("Instant", None))
    with pytest.raises(RefusedError):
        await do_put(repository(database), listed(CODE.value, "3210"), "u1", bad)
    assert await stored(repository(database)) is None


async def test_waiting_steps_leave_connections_to_requests(tmp_path: Path) -> None:
    """However many wait for another writer, they use one connection of PostgreSQL."""
    async with POSTGRES.open(tmp_path) as stores, database_of(POSTGRES, tmp_path) as other:
        async with other.write() as connection:
            await take_turn(connection)
            puts = [
                asyncio.create_task(do_put(stores.pass_repository, person(one, one), f"u{one}"))
                for one in range(50)
            ]
            for number in range(20):
                row = evolved(ROW, request_id=f"r{number}")
                await asyncio.wait_for(stores.audit.write(row), 1)
            assert not any(task.done() for task in puts)
        assert all(isinstance(one, PassPut) for one in await asyncio.gather(*puts))


async def test_a_writer_who_does_not_let_go(sql_kind: Kind, tmp_path: Path) -> None:
    """A step that never gets its turn is unavailable in time, and may be repeated."""
    async with sql_kind.open(tmp_path) as stores, database_of(sql_kind, tmp_path) as other:
        one = listed(CODE.value, "3210")
        began = asyncio.get_running_loop().time()
        async with other.write(began + 2 * LATE) as connection:
            await take_turn(connection)
            with pytest.raises(Unavailable):
                await do_put(stores.pass_repository, one)
            assert asyncio.get_running_loop().time() - began < LATE
        assert isinstance(await do_put(stores.pass_repository, one), PassPut)


async def test_a_caller_who_leaves(database: Database) -> None:
    """It fails nobody else's step."""
    passes = repository(database)
    leaving = asyncio.create_task(do_put(passes, person(1, 1)))
    staying = asyncio.create_task(do_put(passes, person(2, 2), "u2"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert isinstance(await staying, PassPut)


async def test_a_writer_of_the_version_before(sql_kind: Kind, tmp_path: Path) -> None:
    """A user whom a writer without a turn adds in the meantime is found by the next attempt."""
    async with sql_kind.open(tmp_path), database_of(sql_kind, tmp_path) as database:
        file = postgres_file(tmp_path) if sql_kind is POSTGRES else sqlite_path(tmp_path)
        one = person(1, 1)
        calls = 0

        def decide(held: HeldPass) -> Decision[HeldPass, PutOutcome]:
            nonlocal calls
            calls += 1
            if calls == 1 and sql_kind is POSTGRES:
                execute(
                    file,
                    "INSERT INTO users (id, email, first_name, last_name, is_verified)"
                    " VALUES ('u9', '1@example.com', '', '', false)",
                )
            return put(held, one, "u1")

        step = PassStep(code=one.code, holder=one.user, decide=decide)
        by = asyncio.get_running_loop().time() + LATE
        (outcome,) = await change(database, [step], by)
        raced = sql_kind is POSTGRES
        assert calls == 1 + raced
        assert outcome.of_user is (Change.CHANGED if raced else Change.ADDED)


async def test_a_database_of_before(sql_kind: Kind, tmp_path: Path) -> None:
    """After the upgrade its users are known by their own ids, and may take the house's."""
    file = sqlite_path(tmp_path)
    if sql_kind is POSTGRES:
        file = postgres_file(tmp_path)
        file.write_text(await DATABASES.empty())
    async with database_of(sql_kind, tmp_path) as database:
        await upgrade_to(database, "0010")
        execute(
            file,
            "INSERT INTO users (id, email, first_name, last_name, phone_number, is_verified)"
            " VALUES ('u1', '3210@example.com', '3210', '3210', '+919876543210', true)",
        )
        execute(
            file,
            "INSERT INTO passes (code, user_id, payment_status, status, plan_name, expires_at)"
            " VALUES ('HSP-1234-5678', 'u1', 'paid', 'active', '3210', 3210)",
        )
        await upgrade(database)
        one = listed(CODE.value, "3210")
        before = as_stored(attrs.evolve(one, user=attrs.evolve(one.user, house_id=None)))
        assert await stored(repository(database)) == before
        assert await do_put(repository(database), one) == PassPut(
            of_pass=Change.UNCHANGED, of_user=Change.CHANGED
        )
        kept = await repository(database).find_kept(CODE)
        assert kept == KeptPass(as_stored(one), "active", is_verified=True)


# Several processes


def test_processes_that_put_one_pass(sql_kind: Kind, tmp_path: Path) -> None:
    """Of forty puts with two contents in four processes, one of the two is left, and whole."""
    asyncio.run(_open(sql_kind, tmp_path))
    with Racers(sql_kind, tmp_path, 4) as racers:
        for person_number in range(5):
            code = f"HSP-0000-{person_number:04}"
            calls = [
                # Each content goes to every process.
                Call(
                    step="put",
                    client="198.51.100.7",
                    pass_code=code,
                    digits=f"321{number // 4 % 2}",
                )
                for number in range(40)
            ]
            result = racers.race(calls)
            assert set(result.words) <= {"added", "changed", "unchanged"}
            assert result.words.count("added") <= 1  # a lost answer is not told again
            found = asyncio.run(_found(sql_kind, tmp_path, code))
            assert found is not None
            assert found in [
                as_stored(listed(code, one), found.user.id) for one in ("3210", "3211")
            ]


async def _open(kind: Kind, folder: Path) -> None:
    async with kind.open(folder):
        pass


async def _found(kind: Kind, folder: Path, code: str) -> Pass | None:
    async with kind.open(folder) as stores:
        return await stores.passes.find(PassCode(code))
