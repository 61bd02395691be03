"""Watches how caps fill up, and tells operators of it once."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import attrs

from hsp_otp.domain.budgets import Caps
from hsp_otp.domain.guard import GuardPolicy
from hsp_otp.domain.instant import DAY, SECOND, Duration, Instant, after
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.quota import UsageKey
from hsp_otp.domain.spend_report import (
    BudgetUse,
    alert_key,
    alert_keys,
    budget_uses,
    claim,
    percent_reached,
)
from hsp_otp.ports.apps import AppRepository
from hsp_otp.ports.audit_queries import Span
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import SendFailed, Unavailable
from hsp_otp.ports.spend_alerts import SpendAlert, SpendAlerts
from hsp_otp.ports.spending_queries import SpendingQueries
from hsp_otp.ports.usage_counter import UsageCounter

_LOOK_SECONDS: Final = 4.0
"""A part of a cap that is reached is told within 10 s: the look, and the time to tell."""

_REFUSED_WITHIN: Final[Duration] = 30 * SECOND
"""How far back a refusal by a cap is looked for."""

_FLOWS: Final = {flow.value for flow in Flow}


def _show_nobody(_: Sequence[BudgetUse]) -> None:
    """For when there are no metrics."""


@attrs.frozen(kw_only=True)
class SpendWatch:
    """
    Looks at all budgets every few seconds, in each process.

    Attributes:
        usage: Remembers what was told, for all processes, in the SQL database.
        show: Receives what each look finds.
    """

    queries: SpendingQueries
    usage: UsageCounter
    apps: AppRepository
    alerts: SpendAlerts
    clock: Clock
    caps: Caps
    policy: GuardPolicy
    show: Callable[[Sequence[BudgetUse]], None] = _show_nobody
    pause_seconds: float = _LOOK_SECONDS
    _claimed: dict[UsageKey, Instant] = attrs.field(factory=dict[UsageKey, Instant], init=False)
    _untold: list[SpendAlert] = attrs.field(factory=list[SpendAlert], init=False)

    async def keep_looking(self) -> None:
        """Look every few seconds until cancelled, also after the database did not answer."""
        while True:
            with suppress(Unavailable):
                await self.look()
            await asyncio.sleep(self.pause_seconds)

    async def look(self) -> None:
        """
        Look once, and tell what is to be told.

        An alert that nobody takes is told again with the next looks, for a day.

        Raises:
            Unavailable: The database did not answer.
        """
        now = self.clock.now()
        uses = budget_uses(await self.queries.budgets(), self.caps, self.policy, now)
        self.show(uses)
        refusing = await self.queries.refusing(Span(after(now, -_REFUSED_WITHIN)))
        for use in uses:
            percent = percent_reached(use, is_refusing=use.key in refusing)
            if percent is not None and await self._claim(use, percent, now):
                alert = await self._alert(use, percent, now)
                self.alerts.note(alert)
                self._untold.append(alert)
        await self._tell(now)

    async def _claim(self, use: BudgetUse, percent: int, now: Instant) -> bool:
        key = alert_key(use, percent)
        if self._claimed.get(key, Instant(0)) > now:
            return False
        is_first = await self.usage.transition(
            alert_keys(use, percent), partial(claim, key=key, now=now)
        )
        # Without this note, the database would be asked at every look.
        self._claimed[key] = after(now, DAY)
        return is_first

    async def _alert(self, use: BudgetUse, percent: int, now: Instant) -> SpendAlert:
        account = use.key.account
        app = None if account in _FLOWS else await self.apps.find(account)
        name = account if app is None else app.name
        where = use.key.region or "all"
        return SpendAlert(
            id=f"spend_{name}_{where}_{percent}_{now // SECOND}",
            at=now,
            account=name,
            region=use.key.region,
            percent=percent,
            spent=use.spent,
            cap=use.cap,
        )

    async def _tell(self, now: Instant) -> None:
        for alert in tuple(self._untold):
            try:
                await self.alerts.tell(alert)
            except SendFailed:
                if now < after(alert.at, DAY):
                    continue
            self._untold.remove(alert)
