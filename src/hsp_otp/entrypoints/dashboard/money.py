"""What the operators' page shows of money."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import attrs
from markupsafe import Markup

from hsp_otp.domain.budgets import sender_of
from hsp_otp.domain.guard import Group
from hsp_otp.domain.prices import Money, in_dollars
from hsp_otp.domain.purposes import FLOWS
from hsp_otp.domain.spend_report import BudgetUse
from hsp_otp.entrypoints.audit_timeline import why_in_words
from hsp_otp.entrypoints.dashboard.charts import lying
from hsp_otp.entrypoints.dashboard.formatting import UNKNOWN, country
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.flows.overview import Spending
from hsp_otp.ports.spending_queries import FullBlock

_FULL: Final = 100
_NEARLY: Final = 80


@attrs.frozen(kw_only=True)
class Bar:
    """
    A part of a limit.

    Attributes:
        percent: None without a limit.
        look: ``full`` or ``nearly``, if it is so full that somebody should look.
    """

    name: str
    amount: str
    limit: str | None
    percent: int | None
    svg: Markup
    look: str = ""


@attrs.frozen(kw_only=True)
class Block:
    """A block of numbers that is too full."""

    fingerprint: str
    country: str
    asks: int
    last: str
    why: Sequence[str]


@attrs.frozen(kw_only=True)
class MoneyFacts:
    """What was spent and is owed in 24 hours."""

    caps: Sequence[Bar]
    owed: Sequence[Bar]
    senders: Sequence[tuple[str, int, str]]
    blocks: Sequence[Block]


def money_of(spending: Spending | None) -> MoneyFacts | None:
    """Create what is shown; None if nothing bounds what messages cost."""
    if spending is None:
        return None
    titles = {flow.value: row.title for flow, row in FLOWS.items()} | dict(spending.names)
    for use in spending.uses:
        if (sender := sender_of(use.key.account)) is not None:
            titles[use.key.account] = f"By {sender}"
    uses = sorted(spending.uses, key=lambda use: (-use.spent_ratio, str(use.key)))
    senders = defaultdict[str, list[int]](lambda: [0, 0])
    for one in spending.spent:
        of_sender = senders[one.sender or UNKNOWN]
        of_sender[0] += one.messages
        of_sender[1] += one.money
    return MoneyFacts(
        caps=[
            _cap(place, use, titles.get(use.key.account, use.key.account))
            for place, use in enumerate(use for use in uses if use.spent)
        ],
        owed=_owed(uses, titles),
        senders=[
            (name, messages, in_dollars(money))
            for name, (messages, money) in sorted(senders.items(), key=lambda one: -one[1][1])
        ],
        blocks=[_block(one) for one in spending.full_blocks],
    )


def _cap(place: int, use: BudgetUse, title: str) -> Bar:
    where = "all countries" if use.key.region is None else country(use.key.region)
    return _bar(f"cap-{place}", f"{title}, {where}", use.spent, use.cap)


def _owed(uses: Sequence[BudgetUse], titles: dict[str, str]) -> list[Bar]:
    owing = sorted((use for use in uses if use.owed), key=lambda use: -use.owed_ratio)
    return [
        _bar(
            f"owed-{place}",
            f"{country(use.key.region or UNKNOWN)}, {titles.get(use.key.account, use.key.account)}",
            use.owed,
            use.may_owe,
        )
        for place, use in enumerate(owing)
    ]


def _bar(id_: str, name: str, amount: Money, limit: Money) -> Bar:
    percent = 100 * amount // limit if limit else None
    look = ""
    if percent is not None and percent >= _NEARLY:
        look = "full" if percent >= _FULL else "nearly"
    return Bar(
        name=name,
        amount=in_dollars(amount),
        limit=in_dollars(limit) if limit else None,
        percent=percent,
        svg=lying(
            id_,
            f"{name}: ${in_dollars(amount)}" + (f" of ${in_dollars(limit)}" if limit else ""),
            [("of-verified", min(amount, limit or amount)), ("of-asked", max(0, limit - amount))],
            limit or amount,
        ),
        look=look,
    )


def _block(one: FullBlock) -> Block:
    full = [
        reason for reason in one.reasons if reason.is_full and reason.group is not Group.STRETCH
    ]
    return Block(
        fingerprint=one.block,
        country=country(one.region or UNKNOWN),
        asks=one.asks,
        last=in_short(one.last),
        why=[why_in_words(reason) for reason in full],
    )
