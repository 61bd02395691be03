"""A process dies between two channels: docs/contract.md, 13.1 and 13.6."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import attrs
import pytest

from hsp_otp.adapters.memory import MemoryAudit, MemorySlots
from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.apps import default_channels
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.delivery import DeliveryState, Noted
from hsp_otp.domain.instant import DAY, SECOND, Instant, after
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.send_limits import contact_sends
from hsp_otp.domain.verification_record import Status
from hsp_otp.flows.verification_outcomes import InProgress, NotDelivered, Sent, Success
from hsp_otp.ports.failures import SendFailed, Unavailable
from tests.backend import Shop, shop
from tests.world import PHONE, START, Brittle, Outbox, World, run

SMS, VOICE, WHATSAPP = Channel.SMS, Channel.VOICE, Channel.WHATSAPP
UNDELIVERED = DeliveryState.UNDELIVERED

AWAY = SendFailed("away")


@attrs.define
class Cut:
    """
    A shop whose slots are kept apart from their rows, which follow.

    Attributes:
        audit: Of the slots; while it is away, a step is made and its rows are lost.
    """

    told: Shop
    audit: Brittle

    def lose(self) -> None:
        """Lose the rows of the next steps, which are a second behind those before."""
        self.told.world.clock.advance(SECOND)
        self.audit.is_away = True

    @contextmanager
    def dies(self) -> Iterator[None]:
        """The process dies in the block; another one is there afterwards."""
        with pytest.raises(Unavailable):
            yield
        self.audit.is_away = False

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.told.world.clock.advance(round(seconds * SECOND))

    def at(self, seconds: int) -> Instant:
        """So many seconds after the start."""
        return after(START, seconds * SECOND)

    @property
    def sends(self) -> list[tuple[Channel, Instant]]:
        """The rows of sends."""
        return [(row.channel, row.at) for row in self.told.world.audit.sends]

    @property
    def charged(self) -> list[Instant]:
        """What the number was charged."""
        return [*self.told.world.sends_charged(contact_sends(Contact.stored(PHONE)))]

    @property
    def messages(self) -> list[Channel]:
        """The messages that were taken, by channel."""
        outboxes = self.told.world.outboxes
        return [channel for channel, outbox in outboxes.items() for _ in outbox.sent]


def cut(*channels: Channel, **failures: Exception) -> Cut:
    """Such a shop, with these channels in that order, each of which may fail."""
    audit = Brittle(MemoryAudit())
    told = shop(channels=default_channels() | {ContactKind.PHONE: channels})
    told.world = World(audit=audit.kept, slots=MemorySlots(audit))
    told.world.outboxes = {
        channel: Outbox(failure=failures.get(channel.value), name=channel.value)
        for channel in channels
    }
    told.world.apps.stored = Tenants(apps=(told.app,))
    return Cut(told, audit)


def cut_at(place: Cut, channel: Channel) -> None:
    """Start under a key; the process dies behind this channel, which does not take the message."""
    place.told.world.outboxes[channel].witness = place.lose
    with place.dies():
        place.told.start(key="k1")
    place.told.world.outboxes[channel].witness = None


# --- Behind a channel that does not take the message


def test_a_repeated_start_goes_on_with_the_next_channel() -> None:
    """It waits until no row can follow any more; then the channel sends, and is charged once."""
    place = cut(SMS, VOICE, sms=AWAY)
    cut_at(place, SMS)
    assert (place.sends, place.messages) == ([(SMS, START)], [])
    assert place.charged == [START, place.at(1)]
    place.wait(9)
    assert place.told.start(key="k1") == InProgress()
    place.wait(6 - 1e-6)
    assert place.told.start(key="k1") == InProgress()
    place.wait(1e-6)
    sent = place.told.sent(key="k1")
    assert (sent.replayed, sent.resent, sent.view.channel) == (True, False, VOICE)
    assert (place.sends, place.messages) == ([(SMS, START), (VOICE, place.at(16))], [VOICE])
    assert place.charged == [START, place.at(16)]
    assert place.told.sent(key="k1").view.channel is VOICE
    assert place.messages == [VOICE]
    (code,) = place.told.world.outboxes[VOICE].codes
    assert isinstance(place.told.check(sent.view.verification.id, code), Success)


def test_the_third_channel() -> None:
    """A process that dies behind the second channel leaves the third to the repeated start."""
    place = cut(WHATSAPP, SMS, VOICE, whatsapp=AWAY, sms=AWAY)
    cut_at(place, SMS)
    place.wait(20)
    assert place.told.sent(key="k1").view.channel is VOICE
    assert place.messages == [VOICE]
    assert place.charged == [at for _, at in place.sends]
    assert [channel for channel, _ in place.sends] == [WHATSAPP, SMS, VOICE]


def test_the_next_channel_fails_too() -> None:
    """The repeated start ends the verification, as the first one would have."""
    place = cut(SMS, VOICE, sms=AWAY, voice=AWAY)
    cut_at(place, SMS)
    place.wait(20)
    again = place.told.start(key="k1")
    assert isinstance(again, NotDelivered)
    assert again.replayed
    (verification,) = place.told.world.audit.verifications.values()
    assert verification.ended is Status.FAILED
    assert place.charged == [at for _, at in place.sends]
    assert len(place.sends) == 2


def test_the_next_channel_is_skipped() -> None:
    """What was charged for it is taken back, and the verification fails."""
    place = cut(SMS, VOICE, sms=AWAY)
    cut_at(place, SMS)
    place.told.world.outboxes[VOICE].skipped = True
    place.wait(20)
    assert isinstance(place.told.start(key="k1"), NotDelivered)
    assert place.charged == [START]
    assert [(row.facts.action.value, row.outcome) for row in place.told.world.audit.rows[-2:]] == [
        ("fall_back", "delivery_failed"),
        ("send", "replayed"),
    ]


def test_a_resend_that_is_interrupted() -> None:
    """It goes on in the same way; if it fails, the first message may still arrive."""
    for voice in (None, AWAY):
        place = cut(SMS, VOICE)
        view = place.told.sent().view
        place.wait(60)
        sms, call = place.told.world.outboxes[SMS], place.told.world.outboxes[VOICE]
        sms.failure, sms.witness, call.failure = AWAY, place.lose, voice
        with place.dies():
            place.told.resend(view.verification.id, key="k1")
        place.wait(20)
        again = place.told.resend(view.verification.id, key="k1")
        assert isinstance(again, Sent if voice is None else NotDelivered)
        assert place.charged == [at for _, at in place.sends]
        assert len(place.sends) == 3
        assert place.told.found(view.verification.id).view.status is Status.PENDING


def test_an_interrupted_message_is_not_followed() -> None:
    """It may have been taken, so a repeated start sends nothing by the next channel."""
    place = cut(SMS, VOICE)
    place.told.sent(key="k1")
    place.told.world.audit.handed_over.clear()
    place.wait(20)
    assert place.told.sent(key="k1").view.channel is SMS
    assert (place.messages, place.charged) == ([SMS], [START])


def test_a_verification_that_has_ended_meanwhile() -> None:
    """An end that was noted is told, and nothing is sent."""
    place = cut(SMS, VOICE, sms=AWAY)
    cut_at(place, SMS)
    (verification,) = place.told.world.audit.verifications.values()
    place.told.cancel(verification.id)
    place.wait(20)
    assert place.told.sent(key="k1").view.status is Status.CANCELED
    assert place.messages == []


def test_two_start_again_at_once() -> None:
    """One of them sends; the other one finds its send."""
    place = cut(SMS, VOICE, sms=AWAY)
    cut_at(place, SMS)
    place.wait(20)
    overtake(place, lambda: place.told.sent(key="k1"))
    assert place.told.sent(key="k1").view.channel is VOICE
    assert place.messages == [VOICE]
    assert place.charged == [at for _, at in place.sends]


def overtake(place: Cut, first: Callable[[], object]) -> None:
    """Let *first* happen after the next request has read the rows, and before it judges."""
    slots = place.told.world.slots

    class Overtaken:
        async def transition(self, *arguments: Any) -> Any:  # noqa: ANN401
            place.told.world.slots = slots
            first()
            return await slots.transition(*arguments)

    place.told.world.slots = Overtaken()  # type: ignore[assignment]


# --- After a receipt


def report(place: Cut) -> Noted:
    """The provider of text messages tells that its first message does not arrive."""
    noted = place.told.world.report("sms", "message-1", UNDELIVERED)
    assert isinstance(noted, Noted)
    return noted


def cut_after_receipt(*channels: Channel) -> Cut:
    """The process dies when a receipt has led to a send by the second channel."""
    place = cut(*channels)
    place.told.sent()
    with place.dies():
        place.lose()
        report(place)
    assert len(place.charged) == 2
    assert len(place.sends) == 1
    return place


def test_a_repeated_receipt_goes_on() -> None:
    """While a row may follow it is asked for again; then the channel sends, once."""
    place = cut_after_receipt(SMS, VOICE)
    place.wait(15 - 1e-6)
    rows = len(place.told.world.audit.rows)
    with pytest.raises(Unavailable):
        report(place)
    assert len(place.told.world.audit.rows) == rows  # nothing is wrong
    place.wait(1e-6)
    for _ in range(3):
        report(place)
    assert (place.sends, place.messages) == (
        [(SMS, START), (VOICE, place.at(16))],
        [SMS, VOICE],
    )
    assert place.charged == [START, place.at(16)]
    (verification,) = place.told.world.audit.verifications.values()
    (code,) = place.told.world.outboxes[VOICE].codes
    assert isinstance(place.told.check(verification.id, code), Success)


def test_a_receipt_that_comes_once() -> None:
    """A provider that does not repeat it is not waited for: it was kept."""
    place = cut_after_receipt(SMS, VOICE)
    follow = place.told.world.journeys.lost_messages.follow
    for _ in range(60):
        place.wait(0.25)
        run(place.told.world.early.try_again(follow))
    assert place.messages == [SMS]
    for _ in range(60):
        place.wait(0.25)
        run(place.told.world.early.try_again(follow))
    assert place.messages == [SMS, VOICE]
    assert place.charged == [at for _, at in place.sends]


def test_another_channel_after_an_interrupted_one() -> None:
    """If the channel is skipped by then, the one behind it sends in its place."""
    place = cut_after_receipt(SMS, VOICE, WHATSAPP)
    place.told.world.outboxes[VOICE].skipped = True
    place.wait(20)
    report(place)
    assert place.messages == [SMS, WHATSAPP]
    assert place.charged == [at for _, at in place.sends]


def test_no_channel_after_an_interrupted_one() -> None:
    """If no channel is left, what was charged is taken back all the same."""
    place = cut_after_receipt(SMS, VOICE)
    place.told.world.outboxes[VOICE].skipped = True
    place.wait(20)
    report(place)
    assert (place.messages, place.charged) == ([SMS], [START])


def test_the_last_send_of_the_day_is_interrupted() -> None:
    """What is taken back is there for the send in its place."""
    place = cut(SMS, VOICE)
    place.told.world.policy = Policy(contact_sends=Quota(2, DAY))
    place.told.sent()
    with place.dies():
        place.lose()
        report(place)
    place.wait(20)
    report(place)
    assert place.messages == [SMS, VOICE]


def test_receipts_that_come_at_once() -> None:
    """The one that loses the race finds the send of the other, and is done."""
    place = cut(SMS, VOICE)
    place.told.sent()
    overtake(place, partial(report, place))
    report(place)
    assert place.messages == [SMS, VOICE]


def test_a_right_code_after_an_interrupted_send() -> None:
    """A code that was right in the meantime is not sent again; nothing is charged for it."""
    place = cut_after_receipt(SMS, VOICE)
    (verification,) = place.told.world.audit.verifications.values()
    (code,) = place.told.world.outboxes[SMS].codes
    place.wait(20)
    overtake(place, lambda: place.told.check(verification.id, code))
    report(place)
    assert (place.messages, place.charged) == ([SMS], [START])
