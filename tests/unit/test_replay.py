"""Past asks, put together from rows and judged again: docs/fraud.md."""

from typing import Any

import attrs
import pytest

from hsp_otp.domain.budgets import Caps
from hsp_otp.domain.guard import Free, Group, GuardPolicy, LedgerKey, Refused
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, Instant, after
from hsp_otp.domain.ledger import DebtLimit
from hsp_otp.domain.past_asks import PastAsks, PastRow
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.domain.replay import Judged, PastAsk, Replay
from hsp_otp.domain.replay_report import (
    ADMITTED,
    REFUSED,
    WORK,
    RegionReport,
    is_changed,
    is_lost,
    reasons_of,
    told_word,
)
from tests.world import START

NARROW = GuardPolicy(
    address=(), network=(), range=(), block=(DebtLimit(2, 0, DAY),), region_debt=0, stretch=0
)
"""A block may owe two messages, and nothing else is limited."""


def row(at: int = 0, **known: Any) -> PastRow:  # noqa: ANN401
    """An ask of signup that was sent, *at* microseconds after the start."""
    told: dict[str, Any] = {
        "at": after(START, at),
        "id": f"r{at}",
        "account": "signup",
        "subject": "signup ",
        "region": "IN",
        "contact": "f1:n1",
        "range": "f1:r1",
        "block": "f1:b1",
        "client": "192.0.2.7",
        "price": 83_200,
        "verdict": "free",
        "known_by": None,
        "is_sent": True,
        "state": None,
        "state_at": None,
        "count": 1,
    }
    return PastRow(**told | known)


def right_code(at: int, **known: Any) -> PastRow:  # noqa: ANN401
    """A right code."""
    return row(at, **{"price": None, "verdict": None, "is_sent": False} | known)


def put_together(*rows: PastRow) -> list[PastAsk]:
    """The asks that *rows* tell of."""
    past = PastAsks()
    return [ask for one in rows for ask in past.add(one)] + list(past.rest())


def past(at: int = 0, **known: Any) -> PastAsk:  # noqa: ANN401
    """An ask of one block that was admitted, *at* microseconds after the start."""
    told: dict[str, Any] = {
        "id": f"r{at}",
        "at": after(START, at),
        "account": "signup",
        "region": "IN",
        "keys": (LedgerKey(Group.BLOCK, "signup b1"),),
        "price": DOLLAR,
        "told": "free",
    }
    return PastAsk(**told | known)


# --- Rows


def test_an_ask_is_what_its_row_says() -> None:
    """The ledgers are those of fingerprints, client and network."""
    (ask,) = put_together(row())
    assert ask == PastAsk(
        id="r0",
        at=START,
        account="signup",
        region="IN",
        keys=(
            LedgerKey(Group.ADDRESS, "signup 192.0.2.7"),
            LedgerKey(Group.NETWORK, "signup 192.0.2.0/24"),
            LedgerKey(Group.RANGE, "signup f1:r1"),
            LedgerKey(Group.BLOCK, "signup f1:b1"),
        ),
        price=83_200,
        told="free",
    )


@pytest.mark.parametrize(
    ("client", "groups"),
    [
        ("unknown", [Group.RANGE, Group.BLOCK]),
        ("2001:db8:1::/48", [Group.NETWORK, Group.RANGE, Group.BLOCK]),
        ("2001:db8:1:2::/64", [Group.ADDRESS, Group.NETWORK, Group.RANGE, Group.BLOCK]),
    ],
)
def test_clients_that_owe(client: str, groups: list[Group]) -> None:
    """Nobody owes for a client that is not known, and a network only once."""
    (ask,) = put_together(row(client=client))
    assert [key.group for key in ask.keys] == groups


def test_a_right_code_pays_all_sends_of_a_day() -> None:
    """Of the same number, subject and account."""
    asks = put_together(
        row(0),
        row(DAY - 1),
        row(DAY, subject="other "),
        row(DAY + 1, account="a1"),
        row(DAY + 2, contact="f1:n2"),
        right_code(DAY + 3),
        row(DAY + 4),
    )
    paid_at = after(START, DAY + 3)
    assert [one.verified_at for one in asks] == [None, paid_at, None, None, None, None]


def test_asks_come_in_their_order() -> None:
    """Each a day after it was made, when nothing can pay it back any more."""
    asks = PastAsks()
    assert list(asks.add(row(0))) == []
    assert list(asks.add(row(HOUR))) == []
    assert [one.id for one in asks.add(row(DAY))] == ["r0"]
    assert [one.id for one in asks.rest()] == [f"r{HOUR}", f"r{DAY}"]
    assert list(asks.rest()) == []


def test_what_was_refused_is_not_paid() -> None:
    """It was not admitted; in `record` mode it was."""
    refused = {"verdict": "refused", "is_sent": False}
    asks = put_together(row(0, **refused), row(1, verdict="refused"), right_code(2))
    assert [(one.is_admitted, one.verified_at) for one in asks] == [
        (False, None),
        (True, after(START, 2)),
    ]


def test_messages_that_did_not_arrive() -> None:
    """Nobody took them, or a receipt said so within a day; delivered ones did arrive."""
    late = after(START, DAY + 1)
    asks = put_together(
        row(0, is_sent=False),
        row(0, state="failed", state_at=after(START, 5)),
        row(0, state="undelivered", state_at=late),
        row(0, state="delivered", state_at=after(START, 5)),
        right_code(6),
    )
    assert [(one.undelivered_at, one.verified_at) for one in asks] == [
        (START, None),
        (after(START, 5), None),
        (None, after(START, 6)),
        (None, after(START, 6)),
    ]


def test_what_caps_alone_judged() -> None:
    """It is owed by nobody, and has no verdict."""
    (ask,) = put_together(row(verdict=None, region=None, known_by="device"))
    assert (ask.is_judged, ask.keys, ask.region, ask.told) == (False, (), "ZZ", None)
    assert ask.is_known


# --- Judging again


def words(replay: Replay, *asks: PastAsk) -> list[str]:
    """The verdicts of *asks*."""
    return [str(one.verdict) for one in replay.judged(asks)]


def test_what_is_remembered_is_owed() -> None:
    """As it was told: the first ask that is judged finds what was before."""
    replay = Replay(NARROW)
    replay.remember(past(0))
    replay.remember(past(1, is_admitted=False, told="refused"))
    replay.remember(past(2, told="work:3", verified_at=after(START, 3)))
    assert words(replay, past(4), past(5)) == ["work:6", "refused"]


def test_what_nobody_owes_is_remembered_as_spent() -> None:
    """Of known people the block owes nothing, of what was only recorded neither; all is spent."""
    replay = Replay(NARROW, Caps(default=5 * DOLLAR, region=0))
    replay.remember(past(0, is_known=True))
    replay.remember(past(1, told="refused"))
    replay.remember(past(2, told=None, is_judged=False, keys=()))
    assert words(replay, past(3), past(4)) == ["free", "work:6"]
    (last,) = replay.judged([past(5, is_known=True)])
    assert isinstance(last.verdict, Refused)
    assert last.verdict.group is Group.CAP


def test_the_stretch_is_remembered() -> None:
    """It has less left."""
    policy = attrs.evolve(NARROW, stretch=DOLLAR)
    fresh = Replay(policy)
    assert words(fresh, past(0), past(1), past(2)) == ["free", "work:6", "stretch"]
    replay = Replay(policy)
    for ask in (past(0), past(1), past(2, told="stretch")):
        replay.remember(ask)
    assert words(replay, past(3)) == ["refused"]


def test_caps_alone_judge_what_had_no_verdict() -> None:
    """Until they are reached."""
    replay = Replay(NARROW, Caps(default=0, region=2 * DOLLAR))
    asks = [past(n, told=None, is_judged=False, keys=()) for n in range(3)]
    assert words(replay, *asks) == ["free", "free", "refused"]


# --- The report


def judged(ask: PastAsk, *, is_refused: bool = False) -> Judged:
    """An ask with a verdict of now."""
    return Judged(ask, Refused(Group.BLOCK, Instant(0)) if is_refused else Free())


def test_what_a_replay_comes_to() -> None:
    """In requests, in money, and in people who verified and would be refused."""
    verified = {"verified_at": after(START, MINUTE)}
    one, other = RegionReport(), RegionReport()
    one.add(judged(past(0, **verified), is_refused=True))
    one.add(judged(past(1, told="work:2", **verified)))
    one.add(judged(past(2, told="refused", is_admitted=False, count=3)))
    other.add(judged(past(3, told=None)))
    other.add(judged(past(4, told=None, is_admitted=False), is_refused=True))
    whole = one.plus(other)
    assert whole.then.requests == {ADMITTED: 2, WORK: 1, REFUSED: 4}
    assert whole.now.requests == {ADMITTED: 5, REFUSED: 2}
    assert (whole.then.money, whole.now.money) == (3 * DOLLAR, 3 * DOLLAR)
    assert (whole.lost, whole.changed) == (1, 3)


def test_the_words_of_one_ask() -> None:
    """What it was told, whether that changes, and why."""
    lost = judged(past(0, verified_at=after(START, 1)), is_refused=True)
    assert (told_word(lost), is_changed(lost), is_lost(lost)) == ("free", True, True)
    same = judged(past(0, told=None))
    assert (told_word(same), is_changed(same), is_lost(same)) == ("free", False, False)
    (found,) = list(Replay(NARROW).judged([past(0)]))
    assert reasons_of(found.verdict) == ""
    replay = Replay(NARROW)
    *_, last = replay.judged([past(0), past(1), past(2)])
    assert reasons_of(last.verdict) == "block 3/2 24h"
