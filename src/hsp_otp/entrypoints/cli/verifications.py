"""The `verifications` command: docs/contract.md, section 10."""

import asyncio
from collections.abc import Iterator
from typing import Annotated

from cyclopts import App as Commands
from cyclopts import Parameter

from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.audit_queries import SqlAuditQueries
from hsp_otp.adapters.sql.verifications import SqlVerifications
from hsp_otp.domain.apps import App
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.names import MalformedSidError, id_of_sid, sid_of
from hsp_otp.domain.slot_record import Held, SlotRecord
from hsp_otp.domain.verification import status_of
from hsp_otp.domain.verification_record import VERIFICATION, Status, Verification
from hsp_otp.entrypoints.audit_timeline import in_words
from hsp_otp.entrypoints.cli.output import table
from hsp_otp.entrypoints.cli.person import insist_on_stores, open_desk
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.entrypoints.wiring import clock_of
from hsp_otp.ports.audit_queries import Entry, Wanted

verifications = Commands(
    name="verifications", help="Show what happened to a verification of an app."
)


@verifications.command
def show(
    verification_id: Annotated[str, Parameter(name="ID", allow_leading_hyphen=True)], /
) -> None:
    """
    Show a verification, and describe what happened to it in plain English, oldest first.

    Example: hsp-otp verifications show aI7HpmwPr-rSBiYSYhURXQ

    Args:
        verification_id: Its id, in either form.
    """
    settings = load()
    insist_on_stores(settings)
    verification, app, status, entries = asyncio.run(_find(_read_id(verification_id), settings))
    lines = list(_described(verification, app, status))
    width = max(len(label) for label, _ in lines) + 2
    for label, value in lines:
        print(f"{label + ':':<{width}}{value}")
    print()
    table(((in_short(one.at), in_words(one)) for one in entries), ("when", "what"), "times in UTC")


async def _find(
    verification_id: str, settings: Settings
) -> tuple[Verification, App, Status, list[Entry]]:
    async with open_desk(settings) as desk:
        verification = await SqlVerifications(desk.database).find(verification_id)
        if verification is None:
            raise CommandError("there is no verification with that id")
        app = await SqlApps(desk.database).find(verification.app_id)
        if app is None:
            raise CommandError("its app is no longer there")
        record = await desk.slots.transition(verification.slot, (), _look)
        purpose = verification.purpose
        policy = app.rules.policy_of(purpose, settings.app_policies[purpose])
        status = status_of(verification, record, policy, clock_of(settings).now())
        queries = SqlAuditQueries(desk.database)
        entries = [one async for one in queries.entries(Wanted(verification=verification.id))]
        return verification, app, status, entries


def _look(held: Held) -> Decision[Held, SlotRecord]:
    return Decision(held.record, held)


def _read_id(text: str) -> str:
    try:
        return id_of_sid(text, VERIFICATION)
    except MalformedSidError:
        return text


def _described(verification: Verification, app: App, status: Status) -> Iterator[tuple[str, str]]:
    contact, ended = verification.contact, verification.ended_at
    yield "verification", f"{verification.id}, {sid_of(verification.id, VERIFICATION)}"
    yield "app", app.name
    yield "purpose", verification.purpose.value
    yield "to", f"{contact.masked}{f' ({contact.region})' if contact.region else ''}"
    if verification.test:
        yield "test contact", "yes, nothing is sent to it"
    yield "code", f"{verification.digits} digits, until {in_short(verification.expires_at)} UTC"
    yield "status", status.value + ("" if ended is None else f", since {in_short(ended)} UTC")
