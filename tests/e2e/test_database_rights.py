"""Two users of PostgreSQL, an owner and one who reads and writes rows: docs/operations.md."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import attrs
import pytest
from sqlalchemy import make_url

from tests.e2e.production import by, number_of, pass_of, prepare, start
from tests.e2e.server import Server, command
from tests.e2e.sessions import csrf_token, prove, refresh, sign_up
from tests.gateway import Gateway
from tests.integration import postgres_server

GRANTS = Path(__file__).parents[2] / "deploy" / "postgres" / "2-grants.sql"

pytestmark = pytest.mark.timeout(240)


@attrs.frozen
class Database:
    """
    One with both users.

    Attributes:
        superuser: The URL as the superuser.
    """

    superuser: str

    @property
    def owner(self) -> str:
        """The URL as the owner."""
        return self._as("hsp-otp-owner")

    @property
    def service(self) -> str:
        """The URL as the service."""
        return self._as("hsp-otp")

    def _as(self, user: str) -> str:
        return make_url(self.superuser).set(username=user).render_as_string()

    def grant(self, url: str) -> None:
        """Let the superuser say who may do what."""
        asyncio.run(_run_script(url, GRANTS.read_text("utf-8")))

    def run(self, url: str, statement: str) -> list["asyncpg.Record"]:
        """What a statement finds."""
        return asyncio.run(postgres_server.execute(url, statement))


async def _run_script(url: str, text: str) -> None:
    connection = await postgres_server.connect(url)
    try:
        await connection.execute(text)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """As the guide sets it up, the newest schema included."""
    with postgres_server.Server("fsync=on") as server:
        for statement in (
            'CREATE ROLE "hsp-otp-owner" LOGIN',
            'CREATE ROLE "hsp-otp" LOGIN',
            'CREATE DATABASE "hsp-otp" OWNER "hsp-otp-owner" TEMPLATE template0',
        ):
            asyncio.run(postgres_server.execute(server.url, statement))
        found = Database(make_url(server.url).set(database="hsp-otp").render_as_string())
        found.grant(found.superuser)
        yield found


@pytest.fixture(scope="module")
def keys(database: Database, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings that `keys new` prints, once the owner has made the schema and people are in."""
    folder = tmp_path_factory.mktemp("keys")
    assert command(folder, "db", "upgrade", DATABASE_URL=database.owner).returncode == 0
    # Its own db upgrade finds nothing to do, so that the service may run it too.
    return prepare(folder, 3, DATABASE_URL=database.service)


def test_the_server_reads_and_writes_rows_alone(
    database: Database, keys: dict[str, str], tmp_path: Path
) -> None:
    """Signing in, signing up, refreshing and signing out work without any right on the schema."""
    with (
        Gateway() as gateway,
        start(tmp_path, keys, gateway, DATABASE_URL=database.service) as server,
    ):
        assert server.send(pass_of(1)).status == 200
        signed_in = server.verify(pass_of(1), gateway.to(number_of(1))[-1].code)
        assert signed_in.status == 200
        renewed = refresh(server, signed_in["refresh_token"])
        assert renewed.status == 200
        out = server.post("/token/revoke/", {"refresh_token": renewed["refresh_token"]})
        assert out.status == 200
        page = csrf_token(keys["SECRET_KEYS"])
        begun = sign_up(server, number_of(99), page)
        assert begun.status == 200
        proved = prove(server, begun["session_id"], gateway.to(number_of(99))[-1].code, page)
        assert proved.status == 200
        assert server.get("/readyz").status == 200


@pytest.mark.parametrize(
    "arguments",
    [
        ("passes", "show", pass_of(1)),
        ("unlock", "--phone", number_of(1), "--reason", "called"),
        ("let", "--phone", number_of(1), "--address", "203.0.113.7", "--reason", "called"),
        ("audit", "list"),
        ("audit", "range", "--phone", number_of(1)),
        ("audit", "timeline", "--phone", number_of(1)),
        ("api-keys", "new", "--name", "shop", "--scopes", "passes"),
        ("api-keys", "list"),
        ("apps", "show"),
        ("audit", "top"),
        ("audit", "suspicious"),
        ("erase", number_of(2)),
        ("erase", number_of(2), "--yes", "--reason", "asked by letter"),
        ("purge",),
    ],
)
def test_the_commands_read_and_write_rows_alone(
    database: Database, keys: dict[str, str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Every command but `db upgrade` works without any right on the schema."""
    done = command(tmp_path, *arguments, **keys, DATABASE_URL=database.service)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (id int)",
        "CREATE TEMPORARY TABLE more (id int)",
        "CREATE SCHEMA more",
        "CREATE VIEW more AS SELECT 1",
        "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE users ADD COLUMN more int",
        "ALTER TABLE users RENAME TO more",
        "ALTER TABLE users DISABLE TRIGGER ALL",
        "CREATE INDEX more ON users (email)",
        "DROP INDEX audit_by_client",
        "DROP TABLE audit",
        "TRUNCATE audit",
        'ALTER DEFAULT PRIVILEGES FOR ROLE "hsp-otp-owner" GRANT SELECT ON TABLES TO PUBLIC',
        'ALTER ROLE "hsp-otp" SUPERUSER',
        'SET ROLE "hsp-otp-owner"',
        "CREATE EXTENSION pgcrypto",
        "COPY users TO PROGRAM 'cat'",
    ],
)
def test_the_service_cannot_change_the_schema(database: Database, statement: str) -> None:
    """Whoever gets hold of the service can neither make, alter nor drop anything but rows."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        database.run(database.service, statement)


@pytest.mark.usefixtures("keys")
def test_rights_reach_tables_of_later_versions(database: Database) -> None:
    """What the owner makes later can be read and written by the service at once."""
    database.run(database.owner, "CREATE TABLE later (id serial PRIMARY KEY, what text)")
    try:
        for statement, found in (
            ("INSERT INTO later (what) VALUES ('a') RETURNING id", [(1,)]),
            ("UPDATE later SET what = 'b' RETURNING what", [("b",)]),
            ("SELECT what FROM later FOR UPDATE", [("b",)]),
            ("DELETE FROM later RETURNING id", [(1,)]),
        ):
            rows = database.run(database.service, statement)
            assert [tuple(row) for row in rows] == found
    finally:
        database.run(database.owner, "DROP TABLE later")


@pytest.mark.usefixtures("keys")
def test_an_older_installation(database: Database, tmp_path: Path) -> None:
    """Where the service owned the tables, its rights are taken away without losing a row."""
    database.run(database.superuser, 'CREATE DATABASE older OWNER "hsp-otp" TEMPLATE template0')
    url = make_url(database.superuser).set(database="older")
    superuser = url.render_as_string()
    service = url.set(username="hsp-otp").render_as_string()
    database.run(superuser, 'GRANT CREATE ON SCHEMA public TO "hsp-otp"')
    assert command(tmp_path, "db", "upgrade", DATABASE_URL=service).returncode == 0
    database.run(superuser, 'REASSIGN OWNED BY "hsp-otp" TO "hsp-otp-owner"')
    database.grant(superuser)
    assert command(tmp_path, "purge", DATABASE_URL=service).returncode == 0
    for statement in ("DROP TABLE audit", "CREATE TABLE more (id int)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            database.run(service, statement)


@pytest.mark.usefixtures("keys")
def test_an_upgrade_by_the_wrong_user_is_one_line(database: Database, tmp_path: Path) -> None:
    """Where there is something to upgrade, the service's user is told whose it is to do."""
    database.run(database.superuser, "CREATE DATABASE empty TEMPLATE template0")
    url = make_url(database.superuser).set(database="empty")
    database.grant(url.render_as_string())
    done = command(
        tmp_path, "db", "upgrade", DATABASE_URL=url.set(username="hsp-otp").render_as_string()
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "hsp-otp: the SQL database does not permit that to its user; hsp-otp db upgrade is for the "
        "owner of the tables\n"
    )


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ("superuser", "the service's user is a superuser"),
        ("owner", "the service's user may change the schema"),
        ("service", None),
    ],
)
def test_doctor_looks_at_the_rights(
    database: Database, keys: dict[str, str], tmp_path: Path, user: str, says: str | None
) -> None:
    """Doctor warns of a service that may do more in its database than it needs."""
    with Gateway() as gateway:
        settings = keys | by(twilio=gateway) | {"DATABASE_URL": getattr(database, user)}
        lines = command(tmp_path, "doctor", **settings).stdout.splitlines()
    told = [line for line in lines if "the service's user" in line]
    assert [line.split(": ")[1] for line in told] == ([says] if says else [])
    assert any(line.startswith("ok      database: PostgreSQL") for line in lines)


def test_a_user_who_is_not_let_in_is_told_so(database: Database, tmp_path: Path) -> None:
    """A database that answers and refuses is not said to be silent."""
    nobody = make_url(database.superuser).set(username="nobody-there").render_as_string()
    nowhere = make_url(database.superuser).set(database="nowhere").render_as_string()
    for url, says in (
        (nobody, "hsp-otp: the SQL database refused the user or the password\n"),
        (nowhere, "hsp-otp: the SQL server has no database with that name\n"),
    ):
        assert command(tmp_path, "purge", DATABASE_URL=url).stderr == says


def test_development_needs_one_user(tmp_path: Path) -> None:
    """In development one user does all, and doctor has nothing to say about it."""
    with postgres_server.Server() as server, Server(tmp_path, DATABASE_URL=server.url) as served:
        assert served.send("HSP-1234-5678").status == 200
        told = command(tmp_path, "doctor", MODE="development", DATABASE_URL=server.url).stdout
    assert "the service's user" not in told
