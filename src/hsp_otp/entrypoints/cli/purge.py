"""The `purge` command, which deletes expired data."""

import asyncio

from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.purge import SqlPurge
from hsp_otp.domain.instant import DAY
from hsp_otp.entrypoints.cli.common import insist_on_newest
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.wiring import clock_of, open_database
from hsp_otp.flows.purge import purge as delete_what_is_over


def purge() -> None:
    """
    Delete expired data: audit rows, sends, verifications, slots, usages and sign-ins.

    Servers may be running; once a night is enough. Example: hsp-otp purge
    """
    for what, count in asyncio.run(_purge(load())).items():
        print(f"{what}: {count} deleted")


async def _purge(settings: Settings) -> dict[str, int]:
    now = clock_of(settings).now()
    async with open_database(settings) as database:
        await insist_on_newest(database)
        return await delete_what_is_over(
            SqlPurge(database),
            {
                *settings.policies.values(),
                *(
                    app.rules.policy_of(purpose, numbers)
                    for app in (await SqlApps(database).tenants()).apps
                    for purpose, numbers in settings.app_policies.items()
                ),
            },
            settings.audit_days * DAY,
            now,
        )
