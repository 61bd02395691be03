"""The prices of messages, in whole micro-dollars."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import attrs

Money: TypeAlias = int
"""Micro-dollars."""

DOLLAR: Final[Money] = 1_000_000

UNKNOWN_PRICE: Final[Money] = DOLLAR // 4
"""A segment to a region that no table names: more than almost any costs."""

_DOLLARS = re.compile(r"([0-9]+)(?:\.([0-9]{1,6}))?")


@attrs.frozen
class SenderPrices:
    """
    What one sender takes for a segment.

    Attributes:
        regions: By ISO 3166-1 alpha-2 code.
        default: For every other region.
    """

    regions: Mapping[str, Money]
    default: Money = UNKNOWN_PRICE

    def of(self, region: str | None) -> Money:
        """The price of a segment to *region*."""
        return self.default if region is None else self.regions.get(region, self.default)


_UNKNOWN: Final = SenderPrices({})


@attrs.frozen
class Prices:
    """The prices of every sender, by its name; a sender that has none takes `UNKNOWN_PRICE`."""

    senders: Mapping[str, SenderPrices] = attrs.field(factory=dict[str, SenderPrices])

    def of(self, region: str | None, senders: Iterable[str], segments: int) -> Money:
        """The price of a message to *region* by the dearest of *senders* that may be tried."""
        return self.dearest(region, senders)[0] * segments

    def dearest(self, region: str | None, senders: Iterable[str]) -> tuple[Money, str]:
        """The price of a segment to *region* by the dearest of *senders*, and its name."""
        dearest, its_name = 0, ""
        for name in senders:
            price = self.senders.get(name, _UNKNOWN).of(region)
            if not its_name or price > dearest:
                dearest, its_name = price, name
        return dearest, its_name

    def lacks(self, regions: Iterable[str], senders: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """The pairs of a sender and a region that have no price of their own."""
        return tuple(
            (name, region)
            for name in senders
            for region in sorted(regions)
            if name not in self.senders or region not in self.senders[name].regions
        )


def money(dollars: str) -> Money:
    """
    The amount of *dollars*, written with at most six decimals.

    Raises:
        ValueError: *dollars* is written differently.
    """
    found = _DOLLARS.fullmatch(dollars)
    if found is None:
        raise ValueError("not an amount of dollars with at most six decimals")
    whole, decimals = found.groups(default="")
    return int(whole) * DOLLAR + int(decimals.ljust(6, "0"))


def in_dollars(amount: Money) -> str:
    """*amount* in dollars, with two decimals or as many as it takes to be exact."""
    whole, rest = divmod(amount, DOLLAR)
    decimals = f"{rest:06}".rstrip("0").ljust(2, "0")
    return f"{whole}.{decimals}"
