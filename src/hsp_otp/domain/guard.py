"""
The guard against toll fraud: who may have how much sent that nobody verifies, and where to.

Every message is owed by the client's address and network, by the range and the block of its number,
and by its region in money, until its code is entered. An ask fits a group if the group may owe one
message more. Caps limit the money that is spent, verified or not.
"""

import enum
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias, assert_never

import attrs

from hsp_otp.domain import ledger as ledgers
from hsp_otp.domain.instant import DAY, HOUR, Duration, Instant, after
from hsp_otp.domain.ledger import DebtLimit, Ledger
from hsp_otp.domain.prices import DOLLAR, Money, in_dollars, money
from hsp_otp.domain.work import LEVELS


class Group(enum.Enum):
    """What may owe, or spend; the values are part of the stored reasons."""

    ADDRESS = "address"
    NETWORK = "network"
    RANGE = "range"
    BLOCK = "block"
    REGION = "region"
    STRETCH = "stretch"
    REGION_CAP = "region-cap"
    CAP = "cap"

    # Groups are in the keys of ledgers, and that of `enum` is in Python.
    __hash__ = object.__hash__


class GuardMode(enum.Enum):
    """What follows from a verdict; the values are those of the setting."""

    ENFORCE = "enforce"
    RECORD = "record"
    OFF = "off"


class KnownBy(enum.Enum):
    """Why an ask is not judged by where its message goes: either has verified here before."""

    DEVICE = "device"
    NUMBER = "number"


WHO: Final = frozenset({Group.ADDRESS, Group.NETWORK})
WHERE: Final = frozenset({Group.RANGE, Group.BLOCK, Group.REGION})
CAPS: Final = frozenset({Group.REGION_CAP, Group.CAP})

_IN_MONEY: Final = frozenset({Group.REGION, Group.STRETCH}) | CAPS

_PRICED: Final = frozenset({Group.ADDRESS, Group.BLOCK, Group.REGION})
"""The groups whose fullness asks for work."""

_EASY_PERCENT: Final = 80
"""Up to here asks are free."""

_USUAL_DAYS: Final = 14
"""Days of which the median is the usual debt."""

_LEAST_DAYS: Final = 3
"""Known days before the usual debt is known."""

_LEAST_VERIFIED: Final[Money] = DOLLAR
"""What has to be verified on a day for it to be known."""

_USUAL_PERCENT: Final = 15
"""Twice the usual debt, in percent of what is verified, that the shares are made for."""


class LedgerKey(NamedTuple):
    """
    The key that a ledger is stored under.

    Attributes:
        group: One of those that owe messages.
        who: On whose account the messages are, and the group's own name. May be most of a number,
            so `repr` leaves it out.
    """

    group: Group
    who: str

    def __str__(self) -> str:
        return f"{self.group.value}:{self.who}"

    def __repr__(self) -> str:
        return f"LedgerKey(group={self.group.value!r})"


Ledgers: TypeAlias = Mapping[LedgerKey, Ledger]


class Debt(enum.Enum):
    """
    What an admitted message is owed by.

    Of a known number or device, the client alone owes it. Past its debt limit, the stretch owes
    it in place of the region.
    """

    NOBODY = "nobody"
    CLIENT = "client"
    ALL = "all"
    STRETCH = "stretch"


@attrs.frozen(kw_only=True)
class GuardPolicy:
    """
    The numbers of the guard. A limit whose floor is 0 is off.

    Attributes:
        region_debt: Money that a region may owe in 24 h; *region_percents* are percent of the money
            verified, used in its place if that is more.
        grows: Percent that shares grow to at most, with the usual debt of a region.
        stretch: Money in 24 h for asks of which one side alone is full.
        known_debt: Messages that a known number or device may owe without being judged by where
            they go.
    """

    address: tuple[DebtLimit, ...] = (DebtLimit(6, 50, DAY), DebtLimit(8, 30, 30 * DAY))
    network: tuple[DebtLimit, ...] = (DebtLimit(8, 50, DAY), DebtLimit(16, 30, 30 * DAY))
    range: tuple[DebtLimit, ...] = (DebtLimit(3, 30, DAY), DebtLimit(6, 30, 30 * DAY))
    block: tuple[DebtLimit, ...] = (DebtLimit(6, 30, DAY), DebtLimit(30, 15, 30 * DAY))
    region_debt: Money = 15 * DOLLAR
    region_debts: Mapping[str, Money] = attrs.field(factory=dict[str, Money])
    region_percent: int = 20
    region_percents: Mapping[str, int] = attrs.field(factory=dict[str, int])
    grows: int = 500
    stretch: Money = 5 * DOLLAR // 2
    known_debt: int = 3

    def limits(self, group: Group) -> tuple[DebtLimit, ...]:
        """What a group that owes messages may owe."""
        if group is Group.ADDRESS:
            return self.address
        if group is Group.NETWORK:
            return self.network
        return self.range if group is Group.RANGE else self.block


class Reason(NamedTuple):
    """
    How full a group is.

    Attributes:
        owed: What the group would owe with this ask: messages, or micro-dollars.
        allowed: What it may owe.
        window: In hours, up to a day, or whole days.
    """

    group: Group
    owed: int
    allowed: int
    window: Duration

    @property
    def is_full(self) -> bool:
        """Whether the ask does not fit."""
        return self.owed > self.allowed

    def __str__(self) -> str:
        hours = self.window // HOUR
        window = f"{hours}h" if self.window <= DAY else f"{hours // 24}d"
        if self.group in _IN_MONEY:
            amounts = f"{in_dollars(self.owed)}/{in_dollars(self.allowed)}$"
        else:
            amounts = f"{self.owed}/{self.allowed}"
        return f"{self.group.value} {amounts} {window}"


_WORK: Final = "work:"

_NOTHING: Final = Ledger()

_NEVER: Final = Instant(2**63 - 1)
"""Later than any instant that anything leaves a window at."""

_REASON = re.compile(r"([a-z-]+) ([0-9.]+)/([0-9.]+)(\$?) ([0-9]+)([hd])")


@attrs.frozen
class Free:
    """The ask is admitted as it is."""

    reasons: tuple[Reason, ...] = ()

    def __str__(self) -> str:
        return "free"


@attrs.frozen
class Priced:
    """The ask is admitted once work of *level* is done."""

    level: int
    reasons: tuple[Reason, ...] = ()

    def __str__(self) -> str:
        return f"{_WORK}{self.level}"


@attrs.frozen
class Stretched:
    """One side is full: the ask is admitted for the dearest work, from the region's stretch."""

    reasons: tuple[Reason, ...] = ()

    def __str__(self) -> str:
        return "stretch"


@attrs.frozen
class Refused:
    """
    The ask is refused.

    Attributes:
        group: The fullest one.
        retry_at: The first instant at which the same ask would be admitted if nothing else were
            charged or paid in the meantime.
    """

    group: Group
    retry_at: Instant
    reasons: tuple[Reason, ...] = ()

    def __str__(self) -> str:
        return "refused"


Verdict: TypeAlias = Free | Priced | Stretched | Refused


class Usual(NamedTuple):
    """
    What a region usually owes.

    Attributes:
        factor: Percent that its shares grow to.
        verified: The money that was verified there in the same days.
    """

    factor: int
    verified: Money


@attrs.frozen(kw_only=True)
class RegionMoney:
    """
    What is known of the money of a region, read before an ask is judged.

    Attributes:
        debt: What the region owes and has verified.
        stretch: What the stretch owes.
        unused_debt: What this process has leased of *debt*, which nobody owes yet.
        unused_stretch: The same of *stretch*.
        factor: Percent that the shares of the region's groups grow to.
        client_factor: Percent that the shares of clients grow to.
    """

    region: str
    debt: Ledger = Ledger()
    stretch: Ledger = Ledger()
    unused_debt: Money = 0
    unused_stretch: Money = 0
    factor: int
    client_factor: int


@attrs.frozen(kw_only=True)
class GuardedAsk:
    """
    An ask, as the guard judges it.

    Attributes:
        keys: The ledgers that its message would be owed in.
        is_known: The number verified here, or the device did, and owes little: it is not judged by
            where the message goes.
    """

    keys: tuple[LedgerKey, ...]
    money: RegionMoney
    price: Money
    is_known: bool = False


@attrs.frozen(kw_only=True)
class Guarded:
    """
    What the guard judges an ask by, as far as it is known before the slot is read.

    Attributes:
        account: The flow, or the app.
        keys: The ledgers that its message would be owed in; none if caps alone judge it.
        price: Of its message, by the dearest sender that may be tried.
        spent_by: That sender.
        cap: The refusal of a cap that is reached; None if the money has been put aside.
        mode: `ENFORCE` or `RECORD`.
    """

    account: str
    keys: tuple[LedgerKey, ...]
    money: RegionMoney
    price: Money
    spent_by: str
    cap: Refused | None = None
    policy: GuardPolicy
    mode: GuardMode = GuardMode.ENFORCE


@attrs.frozen(kw_only=True)
class Assessment:
    """
    What the guard made of an ask.

    Attributes:
        verdict: None if caps alone judged the ask and admitted it.
        known_by: Why it was not judged by where its message goes; None if it was.
    """

    price: Money
    spent_by: str
    verdict: Verdict | None = None
    known_by: KnownBy | None = None

    @property
    def debt(self) -> Debt:
        """Who owes the message, if it is sent."""
        if self.verdict is None:
            return Debt.NOBODY
        return debt_of(self.verdict, is_known=self.known_by is not None)


def block_of(range_: str) -> str:
    """The part that a million numbers share, about what an operator is given, of their *range_*."""
    return range_[:-2]


def debt_of(verdict: Verdict, *, is_known: bool) -> Debt:
    """Who owes a message that *verdict* admits."""
    match verdict:
        case Refused():
            return Debt.NOBODY
        case Stretched():
            return Debt.STRETCH
        case Free() | Priced():
            return Debt.CLIENT if is_known else Debt.ALL
        case _:
            assert_never(verdict)


def owing(keys: Iterable[LedgerKey], debt: Debt) -> tuple[LedgerKey, ...]:
    """Those of *keys* whose ledgers owe a message of that *debt*."""
    match debt:
        case Debt.NOBODY:
            return ()
        case Debt.CLIENT:
            return tuple(key for key in keys if key.group in WHO)
        case _:
            return tuple(keys)


def usual_of(debt: Ledger, policy: GuardPolicy, now: Instant) -> Usual:
    """
    What a region usually owes, which is the same all day.

    The factor is the largest while fewer than three days are known, because a fixed share would
    refuse a third of all people at a cold start.
    """
    known, percent, verified = ledgers.usual_debt(debt, _USUAL_DAYS, _LEAST_VERIFIED, now)
    if known < _LEAST_DAYS:
        return Usual(policy.grows, verified)
    grown = 100 * 2 * percent // _USUAL_PERCENT
    return Usual(min(policy.grows, max(100, grown)), verified)


def mean_factor(regions: Iterable[Usual], policy: GuardPolicy) -> int:
    """
    The mean of the factors of *regions*, weighted by the money that was verified in each; the
    largest if none was.
    """
    weighted = list(regions)
    total = sum(one.verified for one in weighted)
    if not total:
        return policy.grows
    return sum(one.verified * one.factor for one in weighted) // total


def region_allowance(of_region: RegionMoney, policy: GuardPolicy, now: Instant) -> Money:
    """What a region may owe: a fixed sum, or a share of what was verified there."""
    floor = policy.region_debts.get(of_region.region, policy.region_debt)
    percent = policy.region_percents.get(of_region.region, policy.region_percent)
    best = max(
        ledgers.best_day(of_region.debt, _USUAL_DAYS, now),
        ledgers.verified(of_region.debt, DAY, now),
    )
    return max(floor, percent * of_region.factor * best // 10_000)


def reasons(held: Ledgers, ask: GuardedAsk, policy: GuardPolicy, now: Instant) -> list[Reason]:
    """
    How full the groups are that judge *ask*, of those that are at least 80 % full; and last, if one
    is full, the stretch.
    """
    found = list[Reason]()
    of_region = ask.money
    for key in ask.keys:
        group = key.group
        is_who = group in WHO
        if ask.is_known and not is_who:
            continue
        one = held.get(key, _NOTHING)
        most = 100 * (1 + ledgers.most_owed(one))
        for limit in policy.limits(group):
            if not limit.floor or most < _EASY_PERCENT * limit.floor:
                continue  # nearly always; nothing lowers an allowance below the floor
            would_owe = 1 + ledgers.owed(one, limit.window, now)
            factor = of_region.client_factor if is_who else of_region.factor
            allowed = ledgers.allowance(one, limit, factor, now)
            if 100 * would_owe >= _EASY_PERCENT * allowed:
                found.append(Reason(group, would_owe, allowed, limit.window))
    if not ask.is_known and policy.region_debts.get(of_region.region, policy.region_debt):
        owed = max(0, ledgers.owed(of_region.debt, DAY, now) - of_region.unused_debt)
        would_owe = owed + ask.price
        allowed = region_allowance(of_region, policy, now)
        if 100 * would_owe >= _EASY_PERCENT * allowed:
            found.append(Reason(Group.REGION, would_owe, allowed, DAY))
    if policy.stretch and any(one.owed > one.allowed for one in found):
        owed = max(0, ledgers.owed(of_region.stretch, DAY, now) - of_region.unused_stretch)
        would_owe = owed + ask.price
        found.append(Reason(Group.STRETCH, would_owe, policy.stretch, DAY))
    return found


def verdict_word(found: Iterable[Reason]) -> str:
    """The verdict that *found* lead to, as `str` writes it: they alone decide."""
    level, who, where, stretch, capped = 0, False, False, False, False
    for one in found:
        is_full = one.owed > one.allowed
        group = one.group
        if group is Group.STRETCH:
            stretch = not is_full
        elif group in CAPS:
            capped = capped or is_full
        elif is_full:
            who, where = who or group in WHO, where or group in WHERE
        elif group in _PRICED:
            level = max(level, _level(one.owed, one.allowed))
    if capped:
        return "refused"
    if not who and not where:
        return f"{_WORK}{level}" if level else "free"
    return "stretch" if stretch and not (who and where) else "refused"


def judge(held: Ledgers, ask: GuardedAsk, policy: GuardPolicy, now: Instant) -> Verdict:
    """Judge *ask* by all groups together. The verdict names those that are at least 80 % full."""
    found = reasons(held, ask, policy, now)
    word, told = verdict_word(found), _fullest_first(found)
    if word == "free":
        return Free(told)
    if word == "stretch":
        return Stretched(told)
    if word != "refused":
        return Priced(int(word.removeprefix(_WORK)), told)
    fullest = next(one for one in told if one.is_full)
    at = _not_before(held, ask, told, now)
    while at != _NEVER and verdict_word(later := reasons(held, ask, policy, at)) == "refused":
        at = _not_before(held, ask, later, at)
    # A message that costs more than its region may owe at all never fits.
    return Refused(fullest.group, after(now, DAY) if at == _NEVER else at, told)


def charged(held: Ledgers, keys: Iterable[LedgerKey], debt: Debt, now: Instant) -> Ledgers:
    """*held*, as of *now*, with one more message that is owed; itself if nobody owes it."""
    owe = owing(keys, debt)
    if not owe:
        return held
    return {**held, **{key: ledgers.charge(held.get(key, _NOTHING), 1, now) for key in owe}}


def paid(
    held: Ledgers, debts: Iterable[tuple[tuple[LedgerKey, ...], Instant]], now: Instant
) -> Ledgers:
    """*held* with messages paid back, each owed in those ledgers since it was sent."""
    becomes = dict(held)
    for keys, at in debts:
        for key in keys:
            becomes[key] = ledgers.pay(_as_of(becomes.get(key), now), 1, at, now)
    return becomes


def forgiven(held: Ledgers, keys: Iterable[LedgerKey], at: Instant) -> Ledgers:
    """*held* without a message that nobody is to blame for, owed in those ledgers since *at*."""
    return {**held, **{key: ledgers.forgive(held[key], 1, at) for key in keys if key in held}}


class OwedSend(NamedTuple):
    """
    A message that was owed, by its row.

    Attributes:
        paid_at: Since when nobody owes it; None if it is still owed.
        is_verified: A code was right.
    """

    keys: tuple[LedgerKey, ...]
    at: Instant
    paid_at: Instant | None = None
    is_verified: bool = False


def recounted(sends: Iterable[OwedSend]) -> dict[LedgerKey, Ledger]:
    """The ledgers that these messages lead to."""
    told = dict[LedgerKey, Ledger]()
    for one in sends:
        for key in one.keys:
            ledger = told.get(key, _NOTHING)
            if one.paid_at is None:
                told[key] = ledgers.charge(ledger, 1, one.at)
            elif one.is_verified:
                told[key] = ledgers.verify(ledger, 1, one.paid_at)
    return told


def as_of(held: Ledgers, now: Instant) -> Ledgers:
    """*held* with what a fast clock left in the future corrected; itself if there is nothing."""
    corrected = {key: ledgers.as_of(one, now) for key, one in held.items()}
    return held if all(corrected[key] is one for key, one in held.items()) else corrected


def reasons_text(found: Iterable[Reason]) -> str:
    """The stored form of reasons."""
    return "; ".join(map(str, found))


def read_reasons(text: str) -> tuple[Reason, ...]:
    """
    The reasons in their stored form.

    Raises:
        ValueError: *text* is something else.
    """
    return tuple(_read_reason(part) for part in text.split("; ")) if text else ()


def _read_reason(text: str) -> Reason:
    found = _REASON.fullmatch(text)
    if found is None:
        raise ValueError("not a reason of the guard")
    group, owed, allowed, dollars, length, unit = found.groups()
    amount = money if dollars else int
    window = int(length) * (HOUR if unit == "h" else DAY)
    return Reason(Group(group), amount(owed), amount(allowed), window)


def _as_of(ledger: Ledger | None, now: Instant) -> Ledger:
    return Ledger() if ledger is None else ledgers.as_of(ledger, now)


def _level(owed: int, allowed: int) -> int:
    """From one level at `_EASY_PERCENT` to the highest when full."""
    above = 100 * owed - _EASY_PERCENT * allowed
    if above < 0:
        return 0
    return min(LEVELS[-1], 1 + (LEVELS[-1] - 1) * above // ((100 - _EASY_PERCENT) * allowed))


def _fullest_first(found: list[Reason]) -> tuple[Reason, ...]:
    """The stretch comes last."""
    if len(found) > 1:
        found.sort(key=lambda one: (one.group is Group.STRETCH, -one.owed / max(1, one.allowed)))
    return tuple(found)


def _not_before(held: Ledgers, ask: GuardedAsk, found: Iterable[Reason], now: Instant) -> Instant:
    """
    An instant before which *ask* does not fit. Waiting does not raise what groups may owe, so what
    is full stays full until enough of what it owes has left its window.
    """
    by_group = {key.group: held.get(key, _NOTHING) for key in ask.keys}
    by_group |= {Group.REGION: ask.money.debt, Group.STRETCH: ask.money.stretch}
    who, where, stretch = now, now, _NEVER
    for one in found:
        at = _freed_at(by_group[one.group], one, now) if one.is_full else now
        if one.group is Group.STRETCH:
            stretch = at
        elif one.group in WHO:
            who = max(who, at)
        else:
            where = max(where, at)
    return min(max(who, where), max(min(who, where), stretch))


def _freed_at(ledger: Ledger, full: Reason, now: Instant) -> Instant:
    most = ledgers.owed(ledger, full.window, now) - (full.owed - full.allowed)
    instants = ledgers.let_go(ledger, full.window, now)
    place = bisect_left(
        instants, x=True, key=lambda at: ledgers.owed(ledger, full.window, at) <= most
    )
    return instants[place] if place < len(instants) else _NEVER
