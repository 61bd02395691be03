"""Reads files of prices, and the file that is part of the package."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final, cast

import attrs
import phonenumbers

import hsp_otp
from hsp_otp.domain.instant import DAY, Instant
from hsp_otp.domain.prices import DOLLAR, UNKNOWN_PRICE, Money, Prices, SenderPrices, money
from hsp_otp.entrypoints.senders import SENDERS
from hsp_otp.entrypoints.settings.toml_file import read_toml

_BUNDLED: Final = Path(hsp_otp.__file__).parent / "prices.toml"

_EPOCH: Final = date(1970, 1, 1)

_DATED: Final = "dated"
_DEFAULT: Final = "default"

_MOST: Final[Money] = 100 * DOLLAR


@attrs.frozen(kw_only=True)
class PriceList:
    """
    The prices of messages.

    Attributes:
        dated: The day on which they were right, if the file says so.
        is_bundled: They are those of the package, not the operator's own.
    """

    prices: Prices
    dated: date | None = None
    is_bundled: bool = False

    def age_days(self, now: Instant) -> int | None:
        """How old the prices are, in whole days; None if the file does not say."""
        return None if self.dated is None else now // DAY - (self.dated - _EPOCH).days


def read_prices(path: str) -> PriceList:
    """
    Read the file of prices at *path*.

    Raises:
        ValueError: The file cannot be read or used. The message continues a sentence that begins
            with the file.
    """
    found = read_toml(path)
    dated = found.pop(_DATED, None)
    # A TOML date with a time is a `datetime`, which is a `date` too.
    if dated is not None and type(dated) is not date:
        raise ValueError(f"has {_DATED}, which is not a date such as 2026-12-01")
    senders = {name: _of_sender(name, entries) for name, entries in found.items()}
    return PriceList(prices=Prices(senders), dated=dated)


@cache
def bundled_prices() -> PriceList:
    """Return the prices of the package."""
    return attrs.evolve(read_prices(str(_BUNDLED)), is_bundled=True)


def _of_sender(name: str, entries: object) -> SenderPrices:
    if name not in SENDERS:
        raise ValueError(
            f"has {name[:80]!a}; takes {_DATED}, and tables named {', '.join(SENDERS)}"
        )
    if not isinstance(entries, dict):
        raise ValueError(f"has {name}, which is not a table")  # noqa: TRY004 - of the file
    regions, default = dict[str, Money](), UNKNOWN_PRICE
    for key, value in cast("Mapping[str, object]", entries).items():
        place = f"{name}.{key[:80]}"
        if key == _DEFAULT:
            default = _price(place, value)
        elif key in phonenumbers.SUPPORTED_REGIONS:
            regions[key] = _price(place, value)
        else:
            raise ValueError(
                f"has {place!a}; takes ISO 3166-1 alpha-2 codes in upper case, and {_DEFAULT}"
            )
    return SenderPrices(regions, default)


def _price(place: str, value: object) -> Money:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        try:
            price = money(str(value))
        except ValueError:
            pass
        else:
            if price <= _MOST:
                return price
    raise ValueError(
        f"has {place}, which is not a number of dollars from 0 to {_MOST // DOLLAR} with at most "
        "six decimals"
    )
