"""Deletes what is past its time."""

from collections.abc import Collection

from hsp_otp.domain.instant import DAY, Duration, Instant, after
from hsp_otp.domain.policy import SEND_ROW_DAYS, Policy
from hsp_otp.ports.purge import Purge


async def purge(
    store: Purge, policies: Collection[Policy], audit_kept_for: Duration, now: Instant
) -> dict[str, int]:
    """
    How many rows were deleted, by what they are.

    Args:
        policies: Of every purpose.
        audit_kept_for: How old an audit row may become.

    Raises:
        Unavailable: The database did not answer; it may be called again.
    """
    return {
        "audit": await store.audit(after(now, -audit_kept_for)),
        "sends": await store.sends(after(now, -SEND_ROW_DAYS * DAY)),
        **await store.records_over(policies, now),
    }
