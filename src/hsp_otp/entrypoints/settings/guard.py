"""The settings of the guard against toll fraud."""

import re
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from hsp_otp.adapters.senders.provider import URL_TAKES, Shape, setting, url
from hsp_otp.domain.budgets import Caps, sender_account
from hsp_otp.domain.guard import GuardMode, GuardPolicy
from hsp_otp.domain.instant import DAY, HOUR
from hsp_otp.domain.ledger import LONGEST_DAYS, LONGEST_HOURS, DebtLimit
from hsp_otp.domain.prices import DOLLAR, Money, money
from hsp_otp.domain.purposes import Flow
from hsp_otp.entrypoints.senders import SENDERS
from hsp_otp.entrypoints.settings import readers
from hsp_otp.entrypoints.settings.prices import PriceList, bundled_prices, read_prices

_MOST: Final = 1_000_000
"""The highest amount, in dollars, messages or percent."""

_MOST_TIMES: Final = 100

_DOLLARS: Final = f"dollars from 0 to {_MOST} with at most six decimals; 0 disables it"

_LIMIT: Final = re.compile(r"([0-9]{1,9})\+([0-9]{1,9})%/([0-9]{1,3})([hd])")

_LIMITS_TAKE: Final = (
    "messages, a share of what was verified, and a window of 1h to 24h or 1d to 30d, such as "
    "6+50%/24h; several with commas; 0 disables it"
)


@attrs.frozen
class Amounts:
    """
    An amount, with exceptions.

    Attributes:
        usual: Of everybody without an exception.
        others: By region or sender.
    """

    usual: int = 0
    others: Mapping[str, int] = attrs.field(factory=dict[str, int])


def _mode(text: str) -> GuardMode:
    try:
        return GuardMode(text)
    except ValueError:
        raise ValueError from None  # its message adds nothing


def _dollars(text: str) -> Money:
    found = money(text)
    if found > _MOST * DOLLAR:
        raise ValueError
    return found


def _sender(text: str) -> str:
    if text not in SENDERS:
        raise ValueError(f"{text!r} is no sender")
    return text


def _amounts(
    amount: Callable[[str], int], name: Callable[[str], str], default: int | None
) -> Callable[[str], Amounts]:
    """
    Return a reader of an amount and its exceptions.

    Args:
        default: The amount if only exceptions are given; None requires one.
    """

    def read(text: str) -> Amounts:
        usual, others = default, dict[str, int]()
        for place, part in enumerate(text.split(",")):
            key, equals, value = (one.strip() for one in part.rpartition("="))
            if not equals:
                if place:
                    raise ValueError("only the first amount has no name")
                usual = amount(value)
            elif name(key) in others:
                raise ValueError(f"{name(key)} is named twice")
            else:
                others[name(key)] = amount(value)
        if usual is None:
            raise ValueError("the first amount, which is for all others, is missing")
        return Amounts(usual, others)

    return read


def _limits(text: str) -> tuple[DebtLimit, ...]:
    return () if text == "0" else tuple(_limit(part.strip()) for part in text.split(","))


def _limit(text: str) -> DebtLimit:
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise ValueError
    floor, percent, length, unit = found.groups()
    size, longest = (HOUR, LONGEST_HOURS) if unit == "h" else (DAY, LONGEST_DAYS)
    if not 1 <= int(length) <= longest or int(floor) > _MOST or int(percent) > _MOST:
        raise ValueError
    return DebtLimit(int(floor), int(percent), int(length) * size)


def _limits_setting(
    default: tuple[DebtLimit, ...], shown: str, meaning: str
) -> tuple[DebtLimit, ...]:
    return setting(
        _limits, default, meaning, takes=_LIMITS_TAKE, shown_default=shown, shape=Shape.LIST
    )


def _dollars_setting(default: Money, shown: str, meaning: str) -> Money:
    return setting(
        _dollars,
        default,
        meaning,
        takes=_DOLLARS,
        shown_default=shown,
        shape=Shape.AMOUNTS,
    )


_USUAL: Final = GuardPolicy()
_USUAL_CAPS: Final = Caps()


@attrs.frozen(kw_only=True)
class GuardSettings:
    """The settings of the guard, and the values that the rules take."""

    mode: GuardMode = setting(
        _mode,
        GuardMode.ENFORCE,
        "what the guard against toll fraud does: refuse; or only record what it would do, and "
        "refuse by the caps alone; or nothing, caps included",
        takes=" or ".join(mode.value for mode in GuardMode),
        shown_default=GuardMode.ENFORCE.value,
        variable="GUARD",
    )
    prices: PriceList = setting(
        read_prices,
        bundled_prices(),
        "prices of messages: a table for each sender, with dollars a segment by region",
        takes="the path of a TOML file",
        shown_default="a table of list prices, with $0.25 for what it lacks",
    )
    spend_per_day: Money = _dollars_setting(
        _USUAL_CAPS.default,
        "100",
        "dollars that signup may spend in 24 hours; the same for each app",
    )
    login_spend_per_day: Money = _dollars_setting(
        _USUAL_CAPS.default, "100", "dollars that pass login may spend in 24 hours"
    )
    spend_per_region_day: Amounts = setting(
        _amounts(_dollars, readers.region, None),
        Amounts(_USUAL_CAPS.region),
        "dollars that each flow and app may spend in one region in 24 hours",
        takes=f"{_DOLLARS}; with exceptions such as 50,IN=1500,AF=20",
        shown_default="50",
        shape=Shape.AMOUNTS,
    )
    spend_per_sender_day: Amounts = setting(
        _amounts(_dollars, _sender, 0),
        Amounts(),
        "dollars that may be spent with one sender in 24 hours before the next one is tried",
        takes=f"{_DOLLARS}; by sender such as twilio=80,vonage=40, or 50,twilio=80",
        shown_default="none",
        shape=Shape.AMOUNTS,
    )
    region_debt: Amounts = setting(
        _amounts(_dollars, readers.region, None),
        Amounts(_USUAL.region_debt),
        "dollars of unverified messages that a region may owe in 24 hours",
        takes=f"{_DOLLARS}; with exceptions such as 15,IN=100",
        shown_default="15",
        shape=Shape.AMOUNTS,
    )
    region_debt_percent: Amounts = setting(
        _amounts(readers.whole(0, _MOST), readers.region, None),
        Amounts(_USUAL.region_percent),
        "percentage of its verified money that a region may owe instead, if that is more",
        takes=f"a whole number from 0 to {_MOST}; with exceptions such as 20,IN=40",
        shown_default="20",
        shape=Shape.AMOUNTS,
    )
    address_debt: tuple[DebtLimit, ...] = _limits_setting(
        _USUAL.address,
        "6+50%/24h,8+30%/30d",
        "unverified messages that one client address may owe",
    )
    network_debt: tuple[DebtLimit, ...] = _limits_setting(
        _USUAL.network,
        "8+50%/24h,16+30%/30d",
        "unverified messages that one network may owe (IPv4 /24, IPv6 /48)",
    )
    range_debt: tuple[DebtLimit, ...] = _limits_setting(
        _USUAL.range,
        "3+30%/24h,6+30%/30d",
        "unverified messages that a range of numbers may owe, which differ in the last four digits",
    )
    block_debt: tuple[DebtLimit, ...] = _limits_setting(
        _USUAL.block,
        "6+30%/24h,30+15%/30d",
        "unverified messages that a block of numbers may owe, which differ in the last six digits",
    )
    debt_grows: int = setting(
        readers.whole(1, _MOST_TIMES),
        _USUAL.grows // 100,
        "how many times the shares of what was verified may grow where much is usually owed",
        takes=f"a whole number from 1 to {_MOST_TIMES}; 1: they never grow",
    )
    stretch_per_region_day: Money = _dollars_setting(
        _USUAL.stretch,
        "2.5",
        "dollars in 24 hours and region for asks that only one side is too full for",
    )
    spend_alert_url: str = setting(
        url,
        "",
        "URL that is told when 50, 80 and 100 % of a cap are spent, signed with "
        "HSP_OTP_WEBHOOK_SECRET",
        takes=URL_TAKES,
    )

    @property
    def policy(self) -> GuardPolicy:
        """What may be owed."""
        return GuardPolicy(
            address=self.address_debt,
            network=self.network_debt,
            range=self.range_debt,
            block=self.block_debt,
            region_debt=self.region_debt.usual,
            region_debts=self.region_debt.others,
            region_percent=self.region_debt_percent.usual,
            region_percents=self.region_debt_percent.others,
            grows=100 * self.debt_grows,
            stretch=self.stretch_per_region_day,
        )

    @property
    def sender_caps(self) -> Mapping[str, Money]:
        """What may be spent with each sender that has a cap."""
        usual, others = self.spend_per_sender_day.usual, self.spend_per_sender_day.others
        found = {name: others.get(name, usual) for name in SENDERS}
        return {name: cap for name, cap in found.items() if cap}

    @property
    def caps(self) -> Caps:
        """What may be spent."""
        return Caps(
            default=self.spend_per_day,
            altogether={
                Flow.PASS_LOGIN.value: self.login_spend_per_day,
                **{sender_account(name): cap for name, cap in self.sender_caps.items()},
            },
            region=self.spend_per_region_day.usual,
            regions=self.spend_per_region_day.others,
        )
