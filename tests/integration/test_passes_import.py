"""Importing and showing passes on a real database: `docs/contract.md`, section 10."""

import asyncio
import io
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import func, select

from hsp_otp.adapters.sql.connections import DEADLINE_SECONDS
from hsp_otp.adapters.sql.database import Database, insert
from hsp_otp.adapters.sql.pass_changes import Counts, Imported, import_passes
from hsp_otp.adapters.sql.passes import SqlPasses
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.adapters.sql.tables import passes, records
from hsp_otp.adapters.system import SystemRandomness
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.listed_passes import ListedPass, ListedUser
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.entrypoints.cli.passes import passes as passes_app
from hsp_otp.flows.caller import new_id
from tests.e2e import preloaded
from tests.integration.behind import PATIENCE_SECONDS

HEADER = "pass_code,payment_status,plan_name,expires_at,email,first_name,last_name,phone_number\n"
ASHA = "HSP-1234-5678,paid,Gold,2099-12-31,asha@example.com,Asha,Rao,+919876543210\n"
RAVI = "HSP-0000-0001,pending,Silver,,ravi@example.com,Ravi,Das,\n"


NEW_ID = partial(new_id, SystemRandomness())


@attrs.frozen
class House:
    """A database of the newest schema in a folder of its own, and the commands on it."""

    folder: Path

    @property
    def database(self) -> Path:
        """The file."""
        return self.folder / "passes.db"

    @property
    def url(self) -> str:
        """What the settings call it."""
        return f"sqlite+aiosqlite:///{self.database}"

    def open(self) -> Database:
        """The database, for a task of its own."""
        return Database(self.url, durable=False)

    def write(self, *lines: str, header: str = HEADER) -> str:
        """A file of the header and *lines*."""
        file = self.folder / "passes.csv"
        file.write_text(header + "".join(lines), "utf-8")
        return str(file)

    def command(self, *arguments: str) -> list[str]:
        """The command as an operator types it."""
        return [str(Path(sys.executable).with_name("hsp-otp")), *arguments]

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = preloaded.run(arguments, self.folder, self.environ(**environ), PATIENCE_SECONDS)
        assert "Traceback" not in done.stderr
        return done

    def load(self, *lines: str, header: str = HEADER) -> tuple[int, str, str]:
        """Import *lines* in this process: status, stdout and stderr, without the start's time."""
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            file = self.write(*lines, header=header)
            status = passes_app(["import", file], result_action="return_value")
        return status, out.getvalue(), err.getvalue()

    def load_ids(self, *lines: str) -> tuple[int, str, str]:
        """Import *lines* that have an id, as `load` does."""
        return self.load(*lines, header=IDS)

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of a command."""
        return {**os.environ, **more}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What is in the file."""
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()

    def execute(self, statement: str) -> None:
        """Change what is in the file, as the server would."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement)

    def everything(self) -> list[tuple[Any, ...]]:
        """Every user and every pass, and where in the file they stand."""
        return [
            *self.rows("SELECT rowid, * FROM users ORDER BY rowid"),
            *self.rows("SELECT rowid, * FROM passes ORDER BY rowid"),
        ]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A new house, which the settings of this process name too."""
    made = House(tmp_path)

    async def prepare() -> None:
        async with made.open() as database:
            await upgrade(database)

    asyncio.run(prepare())
    for name in [name for name in os.environ if name.startswith("HSP_OTP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HSP_OTP_DATABASE_URL", made.url)
    return made


def summary(lines: str, passes_line: str, users_line: str) -> str:
    """What the import says on stdout."""
    return f"lines: {lines}\npasses: {passes_line}\nusers: {users_line}\n"


def test_stores(house: House) -> None:
    """Every good line's pass and user are in the database, and nothing else is said."""
    done = house.run("passes", "import", house.write(ASHA, RAVI))
    assert done.stdout == summary(
        "2 good, 0 bad", "2 added, 0 changed, 0 unchanged", "2 added, 0 changed, 0 unchanged"
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert house.rows(
        "SELECT email, first_name, last_name, phone_number, is_verified FROM users ORDER BY email"
    ) == [
        ("asha@example.com", "Asha", "Rao", "+919876543210", 0),
        ("ravi@example.com", "Ravi", "Das", None, 0),
    ]
    assert house.rows(
        "SELECT code, payment_status, status, plan_name, expires_at, email"
        " FROM passes JOIN users ON users.id = user_id ORDER BY code"
    ) == [
        ("HSP-0000-0001", "pending", "active", "Silver", None, "ravi@example.com"),
        ("HSP-1234-5678", "paid", "active", "Gold", 4_102_444_799_000_000, "asha@example.com"),
    ]


def test_ids_are_random(house: House) -> None:
    """A user's id is 128 random bits, in 22 characters that may stand in a URL."""
    house.load(ASHA, RAVI)
    first, second = [row[0] for row in house.rows("SELECT id FROM users")]
    assert first != second
    assert {len(first), len(second)} == {22}
    assert (first + second).replace("-", "").replace("_", "").isalnum()


def test_again_changes_nothing(house: House) -> None:
    """Importing the same file again leaves every row as it is, ids and sign-ins included."""
    lines = [ASHA, RAVI, ASHA.replace("HSP-1234-5678", "HSP-0000-0002")]
    house.load(*lines)
    house.execute("UPDATE users SET is_verified = 1")
    house.execute("UPDATE passes SET status = 'expired'")
    before = house.everything()
    said = summary(
        "3 good, 0 bad", "0 added, 0 changed, 3 unchanged", "0 added, 0 changed, 2 unchanged"
    )
    assert house.load(*lines) == (0, said, "")
    assert house.everything() == before


def test_lines_that_disagree_about_a_user(house: House) -> None:
    """The last one counts, also the second time: the file as a whole is what is stored."""
    lines = [ASHA, ASHA.replace("1234-5678", "0000-0002").replace("Rao", "Roy")]
    house.load(*lines)
    before = house.everything()
    assert house.rows("SELECT last_name FROM users") == [("Roy",)]
    said = summary(
        "2 good, 0 bad", "0 added, 0 changed, 2 unchanged", "0 added, 0 changed, 1 unchanged"
    )
    assert house.load(*lines) == (0, said, "")
    assert house.everything() == before


def test_lines_that_give_a_user_two_numbers(house: House) -> None:
    """All lines of the address are reported, and the user and the passes stay as they were."""
    house.load(ASHA)
    before = house.everything()
    status, out, err = house.load(
        ASHA.replace("3210", "3211").replace("Gold", "Silver"),
        RAVI,
        ASHA.replace("HSP-1234-5678", "HSP-0000-0002").replace("asha@", "ASHA@"),
        "HSP-1,paid,,,x@example.com,,,\n",
    )
    assert (status, err) == (
        1,
        (
            "line 5: pass_code is not of the form HSP-dddd-dddd\n"
            "line 2: the same email has another phone_number on line 4\n"
            "line 4: the same email has another phone_number on line 2\n"
        ),
    )
    assert out == summary(
        "1 good, 3 bad", "1 added, 0 changed, 0 unchanged", "1 added, 0 changed, 0 unchanged"
    )
    assert set(before) < set(house.everything())


def test_files_as_spreadsheets_write_them(house: House) -> None:
    """UTF-16 with tabs, and semicolons with a line that says so, are read like any other file."""
    lines = HEADER + ASHA + RAVI + ",,,,,,,\n"
    for raw in (
        lines.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"),
        ("sep=;\r" + lines.replace(",", ";").replace("\n", "\r")).encode("utf-8-sig"),
    ):
        (house.folder / "sheet.csv").write_bytes(raw)
        done = house.run("passes", "import", "sheet.csv")
        assert (done.stderr, done.returncode) == ("", 0)
        assert done.stdout.startswith("lines: 2 good, 0 bad\n")


def test_a_workbook(house: House) -> None:
    """What is no CSV at all is called by its name, in one line."""
    (house.folder / "passes.xlsx").write_bytes(b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml")
    done = house.run("passes", "import", "passes.xlsx")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "hsp-otp: cannot read 'passes.xlsx': it is an Excel workbook (.xlsx), not CSV: "
        "save the sheet as CSV in UTF-8\n"
    )


def test_changes(house: House) -> None:
    """What differs is written and counted, and the rest of the database stays."""
    house.load(ASHA, RAVI)
    ids = house.rows("SELECT email, id FROM users ORDER BY email")
    said = summary(
        "2 good, 0 bad", "1 added, 1 changed, 0 unchanged", "0 added, 1 changed, 1 unchanged"
    )
    assert house.load(
        ASHA.replace("paid", "refunded"), RAVI.replace("1,p", "2,p").replace("Das", "Dev")
    ) == (0, said, "")
    assert house.rows("SELECT email, id FROM users ORDER BY email") == ids
    assert house.rows("SELECT code, payment_status FROM passes ORDER BY code") == [
        ("HSP-0000-0001", "pending"),
        ("HSP-0000-0002", "pending"),
        ("HSP-1234-5678", "refunded"),
    ]


@pytest.mark.parametrize(
    ("number", "is_verified"),
    [("+919876543210", 1), ("98765 43210", 1), ("+919876543211", 0), ("", 0)],
)
def test_a_new_number_is_not_verified(house: House, number: str, is_verified: int) -> None:
    """Who has proved one number has not proved another; with the same one it stays proved."""
    house.load(ASHA)
    house.execute("UPDATE users SET is_verified = 1")
    changed = ASHA.replace("+919876543210", number).replace("Rao", "Roy")
    house.load(changed)
    assert house.rows("SELECT last_name, is_verified FROM users") == [("Roy", is_verified)]


@pytest.mark.parametrize(
    ("end", "status"), [("2099-12-31", "expired"), ("2100-01-01", "active"), ("", "active")]
)
def test_another_end_makes_a_pass_active(house: House, end: str, status: str) -> None:
    """What a sign-in found past its end is so until the end changes."""
    house.load(ASHA)
    house.execute("UPDATE passes SET status = 'expired'")
    changed = ASHA.replace("2099-12-31", end).replace("Gold", "Platinum")
    house.load(changed)
    assert house.rows("SELECT plan_name, status FROM passes") == [("Platinum", status)]


def test_a_pass_moves(house: House) -> None:
    """A later import may give a pass to another user; the former one stays."""
    house.load(ASHA)
    said = summary(
        "1 good, 0 bad", "0 added, 1 changed, 0 unchanged", "1 added, 0 changed, 0 unchanged"
    )
    assert house.load(ASHA.replace("asha@example.com", "RAVI@example.com")) == (0, said, "")
    assert house.rows("SELECT email FROM users JOIN passes ON user_id = id") == [
        ("ravi@example.com",)
    ]
    assert house.rows("SELECT count(*) FROM users") == [(2,)]


def test_bad_lines(house: House) -> None:
    """They are reported with their numbers and reasons, the others stored, and the status is 1."""
    file = house.write(
        ASHA,
        "HSP-1,paid,,,x@example.com,,,\n",
        "\n",
        RAVI.replace("Silver", '"Silver\nand more"'),
        ASHA.replace("HSP-1234-5678", "HSP-0000-0002").replace("+919876543210", "+911123456789"),
        ASHA.replace("Gold", "Silver"),
    )
    done = house.run("passes", "import", file)
    assert done.returncode == 1
    assert done.stderr == (
        "line 3: pass_code is not of the form HSP-dddd-dddd\n"
        "line 7: phone_number is not a mobile number\n"
        "line 8: the same pass code is on line 2\n"
    )
    assert done.stdout == summary(
        "2 good, 3 bad", "2 added, 0 changed, 0 unchanged", "2 added, 0 changed, 0 unchanged"
    )
    assert house.rows("SELECT code, plan_name FROM passes ORDER BY code") == [
        ("HSP-0000-0001", "Silver and more"),
        ("HSP-1234-5678", "Gold"),
    ]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("nowhere", "hsp-otp: cannot read 'nowhere': No such file or directory\n"),
        (".", "hsp-otp: cannot read '.': Is a directory\n"),
        ("empty.csv", "hsp-otp: cannot read 'empty.csv': the file is empty\n"),
        ("other.csv", "hsp-otp: cannot read 'other.csv': the header lacks email, phone_number\n"),
    ],
)
def test_files_that_cannot_be_read(house: House, file: str, words: str) -> None:
    """What is no list of passes is one line on stderr and status 1."""
    (house.folder / "empty.csv").touch()
    (house.folder / "other.csv").write_text(
        "pass_code,payment_status,plan_name,expires_at,first_name,last_name\n", "utf-8"
    )
    done = house.run("passes", "import", file)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", words)


@pytest.mark.parametrize("arguments", [("import", "passes.csv"), ("show", "HSP-1234-5678")])
def test_an_older_schema(house: House, arguments: Sequence[str]) -> None:
    """A database without the newest schema is one line that names the remedy."""
    house.write(ASHA)
    url = f"sqlite+aiosqlite:///{house.folder}/new.db"
    done = house.run("passes", *arguments, HSP_OTP_DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "hsp-otp db upgrade" in done.stderr


@pytest.mark.parametrize("path", ["nowhere/passes.db", "passes.csv"])
def test_no_database(house: House, path: str) -> None:
    """A database that cannot be opened, or is none, is one line on stderr and status 1."""
    file = house.write(ASHA)
    url = f"sqlite+aiosqlite:///{house.folder}/{path}"
    done = house.run("passes", "import", file, HSP_OTP_DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hsp-otp: ")
    assert done.stderr.count("\n") == 1


def test_show(house: House) -> None:
    """A pass is shown with its user; of the number and the code, the last four digits are."""
    house.load(ASHA)
    (user_id,) = house.rows("SELECT id FROM users")[0]
    done = house.run("passes", "show", " hsp-1234-5678")
    assert done.stdout == (
        "pass:     HSP-****-5678\n"
        "plan:     Gold\n"
        "payment:  paid\n"
        "status:   active\n"
        "expires:  2099-12-31T23:59:59Z\n"
        f"user:     {user_id}\n"
        "email:    asha@example.com\n"
        "name:     Asha Rao\n"
        "phone:    ***-***-3210 (not verified)\n"
    )
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (RAVI, ["status:   active", "expires:  none", "phone:    none"]),
        (RAVI.replace("Silver,", "Silver,2020-01-01"),
         ["status:   active", "expires:  2020-01-01T23:59:59Z (past)"]),
        (RAVI.replace("Silver,", "Silver,2020-01-01T00:00:00Z"),
         ["expires:  2020-01-01T00:00:00Z (past, last day 2019-12-31)"]),
        (RAVI.replace("Silver,", "Silver,2100-01-01T00:00:00Z"),
         ["expires:  2100-01-01T00:00:00Z (last day 2099-12-31)"]),
    ],
)  # fmt: skip
def test_show_what_is_missing(house: House, line: str, shown: list[str]) -> None:
    """A pass without an end, past its end, or of a user without a number says so."""
    house.load(line)
    done = house.run("passes", "show", "HSP-0000-0001")
    assert set(shown) <= set(done.stdout.splitlines())


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("HSP-9999-9999", "hsp-otp: there is no pass HSP-****-9999\n"),
        ("9999", "hsp-otp: the pass code is not of the form HSP-dddd-dddd\n"),
    ],
)
def test_show_nothing(house: House, code: str, words: str) -> None:
    """An unknown or malformed code is one line on stderr and status 1."""
    done = house.run("passes", "show", code)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", words)


@pytest.mark.parametrize("command", ["import", "show"])
def test_help(house: House, command: str) -> None:
    """Every command explains itself with an example."""
    done = house.run("passes", command, "--help")
    assert done.returncode == 0
    assert f"Example: hsp-otp passes {command} " in done.stdout


def test_misuse(house: House) -> None:
    """A command without what it needs says so on stderr, and the status is not 0."""
    done = house.run("passes", "import")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "FILE" in done.stderr


def test_a_progress_bar_on_a_terminal(house: House) -> None:
    """A terminal gets a bar, and the bad lines whole beside it."""
    process = subprocess.run(  # noqa: S603 - our own command
        house.command("passes", "import", house.write(ASHA, "bad\n")),
        # Says to the library that a terminal is there; not every machine has one to give.
        env=house.environ(TTY_COMPATIBLE="1", TERM="xterm", COLUMNS="80"),
        capture_output=True,
        check=False,
    )
    shown = process.stderr
    assert process.returncode == 1
    assert b"Reading" in shown
    assert b"Storing" in shown
    assert b"100%" in shown
    assert b"line 3: pass_code is not of the form HSP-dddd-dddd" in shown


def many(count: int) -> list[str]:
    """Lines of *count* passes of half as many users."""
    return [
        f"HSP-{number // 10_000:04}-{number % 10_000:04},paid,Gold,2099-12-31,"
        f"user{number // 2}@example.com,Asha,Rao,98{number // 2:08}\n"
        for number in range(count)
    ]


def test_ten_thousand_lines(house: House) -> None:
    """A large file is stored in many transactions, each row once."""
    file = house.write(*many(10_000))
    done = house.run("passes", "import", file)
    assert done.stdout == summary(
        "10000 good, 0 bad",
        "10000 added, 0 changed, 0 unchanged",
        "5000 added, 0 changed, 0 unchanged",
    )
    assert house.rows("SELECT count(DISTINCT code), count(DISTINCT user_id) FROM passes") == [
        (10_000, 5_000)
    ]
    status, out, _ = house.load(*many(10_000))
    assert (status, out) == (
        0,
        summary(
            "10000 good, 0 bad",
            "0 added, 0 changed, 10000 unchanged",
            "0 added, 0 changed, 5000 unchanged",
        ),
    )


def test_a_server_that_writes_meanwhile(house: House) -> None:
    """While an import runs, a writer of another process always gets its turn in its time."""
    file = house.write(*many(10_000))

    async def write_until_all_are_there() -> int:
        rounds, written = 0, 0
        async with house.open() as database:
            process = await asyncio.create_subprocess_exec(
                *house.command("passes", "import", file),
                env=house.environ(),
                stdout=subprocess.DEVNULL,
            )
            while process.returncode is None:
                async with database.write() as connection:  # Unavailable is a turn too late
                    stored = await connection.execute(select(func.count()).select_from(passes))
                    await connection.execute(
                        insert(connection, records).values(
                            key=f"test:{rounds}", body="{}", version=1
                        )
                    )
                rounds += 1
                written += 0 < stored.scalar_one() < 10_000
                await asyncio.sleep(0.001)
            assert await process.wait() == 0
        return written

    assert asyncio.run(write_until_all_are_there()) >= 5
    assert house.rows("SELECT count(*) FROM passes") == [(10_000,)]


def listed(number: int = 0) -> ListedPass:
    """A pass and its user."""
    return ListedPass(
        code=PassCode(f"HSP-0000-{number:04}"),
        payment_status=PaymentStatus.PAID,
        plan_name="Gold",
        expires_at=Instant(1),
        user=ListedUser(
            email=f"{number}@example.com",
            first_name="Asha",
            last_name="Rao",
            phone=PhoneNumber("+919876543210"),
        ),
    )


def test_storing_waits_for_a_writer(house: House) -> None:
    """An import waits longer than a request would for a lock that somebody else holds."""

    async def store() -> Imported:
        async with house.open() as holding, house.open() as database:
            async with holding.write():
                storing = import_passes(database, [listed()], NEW_ID, lambda _: None)
                task = asyncio.create_task(storing)
                await asyncio.sleep(DEADLINE_SECONDS + 0.2)
                assert not task.done()
            return await task

    assert asyncio.run(store()) == Imported(passes=Counts(added=1), users=Counts(added=1))


def test_stored_in_batches(house: House) -> None:
    """At most 500 passes share a transaction, and each is told of once it is committed."""
    told: list[int] = []
    committed: list[int] = []

    def stored(rows: int) -> None:
        told.append(rows)
        committed.append(house.rows("SELECT count(*) FROM passes")[0][0])

    async def store() -> Imported:
        async with house.open() as database:
            return await import_passes(database, map(listed, range(1_001)), NEW_ID, stored)

    assert asyncio.run(store()) == Imported(passes=Counts(added=1_001), users=Counts(added=1_001))
    assert told == [500, 500, 1]
    assert committed == [500, 1_000, 1_001]


def test_find_what_was_stored(house: House) -> None:
    """A stored pass is found with its user, as pass login finds it."""
    one = listed()

    async def check() -> None:
        async with house.open() as database:
            await import_passes(database, [one], NEW_ID, lambda _: None)
            found = await SqlPasses(database).find(one.code)
            assert found is not None
            assert (found.plan_name, found.payment_status, found.expires_at) == (
                "Gold",
                PaymentStatus.PAID,
                1,
            )
            assert (found.user.email, found.user.phone) == (one.user.email, one.user.phone)
            assert await SqlPasses(database).find(PassCode("HSP-9999-0000")) is None

    asyncio.run(check())


# The house's own ids


IDS = HEADER[:-1] + ",user_id\n"


def with_id(line: str, house_id: str) -> str:
    """A line with an id."""
    return f"{line[:-1]},{house_id}\n"


def test_ids(house: House) -> None:
    """A user is known by the id, keeps it, and may then have another e-mail address."""
    house.load(ASHA)
    (own_id,) = house.rows("SELECT id FROM users")[0]
    assert house.load_ids(with_id(ASHA, "4711"))[0] == 0
    moved = ASHA.replace("asha@", "rao@")
    said = summary(
        "1 good, 0 bad", "0 added, 0 changed, 1 unchanged", "0 added, 1 changed, 0 unchanged"
    )
    assert house.load_ids(with_id(moved, "4711")) == (0, said, "")
    assert house.load(moved)[0] == 0
    assert house.rows("SELECT id, house_id, email FROM users") == [
        (own_id, "4711", "rao@example.com")
    ]
    shown = house.run("passes", "show", "HSP-1234-5678").stdout
    assert "user:     4711\n" in shown


def test_ids_that_belong_to_others(house: House) -> None:
    """Their lines are bad, nothing of them is stored, and the others are."""
    house.load_ids(with_id(ASHA, "1"), with_id(RAVI, "2"))
    before = house.rows("SELECT house_id, email FROM users ORDER BY house_id")
    status, out, err = house.load_ids(
        with_id(ASHA, "3"),
        with_id(RAVI.replace("ravi@", "new@").replace("0001", "0002"), "1"),
        with_id(RAVI.replace("ravi@", "dev@").replace("0001", "0003"), "4"),
    )
    words = "its user_id or its email belongs to another user"
    assert (status, err) == (1, f"line 2: {words}\n")
    assert out == summary(
        "2 good, 1 bad", "2 added, 0 changed, 0 unchanged", "1 added, 1 changed, 0 unchanged"
    )
    assert house.rows("SELECT house_id, email FROM users ORDER BY house_id") == [
        ("1", "new@example.com"),
        *before[1:],
        ("4", "dev@example.com"),
    ]
