"""Receipts that come before their messages are known: docs/contract.md, 5.4 and 7.8."""

import asyncio
from typing import Any

import attrs
import pytest
from structlog.testing import capture_logs

from hsp_otp.adapters.early_receipts import MemoryEarlyReceipts
from hsp_otp.adapters.memory import MemoryAudit
from hsp_otp.domain.audit import HandedOverRow
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.delivery import (
    EARLY_FOR,
    AppSend,
    DeliveryState,
    EarlyReceipt,
    LostSend,
    TakenMessage,
    UnknownMessage,
)
from hsp_otp.domain.instant import SECOND
from hsp_otp.flows.receipts import take_receipt
from hsp_otp.ports.failures import Unavailable
from tests.world import ManualClock, SentMessages, run

SENT, DELIVERED = DeliveryState.SENT, DeliveryState.DELIVERED


@attrs.define
class Desk:
    """
    Receipts that wait, messages that become known, and a timer.

    Attributes:
        seconds: What the timer shows.
    """

    messages: SentMessages = attrs.field(factory=lambda: SentMessages(MemoryAudit()))
    seconds: float = 1_000.0
    early: MemoryEarlyReceipts = attrs.field()

    @early.default
    def _early(self) -> MemoryEarlyReceipts:
        return MemoryEarlyReceipts(self.messages, lambda: self.seconds, most=200)

    def keep(self, message: str, state: DeliveryState = SENT) -> None:
        """A receipt of Twilio's comes."""
        self.early.keep(EarlyReceipt(("twilio",), message, state))

    def take(self, message: str, sender: str = "twilio") -> None:
        """A message of Twilio's, or of another sender's, becomes known."""
        row = HandedOverRow(send_id=message, sender=sender, provider_message_id=message)
        run(self.messages.audit.write(row))

    def wait(self, seconds: float) -> None:
        """Time goes by, and those that wait are looked at four times a second."""
        until = self.seconds + seconds
        while self.seconds < until:
            self.seconds += 0.25
            run(self.early.try_again())

    @property
    def states(self) -> dict[str, DeliveryState]:
        """What is known of messages."""
        return {message: state for (_, message), state in self.messages.states.items()}


def test_it_is_noted_once_its_message_is_known() -> None:
    """A receipt waits until its message is known, and is noted within a second of a usual send."""
    desk = Desk()
    desk.keep("SM1")
    desk.wait(0.5)
    assert desk.states == {}
    desk.take("SM1")
    desk.wait(0.5)
    assert desk.states == {"SM1": SENT}


@pytest.mark.parametrize("relay", ["smtp", "smtp-2", "smtp-3"])
def test_a_provider_with_several_senders(relay: str) -> None:
    """A report of any of its senders is kept once, noted once, and dropped by nobody."""
    desk = Desk()
    reporting = take_receipt(
        desk.messages,
        "smtp",
        "<m1@example.com>",
        DELIVERED,
        early=desk.early,
        clock=ManualClock(),
        further={"smtp": ("smtp-2", "smtp-3")},
    )
    assert isinstance(run(reporting), UnknownMessage)
    desk.take("<m1@example.com>", relay)
    with capture_logs() as logs:
        desk.wait(EARLY_FOR / SECOND + 1)
        run(desk.early.close())
    assert desk.messages.states == {(relay, "<m1@example.com>"): DELIVERED}
    assert logs == []


@pytest.mark.parametrize("order", [(SENT, DELIVERED), (DELIVERED, SENT), (DELIVERED, DELIVERED)])
def test_several_of_one_message(order: tuple[DeliveryState, DeliveryState]) -> None:
    """Receipts of one message in any order move it forward only."""
    desk = Desk()
    for state in order:
        desk.keep("SM1", state)
    desk.take("SM1")
    desk.wait(0.25)
    assert desk.states == {"SM1": DELIVERED}


def test_it_is_tried_ever_less_often_for_a_minute() -> None:
    """The pauses double, the last try is after a minute, and then it is forgotten."""
    tries: list[float] = []

    class Watched(SentMessages):
        """Notes when it is asked."""

        async def transition(self, *arguments: Any) -> Any:  # noqa: ANN401
            tries.append(desk.seconds - 1_000)
            return await super().transition(*arguments)

    desk = Desk(Watched(MemoryAudit()))
    desk.keep("SM1")
    desk.wait(120)
    assert tries == [0.25, 0.75, 1.75, 3.75, 7.75, 15.75, 31.75, 60]


def test_one_of_a_minute_ago_is_dropped() -> None:
    """A message that becomes known within the minute has its receipt, and later it has not."""
    desk = Desk()
    desk.keep("SM1")
    desk.wait(59.5)
    desk.take("SM1")
    desk.wait(0.5)
    assert desk.states == {"SM1": SENT}
    desk.keep("SM2")
    desk.wait(60)
    desk.take("SM2")
    desk.wait(60)
    assert desk.states == {"SM1": SENT}


def test_one_that_comes_again_waits_anew() -> None:
    """A receipt that its provider repeats waits for a minute from then, and is one receipt."""
    desk = Desk()
    with capture_logs() as logged:
        desk.keep("SM1")
        desk.wait(50)
        desk.keep("SM1")
        desk.wait(50)
        assert logged == []
        desk.take("SM1")
        desk.wait(10)
        assert desk.states == {"SM1": SENT}
        run(desk.early.close())
    assert logged == []


def test_the_oldest_makes_room() -> None:
    """Of more receipts than there is room for the oldest goes, which is counted and told."""
    desk = Desk()
    for number in range(202):
        desk.keep(f"SM{number}")
        desk.take(f"SM{number}")
    with capture_logs() as logged:
        desk.wait(0.25)
    assert [f"SM{number}" in desk.states for number in (0, 1, 2, 201)] == [False, False, True, True]
    told = {"event": "receipts_dropped", "log_level": "info", "unknown": 0, "no_room": 2}
    assert logged == [told]


def test_what_is_dropped_is_told_once_a_minute() -> None:
    """However many receipts are of no message, there is one line a minute, which counts them."""
    desk = Desk()
    with capture_logs() as logged:
        for number in range(180):
            desk.keep(f"SM{number}")
            desk.wait(1)
        run(desk.early.close())
    told = {"event": "receipts_dropped", "log_level": "info", "no_room": 0}
    assert [line.pop("unknown") for line in logged] == [1, 60, 60, 59]
    assert logged == [told] * 4
    assert not [line for line in logged if "SM" in str(line)]


def test_a_database_that_is_away() -> None:
    """While the database does not answer nothing is dropped, however long that takes."""
    desk = Desk()
    desk.keep("SM1")
    desk.keep("SM2")
    desk.messages.failure = Unavailable("away")
    desk.wait(300)
    desk.messages.failure = None
    desk.take("SM1")
    with capture_logs() as logged:
        desk.wait(1)
    assert desk.states == {"SM1": SENT}
    assert [line["unknown"] for line in logged] == [1]


def test_the_end_of_the_process() -> None:
    """When the process stops each receipt is tried once more, and the others are told of."""
    desk = Desk()
    for message in ("SM1", "SM2", "SM3"):
        desk.keep(message)
    desk.take("SM2")
    with capture_logs() as logged:
        run(desk.early.close())
    assert desk.states == {"SM2": SENT}
    assert [line["unknown"] for line in logged] == [2]


def test_the_end_of_the_process_without_a_database() -> None:
    """Where the database is away at the end nobody waits for it."""
    desk = Desk()
    desk.keep("SM1")
    desk.messages.failure = Unavailable("away")
    with capture_logs() as logged:
        run(desk.early.close())
    assert [line["unknown"] for line in logged] == [1]


LOST = AppSend(id="SM1", verification_id="v1", channel=Channel.SMS)


class Lossy(SentMessages):
    """Messages of an app."""

    def _held(self, key: tuple[str, str]) -> TakenMessage | None:
        held = super()._held(key)
        sent = AppSend(id=key[1], verification_id="v1", channel=Channel.SMS)
        return None if held is None else attrs.evolve(held, app_send=sent)


def test_what_follows_from_a_receipt_is_tried_again() -> None:
    """A receipt waits for the send in place of its message, and keeps no other one waiting."""
    desk, lost = Desk(Lossy(MemoryAudit())), list[AppSend | None]()

    async def follow(send: LostSend) -> None:
        lost.append(send.app_send)
        if len(lost) < 3:
            raise Unavailable("under way")

    for message, state in (("SM1", DeliveryState.UNDELIVERED), ("SM2", SENT)):
        desk.keep(message, state)
        desk.take(message)
    desk.seconds += 1
    run(desk.early.try_again(follow))
    assert desk.states == {"SM1": DeliveryState.UNDELIVERED, "SM2": SENT}
    for _ in range(3):
        desk.seconds += 10
        run(desk.early.try_again(follow))
    assert lost == [LOST] * 3


def test_the_end_of_the_process_loses_no_fallback() -> None:
    """What follows from a receipt is done when it is tried for the last time."""
    desk, lost = Desk(Lossy(MemoryAudit())), list[AppSend | None]()

    async def follow(send: LostSend) -> None:
        lost.append(send.app_send)

    desk.keep("SM1", DeliveryState.UNDELIVERED)
    desk.take("SM1")
    with capture_logs() as logged:
        run(desk.early.close(follow))
    assert (lost, logged) == ([LOST], [])


def test_a_fallback_that_is_cut_off_at_the_end() -> None:
    """A process that stops tells of the receipts that it could not be done with."""
    desk = Desk(Lossy(MemoryAudit()))

    async def follow(_: LostSend) -> None:
        raise asyncio.CancelledError

    for message in ("SM1", "SM2"):
        desk.keep(message, DeliveryState.UNDELIVERED)
        desk.take(message)
    with capture_logs() as logged, pytest.raises(asyncio.CancelledError):
        run(desk.early.close(follow))
    assert [line["unknown"] for line in logged] == [2]


def test_the_end_takes_no_longer_than_two_seconds() -> None:
    """A process that stops leaves what it cannot try in time."""

    class Slow(SentMessages):
        """Needs a second for each."""

        async def transition(self, *arguments: Any) -> Any:  # noqa: ANN401
            desk.seconds += 1
            return await super().transition(*arguments)

    desk = Desk(Slow(MemoryAudit()))
    for number in range(5):
        desk.keep(f"SM{number}")
        desk.take(f"SM{number}")
    run(desk.early.close())
    assert sorted(desk.states) == ["SM0", "SM1"]
