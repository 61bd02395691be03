"""The checks of doctor, and of `prices check`, about what messages may cost."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from hsp_otp.domain.apps import App
from hsp_otp.domain.budgets import BudgetKey, sender_of
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.guard import GuardMode
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.prices import Money, SenderPrices, in_dollars
from hsp_otp.domain.purposes import FLOWS, Flow
from hsp_otp.entrypoints.cli.doctor_checks import Finding, ok, warning
from hsp_otp.entrypoints.settings.model import PREFIX, Settings
from hsp_otp.entrypoints.settings.prices import PriceList
from hsp_otp.ports.spending_queries import Spent

OLD_DAYS: Final = 180
"""The age from which prices are likely to be wrong."""

_MUCH_PERCENT: Final = 50
"""The part of a cap from which an ordinary day comes close to it."""

_PRICES: Final = f"{PREFIX}PRICES"


def of_guard(settings: Settings) -> Finding:
    """Check that something bounds what messages cost."""
    check, name = "guard", f"{PREFIX}GUARD"
    mode = settings.guard.mode
    if mode is GuardMode.OFF:
        return warning(check, "it is off: nothing bounds what messages cost", f"set {name}=record")
    if mode is GuardMode.RECORD:
        return ok(check, "it refuses by the caps alone, and records what else it would refuse")
    return ok(check, "it bounds what messages cost")


def of_prices(settings: Settings, apps: Iterable[App], now: Instant) -> Iterator[Finding]:
    """Check that prices are the operator's own, recent and complete; nothing without the guard."""
    if settings.guard.mode is GuardMode.OFF or settings.in_development:
        return
    check, prices = "prices", settings.guard.prices
    found: list[Finding] = []
    if prices.is_bundled:
        found.append(
            warning(
                check,
                f"list prices of {prices.dated} are taken, not yours",
                f"write a file with yours, and name it in {_PRICES}: docs/fraud.md",
            )
        )
    elif (says := age_flaw(prices, now)) is not None:
        found.append(warning(check, says, f"bring the file of {_PRICES} up to date"))
    regions = settings.signup_regions.union(*(app.rules.regions for app in apps))
    found += [
        warning(check, says, f"add it to the file of {_PRICES}")
        for says in flaws(prices, phone_senders(settings), sorted(regions))
    ]
    yield from found or [ok(check, f"those of {prices.dated}, for every region that codes go to")]


def phone_senders(settings: Settings) -> list[str]:
    """Return the names of the senders whose messages go to phones, each provider once."""
    providers = [one.provider for one in settings.used_senders.values()]
    names = (one.name for one in providers if one.channel is not Channel.EMAIL)
    return list(dict.fromkeys(names))


def age_flaw(prices: PriceList, now: Instant) -> str | None:
    """Return what is wrong with the date of *prices*, if anything is."""
    days = prices.age_days(now)
    if days is None:
        return "the file does not say when its prices were right"
    return f"the prices are {days} days old" if days > OLD_DAYS else None


def flaws(prices: PriceList, senders: Sequence[str], regions: Sequence[str]) -> Iterator[str]:
    """Yield what *prices* lack of each of *senders*."""
    lacks = defaultdict[str, list[str]](list)
    for name, region in prices.prices.lacks(regions, senders):
        lacks[name].append(region)
    for name, missing in lacks.items():
        known = prices.prices.senders.get(name, SenderPrices({}))
        if not known.default:
            continue  # it costs nothing anywhere
        told = f"${in_dollars(known.default)} a segment is taken"
        where = "any region" if len(missing) == len(regions) else ", ".join(missing)
        yield f"{name} has no price for {where}: {told}"


def of_caps(settings: Settings, apps: Iterable[App], spent: Iterable[Spent]) -> Iterator[Finding]:
    """
    Compare the caps with what was sent in 24 hours; nothing without the guard.

    Args:
        spent: What was sent. What the guard has not priced takes its price from the settings.
    """
    if settings.guard.mode is GuardMode.OFF:
        return
    check, caps = "caps", settings.guard.caps
    found: list[Finding] = []
    ids = {app.name: app.id for app in apps}
    for key, (title, used) in _by_budget(settings, ids, spent).items():
        cap = caps.of(key)
        if cap and 100 * used >= _MUCH_PERCENT * cap:
            where = f" to {key.region}" if key.region else ""
            found.append(
                warning(
                    check,
                    f"{title} sent messages{where} for ${in_dollars(used)} in the last 24 hours, "
                    f"and may for ${in_dollars(cap)}",
                    f"raise {cap_setting(key)} before people are refused, unless this was an "
                    "attack",
                )
            )
    if found:
        yield from found
    else:
        yield ok(check, f"no more than {_MUCH_PERCENT} % of any was used in the last 24 hours")


def cap_setting(key: BudgetKey) -> str:
    """Return the variable that sets the cap of *key*."""
    if key.region is not None:
        return f"{PREFIX}SPEND_PER_REGION_DAY"
    is_login = key.account == Flow.PASS_LOGIN.value
    return f"{PREFIX}LOGIN_SPEND_PER_DAY" if is_login else f"{PREFIX}SPEND_PER_DAY"


def title_of(account: str, names: Mapping[str, str]) -> str:
    """
    Return the name that operators know an account by.

    Args:
        names: The names of apps, by their ids.
    """
    titles = {flow.value: row.title for flow, row in FLOWS.items()}
    if (sender := sender_of(account)) is not None:
        return f"sender {sender}"
    return titles.get(account) or f"app {names.get(account, account)}"


def _by_budget(
    settings: Settings, ids: Mapping[str, str], spent: Iterable[Spent]
) -> dict[BudgetKey, tuple[str, Money]]:
    found: dict[BudgetKey, tuple[str, Money]] = {}
    names = {app_id: name for name, app_id in ids.items()}
    for one in spent:
        account = one.flow if one.app is None else ids.get(one.app, one.app)
        price = settings.guard.prices.prices.of(one.region, [one.sender or ""], 1)
        cost = one.money + (one.messages - one.priced) * price
        for region in {None, one.region}:
            key = BudgetKey(account, region)
            before = found.get(key, ("", 0))[1]
            found[key] = (title_of(account, names), before + cost)
    return dict(sorted(found.items(), key=lambda item: (item[0].account, item[0].region or "")))
