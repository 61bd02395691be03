"""What doctor and `prices check` say about what messages may cost: docs/contract.md, section 10."""

from pathlib import Path

import pytest

from hsp_otp.domain.apps import App, AppRules
from hsp_otp.domain.instant import Instant, from_iso
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.entrypoints.cli.doctor_checks import Finding
from hsp_otp.entrypoints.cli.guard_checks import of_caps, of_guard, of_prices, title_of
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.ports.spending_queries import Spent

NOW = from_iso("2026-12-01")

APP = App(
    id="a1",
    account_id="t1",
    name="shop",
    rules=AppRules(service_name="Shop", regions=("FR",)),
    made_at=Instant(0),
    changed_at=Instant(0),
)


def settings(tmp_path: Path, prices: str | None = None, **given: str) -> Settings:
    """Settings for production with Twilio, by their names without the prefix."""
    given = {"SENDERS": "twilio,smtp", "SIGNUP_REGIONS": "IN,US"} | given
    if prices is not None:
        file = tmp_path / "prices.toml"
        file.write_text(prices, "utf-8")
        given["PRICES"] = str(file)
    return load({f"HSP_OTP_{name}": value for name, value in given.items()})


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    """How bad each is, and what it says."""
    return [(one.status.value, one.says) for one in findings]


def sent(messages: int, priced: int = 0, money: int = 0, **more: str | None) -> Spent:
    """Messages of signup to India by Twilio, unless *more* says otherwise."""
    known = {"flow": "signup", "app": None, "region": "IN", "sender": "twilio"} | more
    flow = known.pop("flow") or ""
    return Spent(flow=flow, messages=messages, priced=priced, money=money, **known)


@pytest.mark.parametrize(
    ("mode", "status", "says"),
    [
        ("enforce", "ok", "it bounds what messages cost"),
        ("record", "ok", "it refuses by the caps alone, and records what else it would refuse"),
        ("off", "warning", "it is off: nothing bounds what messages cost"),
    ],
)
def test_the_mode_is_told(tmp_path: Path, mode: str, status: str, says: str) -> None:
    """Only without the guard nothing bounds what messages cost."""
    assert told([of_guard(settings(tmp_path, GUARD=mode))]) == [(status, says)]


def test_bundled_prices_are_not_the_operators(tmp_path: Path) -> None:
    """They are a start."""
    assert told(list(of_prices(settings(tmp_path), (), NOW))) == [
        ("warning", "list prices of 2026-07-01 are taken, not yours")
    ]


def test_prices_that_are_complete(tmp_path: Path) -> None:
    """Of the senders to phones, for every region of signup and of apps; 180 days are not old."""
    complete = "dated = 2026-06-04\n[twilio]\nIN = 0.08\nUS = 0.01\nFR = 0.08"
    assert told(list(of_prices(settings(tmp_path, complete), [APP], NOW))) == [
        ("ok", "those of 2026-06-04, for every region that codes go to")
    ]


def test_prices_that_lack_something(tmp_path: Path) -> None:
    """Age and gaps are told, and what is taken instead."""
    lacking = "dated = 2026-06-03\n[twilio]\nIN = 0.08\ndefault = 0.3"
    given = settings(tmp_path, lacking, SENDERS="twilio,vonage")
    assert told(list(of_prices(given, [APP], NOW))) == [
        ("warning", "the prices are 181 days old"),
        ("warning", "twilio has no price for FR, US: $0.30 a segment is taken"),
        ("warning", "vonage has no price for any region: $0.25 a segment is taken"),
    ]


def test_prices_without_a_date(tmp_path: Path) -> None:
    """Nobody can tell how old they are; and what costs nothing anywhere lacks nothing."""
    given = settings(tmp_path, "[twilio]\ndefault = 0")
    assert told(list(of_prices(given, (), NOW))) == [
        ("warning", "the file does not say when its prices were right")
    ]


@pytest.mark.parametrize("given", [{"GUARD": "off"}, {"MODE": "development", "SENDERS": "console"}])
def test_prices_that_nobody_needs(tmp_path: Path, given: dict[str, str]) -> None:
    """Without the guard and in development, prices are nobody's concern."""
    assert list(of_prices(settings(tmp_path, **given), (), NOW)) == []


def test_caps_with_room(tmp_path: Path) -> None:
    """Less than half of each cap was used."""
    found = of_caps(settings(tmp_path), [APP], [sent(100, 100, 24 * DOLLAR)])
    assert told(list(found)) == [("ok", "no more than 50 % of any was used in the last 24 hours")]


def test_caps_that_an_ordinary_day_comes_close_to(tmp_path: Path) -> None:
    """By region and altogether, for each flow and app; what no guard priced takes today's price."""
    spent = [
        sent(500, 100, 10 * DOLLAR),  # and 400 for 0.0832 $ each
        sent(200, 200, 50 * DOLLAR, region="US"),
        sent(200, 200, 25 * DOLLAR, flow="verification", app="shop", region="FR"),
        sent(600, 600, 49 * DOLLAR, flow="pass_login", region=None),
    ]
    findings = list(of_caps(settings(tmp_path), [APP], spent))
    assert told(findings) == [
        (
            "warning",
            "app shop sent messages to FR for $25.00 in the last 24 hours, and may for $50.00",
        ),
        ("warning", "Signup sent messages for $93.28 in the last 24 hours, and may for $100.00"),
        (
            "warning",
            "Signup sent messages to IN for $43.28 in the last 24 hours, and may for $50.00",
        ),
        (
            "warning",
            "Signup sent messages to US for $50.00 in the last 24 hours, and may for $50.00",
        ),
    ]
    assert findings[0].do.startswith("raise HSP_OTP_SPEND_PER_REGION_DAY before people")
    assert findings[1].do.startswith("raise HSP_OTP_SPEND_PER_DAY before people")


def test_the_cap_of_pass_login(tmp_path: Path) -> None:
    """It has a setting of its own; a cap of 0 is none."""
    spent = [sent(1000, 1000, 60 * DOLLAR, flow="pass_login", region=None)]
    (found,) = of_caps(settings(tmp_path), (), spent)
    assert found.says.startswith("Pass login sent messages for $60.00")
    assert found.do.startswith("raise HSP_OTP_LOGIN_SPEND_PER_DAY")
    free = settings(tmp_path, LOGIN_SPEND_PER_DAY="0", SPEND_PER_REGION_DAY="0")
    assert [one.status.value for one in of_caps(free, (), spent)] == ["ok"]


def test_caps_without_the_guard(tmp_path: Path) -> None:
    """Nothing enforces them, so nothing is compared."""
    assert list(of_caps(settings(tmp_path, GUARD="off"), (), [sent(10**6)])) == []


def test_names_of_accounts() -> None:
    """Flows have titles, apps names; an app that is gone has its id."""
    assert title_of("pass_login", {}) == "Pass login"
    assert title_of("a1", {"a1": "shop"}) == "app shop"
    assert title_of("a2", {}) == "app a2"
    assert title_of("sender:twilio", {}) == "sender twilio"
