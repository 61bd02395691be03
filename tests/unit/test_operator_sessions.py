"""Who may look at the operator's page: docs/contract.md, 5.7."""

from functools import partial

import attrs
import pytest

from hsp_otp.adapters.memory import MemoryAudit, MemoryUsage
from hsp_otp.adapters.secret_keys import ops_ring
from hsp_otp.domain import operator_sessions
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.email_address import EmailAddress
from hsp_otp.domain.instant import HOUR, MINUTE, SECOND, Instant, after
from hsp_otp.domain.keys import Key
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.operator_sessions import OperatorSession, WrongPassword
from hsp_otp.domain.quota import Limit, Refusal, UsageKey, Usages
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.operators import Operators
from hsp_otp.ports.failures import Unavailable
from tests.world import (
    CLIENT,
    OTHER_CLIENT,
    PHONE,
    START,
    ManualClock,
    RememberedAccounts,
    RememberedSessions,
    ScriptedRandomness,
    ring,
    run,
)

PASSWORD = "correct horse battery staple"
ASHAS = "a password that only Asha knows"
CALLER = Caller(ClientAddress(CLIENT), "r-1")


@pytest.fixture
def clock() -> ManualClock:
    """Of the tests."""
    return ManualClock()


@pytest.fixture
def audit() -> MemoryAudit:
    """What is written down."""
    return MemoryAudit()


@pytest.fixture
def ended() -> RememberedSessions:
    """Sessions that were ended."""
    return RememberedSessions()


@pytest.fixture
def accounts() -> RememberedAccounts:
    """Two operators."""
    return RememberedAccounts({"asha": ASHAS, "ravi": PASSWORD + "!"})


@pytest.fixture
def door(
    clock: ManualClock, audit: MemoryAudit, ended: RememberedSessions, accounts: RememberedAccounts
) -> Operators:
    """What is tested."""
    return Operators(
        usage=MemoryUsage(audit),
        ended=ended,
        audit=audit,
        clock=clock,
        randomness=ScriptedRandomness(),
        password=PASSWORD,
        accounts=accounts,
        network_factor=10,
        fingerprints=ring("fingerprints", "f2", "f1"),
    )


def outcomes(audit: MemoryAudit) -> list[str]:
    """Of the rows."""
    return [row.outcome for row in audit.rows]


def test_in_and_out(door: Operators, audit: MemoryAudit, clock: ManualClock) -> None:
    """The right password is a session, until whoever is in it ends it; one row tells of it."""
    session = run(door.sign_in("", PASSWORD, CALLER))
    assert isinstance(session, OperatorSession)
    assert (session.began, session.used) == (START, START)
    assert session.id not in repr(session)
    assert PASSWORD not in repr(door)
    assert not run(door.is_over(session))
    run(door.sign_out(session))
    assert run(door.is_over(session))
    (row,) = audit.rows
    assert (row.facts.action.value, row.outcome) == ("ops_sign_in", "signed_in")
    assert (row.facts.client, row.facts.request_id) == (CALLER.client, "r-1")
    another = run(door.sign_in("", PASSWORD, CALLER))
    assert isinstance(another, OperatorSession)
    assert another.id != session.id
    assert not run(door.is_over(another))
    clock.advance(30 * MINUTE)
    assert run(door.is_over(another))


@pytest.mark.parametrize("typed", ["", PASSWORD + " ", PASSWORD[:-1], PASSWORD.upper(), "\ud800é"])
def test_another_password(door: Operators, audit: MemoryAudit, typed: str) -> None:
    """Anything but the password is wrong, whatever it is made of."""
    assert run(door.sign_in("", typed, CALLER)) == WrongPassword()
    assert outcomes(audit) == ["wrong_password"]


def test_five_failures(door: Operators, audit: MemoryAudit, clock: ManualClock) -> None:
    """Five wrong passwords of an address in 15 minutes, and the right one is refused as well."""
    for _ in range(5):
        assert run(door.sign_in("", "wrong", CALLER)) == WrongPassword()
        clock.advance(SECOND)
    refusal = run(door.sign_in("", PASSWORD, CALLER))
    assert isinstance(refusal, Refusal)
    assert refusal == run(door.sign_in("", "wrong", CALLER))
    assert refusal.retry_at == after(START, 15 * MINUTE)
    assert isinstance(
        run(door.sign_in("", PASSWORD, Caller(ClientAddress(OTHER_CLIENT), "r-2"))), OperatorSession
    )
    assert outcomes(audit)[5:] == ["rate_limited"] * 2 + ["signed_in"]
    assert [row.folds for row in audit.rows[5:]] == [True, True, False]
    assert audit.rows[5].retry_at == refusal.retry_at
    clock.instant = Instant(refusal.retry_at - 1)
    assert isinstance(run(door.sign_in("", PASSWORD, CALLER)), Refusal)
    clock.advance(1)
    assert isinstance(run(door.sign_in("", PASSWORD, CALLER)), OperatorSession)


# Named operators


def test_an_operator_by_name(
    door: Operators, audit: MemoryAudit, accounts: RememberedAccounts
) -> None:
    """A name with its own password is a session; its rows, the searches too, tell who it was."""
    session = run(door.sign_in("Asha", ASHAS, CALLER))
    assert isinstance(session, OperatorSession)
    assert session.operator == "asha"
    assert not run(door.is_over(session))
    run(door.search(Contact(ContactKind.PHONE, PHONE), session, CALLER))
    assert [(row.outcome, row.facts.operator) for row in audit.rows] == [
        ("signed_in", "asha"),
        ("searched", "asha"),
    ]
    assert session.version not in repr(session)
    assert ASHAS not in repr(run(accounts.find("asha")))


@pytest.mark.parametrize(
    ("name", "password", "compared"),
    [
        ("asha", PASSWORD, ["asha"]),
        ("asha", "", ["asha"]),
        ("ravi", ASHAS, ["ravi"]),
        ("nobody", ASHAS, [""]),
        ("nobody", "", [""]),
        ("", ASHAS, []),
    ],
)
def test_a_wrong_name_or_password(
    door: Operators, audit: MemoryAudit, name: str, password: str, compared: list[str]
) -> None:
    """An unknown name costs a comparison like a known one, and the audit repeats no such name."""
    assert isinstance(door.accounts, RememberedAccounts)
    assert run(door.sign_in(name, password, CALLER)) == WrongPassword()
    told = name if name in door.accounts.passwords else None
    assert [(row.outcome, row.facts.operator) for row in audit.rows] == [("wrong_password", told)]
    assert door.accounts.compared == compared


def test_failures_by_name_and_without(door: Operators, accounts: RememberedAccounts) -> None:
    """All wrong passwords of an address count together, and a refused one is not compared."""
    for name in ("asha", "ravi", "", "nobody", "asha"):
        assert run(door.sign_in(name, "wrong", CALLER)) == WrongPassword()
    compared = len(accounts.compared)
    for name, password in (("asha", ASHAS), ("nobody", "wrong"), ("", PASSWORD)):
        assert isinstance(run(door.sign_in(name, password, CALLER)), Refusal)
    assert len(accounts.compared) == compared == 4


def test_an_account_that_changed(door: Operators, accounts: RememberedAccounts) -> None:
    """Another password, or the end of the account, ends its sessions and nobody else's."""
    asha, ravi, shared = (
        run(door.sign_in(name, password, CALLER))
        for name, password in (("asha", ASHAS), ("ravi", PASSWORD + "!"), ("", PASSWORD))
    )
    assert isinstance(asha, OperatorSession)
    assert isinstance(ravi, OperatorSession)
    assert isinstance(shared, OperatorSession)
    accounts.passwords["asha"] = ASHAS + "!"
    del accounts.passwords["ravi"]
    assert [run(door.is_over(one)) for one in (asha, ravi, shared)] == [True, True, False]
    accounts.passwords["asha"] = ASHAS
    assert not run(door.is_over(asha))
    without = attrs.evolve(door, accounts=None)
    assert [run(without.is_over(one)) for one in (asha, shared)] == [True, False]


def test_without_a_shared_password(door: Operators) -> None:
    """Nobody signs in without a name then, with an empty password neither, and no session lives."""
    shared = run(door.sign_in("", PASSWORD, CALLER))
    assert isinstance(shared, OperatorSession)
    door = attrs.evolve(door, password="")
    for password in ("", PASSWORD):
        assert run(door.sign_in("", password, CALLER)) == WrongPassword()
    assert run(door.is_over(shared))
    assert isinstance(run(door.sign_in("asha", ASHAS, CALLER)), OperatorSession)


def test_without_names(door: Operators) -> None:
    """Where operators have no names, whatever a browser fills in as one does not matter."""
    door = attrs.evolve(door, accounts=None)
    assert isinstance(run(door.sign_in("operator", PASSWORD, CALLER)), OperatorSession)
    assert run(door.sign_in("asha", ASHAS, CALLER)) == WrongPassword()


def test_accounts_that_cannot_be_read(
    door: Operators, audit: MemoryAudit, accounts: RememberedAccounts
) -> None:
    """Nobody signs in by name, no session by name is believed, and the shared password opens."""
    session = run(door.sign_in("asha", ASHAS, CALLER))
    assert isinstance(session, OperatorSession)
    accounts.is_away = True
    with pytest.raises(Unavailable):
        run(door.sign_in("asha", ASHAS, CALLER))
    with pytest.raises(Unavailable):
        run(door.is_over(session))
    assert isinstance(run(door.sign_in("", PASSWORD, CALLER)), OperatorSession)
    assert outcomes(audit) == ["signed_in", "unavailable", "signed_in"]


@pytest.mark.parametrize("name", ["asha", "a", "0", "asha.k-r_2", 32 * "x"])
def test_a_name(name: str) -> None:
    """Letter case and white space around it do not matter."""
    assert operator_sessions.read_name(f" {name.upper()} ") == name


@pytest.mark.parametrize("name", ["", ".a", "a b", "a:b", "ashá", "a@b", 33 * "x", "a\n:b"])
def test_no_name(name: str) -> None:
    """Anything else is no name of an operator."""
    with pytest.raises(ValueError, match="takes 1 to 32 ASCII letters"):
        operator_sessions.read_name(name)


def test_signing_in_is_not_limited(door: Operators) -> None:
    """What is right is not charged."""
    for _ in range(20):
        assert isinstance(run(door.sign_in("", PASSWORD, CALLER)), OperatorSession)


def test_failures_of_everybody_refuse_nobody(door: Operators) -> None:
    """A thousand wrong passwords from elsewhere keep no newcomer out."""
    for number in range(1000):
        guesser = Caller(ClientAddress(f"192.0.{number % 250}.{number // 250}"), "r-3")
        assert run(door.sign_in("", "wrong", guesser)) == WrongPassword()
    newcomer = Caller(ClientAddress(OTHER_CLIENT), "r-4")
    assert isinstance(run(door.sign_in("", PASSWORD, newcomer)), OperatorSession)
    assert run(door.sign_in("", "wrong", newcomer)) == WrongPassword()


def test_a_database_that_is_away(clock: ManualClock, audit: MemoryAudit) -> None:
    """Nobody comes in, and a row tells of it."""

    class Away:
        async def transition(self, *_: object) -> object:
            raise Unavailable("away")

    door = Operators(
        usage=Away(),  # type: ignore[arg-type]
        ended=RememberedSessions(),
        audit=audit,
        clock=clock,
        randomness=ScriptedRandomness(),
        password=PASSWORD,
        accounts=None,
        network_factor=10,
        fingerprints=ring("fingerprints"),
    )
    with pytest.raises(Unavailable):
        run(door.sign_in("", PASSWORD, CALLER))
    assert outcomes(audit) == ["unavailable"]


@pytest.mark.parametrize(
    ("contact", "masked"),
    [
        (Contact(ContactKind.PHONE, PHONE), "***-***-3210"),
        (Contact.of_email(EmailAddress("Asha.Rao@example.com")), "a***@example.com"),
    ],
)
def test_a_search_is_written_down(
    door: Operators, audit: MemoryAudit, contact: Contact, masked: str
) -> None:
    """Looking for a contact leaves a row that is found by it, and holds it masked."""
    found = run(door.search(contact, OperatorSession("s", START, START), CALLER))
    (row,) = audit.rows
    assert (row.facts.action.value, row.outcome, row.facts.contact) == (
        "ops_search",
        "searched",
        masked,
    )
    assert len(found) == 2
    assert row.facts.contact_fingerprint == found[0]
    assert PHONE not in repr(row)


@pytest.mark.parametrize(
    ("began", "used", "now", "lives"),
    [
        (0, 0, 0, True),
        (0, 0, 30 * MINUTE - 1, True),
        (0, 0, 30 * MINUTE, False),
        (0, 8 * HOUR - MINUTE, 8 * HOUR - 1, True),
        (0, 8 * HOUR - MINUTE, 8 * HOUR, False),
        (0, 5 * SECOND, 0, True),
        (0, 5 * SECOND + 1, 0, False),
    ],
)
def test_how_long_a_session_lasts(began: int, used: int, now: int, lives: bool) -> None:  # noqa: FBT001
    """Half an hour from its last use, eight hours at most; machines' clocks may differ."""
    session = OperatorSession("s", after(START, began), after(START, used))
    assert session.lives(after(START, now)) is lives


def test_nobody_knows_whether_a_session_ended(
    door: Operators, clock: ManualClock, ended: RememberedSessions
) -> None:
    """Where the database does not answer, a session is not believed; past its time it is over."""
    session = run(door.sign_in("", PASSWORD, CALLER))
    assert isinstance(session, OperatorSession)
    ended.is_away = True
    with pytest.raises(Unavailable):
        run(door.is_over(session))
    clock.advance(30 * MINUTE)
    assert run(door.is_over(session))


def test_a_sign_out_that_is_not_written_down(door: Operators, ended: RememberedSessions) -> None:
    """Whoever signs out is told so, and the session has ended all the same."""
    session = run(door.sign_in("", PASSWORD, CALLER))
    assert isinstance(session, OperatorSession)
    ended.is_held = True
    with pytest.raises(Unavailable):
        run(door.sign_out(session))
    assert run(door.is_over(session))


def test_rules_change_nothing_they_were_given() -> None:
    """A refusal leaves everything as it was, and so does the right password."""
    client = ClientAddress(CLIENT)
    failures, of_network = operator_sessions.sign_in_keys(client, network_factor=10)
    assert failures == UsageKey("ops_failures", CLIENT)
    assert of_network == UsageKey("ops_failures", "198.51.100.0/24")
    sign_in = partial(operator_sessions.sign_in, client=client, network_factor=10, now=START)
    usages: Usages = {failures: (START,) * 5}
    assert sign_in(usages, right=True).becomes is usages
    few: Usages = {failures: (START,) * 4}
    decision = sign_in(few, right=True)
    assert (decision.outcome, decision.becomes) == (None, few)
    wrong = sign_in(few, right=False)
    assert wrong.becomes == {failures: (START,) * 5, of_network: (START,)}


def test_a_network_may_fail_fifty_times() -> None:
    """However many addresses it has; another network is let in meanwhile."""
    client = ClientAddress(CLIENT)
    _, of_network = operator_sessions.sign_in_keys(client, network_factor=10)
    usages: Usages = {of_network: (START,) * 50}
    sign_in = partial(operator_sessions.sign_in, usages, right=True, network_factor=10, now=START)
    refused = sign_in(client=ClientAddress("198.51.100.99"))
    assert refused.outcome == Refusal(Limit.CLIENT, after(START, 15 * MINUTE))
    assert sign_in(client=ClientAddress("198.51.101.1")).outcome is None


def test_the_end_of_a_session_is_kept() -> None:
    """It stands beside what else is kept, by the session's id."""
    key = operator_sessions.ended_key("s")
    assert key == UsageKey("ops_ended", "s")
    other = operator_sessions.ended_key("other")
    decision = operator_sessions.end(
        {other: (START,), key: ()}, session_id="s", now=after(START, 1)
    )
    assert (decision.outcome, decision.becomes) == (
        None,
        {other: (START,), key: (after(START, 1),)},
    )


def test_another_password_ends_all_sessions() -> None:
    """What was sealed under one password is nothing under the next."""
    keys = (Key("k1", b"s" * 32),)
    sealed = ops_ring(keys, PASSWORD).seal("a.b.c")
    assert ops_ring(keys, PASSWORD).unseal(sealed) == "a.b.c"
    assert ops_ring(keys, PASSWORD + "!").unseal(sealed) is None
    assert PASSWORD not in repr(ops_ring(keys, PASSWORD))
