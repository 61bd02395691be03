"""The command that deletes what is past its time."""

import asyncio

import msgspec

from hsp_otp.adapters.sql.purge import SqlPurge
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain import quota, slot
from hsp_otp.domain.instant import CLOCK_SKEW, DAY, Instant, after
from hsp_otp.domain.policy import SEND_ROW_DAYS
from hsp_otp.domain.quota import Usage
from hsp_otp.domain.sessions import Family
from hsp_otp.domain.signup import SignupSession, SignupStep
from hsp_otp.domain.slot import SlotRecord
from hsp_otp.entrypoints.command import insist_on_newest
from hsp_otp.entrypoints.settings import Settings, load
from hsp_otp.entrypoints.wiring import open_database


def purge() -> None:
    """
    Delete what is past its time: audit rows, sends, slots, usages, signups and families.

    A server may be running; once a night is enough. Example: hsp-otp purge
    """
    for what, count in asyncio.run(_purge(load(), SystemClock().now())).items():
        print(f"{what}: {count} deleted")


async def _purge(settings: Settings, now: Instant) -> dict[str, int]:
    policies = settings.policies.values()

    def slot_is_over(body: str) -> bool:
        record = msgspec.json.decode(body, type=SlotRecord)
        return all(slot.is_over(record, policy, now) for policy in policies)

    def usage_is_over(body: str) -> bool:
        return quota.is_over(msgspec.json.decode(body, type=Usage), now)

    def session_is_over(body: str) -> bool:
        slowest = after(now, -CLOCK_SKEW)
        return not msgspec.json.decode(body, type=SignupSession).lives(slowest)

    def step_is_over(body: str) -> bool:
        return now >= after(msgspec.json.decode(body, type=SignupStep).at, DAY)

    def family_is_over(body: str) -> bool:
        return now >= after(msgspec.json.decode(body, type=Family).expires_at, DAY)

    async with open_database(settings) as database:
        await insist_on_newest(database)
        store = SqlPurge(database)
        return {
            "audit": await store.audit(after(now, -settings.audit_days * DAY)),
            "sends": await store.sends(after(now, -SEND_ROW_DAYS * DAY)),
            "slots": await store.records("slot", slot_is_over),
            "usages": await store.records("usage", usage_is_over),
            "signups": await store.records("signup", session_is_over),
            "signup steps": await store.records("signup_step", step_is_over),
            "families": await store.records("family", family_is_over),
        }
