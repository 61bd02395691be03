"""Telling operators that a cap fills up."""

from typing import Protocol

import attrs

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.prices import Money


@attrs.frozen(kw_only=True)
class SpendAlert:
    """
    A part of a cap is reached.

    Attributes:
        id: The same whenever the same alert is told.
        at: When it was noticed.
        account: The flow, or the name of the app.
        region: None for all regions together.
        percent: 50, 80 or 100.
        spent: In the last 24 hours. What processes have leased counts as spent.
    """

    id: str
    at: Instant
    account: str
    region: str | None
    percent: int
    spent: Money
    cap: Money


class SpendAlerts(Protocol):
    """Tells operators."""

    def note(self, alert: SpendAlert) -> None:
        """Write *alert* down, once."""
        ...

    async def tell(self, alert: SpendAlert) -> None:
        """
        Tell whoever is to be told. It may be repeated.

        Raises:
            SendFailed: Nobody took it, as far as is known.
        """
        ...
