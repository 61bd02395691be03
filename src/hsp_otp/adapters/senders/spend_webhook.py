"""Tells a URL of the operator's choice, and the log, that a cap fills up."""

import json
from typing import TYPE_CHECKING, Final

import attrs
import structlog

from hsp_otp.adapters.senders.http_client import open_client, post
from hsp_otp.adapters.senders.standard_webhooks import signature
from hsp_otp.domain.instant import SECOND, Duration, to_iso
from hsp_otp.domain.prices import in_dollars
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.spend_alerts import SpendAlert

if TYPE_CHECKING:
    from aiohttp import ClientSession

_WITHIN: Final[Duration] = 4 * SECOND

_log = structlog.get_logger()


@attrs.frozen(kw_only=True)
class SpendWebhook:
    """
    Logs alerts, and posts them to a URL, signed as Standard Webhooks 1.0.0 defines.

    Attributes:
        url: Empty if nobody is told beside the log.
        key: Signs.
    """

    url: str
    key: bytes = attrs.field(repr=False)
    clock: Clock

    def note(self, alert: SpendAlert) -> None:
        """Implement `SpendAlerts.note`."""
        _log.warning("spend_cap", **_told(alert))

    async def tell(self, alert: SpendAlert) -> None:
        """Implement `SpendAlerts.tell`."""
        if not self.url:
            return
        # One alert a day needs no connection that is kept.
        async with open_client() as client:
            try:
                await self._post(client, alert)
            except SendFailed as failure:
                _log.warning("spend_alert_not_taken", why=str(failure), alert=alert.id)
                raise

    async def _post(self, client: "ClientSession", alert: SpendAlert) -> None:
        members = {"type": "spend.cap", "timestamp": to_iso(alert.at), "data": _told(alert)}
        body = json.dumps(members).encode()
        seconds = str(self.clock.now() // SECOND)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": alert.id,
            "webhook-timestamp": seconds,
            "webhook-signature": signature(self.key, alert.id, seconds, body),
        }
        answer = await post(
            client, self.url, _WITHIN, "the alert's URL", data=body, headers=headers
        )
        if not answer.is_success:
            raise SendFailed(f"the alert's URL answered {answer.status}")


def _told(alert: SpendAlert) -> dict[str, object]:
    return {
        "account": alert.account,
        "region": alert.region,
        "percent": alert.percent,
        "spent_dollars": in_dollars(alert.spent),
        "cap_dollars": in_dollars(alert.cap),
    }
