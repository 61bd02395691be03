"""What operators ask about the cost of messages, over every SQL database: docs/fraud.md."""

from pathlib import Path
from typing import Any

import pytest

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.spending_queries import SqlSpendingQueries
from hsp_otp.adapters.sql.stores import SqlBudgets
from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.budgets import Budget, BudgetKey
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.guard import Group, Reason
from hsp_otp.domain.instant import DAY, HOUR, after
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.domain.purposes import Flow
from hsp_otp.ports.audit_queries import Span
from hsp_otp.ports.spending_queries import FullBlock, Spent
from tests.audit_rows import evolved
from tests.integration.behind import execute
from tests.integration.stores import POSTGRES, SQLITE, Kind
from tests.integration.test_budgets import spend
from tests.integration.test_contracts import audit_row
from tests.world import START

pytestmark = pytest.mark.anyio

SPAN = Span(START, after(START, DAY))


@pytest.fixture(params=(SQLITE, POSTGRES), ids=lambda kind: kind.name)
def sql_kind(request: pytest.FixtureRequest) -> Kind:
    """The kinds of SQL database."""
    found: Kind = request.param
    return found


@pytest.fixture
def asked(database: Database) -> SqlSpendingQueries:
    """What is tested."""
    return SqlSpendingQueries(database)


def sent(at: int, price: int | None = None, **more: Any) -> AuditRow:  # noqa: ANN401
    """A message of signup to India that Twilio took."""
    known = {
        "flow": Flow.SIGNUP,
        "action": Action.SEND,
        "region": "IN",
        "sender": "twilio",
        "price": price,
        "spent_by": None if price is None else "twilio",
        "verdict": None if price is None else "free",
    }
    return evolved(audit_row("sent", f"r{at}", after(START, at)), **known | more)


def refused(at: int, reasons: str, block: str = "f1:b1", **more: Any) -> AuditRow:  # noqa: ANN401
    """An ask of signup that the guard refused."""
    known: dict[str, Any] = {"reasons": reasons, "block_fingerprint": block, "verdict": "refused"}
    row = sent(at, 159_000, sender=None, **known | more)
    return evolved(row, outcome="range_rate_limited")


async def test_what_messages_cost(asked: SqlSpendingQueries, commits: GroupCommit) -> None:
    """By flow or app, region and sender; refusals and e-mails cost nothing."""
    await commits.write(
        sent(0, 83_200),
        sent(1, 83_200),
        sent(2),
        sent(3, 56_000, region="GB", sender="vonage", spent_by="twilio"),
        sent(4, 10_000, region=None, flow=Flow.VERIFICATION, app="shop", channel=Channel.VOICE),
        sent(5, region=None, flow=Flow.VERIFICATION, app="shop", channel=Channel.EMAIL),
        refused(6, "block 7/6 24h"),
        sent(DAY, 83_200),
        sent(-1, 83_200),
    )
    common: dict[str, Any] = {"app": None, "sender": "twilio", "messages": 1, "priced": 1}
    of_app = common | {"app": "shop", "region": None, "money": 10_000}
    assert await asked.spent(SPAN) == [
        Spent(
            flow="signup",
            **common | {"region": "IN", "messages": 3, "priced": 2, "money": 166_400},
        ),
        Spent(flow="signup", **common | {"region": "GB", "money": 56_000}),
        Spent(flow="verification", **of_app),
    ]


async def test_every_budget(asked: SqlSpendingQueries, commits: GroupCommit) -> None:
    """Those of all accounts, and no other record."""
    assert await asked.budgets() == {}
    stored = SqlBudgets(commits, asked.database)
    keys = [BudgetKey("signup", None), BudgetKey("signup", "IN"), BudgetKey("a1", "FR")]
    for key in keys:
        await stored.transition(key, spend)
    found = await asked.budgets()
    assert found.keys() == {*keys}
    assert found[keys[0]] == found[keys[1]] != Budget()


async def test_full_blocks(asked: SqlSpendingQueries, commits: GroupCommit) -> None:
    """Those with the most asks first, each with the reasons of its latest; others are not full."""
    await commits.write(
        refused(0, "block 7/6 24h; stretch 2.65/2.50$ 24h", "f1:b1"),
        refused(1, "block 9/6 24h; stretch 2.65/2.50$ 24h", "f1:b1"),
        refused(2, "range 4/3 24h; stretch 2.65/2.50$ 24h", "f1:b2", region="AF"),
        refused(HOUR, "block 7/6 24h; stretch 0.159/2.50$ 24h", "f1:b3", verdict="stretch"),
        refused(HOUR + 1, "block 7/6 24h; stretch 0.159/2.50$ 24h", "f1:b3", verdict="stretch"),
        refused(HOUR + 2, "block 8/6 24h; stretch 0.159/2.50$ 24h", "f1:b3", verdict="stretch"),
        refused(3, "address 9/6 24h; block 6/6 24h", "f1:b4"),
        refused(4, "region 15.1/15.00$ 24h", "f1:b5"),
        sent(5, 1, reasons="block 5/6 24h", block_fingerprint="f1:b6"),
        refused(DAY, "block 7/6 24h", "f1:b7"),
    )
    found = await asked.full_blocks(SPAN, 10)
    assert [(one.block, one.region, one.asks) for one in found] == [
        ("f1:b3", "IN", 3),
        ("f1:b1", "IN", 2),
        ("f1:b2", "AF", 1),
    ]
    assert found[1] == FullBlock(
        block="f1:b1",
        region="IN",
        asks=2,
        last=after(START, 1),
        reasons=(
            Reason(Group.BLOCK, 9, 6, DAY),
            Reason(Group.STRETCH, 2_650_000, 5 * DOLLAR // 2, DAY),
        ),
    )
    assert await asked.full_blocks(SPAN, 1) == found[:1]


async def test_caps_that_refuse(
    asked: SqlSpendingQueries, commits: GroupCommit, file: Path
) -> None:
    """Of flows, and of apps by their ids; that of all regions has no region."""
    execute(file, "INSERT INTO accounts (id, name, made_at) VALUES ('t1', 'acme', 0)")
    execute(
        file,
        "INSERT INTO apps (id, account_id, name, rules, made_at, changed_at)"
        " VALUES ('a1', 't1', 'shop', '{}', 0, 0)",
    )
    await commits.write(
        refused(0, "region-cap 50.1/50.00$ 24h"),
        refused(1, "region-cap 50.1/50.00$ 24h"),
        refused(2, "cap 100.1/100.00$ 24h", flow=Flow.PASS_LOGIN),
        refused(3, "cap 100.1/100.00$ 24h", flow=Flow.VERIFICATION, app="shop", region=None),
        refused(4, "cap 85.00/100.00$ 24h; block 7/6 24h"),
        refused(5, "block 7/6 24h"),
        refused(DAY, "cap 100.1/100.00$ 24h"),
    )
    assert await asked.refusing(SPAN) == {
        BudgetKey("signup", "IN"),
        BudgetKey("pass_login", None),
        BudgetKey("a1", None),
    }
