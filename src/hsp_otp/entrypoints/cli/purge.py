"""The command that deletes what is past its time."""

import asyncio

from hsp_otp.adapters.sql.purge import SqlPurge
from hsp_otp.adapters.sql.record_kinds import RECORD_KINDS
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.instant import DAY, Instant, after
from hsp_otp.domain.policy import SEND_ROW_DAYS
from hsp_otp.entrypoints.cli.common import insist_on_newest
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.wiring import open_database


def purge() -> None:
    """
    Delete what is past its time: audit rows, sends, slots, usages, signups and sign-ins.

    A server may be running; once a night is enough. Example: hsp-otp purge
    """
    for what, count in asyncio.run(_purge(load(), SystemClock().now())).items():
        print(f"{what}: {count} deleted")


async def _purge(settings: Settings, now: Instant) -> dict[str, int]:
    policies = settings.policies.values()
    async with open_database(settings) as database:
        await insist_on_newest(database)
        store = SqlPurge(database)
        deleted = {
            "audit": await store.audit(after(now, -settings.audit_days * DAY)),
            "sends": await store.sends(after(now, -SEND_ROW_DAYS * DAY)),
        }
        for kind in RECORD_KINDS:
            deleted[kind.plural] = await store.records(kind, kind.over(policies, now))
        return deleted
