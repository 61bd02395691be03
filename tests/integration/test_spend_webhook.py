"""Alerts about caps as they leave: docs/fraud.md."""

import pytest
from structlog.testing import capture_logs

from hsp_otp.adapters.senders.spend_webhook import SpendWebhook
from hsp_otp.domain.instant import SECOND, after, to_iso
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.spend_alerts import SpendAlert
from tests.alert_receiver import AlertReceiver
from tests.world import START, ManualClock

pytestmark = pytest.mark.anyio

KEY = bytes(range(32))

ALERT = SpendAlert(
    id="spend_signup_IN_80_1",
    at=START,
    account="signup",
    region="IN",
    percent=80,
    spent=40_100_000,
    cap=50 * DOLLAR,
)

TOLD = {
    "account": "signup",
    "region": "IN",
    "percent": 80,
    "spent_dollars": "40.10",
    "cap_dollars": "50.00",
}


def webhook(url: str) -> SpendWebhook:
    """What is tested."""
    return SpendWebhook(url=url, key=KEY, clock=ManualClock(after(START, 7 * SECOND)))


async def test_an_alert_is_signed() -> None:
    """By the rules of Standard Webhooks, at the time of its sending."""
    with AlertReceiver() as receiver:
        await webhook(receiver.url).tell(ALERT)
    (found,) = receiver.received
    assert found.members == {"type": "spend.cap", "timestamp": to_iso(START), "data": TOLD}
    assert found.is_signed(KEY)
    assert not found.is_signed(KEY[::-1])
    assert found.headers["webhook-id"] == ALERT.id
    assert found.headers["webhook-timestamp"] == str(START // SECOND + 7)


@pytest.mark.parametrize("status", [302, 400, 500])
async def test_an_alert_that_is_not_taken(status: int) -> None:
    """The log says so, and whoever told it may repeat it."""
    with AlertReceiver() as receiver, capture_logs() as lines:
        receiver.status = status
        with pytest.raises(SendFailed):
            await webhook(receiver.url).tell(ALERT)
    (line,) = lines
    assert line["event"] == "spend_alert_not_taken"
    assert line["why"] == f"the alert's URL answered {status}"


async def test_nobody_listens() -> None:
    """As if it had not been taken."""
    with capture_logs(), pytest.raises(SendFailed):
        await webhook("http://127.0.0.1:9/spend").tell(ALERT)


async def test_without_a_url_only_the_log_is_told() -> None:
    """Once, when the alert is noted."""
    with capture_logs() as lines:
        webhook("").note(ALERT)
        await webhook("").tell(ALERT)
    assert lines == [{"event": "spend_cap", "log_level": "warning", **TOLD}]


def test_the_key_is_not_shown() -> None:
    """Its `repr` may get into a log."""
    assert str(KEY) not in repr(webhook("http://127.0.0.1:9/"))
