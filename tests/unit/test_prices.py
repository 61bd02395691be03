"""Prices of messages, in whole micro-dollars: docs/fraud.md."""

import pytest

from hsp_otp.domain.prices import Prices, SenderPrices, in_dollars, money

PRICES = Prices(
    {
        "twilio": SenderPrices({"IN": 83_200, "AF": 159_000}, 200_000),
        "vonage": SenderPrices({"IN": 90_000}),
    }
)


@pytest.mark.parametrize(
    ("region", "senders", "segments", "price"),
    [
        ("IN", ["twilio"], 1, 83_200),
        ("IN", ["twilio", "vonage"], 1, 90_000),
        ("IN", ["twilio"], 3, 249_600),
        ("FR", ["twilio"], 1, 200_000),
        ("FR", ["vonage"], 1, 250_000),
        (None, ["twilio"], 1, 200_000),
        ("IN", ["console"], 2, 500_000),
        ("IN", [], 1, 0),
    ],
)
def test_a_message_costs_what_the_dearest_sender_takes(
    region: str | None, senders: list[str], segments: int, price: int
) -> None:
    """A region that a table lacks costs its default, and a sender without a table 0.25 $."""
    assert PRICES.of(region, senders, segments) == price


def test_a_table_knows_what_it_lacks() -> None:
    """Every pair of a sender and an allowed region without a price of its own."""
    assert PRICES.lacks({"IN", "AF"}, ["twilio", "vonage", "console"]) == (
        ("vonage", "AF"),
        ("console", "AF"),
        ("console", "IN"),
    )


@pytest.mark.parametrize(
    ("text", "amount", "written"),
    [
        ("0.159", 159_000, "0.159"),
        ("15", 15_000_000, "15.00"),
        ("0.0083", 8_300, "0.0083"),
        ("2.5", 2_500_000, "2.50"),
        ("0.000001", 1, "0.000001"),
        ("0", 0, "0.00"),
    ],
)
def test_dollars_are_read_and_written_exactly(text: str, amount: int, written: str) -> None:
    """Two decimals are always there, six at most."""
    assert money(text) == amount
    assert in_dollars(amount) == written


@pytest.mark.parametrize("text", ["", ".5", "1.", "0.1234567", "-1", "1e3", "1,5", "$1", "1\n"])
def test_other_texts_are_no_dollars(text: str) -> None:
    """An amount is digits, with at most six more after a point."""
    with pytest.raises(ValueError, match="not an amount of dollars"):
        money(text)
