"""Deletes data that has passed its retention time."""

from collections.abc import Collection

from hsp_otp.domain.instant import CLOCK_SKEW, DAY, Duration, Instant, after, day_of
from hsp_otp.domain.ledger import LEDGER_WINDOW
from hsp_otp.domain.policy import FUNNEL_DAYS, PROVED_DAYS, SEND_ROW_DAYS, Policy
from hsp_otp.ports.purge import Purge


async def purge(
    store: Purge, policies: Collection[Policy], audit_kept_for: Duration, now: Instant
) -> dict[str, int]:
    """
    Delete old rows and records, and return the number of deleted rows by kind.

    Args:
        policies: All that slots may be judged by.
        audit_kept_for: The maximum age of an audit row.

    Raises:
        Unavailable: The database did not answer. The call may be repeated.
    """
    return {
        "audit": await store.audit(after(now, -audit_kept_for)),
        "sends": await store.sends(after(now, -SEND_ROW_DAYS * DAY)),
        "debts": await store.debts(after(now, -LEDGER_WINDOW - DAY)),
        # Later than their sends, which lead to them.
        "verifications": await store.verifications(after(now, -(SEND_ROW_DAYS + 1) * DAY)),
        "test contacts": await store.test_contacts(after(now, -CLOCK_SKEW)),
        "proved contacts": await store.proved_contacts(after(now, -PROVED_DAYS * DAY)),
        "funnel": await store.funnel(after(day_of(now), -FUNNEL_DAYS * DAY)),
        **await store.records_over(policies, now),
    }
