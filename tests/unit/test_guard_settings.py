"""Settings of the guard against toll fraud, and files of prices: docs/contract.md, 9."""

from pathlib import Path

import pytest

from hsp_otp.domain.budgets import BudgetKey, Caps
from hsp_otp.domain.guard import GuardMode, GuardPolicy
from hsp_otp.domain.instant import DAY, HOUR
from hsp_otp.domain.ledger import DebtLimit
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.settings.checks import check_to_serve
from hsp_otp.entrypoints.settings.guard import Amounts
from hsp_otp.entrypoints.settings.load import described, load
from hsp_otp.entrypoints.settings.model import PREFIX, Settings, guard_variables
from hsp_otp.entrypoints.settings.prices import bundled_prices, read_prices
from tests.unit.test_settings import KEYS, TWILIO, read


def refused(**given: str) -> str:
    """The one line about variables that cannot be read."""
    with pytest.raises(SettingsError) as caught:
        read(**given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def in_file(tmp_path: Path, content: str) -> Settings:
    """The settings of a file."""
    file = tmp_path / "hsp-otp.toml"
    file.write_text(content, "utf-8")
    return load({"HSP_OTP_CONFIG": str(file)})


def prices(tmp_path: Path, content: str) -> str:
    """The path of a file of prices."""
    file = tmp_path / "prices.toml"
    file.write_text(content, "utf-8")
    return str(file)


def test_the_defaults_are_those_of_the_rules() -> None:
    """The settings say what the rules say by themselves: each number stands in one place."""
    guard = Settings().guard
    assert guard.mode is GuardMode.ENFORCE
    assert guard.policy == GuardPolicy()
    assert guard.caps == Caps(altogether={"pass_login": 100 * DOLLAR})
    assert (guard.spend_per_sender_day, guard.spend_alert_url) == (Amounts(), "")
    assert guard.prices == bundled_prices()


def test_shown_defaults_read_as_the_defaults() -> None:
    """What the list of settings shows as a default can be given, and changes nothing."""
    names = {name for name, _ in guard_variables()} - {f"{PREFIX}PRICES"}
    shown = {
        name: default for name, default, _, _ in described() if name in names and default != "none"
    }
    assert len(shown) == 12
    assert load(shown).guard == Settings().guard


def test_every_number_is_a_setting() -> None:
    """Each of the guard's numbers can be set, with exceptions by region or sender."""
    guard = read(
        GUARD="record",
        SPEND_PER_DAY="2000",
        LOGIN_SPEND_PER_DAY="0",
        SPEND_PER_REGION_DAY="50, in = 1500, AF=20.5",
        SPEND_PER_SENDER_DAY="twilio=80,vonage=40",
        REGION_DEBT="15,IN=100",
        REGION_DEBT_PERCENT="20,IN=40",
        ADDRESS_DEBT="7+0%/1h",
        NETWORK_DEBT="0",
        RANGE_DEBT="3+30%/24h, 6+30%/30d",
        BLOCK_DEBT="1+2%/1d",
        DEBT_GROWS="1",
        STRETCH_PER_REGION_DAY="0.000001",
    ).guard
    assert guard.mode is GuardMode.RECORD
    assert guard.policy == GuardPolicy(
        address=(DebtLimit(7, 0, HOUR),),
        network=(),
        range=(DebtLimit(3, 30, DAY), DebtLimit(6, 30, 30 * DAY)),
        block=(DebtLimit(1, 2, DAY),),
        region_debt=15 * DOLLAR,
        region_debts={"IN": 100 * DOLLAR},
        region_percent=20,
        region_percents={"IN": 40},
        grows=100,
        stretch=1,
    )
    caps = guard.caps
    assert caps.of(BudgetKey("signup", None)) == 2000 * DOLLAR
    assert caps.of(BudgetKey("pass_login", None)) == 0
    assert caps.of(BudgetKey("signup", "IN")) == 1500 * DOLLAR
    assert caps.of(BudgetKey("signup", "AF")) == 20_500_000
    assert caps.of(BudgetKey("pass_login", "FR")) == 50 * DOLLAR
    assert guard.spend_per_sender_day == Amounts(0, {"twilio": 80 * DOLLAR, "vonage": 40 * DOLLAR})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GUARD", "on"),
        ("SPEND_PER_DAY", "-1"),
        ("SPEND_PER_DAY", "1e3"),
        ("SPEND_PER_DAY", "0.0000001"),
        ("SPEND_PER_DAY", "1000001"),
        ("SPEND_PER_DAY", "100 $"),
        ("SPEND_PER_REGION_DAY", "IN=1500"),
        ("SPEND_PER_REGION_DAY", "50,1500"),
        ("SPEND_PER_REGION_DAY", "50,XX=1"),
        ("SPEND_PER_REGION_DAY", "50,=1"),
        ("SPEND_PER_REGION_DAY", "50,IN=1,in=2"),
        ("SPEND_PER_REGION_DAY", "50,IN="),
        ("SPEND_PER_REGION_DAY", "50,"),
        ("SPEND_PER_SENDER_DAY", "twillio=80"),
        ("REGION_DEBT_PERCENT", "20.5"),
        ("REGION_DEBT_PERCENT", "20,IN=-1"),
        ("ADDRESS_DEBT", "6"),
        ("ADDRESS_DEBT", "6+50/24h"),
        ("ADDRESS_DEBT", "6+50%/0h"),
        ("ADDRESS_DEBT", "6+50%/25h"),
        ("ADDRESS_DEBT", "6+50%/31d"),
        ("ADDRESS_DEBT", "6+50%/4w"),
        ("ADDRESS_DEBT", "1000001+50%/24h"),
        ("ADDRESS_DEBT", "6+1000001%/24h"),
        ("ADDRESS_DEBT", "6+50%/24h,"),
        ("DEBT_GROWS", "0"),
        ("DEBT_GROWS", "2.5"),
        ("STRETCH_PER_REGION_DAY", "two"),
        ("SPEND_ALERT_URL", "alerts.example.com"),
    ],
)
def test_bad_values_are_refused(name: str, text: str) -> None:
    """One line names the variable, the value and what is accepted."""
    line = refused(**{name: text})
    assert line.startswith(f"HSP_OTP_{name}: got {text!r}, takes ")


def test_a_file_takes_numbers(tmp_path: Path) -> None:
    """In a file, amounts are numbers, lists or texts."""
    guard = in_file(
        tmp_path,
        """
        guard = "off"
        spend_per_day = 250
        stretch_per_region_day = 2.25
        region_debt = 7.5
        spend_per_region_day = [50, "IN=1500"]
        block_debt = ["6+30%/24h", "30+15%/30d"]
        debt_grows = 3
        """,
    ).guard
    assert guard.mode is GuardMode.OFF
    assert guard.spend_per_day == 250 * DOLLAR
    assert guard.stretch_per_region_day == 2_250_000
    assert guard.region_debt == Amounts(7_500_000)
    assert guard.spend_per_region_day == Amounts(50 * DOLLAR, {"IN": 1500 * DOLLAR})
    assert guard.block_debt == GuardPolicy().block
    assert guard.debt_grows == 3


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("spend_per_day = 1e3", "HSP_OTP_SPEND_PER_DAY: got '1E+3', takes "),
        ("spend_per_day = nan", "HSP_OTP_SPEND_PER_DAY: got 'NaN', takes "),
        ("spend_per_day = true", "HSP_OTP_SPEND_PER_DAY: got true, takes "),
        ("debt_grows = 2.5", "HSP_OTP_DEBT_GROWS: got a number with a decimal point or an "),
        ("spend_per_region_day = {IN = 5}", "HSP_OTP_SPEND_PER_REGION_DAY: got a table, takes "),
    ],
)
def test_a_file_is_as_strict(tmp_path: Path, content: str, line: str) -> None:
    """Other numbers are refused, and so are other types."""
    with pytest.raises(SettingsError) as caught:
        in_file(tmp_path, content)
    assert str(caught.value).startswith(line)


def test_alerts_are_signed() -> None:
    """The address of alerts needs the key that signs them."""
    given = KEYS | TWILIO | {"SPEND_ALERT_URL": "https://alerts.example.com/spend"}
    with pytest.raises(SettingsError, match=r"^HSP_OTP_WEBHOOK_SECRET: missing; HSP_OTP_SPEND_AL"):
        check_to_serve(read(**given))
    check_to_serve(read(**given, WEBHOOK_SECRET=KEYS["SECRET_KEYS"].removeprefix("k1:")))


def test_prices_from_a_file(tmp_path: Path) -> None:
    """Each sender has a table; what it lacks takes its default, and that is a high price."""
    path = prices(
        tmp_path,
        """
        dated = 2026-11-20
        [twilio]
        IN = 0.0832
        US = 1
        default = 0.3
        [vonage]
        IN = 0.000001
        """,
    )
    found = read(PRICES=path).guard.prices
    assert str(found.dated) == "2026-11-20"
    assert not found.is_bundled
    of = found.prices.of
    assert of("IN", ["twilio"], 1) == 83_200
    assert of("US", ["twilio"], 2) == 2 * DOLLAR
    assert of("FR", ["twilio"], 1) == 300_000
    assert of("IN", ["vonage"], 1) == 1
    assert of("FR", ["vonage"], 1) == 250_000
    assert of("IN", ["webhook"], 1) == 250_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[twillio]", "has 'twillio'; takes dated, and tables named "),
        ("twilio = 1", "has twilio, which is not a table"),
        ("[twilio]\nIndia = 1", "has 'twilio.India'; takes ISO 3166-1 alpha-2 codes "),
        ("[twilio]\nin = 1", "has 'twilio.in'; takes ISO 3166-1 alpha-2 codes "),
        ("[twilio]\nIN = -1", "has twilio.IN, which is not a number of dollars from 0 to 100 "),
        ("[twilio]\nIN = 0.0000001", "has twilio.IN, which is not a number of dollars "),
        ("[twilio]\nIN = 101", "has twilio.IN, which is not a number of dollars "),
        ("[twilio]\nIN = true", "has twilio.IN, which is not a number of dollars "),
        ('[twilio]\nIN = "0.1"', "has twilio.IN, which is not a number of dollars "),
        ("[twilio]\ndefault = nan", "has twilio.default, which is not a number of dollars "),
        ("dated = 2026-12-01T00:00:00", "has dated, which is not a date such as 2026-12-01"),
        ('dated = "2026-12-01"', "has dated, which is not a date such as 2026-12-01"),
        ("[twilio", "is not TOML: line 1, column 8"),
    ],
)
def test_bad_prices_are_refused(tmp_path: Path, content: str, reason: str) -> None:
    """One line names the file, and what is wrong in it."""
    path = prices(tmp_path, content)
    assert refused(PRICES=path).startswith(
        f"HSP_OTP_PRICES: got {path!r}, takes the path of a TOML file ({reason}"
    )


def test_the_bundled_prices() -> None:
    """The package has list prices with their date; the console costs nothing."""
    found = bundled_prices()
    assert found.is_bundled
    assert found.dated is not None
    of = found.prices.of
    assert of("IN", ["twilio"], 1) == 83_200
    assert of("AF", ["twilio"], 1) == 250_000
    assert of("IN", ["console", "console-voice", "console-whatsapp"], 2) == 0
    assert of("IN", ["vonage"], 1) == 250_000


def test_no_file_of_prices(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ValueError, match="cannot be read: No such file or directory"):
        read_prices(str(tmp_path / "prices.toml"))
