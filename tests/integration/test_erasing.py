"""A person is forgotten, and nothing is lifted by that: docs/erasing.md."""

import base64
import json
from functools import partial
from pathlib import Path

import attrs
import pytest

from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.challenge_outcomes import Forgotten, Issued, Locked
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, HOUR, Instant, after
from hsp_otp.domain.names import ClientAddress, PassCode, SessionId
from hsp_otp.domain.passes import Pass, PaymentStatus, User
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.signup import SignupSession, record
from hsp_otp.domain.slot_record import Held, SlotRecord
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.erase import forget_slot
from hsp_otp.flows.pass_login import PassLogin, SignedIn
from tests.backend import SHOP
from tests.e2e.server import command
from tests.integration.behind import execute
from tests.integration.redis_machine import Site, alone, open_site
from tests.integration.redis_server import RedisServer
from tests.integration.stores import POSTGRES, SQLITE, Kind, Stores, sql_stores
from tests.integration.test_contracts import SLOT, a_pass, send_row
from tests.integration.test_test_contacts import add_apps
from tests.integration.test_verifications import VERIFICATION, with_send
from tests.world import PHONE, Outbox, of_strangers, open_policy, other_than

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

KEY = base64.b64encode(bytes(range(100, 132))).decode()
CALLER = Caller(ClientAddress("198.51.100.7"), "r1")
OTHER = "+919812345678"
EAGER = open_policy(cooldown=0, client_sends=(Quota(0, HOUR),), sends_of_one_network=10)


@pytest.fixture(params=(SQLITE, POSTGRES), ids=lambda kind: kind.name)
def sql_kind(request: pytest.FixtureRequest) -> Kind:
    """Where users, sends and the audit may be."""
    found: Kind = request.param
    return found


async def test_what_counts_is_kept_and_the_rest_is_not(stores: Stores) -> None:
    """In every store, forgetting ends the code, keeps wrong guesses, and lifts no lock."""
    now = SystemClock().now()

    def put(held: SlotRecord) -> partial[Decision[Held, None]]:
        return partial(_becomes, held)

    await stores.slots.transition(SLOT, (), put(of_strangers(failures=(now,), run=2)))
    assert isinstance(await forget_slot(stores.slots, SLOT, EAGER, now), Forgotten)
    assert await stores.slots.transition(SLOT, (), _look) == of_strangers(failures=(now,))
    locked = of_strangers(failures=(now,) * 15, run=15)
    await stores.slots.transition(SLOT, (), put(locked))
    assert isinstance(await forget_slot(stores.slots, SLOT, EAGER, now), Locked)
    assert await stores.slots.transition(SLOT, (), _look) == locked
    await stores.slots.transition(SLOT, (), put(of_strangers(failures=(Instant(1),), run=2)))
    assert await forget_slot(stores.slots, SLOT, EAGER, now) == Forgotten(None)
    assert await stores.slots.transition(SLOT, (), _look) == SlotRecord()


async def test_redis_keeps_no_key_of_nothing(tmp_path: Path) -> None:
    """A slot of which nothing is known leaves Redis at once, for its key may hold a number."""
    server = RedisServer.start()
    try:
        async with open_site(tmp_path, alone(server)) as site:
            await _run_up(site)
            assert b"slot:" in server.ask("KEYS", "*")
            now = SystemClock().now()
            await forget_slot(site.stores.slots, SLOT, EAGER, after(now, 31 * DAY))
            while b"slot:" in server.ask("KEYS", "*"):
                pass
    finally:
        server.stop()


async def _run_up(site: Site) -> None:
    await site.stores.slots.transition(SLOT, (), partial(_becomes, of_strangers(run=2)))


def _becomes(record: SlotRecord, held: Held) -> Decision[Held, None]:
    return Decision(None, Held(record, held.usages))


def _look(held: Held) -> Decision[Held, SlotRecord]:
    return Decision(held.record, held)


# --- The command


@pytest.fixture
def kept(database: Database, commits: GroupCommit) -> Stores:
    """Everything in SQL."""
    return sql_stores(database, commits)


@pytest.fixture
def settings(url: str) -> dict[str, str]:
    """What the command needs."""
    return {"DATABASE_URL": url, "SECRET_KEYS": f"k1:{KEY}"}


async def busy(stores: Stores) -> tuple[PassLogin, Outbox]:
    """Somebody who has signed in, guessed wrong and has a code on the way; and somebody else."""
    now, outbox = SystemClock().now(), Outbox()
    other = User(id="u2", email="ravi@example.com", phone=PhoneNumber(OTHER))
    await stores.add(a_pass())
    await stores.add(
        Pass(code=PassCode("HSP-2000-0001"), user=other, payment_status=PaymentStatus.PAID)
    )
    login = stores.login(SystemClock(), SystemRandomness(), outbox, EAGER)
    for code in ("HSP-1234-5678", "HSP-2000-0001"):
        assert isinstance(await login.send(PassCode(code), CALLER), Issued)
        signed_in = await login.verify(PassCode(code), Code(outbox.codes[-1]), None, CALLER)
        assert isinstance(signed_in, SignedIn)
        await login.send(PassCode(code), CALLER)
        wrong = Code(other_than(outbox.codes[-1]))
        await login.verify(PassCode(code), wrong, None, CALLER)
    for number, session in ((PHONE, "theirs"), (OTHER, "others")):
        await stores.signup_sessions.transition(
            SessionId(session), partial(_session, PhoneNumber(number), now)
        )
    await stores.signup_steps.transition("c1", partial(record, now=now))
    await stores.audit.write(send_row("old"))
    return login, outbox


def _session(
    phone: PhoneNumber, now: Instant, _: SignupSession | None
) -> Decision[SignupSession | None, None]:
    return Decision(None, SignupSession(phone=phone, challenge_id="c1", stepped_at=now))


async def test_a_person_is_forgotten(
    kept: Stores, file: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    """The command says what would go, changes nothing, then does it; others stay as they are."""
    login, outbox = await busy(kept)
    before = _rows(file)
    told = command(tmp_path, "erase", "98765 43210", **settings)
    assert (told.returncode, told.stderr) == (0, "")
    assert _rows(file) == before
    assert "would be erased:" in told.stdout
    done = command(tmp_path, "erase", PHONE, "--yes", "--reason", "asked by letter", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[:12] == [
        "***-***-3210 (IN)",
        "erased:",
        "users: 1, u1",
        "passes: 1",
        "sign-ins: 1",
        "signup sessions: 1",
        "verifications: 0",
        "test contacts: 0",
        "apps in which the number was verified: 0",
        "sends that no limit counts any more: 1",
        "live codes",
        "known devices, which become strangers",
    ]
    assert lines[13].startswith("sends that limits count: 2, ")
    assert lines[14].startswith("wrong guesses and cooldown, until ")
    assert "9876543210" not in told.stdout + done.stdout
    assert [row[0] for row in execute(file, "SELECT id FROM users")] == ["u2"]
    assert execute(file, "SELECT code FROM passes") == [("HSP-2000-0001",)]
    keys = {row[0]: json.loads(row[1]) for row in execute(file, "SELECT key, body FROM records")}
    assert [key for key in keys if key.startswith("signup:")] == ["signup:others"]
    assert [one["user_id"] for key, one in keys.items() if key.startswith("family:")] == ["u2"]
    # What limits count: the number's sends, and the wrong guess of whoever had it.
    assert {key for key in keys if "9876543210" in key} == {
        "usage:phone_sends:+919876543210",
        "usage:phone_sends_of_others:+919876543210",
        "usage:phone_sends_of_others:+919876543210 198.51.100.0/24",
    }
    slot = keys["slot:phone_verification:user:u1"]
    assert slot["devices"] is None
    others = slot["others"]
    assert (others["challenge"], others["run"], len(others["failures"])) == (None, 0, 1)
    phones = execute(file, "SELECT contact, count(*) FROM sends GROUP BY contact ORDER BY contact")
    assert phones == [(OTHER, 2), (PHONE, 2)]
    told_of = execute(
        file,
        "SELECT outcome, contact, region, reason, pass_code FROM audit WHERE action = 'erase'",
    )
    assert told_of == [("erased", None, "IN", "asked by letter", None)]
    assert "asha@example.com" not in repr(_rows(file))
    right = Code(outbox.codes[1])
    assert (await login.verify(PassCode("HSP-1234-5678"), right, None, CALLER)).word == (
        "pass_not_found"
    )


async def test_erasing_gives_no_fresh_sends(
    kept: Stores, file: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    """A number that has had its ten messages gets no eleventh for having been erased."""
    login, outbox = await busy(kept)
    for _ in range(8):
        await login.send(PassCode("HSP-1234-5678"), CALLER)
    sent = len(outbox.sent)
    done = command(tmp_path, "erase", PHONE, "--yes", "--reason", "asked", **settings)
    assert done.returncode == 0
    await kept.add(a_pass())
    assert (await login.send(PassCode("HSP-1234-5678"), CALLER)).word == "phone_rate_limited"
    assert len(outbox.sent) == sent
    assert execute(file, "SELECT count(*) FROM sends WHERE contact = ?", PHONE) == [(10,)]


async def test_erasing_lifts_no_lock(
    kept: Stores, file: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    """Whoever is locked is not erased: one line says until when, and nothing was changed."""
    await busy(kept)
    now = SystemClock().now()
    await kept.slots.transition(SLOT, (), partial(_becomes, of_strangers(failures=(now,) * 15)))
    before = _rows(file)
    for more in ((), ("--yes", "--reason", "asked")):
        done = command(tmp_path, "erase", PHONE, *more, **settings)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("hsp-otp: the number is locked after wrong guesses until 2")
        assert len(done.stderr.splitlines()) == 1
    assert _rows(file) == before


async def test_a_user_of_an_app_is_erased(
    kept: Stores, database: Database, file: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    """The commands unlock and then erase one user of one app, and show nobody's id of the user."""
    user = ("--app", "shop", "--subject", "ann smith")
    why = ("--reason", "asked by letter")
    await add_apps(SqlApps(database), SHOP)
    at = SystemClock().now()
    theirs = attrs.evolve(VERIFICATION, created_at=at, expires_at=after(at, HOUR))
    other = attrs.evolve(theirs, id="v2", subject="ann")
    await kept.audit.write(theirs, other)
    for one in (theirs, other):
        locked = of_strangers(failures=(at,) * 15)
        await kept.slots.transition(one.slot, (), partial(_becomes, locked))
    refused = command(tmp_path, "erase", *user, **settings)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("hsp-otp: the user is locked after wrong guesses until 2")
    unlocked = command(tmp_path, "unlock", *user, *why, **settings)
    assert (unlocked.returncode, unlocked.stdout) == (0, "unlocked verifications for apps\n")
    before = _rows(file)
    told = command(tmp_path, "erase", *user, **settings)
    assert (told.returncode, told.stderr) == (0, "")
    assert _rows(file) == before
    done = command(tmp_path, "erase", *user, "--yes", *why, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.strip() for line in done.stdout.splitlines()] == [
        "a user of app shop",
        "erased:",
        "verifications: 1",
        "sends that no limit counts any more: 0",
        "live codes",
        "kept:",
        "audit rows, masked: 4, each until purge after 90 days",
    ]
    assert "ann smith" not in told.stdout + done.stdout + refused.stderr
    assert execute(file, "SELECT id FROM verifications") == [("v2",)]
    (key,) = (row[0] for row in execute(file, "SELECT key FROM records"))
    assert key == f"slot:{other.slot}"
    (row,) = execute(file, "SELECT app, reason FROM audit WHERE action = 'erase'")
    assert row == ("shop", "asked by letter")
    assert "ann smith" not in repr(_rows(file))


async def test_an_address_is_erased(
    kept: Stores, database: Database, file: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    """The commands unlock and then erase an e-mail address, however it is written."""
    whom, why = ("--email", "Ann+A@Example.com"), ("--reason", "asked by letter")
    await add_apps(SqlApps(database), SHOP)
    at = SystemClock().now()
    ann, tagged = Contact.stored("ann+a@example.com"), Contact.stored("ann+b@example.com")
    theirs = attrs.evolve(
        VERIFICATION, contact=ann, subject=None, created_at=at, expires_at=after(at, HOUR)
    )
    other = attrs.evolve(theirs, id="v2", contact=tagged)
    await kept.audit.write(*with_send(theirs), *with_send(other))
    locked = of_strangers(failures=(at,) * 15)
    await kept.slots.transition(theirs.slot, (), partial(_becomes, locked))
    refused = command(tmp_path, "erase", *whom, **settings)
    assert refused.stderr.startswith("hsp-otp: the address is locked after wrong guesses until 2")
    unlocked = command(tmp_path, "unlock", *whom, *why, **settings)
    assert (unlocked.returncode, unlocked.stdout) == (0, "unlocked verifications for apps\n")
    done = command(tmp_path, "erase", *whom, "--yes", *why, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.strip() for line in done.stdout.splitlines()][:4] == [
        "a***@example.com",
        "erased:",
        "verifications: 1",
        "test contacts: 0",
    ]
    assert execute(file, "SELECT id FROM verifications") == [("v2",)]
    told = command(tmp_path, "audit", "timeline", *whom, **settings)
    assert "a***@example.com, times in UTC" in told.stdout
    listed = command(tmp_path, "audit", "list", *whom, "--json", **settings)
    actions = [json.loads(line)["action"] for line in listed.stdout.splitlines()]
    assert (actions[0], actions[-1]) == ("unlock", "erase")
    assert "ann+" not in done.stdout + told.stdout + listed.stdout


async def test_whom_to_erase_is_told_in_one_way(tmp_path: Path, settings: dict[str, str]) -> None:
    """A number, or an app with the id of its user; anything else is refused in one line."""
    both = (PHONE, "--email", "ann@example.com")
    for arguments in ((), ("--app", "a"), ("--subject", "s"), (PHONE, "--app", "a"), both):
        done = command(tmp_path, "erase", *arguments, **settings)
        assert (done.returncode, done.stdout) == (1, "")
        takes = "a number, --email, or --app and --subject"
        assert done.stderr == f"hsp-otp: erase takes either {takes}\n"


def _rows(file: Path) -> list[object]:
    """All that there is."""
    return [
        execute(file, f"SELECT * FROM {table} ORDER BY 1")  # noqa: S608
        for table in ("users", "passes", "sends", "records", "audit")
    ]
