"""People who want one code each, and attackers who earn from messages; all drawn from seeds."""

# ruff: noqa: INP001, PLR2004, S311 - random people, in numbers that are chosen here

import bisect
import itertools
import math
import random
from collections.abc import Iterator
from typing import Final, NamedTuple

import attrs

from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, Duration, Instant, after
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.prices import Money, money
from hsp_otp.domain.purposes import Flow

BEGIN: Final = Instant(20_000 * DAY)
"""The first instant of every play."""


class Region(NamedTuple):
    """
    A country.

    Attributes:
        share: Of all people.
        blocks: How many blocks of a million numbers it has.
        prefix: How its numbers begin; the block in *digits* digits and six more digits follow.
    """

    share: float
    price: Money
    blocks: int
    prefix: str
    digits: int


REGIONS: Final = {
    "IN": Region(0.80, money("0.05"), 300, "+919", 3),
    "AE": Region(0.08, money("0.0895"), 12, "+9715", 2),
    "GB": Region(0.06, money("0.05"), 60, "+447", 3),
    "US": Region(0.05, money("0.0083"), 300, "+12", 3),
    "AF": Region(0.01, money("0.159"), 20, "+937", 2),
}
"""Prices are of the right size, and no price list."""

OPERATOR: Final = (1, 4, 7, 11, 15)
"""The blocks of a dear country's operator who shares the income with attackers."""

HOME_OPERATOR: Final = tuple(range(0, 300, 25))
"""The same in the home country."""


class Site(NamedTuple):
    """A number, and where it is."""

    region: str
    block: int
    contact: Contact


class Places:
    """Where people are: their numbers and their addresses."""

    def __init__(self) -> None:
        draw = random.Random(3)
        self._carriers, self._offices = _skewed(200, 0.8, draw), _skewed(100, 0.5, draw)
        self._blocks = {name: _skewed(one.blocks, 0.5, draw) for name, one in REGIONS.items()}
        self._regions = list(itertools.accumulate(one.share for one in REGIONS.values()))

    def site(
        self,
        draw: random.Random,
        region: str | None = None,
        blocks: tuple[int, ...] = (),
        ranges: int = 100,
    ) -> Site:
        """
        Draw a number.

        Args:
            blocks: It is in one of these; in any if there are none.
            ranges: How many ranges of a block it may be in.
        """
        name = region or list(REGIONS)[_place(self._regions, draw)]
        block = draw.choice(blocks) if blocks else _place(self._blocks[name], draw)
        where = REGIONS[name]
        last = draw.randrange(ranges * 10_000)
        number = f"{where.prefix}{block:0{where.digits}}{last:06}"
        return Site(name, block, Contact(ContactKind.PHONE, number))

    def address(self, draw: random.Random, *, in_offices: bool = True) -> ClientAddress:
        """30 % are behind the shared addresses of carriers, 10 % in offices, the others at home."""
        kind = draw.random()
        if kind < 0.30:
            shared = _place(self._carriers, draw)
            return ClientAddress(f"100.64.{shared // 4}.{shared % 4}")
        if kind < 0.40 and in_offices:
            return ClientAddress(f"100.65.{_place(self._offices, draw)}.1")
        home = draw.randrange(5_000)
        return ClientAddress(f"10.{home // 256}.{home % 256}.{draw.randrange(250)}")


@attrs.define(eq=False, kw_only=True)
class Person:
    """
    Somebody who wants one code. What they will do is drawn before, so that it depends on no rule.

    Attributes:
        is_reachable: Messages can arrive.
        gives_up: They lose interest once the code is there.
        draws: Random numbers between 0 and 1.
    """

    first: Instant
    site: Site
    address: ClientAddress
    is_reachable: bool
    gives_up: bool
    draws: tuple[float, ...]
    asked: int = 0
    sent: int = 0
    is_done: bool = False
    was_refused: bool = False
    has_worked: bool = False


def people_of(
    places: Places, seed: int, *, begins: Instant, span: Duration, count: int, gives_up: float
) -> list[Person]:
    """
    *count* people, drawn from *seed*.

    Args:
        span: A day, in which fewer come at night, or any shorter time.
    """
    draw = random.Random(seed)
    people = list[Person]()
    for _ in range(count):
        at = _hour_of_day(draw) if span == DAY else int(draw.random() * span)
        people.append(
            Person(
                first=after(begins, at),
                site=places.site(draw),
                address=places.address(draw),
                is_reachable=draw.random() > 0.015,
                gives_up=draw.random() < gives_up,
                draws=tuple(draw.random() for _ in range(12)),
            )
        )
    return people


@attrs.frozen(kw_only=True)
class Attack:
    """
    Somebody who asks for messages to numbers of a region, and earns from each.

    Attributes:
        addresses: How many addresses they have; None if they have a new one for each ask.
        every: How often each address asks. Of new addresses, a thousand ask in that time.
        blocks: Where their numbers are; everywhere if there are none.
        ranges: How many ranges of a block their numbers are in.
        verifies: Share of the codes that they enter.
        numbers: How many numbers they know, as of leaked passes; any number if this is 0.
        among_people: Their addresses are those of people's networks, as with residential proxies.
    """

    region: str = "AF"
    addresses: int | None = 1_000
    every: Duration = 30 * MINUTE
    blocks: tuple[int, ...] = OPERATOR
    ranges: int = 100
    verifies: float = 0.0
    flow: Flow = Flow.SIGNUP
    numbers: int = 0
    among_people: bool = True

    def asks(
        self, places: Places, begins: Instant, ends: Instant
    ) -> Iterator[tuple[Instant, Site, ClientAddress]]:
        """Every ask, in the order of time."""
        draw = random.Random(8)
        of_all = self.addresses or 1_000
        addresses: Iterator[ClientAddress] = (
            self._address(places, draw, number) for number in itertools.count()
        )
        if self.addresses is not None:
            addresses = itertools.cycle(list(itertools.islice(addresses, self.addresses)))
        at = float(begins)
        for address in addresses:
            at += self.every / of_all * (0.5 + draw.random())
            if at >= ends:
                return
            known = random.Random(draw.randrange(self.numbers)) if self.numbers else draw
            site = places.site(known, self.region, self.blocks, self.ranges)
            yield Instant(int(at)), site, address

    def _address(self, places: Places, draw: random.Random, number: int) -> ClientAddress:
        if self.among_people:
            return places.address(draw, in_offices=False)
        network = number // 8
        return ClientAddress(
            f"{198 + network // 65_536}.{network // 256 % 256}.{network % 256}.{number % 8}"
        )


def _skewed(count: int, exponent: float, draw: random.Random) -> list[float]:
    """Cumulative weights of which few are large."""
    weights = [1 / (place + 1) ** exponent for place in range(count)]
    draw.shuffle(weights)
    return list(itertools.accumulate(weights))


def _place(cumulative: list[float], draw: random.Random) -> int:
    return bisect.bisect(cumulative, draw.random() * cumulative[-1])


def _hour_of_day(draw: random.Random) -> int:
    """Quiet at night, with peaks at 11 and at 20 o'clock."""
    while True:
        hour = draw.random() * 24
        weight = 0.15 + 0.85 * (
            0.5 * math.exp(-(((hour - 11) / 3.5) ** 2))
            + 0.6 * math.exp(-(((hour - 20) / 2.5) ** 2))
        )
        if draw.random() * 0.8 < weight:
            return int(hour * HOUR)
