"""Calls and WhatsApp messages: docs/contract.md, section 13."""

from collections.abc import Iterator
from functools import partial

import attrs
import pytest

from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.apps import default_channels
from hsp_otp.domain.audit import Action
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.delivery import DeliveryState, Noted
from hsp_otp.domain.instant import DAY, MINUTE, SECOND, after
from hsp_otp.domain.names import Language
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.send_limits import contact_sends
from hsp_otp.domain.verification_record import Status
from hsp_otp.domain.verification_request import Flaw, Unacceptable
from hsp_otp.flows.verification_outcomes import (
    InProgress,
    NotDelivered,
    Prospect,
    Refused,
    Sent,
    Success,
)
from hsp_otp.ports.failures import (
    SendBlocked,
    SendFailed,
    SendRefusedHere,
    SendRejected,
    Unavailable,
)
from hsp_otp.ports.sender import Call, WhatsApp
from tests.backend import Shop, shop
from tests.http import Client
from tests.world import OTHER_PHONE, PHONE, START, Outbox, World, other_than, run

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


# --- The next channel in place of one whose senders do not take a message


def falling(*channels: Channel, **failures: Exception) -> Shop:
    """A shop with these channels, in that order, each of which may fail."""
    told = by(*channels)
    told.world.outboxes = {
        channel: Outbox(failure=failures.get(channel.value), name=channel.value)
        for channel in channels
    }
    told.world.apps.stored = Tenants(apps=(told.app,))
    return told


def codes_of(told: Shop) -> list[tuple[str, str]]:
    """The channels and codes of all messages that were taken."""
    return [
        (channel.value, code)
        for channel, outbox in told.world.outboxes.items()
        for code in outbox.codes
    ]


def ends_of(told: Shop) -> list[Status | None]:
    """The noted ends of all verifications."""
    return [one.ended for one in told.world.audit.verifications.values()]


REFUSALS = [SendFailed("away"), SendRefusedHere("no route"), SendRejected("a landline")]


@pytest.mark.parametrize("failure", REFUSALS, ids=lambda one: type(one).__name__)
def test_a_call_takes_the_place_of_a_text(failure: Exception) -> None:
    """SMS refused, voice takes the same code: one verification, two sends, each charged."""
    told = falling(Channel.SMS, Channel.VOICE, sms=failure)
    sent = told.sent()
    assert (sent.view.channel, sent.resent) == (Channel.VOICE, False)
    ((_, code),) = codes_of(told)
    first, second = told.world.audit.sends
    assert first.id != second.id
    assert [one.channel for one in (first, second)] == [Channel.SMS, Channel.VOICE]
    assert first.verification_id == second.verification_id == sent.view.verification.id
    assert [row.send_id for row in told.world.audit.unsent] == [first.id]
    assert [row.send_id for row in told.world.audit.handed_over] == [second.id]
    charged = told.world.sends_charged(contact_sends(Contact.stored(PHONE)))
    assert charged == (START, START)
    (row,) = told.world.audit.rows
    assert (row.facts.action, row.outcome, row.facts.channel) == (
        Action.SEND,
        "sent",
        Channel.VOICE,
    )
    success = told.check(sent.view.verification.id, code)
    assert isinstance(success, Success)
    assert success.channel is Channel.VOICE


def test_the_whole_order() -> None:
    """The channels are tried in the app's order, from the one that is named on."""
    told = falling(Channel.SMS, Channel.VOICE, Channel.WHATSAPP, voice=SendFailed("away"))
    assert told.sent(channel="voice").view.channel is Channel.WHATSAPP
    assert [row.channel for row in told.world.audit.sends] == [Channel.VOICE, Channel.WHATSAPP]
    told = falling(Channel.WHATSAPP, Channel.SMS, whatsapp=SendRejected("not on WhatsApp"))
    assert told.sent().view.channel is Channel.SMS
    told = falling(Channel.SMS, Channel.VOICE, voice=SendFailed("away"))
    outcome = told.start(channel="voice")
    assert isinstance(outcome, NotDelivered)
    assert outcome.resend_at == START
    assert codes_of(told) == []


def test_nobody_who_said_stop_is_called() -> None:
    """An opt-out and a block for fraud end the order; the verification has failed."""
    told = falling(Channel.SMS, Channel.VOICE, sms=SendBlocked("said STOP"))
    assert isinstance(told.start(), NotDelivered)
    assert (codes_of(told), len(told.world.audit.sends)) == ([], 1)
    assert ends_of(told) == [Status.FAILED]


def test_nobody_takes_it() -> None:
    """If no channel takes the first message, every send counts, and the verification has failed."""
    away = SendFailed("away")
    told = falling(*PHONES, sms=away, voice=away, whatsapp=away)
    outcome = told.start()
    assert isinstance(outcome, NotDelivered)
    assert outcome.resend_at == START
    assert len(told.world.audit.unsent) == len(told.world.audit.sends) == 3
    assert ends_of(told) == [Status.FAILED]
    (row,) = told.world.audit.rows
    assert row.outcome == "delivery_failed"


def test_a_resend_that_nobody_takes_ends_nothing() -> None:
    """An earlier message may still arrive, so its code stays right."""
    told = falling(Channel.SMS, Channel.VOICE)
    view = told.sent().view
    told.world.clock.advance(60 * SECOND)
    for outbox in told.world.outboxes.values():
        outbox.failure = SendFailed("away")
    assert isinstance(told.resend(view.verification.id), NotDelivered)
    assert ends_of(told) == [None]
    ((_, code),) = codes_of(told)
    assert isinstance(told.check(view.verification.id, code), Success)


def test_a_channel_that_is_skipped_costs_nothing() -> None:
    """If all senders of a channel are being skipped, the next one is asked at once."""
    told = falling(Channel.SMS, Channel.VOICE)
    told.world.outboxes[Channel.SMS].skipped = True
    assert told.sent().view.channel is Channel.VOICE
    assert [row.channel for row in told.world.audit.sends] == [Channel.VOICE]
    told = falling(Channel.SMS, Channel.VOICE, sms=SendFailed("away"))
    told.world.outboxes[Channel.VOICE].skipped = True
    assert isinstance(told.start(), NotDelivered)
    assert [row.channel for row in told.world.audit.sends] == [Channel.SMS]


def test_all_channels_share_the_time() -> None:
    """All that are tried have 7.5 s together, and each as much as those behind it."""
    told = falling(*PHONES, sms=SendFailed("away"), voice=SendFailed("away"))
    sms, voice, whatsapp = (told.world.outboxes[one] for one in PHONES)
    sms.witness = lambda: told.world.clock.advance(2_500_000)
    voice.witness = lambda: told.world.clock.advance(500_000)
    told.sent()
    assert (sms.given, voice.given, whatsapp.given) == ([2_500_000], [2_500_000], [4_500_000])


@pytest.mark.parametrize(("passed", "sends"), [(7_499_999, 2), (7_500_000, 1)])
def test_a_channel_without_any_time_left(passed: int, sends: int) -> None:
    """What cannot be tried in time is not charged either."""
    told = falling(Channel.SMS, Channel.VOICE, sms=SendFailed("away"), voice=SendFailed("away"))
    told.world.outboxes[Channel.SMS].witness = lambda: told.world.clock.advance(passed)
    assert isinstance(told.start(), NotDelivered)
    assert len(told.world.audit.sends) == sends
    charged = told.world.sends_charged(contact_sends(Contact.stored(PHONE)))
    assert len(charged) == sends


def test_a_code_never_falls_back_to_a_mailbox() -> None:
    """A mailbox is another contact: the order of a number has channels of numbers alone."""
    told = falling(Channel.SMS, sms=SendFailed("away"))
    assert isinstance(told.start(), NotDelivered)
    assert told.world.outbox.sent == []
    told = shop()
    told.world.outboxes = {Channel.EMAIL: Outbox(failure=SendFailed("away"))}
    assert isinstance(told.start("asha@example.com"), NotDelivered)
    assert told.world.outbox.sent == []


# --- Landlines, to which calls lead alone

LANDLINE = "+912223456789"
CALLS_FIRST = (Channel.VOICE, Channel.SMS, Channel.WHATSAPP)


@pytest.mark.parametrize("channels", [PHONES, CALLS_FIRST], ids=["behind", "first"])
def test_a_landline_is_offered_calls_alone(channels: tuple[Channel, ...]) -> None:
    """No answer names a text, wherever calls stand in the app's order."""
    told = falling(*channels)
    standing = told.standing(LANDLINE)
    assert isinstance(standing, Prospect)
    assert standing.next == {Channel.VOICE: START}
    view = told.sent(LANDLINE).view
    assert (view.channel, set(view.next)) == (Channel.VOICE, {Channel.VOICE})
    assert set(told.found(view.verification.id).view.next) == {Channel.VOICE}
    refused = told.start(LANDLINE)
    assert isinstance(refused, Refused)
    assert set(refused.next) == {Channel.VOICE}


def test_a_landline_gets_no_text_in_place_of_a_call() -> None:
    """If nobody takes the call, or it fails, the order has nothing behind it."""
    told = falling(*CALLS_FIRST, voice=SendFailed("away"))
    assert isinstance(told.start(LANDLINE), NotDelivered)
    assert [row.channel for row in told.world.audit.sends] == [Channel.VOICE]
    told = falling(*CALLS_FIRST)
    told.world.outboxes[Channel.VOICE].skipped = True
    assert isinstance(told.start(LANDLINE), NotDelivered)
    assert codes_of(told) == []
    told = falling(*CALLS_FIRST)
    told.sent(LANDLINE)
    told.world.report("voice", "message-1", DeliveryState.UNDELIVERED)
    assert [one for one, _ in codes_of(told)] == ["voice"]


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_a_code_is_not_sent_again_to_a_landline_by_text(channel: str) -> None:
    """Such a channel is not available, and nothing is charged; a call is."""
    told = falling(*CALLS_FIRST)
    view = told.sent(LANDLINE).view
    told.world.clock.advance(MINUTE)
    again = told.resend(view.verification.id, channel)
    assert again == Unacceptable(Flaw.CHANNEL)
    assert len(told.world.audit.sends) == 1
    assert isinstance(told.resend(view.verification.id, "voice"), Sent)


# --- Idempotency keys


def test_a_start_is_repeated_after_it_fell_back() -> None:
    """The answer tells of the send that was taken, although the first one was not."""
    told = falling(Channel.SMS, Channel.VOICE, sms=SendFailed("away"))
    first = told.sent(key="k1")
    again = told.sent(key="k1")
    assert (again.replayed, again.view.channel) == (True, Channel.VOICE)
    assert again.view.verification.id == first.view.verification.id
    assert len(codes_of(told)) == 1


def test_a_start_is_repeated_after_all_failed() -> None:
    """It failed, and is told so."""
    away = SendFailed("away")
    told = falling(Channel.SMS, Channel.VOICE, sms=away, voice=away)
    assert isinstance(told.start(key="k1"), NotDelivered)
    again = told.start(key="k1")
    assert isinstance(again, NotDelivered)
    assert again.replayed


def test_a_start_is_repeated_while_it_falls_back() -> None:
    """While the next channel is being tried, the first request is under way."""
    told = falling(Channel.SMS, Channel.VOICE, sms=SendFailed("away"))
    found: list[object] = []
    told.world.outboxes[Channel.VOICE].witness = lambda: found.append(told.start(key="k1"))
    told.sent(key="k1")
    assert found == [InProgress()]


# --- Limits of calls


def called(told: Shop, times: int) -> None:
    """So many calls, one a minute."""
    for _ in range(times):
        told.sent(channel="voice")
        told.world.clock.advance(MINUTE)


def test_three_calls_a_day() -> None:
    """The fourth call waits for the first to leave the window; texts go on within their ten."""
    told = by(Channel.SMS, Channel.VOICE)
    called(told, 3)
    refused = told.start(channel="voice")
    assert isinstance(refused, Refused)
    assert (refused.word, refused.why.retry_at) == ("phone_rate_limited", after(START, DAY))
    now = told.world.clock.now()
    assert refused.next == {Channel.SMS: now, Channel.VOICE: after(START, DAY)}
    standing = told.standing()
    assert isinstance(standing, Prospect)
    assert standing.next == refused.next
    view = told.sent(channel="sms").view
    assert view.next == {Channel.SMS: after(now, 30 * SECOND), Channel.VOICE: after(START, DAY)}
    assert told.found(view.verification.id).view.next == view.next
    assert told.sent(OTHER_PHONE, channel="voice").view.channel is Channel.VOICE
    told.world.clock.instant = after(START, DAY)
    assert told.sent(channel="voice").view.channel is Channel.VOICE


def test_a_call_counts_for_every_app_and_flow() -> None:
    """The limit is the number's own."""
    told = by(Channel.VOICE)
    called(told, 3)
    told.app = attrs.evolve(told.app, id="other-app")
    assert isinstance(told.start(), Refused)


def test_calls_without_a_limit() -> None:
    """0 switches the limit off."""
    told = shop(policy=Policy(calls=Quota(0, DAY)), channels=by(Channel.VOICE).app.rules.channels)
    called(told, 5)


def test_a_call_comes_a_minute_after_a_text() -> None:
    """The cooldown before a call is 60 s, and after it a text may follow in 30 s."""
    told = by(Channel.SMS, Channel.VOICE)
    view = told.sent().view
    assert view.next == {
        Channel.SMS: after(START, 30 * SECOND),
        Channel.VOICE: after(START, 60 * SECOND),
    }
    told.world.clock.advance(60 * SECOND - 1)
    refused = told.resend(view.verification.id, "voice")
    assert isinstance(refused, Refused)
    assert (refused.word, refused.why.retry_at) == ("resend_too_soon", after(START, 60 * SECOND))
    told.world.clock.advance(1)
    sent = told.resend(view.verification.id, "voice")
    assert isinstance(sent, Sent)
    assert (sent.resent, sent.view.channel) == (True, Channel.VOICE)
    first, second = told.world.outbox.codes
    assert first == second


def test_a_call_that_is_used_up_is_passed_over() -> None:
    """A channel whose limit refuses is passed over, and the one behind it is tried."""
    told = falling(*PHONES)
    called(told, 3)
    told.world.outboxes[Channel.SMS].failure = SendFailed("away")
    assert told.sent(channel="sms").view.channel is Channel.WHATSAPP


def test_the_last_send_of_the_day_falls_back_nowhere() -> None:
    """If a limit of every channel refuses, the code is sent no further."""
    told = falling(*PHONES, sms=SendFailed("away"))
    told.world.policy = Policy(contact_sends=Quota(1, DAY))
    outcome = told.start()
    assert isinstance(outcome, NotDelivered)
    assert outcome.resend_at == after(START, DAY)
    assert len(told.world.audit.sends) == 1
    assert ends_of(told) == [Status.FAILED]


# --- The next channel in place of a message that does not arrive


UNDELIVERED, FAILED = DeliveryState.UNDELIVERED, DeliveryState.FAILED


@pytest.mark.parametrize("state", [UNDELIVERED, FAILED])
def test_a_receipt_sends_the_code_by_the_next_channel(state: DeliveryState) -> None:
    """Once, however often it comes, and without the cooldown; the person's guesses stay."""
    told = falling(*PHONES)
    view = told.sent(key="k1").view
    for _ in range(5):
        assert isinstance(told.world.report("sms", "message-1", state), Noted)
    (_, code), (_, again) = codes_of(told)
    assert (code, [one for one, _ in codes_of(told)]) == (again, ["sms", "voice"])
    first, second = told.world.audit.sends
    assert (second.channel, second.verification_id) == (Channel.VOICE, first.verification_id)
    assert second.client == first.client
    charged = told.world.sends_charged(contact_sends(Contact.stored(PHONE)))
    assert charged == (START, START)
    found = told.found(view.verification.id)
    assert (found.view.channel, found.view.status) == (Channel.VOICE, Status.PENDING)
    assert found.view.attempts_remaining == 3
    assert [(one.event, one.outcome) for one in found.events] == [
        ("send", "sent"),
        ("fall_back", "sent"),
    ]
    row = told.world.audit.rows[1]
    assert (row.facts.channel, row.facts.app, row.facts.api_key_id) == (
        Channel.VOICE,
        "shop",
        None,
    )
    assert told.sent(key="k1").replayed
    success = told.check(view.verification.id, code)
    assert isinstance(success, Success)
    assert success.channel is Channel.VOICE


@pytest.mark.parametrize(
    "state", [DeliveryState.QUEUED, DeliveryState.SENT, DeliveryState.DELIVERED]
)
def test_a_message_on_its_way_is_not_followed(state: DeliveryState) -> None:
    """Only a message that will not arrive is; a later report of the contrary changes nothing."""
    told = falling(*PHONES)
    told.sent()
    told.world.report("sms", "message-1", state)
    assert len(codes_of(told)) == 1
    told.world.report("sms", "message-1", UNDELIVERED)
    assert len(codes_of(told)) == (1 if state is DeliveryState.DELIVERED else 2)


def test_nobody_who_opted_out_is_called() -> None:
    """A receipt that tells of an opt-out ends the order, and no later one opens it again."""
    told = falling(*PHONES)
    view = told.sent().view
    for state in (DeliveryState.BLOCKED, UNDELIVERED, FAILED, DeliveryState.BLOCKED):
        assert told.world.report("sms", "message-1", state) == Noted()
    assert len(codes_of(told)) == 1
    assert told.found(view.verification.id).view.status is Status.PENDING


def test_every_channel_is_used_once() -> None:
    """The order ends, and a channel that was used before is passed over."""
    told = falling(*PHONES)
    view = told.sent(channel="voice").view
    told.world.clock.advance(MINUTE)
    assert isinstance(told.resend(view.verification.id, "sms"), Sent)
    told.world.clock.advance(MINUTE)
    assert isinstance(told.resend(view.verification.id, "sms"), Sent)
    told.world.report("sms", "message-2", UNDELIVERED)
    assert [one for one, _ in codes_of(told)] == ["sms", "sms", "voice", "whatsapp"]
    told.world.report("whatsapp", "message-1", UNDELIVERED)
    assert len(codes_of(told)) == 4


def test_a_later_send_is_waited_for() -> None:
    """A message that was sent again since is the one that counts."""
    told = falling(*PHONES)
    view = told.sent().view
    told.world.clock.advance(MINUTE)
    assert isinstance(told.resend(view.verification.id), Sent)
    told.world.report("sms", "message-1", UNDELIVERED)
    assert len(codes_of(told)) == 2
    told.world.report("sms", "message-2", UNDELIVERED)
    assert [one for one, _ in codes_of(told)] == ["sms", "sms", "voice"]


def test_a_channel_that_the_app_has_no_more() -> None:
    """A message by a channel that has left the app's order is followed by nothing."""
    told = falling(*PHONES)
    told.sent()
    told.app = by(Channel.VOICE).app
    told.world.apps.stored = Tenants(apps=(told.app,))
    told.world.report("sms", "message-1", UNDELIVERED)
    assert len(codes_of(told)) == 1


def test_what_has_ended_is_not_sent() -> None:
    """A code that was right, canceled, used up or has expired goes nowhere any more."""
    approved, canceled, exhausted, expired = (falling(*PHONES) for _ in range(4))
    views = [one.sent().view for one in (approved, canceled, exhausted, expired)]
    ((_, code),) = codes_of(approved)
    assert isinstance(approved.check(views[0].verification.id, code), Success)
    canceled.cancel(views[1].verification.id)
    for _ in range(3):
        exhausted.check(views[2].verification.id, other_than(codes_of(exhausted)[0][1]))
    expired.world.clock.advance(10 * MINUTE)
    for told in (approved, canceled, exhausted, expired):
        told.world.report("sms", "message-1", UNDELIVERED)
        assert len(codes_of(told)) == 1


def test_all_limits_but_the_cooldown_hold() -> None:
    """A receipt sends nothing past a limit or the lock; the audit has the refusal."""
    told = falling(Channel.SMS, Channel.VOICE)
    told.world.policy = Policy(contact_sends=Quota(1, DAY))
    told.sent()
    for _ in range(2):
        told.world.report("sms", "message-1", UNDELIVERED)
    assert len(codes_of(told)) == 1
    rows = told.world.audit.rows[1:]
    assert {(row.facts.action, row.outcome, row.folds) for row in rows} == {
        (Action.FALL_BACK, "phone_rate_limited", True)
    }


def test_a_send_in_place_of_another_may_fail_too() -> None:
    """The channel behind it is tried; if none takes the message, the verification goes on."""
    away = SendFailed("away")
    told = falling(*PHONES, voice=away)
    told.sent()
    told.world.report("sms", "message-1", UNDELIVERED)
    assert [one for one, _ in codes_of(told)] == ["sms", "whatsapp"]
    told = falling(*PHONES, voice=away, whatsapp=away)
    view = told.sent().view
    told.world.report("sms", "message-1", UNDELIVERED)
    assert told.found(view.verification.id).view.status is Status.PENDING
    assert told.world.audit.rows[-2].outcome == "delivery_failed"


def test_a_receipt_that_comes_early() -> None:
    """A receipt that overtakes the provider's answer sends the code as well, once."""
    told = falling(*PHONES)
    early = partial(told.world.report, "sms", "message-1", UNDELIVERED)
    told.world.outboxes[Channel.SMS].witness = early
    told.sent()
    assert len(codes_of(told)) == 1
    told.world.clock.advance(SECOND)
    run(told.world.early.try_again(told.world.journeys.lost_messages.follow))
    assert [one for one, _ in codes_of(told)] == ["sms", "voice"]


def test_an_interrupted_receipt_is_taken_up_by_the_next() -> None:
    """If a store is away after the state was noted, the repeated receipt sends the code."""
    told = falling(*PHONES)
    told.sent()
    slots = told.world.slots
    told.world.slots = Away()  # type: ignore[assignment]
    with pytest.raises(Unavailable):
        told.world.report("sms", "message-1", UNDELIVERED)
    told.world.slots = slots
    assert len(codes_of(told)) == 1
    told.world.report("sms", "message-1", UNDELIVERED)
    assert [one for one, _ in codes_of(told)] == ["sms", "voice"]


class Away:
    """A store that does not answer."""

    async def transition(self, *_: object) -> None:
        """Keep the promise of `SlotRepository.transition`."""
        raise Unavailable("away")


def test_an_app_that_is_gone() -> None:
    """Nothing is sent for an app that there is no more, and for a test contact nothing at all."""
    told = falling(*PHONES)
    told.sent()
    told.world.apps.stored = Tenants()
    told.world.report("sms", "message-1", UNDELIVERED)
    assert len(codes_of(told)) == 1


def test_the_two_flows_have_no_order() -> None:
    """A text message of a login that does not arrive is followed by nothing."""
    world = World(outboxes={Channel.VOICE: Outbox()})
    world.add()
    world.send()
    noted = world.report("outbox", "message-1", UNDELIVERED)
    assert isinstance(noted, Noted)
    assert noted.lost is not None
    assert noted.lost.app_send is None
    assert world.outboxes[Channel.VOICE].sent == []


# --- The two flows


@pytest.fixture
def called_on_demand() -> Iterator[Client]:
    """A client of a service with senders of text messages and calls."""
    world = World(outboxes={Channel.VOICE: Outbox()})
    with Client(world) as opened:
        world.add()
        yield opened


def test_a_login_by_call(called_on_demand: Client) -> None:
    """A minute after the text message, a call has a new code, and signs in."""
    client, world = called_on_demand, called_on_demand.world
    assert client.send(channel="sms").json["resend_in"] == 30
    world.clock.advance(60 * SECOND - 1)
    early = client.send(channel="voice")
    assert (early.status, early.json["error"]) == (429, "resend_too_soon")
    assert early.json["retry_after_seconds"] == 1
    world.clock.advance(1)
    sent = client.send(channel="voice")
    assert (sent.status, sent.json["resend_in"]) == (200, 30)
    (call,) = world.outboxes[Channel.VOICE].sent
    assert isinstance(call, Call)
    assert (call.id, call.service_name) == (sent.json["challenge_id"], "House")
    assert (world.audit.sends[-1].channel, world.audit.rows[-1].facts.channel) == (
        Channel.VOICE,
        Channel.VOICE,
    )
    assert client.verify(call.code).status == 200


def test_a_signup_by_call(called_on_demand: Client) -> None:
    """A visitor may be called at once, and proves the number by what the call says."""
    client, world = called_on_demand, called_on_demand.world
    sent = client.sign_up(channel="voice")
    assert (sent.status, sent.json["resend_in"]) == (200, 30)
    (call,) = world.outboxes[Channel.VOICE].sent
    assert isinstance(call, Call)
    assert client.prove(sent.json["session_id"], call.code).status == 200


def test_calls_of_a_login_are_limited(called_on_demand: Client) -> None:
    """The fourth call in 24 h is refused, and a text message is not."""
    client, world = called_on_demand, called_on_demand.world
    token = ""
    for _ in range(3):
        assert client.send(channel="voice", device_token=token).status == 200
        call = world.outboxes[Channel.VOICE].sent[-1]
        assert isinstance(call, Call)
        token = client.verify(call.code, device_token=token).json["device_token"]
        world.clock.advance(MINUTE)
    refused = client.send(channel="voice", device_token=token)
    assert (refused.status, refused.json["error"]) == (429, "phone_rate_limited")
    assert refused.json["retry_after_seconds"] == 86_400 - 180
    assert client.send(device_token=token).status == 200


@pytest.mark.parametrize("channel", ["whatsapp", "email", "fax", "Voice"])
def test_a_channel_that_a_flow_does_not_have(channel: str, called_on_demand: Client) -> None:
    """A channel without senders, or of other contacts, is refused, and nothing is charged."""
    client = called_on_demand
    for reply in (client.send(channel=channel), client.sign_up(channel=channel)):
        assert (reply.status, reply.json["error"]) == (400, "channel_not_available")
    assert client.world.audit.rows == []
    assert client.send(channel="").status == 200


def test_a_call_that_nobody_makes(called_on_demand: Client) -> None:
    """Its code can never be right, and a text message may follow at once."""
    client, world = called_on_demand, called_on_demand.world
    world.outboxes[Channel.VOICE].failure = SendFailed("away")
    reply = client.send(channel="voice")
    assert (reply.json["error"], reply.json["resend_in"]) == ("sms_failed", 0)
    assert client.send().status == 200
