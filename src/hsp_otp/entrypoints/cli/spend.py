"""The `spend` command: docs/contract.md, section 10."""

import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final

import attrs

from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.spending_queries import SqlSpendingQueries
from hsp_otp.domain.budgets import Budget, BudgetKey
from hsp_otp.domain.guard import GuardMode
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.prices import Money, in_dollars
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.spend_report import BudgetUse, budget_uses
from hsp_otp.entrypoints.cli.common import insist_on_newest
from hsp_otp.entrypoints.cli.guard_checks import title_of
from hsp_otp.entrypoints.cli.output import FLAG, Shown, structured, table
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import PREFIX, Settings
from hsp_otp.entrypoints.time_range import in_short, read_span
from hsp_otp.entrypoints.wiring import clock_of, open_database
from hsp_otp.ports.audit_queries import Span
from hsp_otp.ports.spending_queries import Spent

_COLUMNS: Final = (
    *("kind", "account", "region", "sender", "messages", "dollars"),
    *("cap", "percent", "owed", "may_owe"),
)

_ALL: Final = "all"
_UNKNOWN: Final = "unknown"

_ALWAYS: Final = (BudgetKey(Flow.PASS_LOGIN.value, None), BudgetKey(Flow.SIGNUP.value, None))
"""Budgets that are shown although nothing was spent."""


@attrs.frozen(kw_only=True)
class _Found:
    """
    What the command shows.

    Attributes:
        names: The names of apps, by their ids.
    """

    spent: Sequence[Spent]
    uses: Sequence[BudgetUse]
    names: Mapping[str, str]


def spend(
    *,
    since: str = "24h",
    json: Annotated[bool, FLAG] = False,
    csv: Annotated[bool, FLAG] = False,
) -> None:
    """
    Show what messages cost by region, sender and flow, the caps, and what is owed.

    Caps and debts are those of the last 24 hours, whatever --since says. What servers have set
    aside for their next messages counts as spent there, for up to 10 seconds.

    Example: hsp-otp spend --since 7d

    Args:
        since: Start of the period: a date, an ISO 8601 instant (UTC by default), or an age such as
            24h or 7d.
        json: Print one JSON object per line.
        csv: Print CSV with a header.
    """
    writer = structured(_COLUMNS, as_json=json, as_csv=csv)
    settings = load()
    now = clock_of(settings).now()
    try:
        span = read_span(since, None, now)
    except ValueError as error:
        raise CommandError(str(error)) from None
    found = asyncio.run(_find(settings, span, now))
    if writer is None:
        _show(settings, found, span)
        return
    for one in found.spent:
        writer.write(_row(kind="spent", **_shown_spent(one)))
    for use in found.uses:
        writer.write(_row(kind="budget", **_shown_use(use, found.names)))
    writer.close()


async def _find(settings: Settings, span: Span, now: Instant) -> _Found:
    async with open_database(settings) as database:
        await insist_on_newest(database)
        queries = SqlSpendingQueries(database)
        stored = await queries.budgets()
        guard = settings.guard
        budgets = {key: Budget() for key in _ALWAYS} | dict(stored)
        return _Found(
            spent=await queries.spent(span),
            uses=budget_uses(budgets, guard.caps, guard.policy, now),
            names={app.id: app.name for app in (await SqlApps(database).tenants()).apps},
        )


def _row(**members: object) -> Shown:
    return dict.fromkeys(_COLUMNS) | members


def _shown_spent(one: Spent) -> dict[str, object]:
    return {
        "account": one.app or one.flow,
        "region": one.region,
        "sender": one.sender,
        "messages": one.messages,
        "dollars": in_dollars(one.money),
    }


def _shown_use(use: BudgetUse, names: Mapping[str, str]) -> dict[str, object]:
    told: dict[str, object] = {
        "account": names.get(use.key.account, use.key.account),
        "region": use.key.region,
        "dollars": in_dollars(use.spent),
    }
    if use.cap:
        told |= {"cap": in_dollars(use.cap), "percent": use.spent_percent}
    if use.key.region is not None:
        told["owed"] = in_dollars(use.owed)
        told["may_owe"] = in_dollars(use.may_owe) if use.may_owe else None
    return told


def _show(settings: Settings, found: _Found, span: Span) -> None:
    table(
        (
            (
                title_of(one.flow if one.app is None else one.app, {}),
                one.region or _UNKNOWN,
                one.sender,
                one.messages,
                in_dollars(one.money),
            )
            for one in found.spent
        ),
        ("flow or app", "country", "sender", "messages", "$"),
        f"messages since {in_short(span.since)} UTC:",
    )
    if unpriced := sum(one.messages - one.priced for one in found.spent):
        print(f"{unpriced} of them have no price: no guard judged them", file=sys.stderr)
    print()
    table(
        _uses(found.uses, found.names),
        ("flow or app", "country", "spent $", "cap $", "used", "owed $", "may owe $"),
        "caps, and what is owed, in 24 hours:",
    )
    if settings.guard.mode is not GuardMode.ENFORCE:
        told = {
            GuardMode.RECORD: "only caps are enforced",
            GuardMode.OFF: "nothing of this is enforced",
        }[settings.guard.mode]
        print(f"{told}: {PREFIX}GUARD={settings.guard.mode.value}")


def _uses(uses: Iterable[BudgetUse], names: Mapping[str, str]) -> Iterable[Sequence[object]]:
    for use in uses:
        yield (
            title_of(use.key.account, names),
            use.key.region or _ALL,
            in_dollars(use.spent),
            _limit(use.cap),
            f"{use.spent_percent} %" if use.cap else None,
            in_dollars(use.owed) if use.key.region else None,
            _limit(use.may_owe) if use.key.region else None,
        )


def _limit(amount: Money) -> str:
    return in_dollars(amount) if amount else "none"
