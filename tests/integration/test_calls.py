"""The codes of calls, over every kind of store: docs/contract.md, 7.12."""

import asyncio

import attrs
import pytest

from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.apps import Account, App, default_channels
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import UnknownMessage
from hsp_otp.domain.names import ENGLISH, Language
from hsp_otp.domain.purposes import Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.verification_request import Given
from hsp_otp.flows.assembly import Journeys
from hsp_otp.flows.calls import CodeOver, CodeToSay
from hsp_otp.flows.verification_outcomes import Sent, Success
from hsp_otp.ports.sends import SentCode
from tests.backend import BACKEND, RULES, SHOP
from tests.integration.stores import Stores
from tests.integration.test_contracts import send_row
from tests.world import PHONE, START, ManualClock, Outbox, ScriptedRandomness

pytestmark = pytest.mark.anyio

HINDI = Language("hi")
CALLED: App = attrs.evolve(
    SHOP,
    rules=attrs.evolve(RULES, channels=default_channels() | {ContactKind.PHONE: (Channel.VOICE,)}),
)


async def opened(stores: Stores) -> tuple[Journeys, Outbox]:
    """The journeys over the stores, with an app whose codes are said by calls."""
    account = Account(id=CALLED.account_id, name="acme", made_at=START)
    tenants = Tenants(accounts=(account,), apps=(CALLED,))
    await stores.apps.transition(lambda _: Decision(None, tenants))
    outbox = Outbox()
    return stores.verification(ManualClock(), ScriptedRandomness(), outbox), outbox


async def placed(journeys: Journeys, subject: str | None = None) -> tuple[str, str]:
    """Start a verification; return its id and the id of its call."""
    given = Given(to=PHONE, subject=subject, language=HINDI)
    backend = attrs.evolve(BACKEND, apps={CALLED.id: CALLED})
    outcome = await journeys.verification_sends.start(CALLED, given, backend)
    assert isinstance(outcome, Sent)
    found = outcome.view.verification.id
    (send,) = await journeys.verification.requests.verifications.sends_of(found)
    return found, send.id


async def test_the_code_of_a_call(stores: Stores) -> None:
    """It is found from the id of the send alone, and is over once it was right."""
    journeys, outbox = await opened(stores)
    verification_id, send_id = await placed(journeys, "ann: smith")
    (code,) = outbox.codes
    said = await journeys.calls.answer(send_id, "message-1")
    assert isinstance(said, CodeToSay)
    assert said.code.matches(Code(code))
    assert said.language == HINDI
    assert await journeys.calls.answer(send_id, "message-2") == UnknownMessage()
    assert await journeys.calls.answer(verification_id, "message-1") == UnknownMessage()
    backend = attrs.evolve(BACKEND, apps={CALLED.id: CALLED})
    checked = await journeys.verification.check(verification_id, code, backend)
    assert isinstance(checked, Success)
    assert await journeys.calls.answer(send_id, "message-1") == CodeOver(HINDI)


async def test_keys_and_a_right_code_at_the_same_time(stores: Stores) -> None:
    """However they meet, each call says the code or that it is over, and one check succeeds."""
    journeys, outbox = await opened(stores)
    verification_id, send_id = await placed(journeys)
    (code,) = outbox.codes
    backend = attrs.evolve(BACKEND, apps={CALLED.id: CALLED})
    answers = await asyncio.gather(
        *(journeys.calls.answer(send_id, "message-1") for _ in range(5)),
        *(journeys.verification.check(verification_id, code, backend) for _ in range(5)),
        *(journeys.calls.answer(send_id, "message-1") for _ in range(5)),
    )
    assert sum(isinstance(one, Success) for one in answers) == 1
    calls = (*answers[:5], *answers[10:])
    assert all(
        one == CodeOver(HINDI) or (isinstance(one, CodeToSay) and one.code.matches(Code(code)))
        for one in calls
    )


async def test_sends_as_they_are_stored(stores: Stores) -> None:
    """Of a customer's own journey, a send has the id of its challenge; nobody took it yet."""
    slot = Slot(Subject(SubjectKind.USER, "u:1"), Purpose.PHONE_VERIFICATION)
    row = attrs.evolve(
        send_row("c1"),
        slot=str(slot),
        language=ENGLISH,
        channel=Channel.VOICE,
    )
    await stores.audit.write(row)
    assert await stores.sends.find("c1") == SentCode(
        slot=slot,
        challenge_id="c1",
        app_id=None,
        channel=Channel.VOICE,
        language=ENGLISH,
        provider_message_id=None,
    )
    assert await stores.sends.find("c2") is None
