"""Calls and WhatsApp messages: docs/contract.md, section 13."""

import attrs
import pytest

from hsp_otp.domain.apps import default_channels
from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.instant import SECOND
from hsp_otp.domain.names import Language
from hsp_otp.flows.verification_outcomes import Success
from hsp_otp.ports.sender import Call, WhatsApp
from tests.backend import Shop, shop

PHONES = (Channel.SMS, Channel.VOICE, Channel.WHATSAPP)


def by(*channels: Channel) -> Shop:
    """A shop whose codes go to numbers by these channels, in that order."""
    return shop(channels=default_channels() | {ContactKind.PHONE: channels})


@pytest.mark.parametrize("channel", [Channel.VOICE, Channel.WHATSAPP])
def test_a_code_goes_out_by_the_channel_that_is_named(channel: Channel) -> None:
    """The message has the id of the send and the language; the answer and the proof name it."""
    told = by(*PHONES)
    told.app = attrs.evolve(told.app, rules=attrs.evolve(told.app.rules, proof_audience="shop"))
    view = told.sent(channel=channel.value, language=Language("hi")).view
    assert view.channel is channel
    (message,) = told.world.outbox.sent
    assert isinstance(message, Call if channel is Channel.VOICE else WhatsApp)
    assert message.id == told.world.audit.sends[0].id
    assert (message.language, message.useful_for) == ("hi", 600 * SECOND)
    (code,) = told.world.outbox.codes
    assert code in message.text.replace(", ", "")
    assert code not in repr(message)
    assert isinstance(told.check(view.verification.id, code), Success)
    assert told.world.proofs.of_apps[0].channel is channel


def test_a_call_says_who_is_calling() -> None:
    """It has the name that the app's messages have."""
    told = by(Channel.VOICE)
    told.sent()
    (call,) = told.world.outbox.sent
    assert isinstance(call, Call)
    assert call.service_name == "Acme Shop"
