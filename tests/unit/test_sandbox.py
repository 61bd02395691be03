"""The sandbox of development mode: docs/contract.md, 12."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest

from hsp_otp.adapters.sandbox import FURTHEST, FileOutbox, RecordedSenders, SharedClock
from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.instant import DAY, MINUTE, SECOND, after
from hsp_otp.domain.names import ENGLISH
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.entrypoints.services import Sandbox
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.sandbox import SentMessage
from hsp_otp.ports.sender import Call, Sms
from tests.http import Client
from tests.world import OTHER_PHONE, PHONE, START, ManualClock, run
from tests.world import Outbox as Provider

OUTBOX = "/dev/outbox/"
CLOCK = "/dev/clock/"


def message(number: int = 0, to: str = PHONE) -> SentMessage:
    """The message that was sent so many seconds after the start."""
    return SentMessage(
        at=after(START, number * SECOND),
        to=to,
        channel=Channel.SMS,
        text=f"{number:06d} is your code.",
        code=f"{number:06d}",
    )


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """What a test opens is closed at its end."""
    with ExitStack() as stack:
        yield stack


def clock_in(opened: ExitStack, folder: Path, real: ManualClock | None = None) -> SharedClock:
    """A worker's clock."""
    clock = SharedClock(folder / "clock", real or ManualClock())
    opened.callback(clock.close)
    return clock


def outbox_in(opened: ExitStack, folder: Path) -> FileOutbox:
    """A worker's outbox."""
    outbox = FileOutbox(folder / "outbox")
    opened.callback(outbox.close)
    return outbox


# --- The clock


def test_a_clock_that_nobody_has_turned(opened: ExitStack, tmp_path: Path) -> None:
    """It shows the real time, and goes on with it."""
    real = ManualClock()
    clock = clock_in(opened, tmp_path, real)
    assert clock.now() == START
    real.advance(SECOND)
    assert clock.now() == after(START, SECOND)


def test_all_workers_see_that_the_clock_was_turned(opened: ExitStack, tmp_path: Path) -> None:
    """Turns add up, and hold for whoever looks next and for those that start later."""
    one, other = clock_in(opened, tmp_path), clock_in(opened, tmp_path)
    assert one.advance(11 * MINUTE)
    assert other.now() == after(START, 11 * MINUTE)
    assert other.advance(DAY)
    assert other.advance(0)
    assert [one.now(), clock_in(opened, tmp_path).now()] == [after(START, DAY + 11 * MINUTE)] * 2


def test_a_clock_is_not_turned_without_end(opened: ExitStack, tmp_path: Path) -> None:
    """It can be a hundred years ahead, and not a microsecond more."""
    clock = clock_in(opened, tmp_path)
    assert clock.advance(FURTHEST)
    assert not clock.advance(1)
    assert clock.now() == after(START, FURTHEST)


def test_the_files_are_their_owners_alone(opened: ExitStack, tmp_path: Path) -> None:
    """Nobody else on the machine reads the codes."""
    clock_in(opened, tmp_path)
    outbox_in(opened, tmp_path)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


# --- The outbox


def test_the_newest_message_is_the_first(opened: ExitStack, tmp_path: Path) -> None:
    """Every worker sees the messages of all workers."""
    one, other = outbox_in(opened, tmp_path), outbox_in(opened, tmp_path)
    assert one.messages() == []
    one.add(message(1))
    other.add(message(2))
    assert one.messages() == other.messages() == [message(2), message(1)]
    one.clear()
    assert other.messages() == []
    other.add(message(3))
    assert one.messages() == [message(3)]


def test_the_last_hundred_messages_are_kept(opened: ExitStack, tmp_path: Path) -> None:
    """Older ones are gone, at last from the file as well."""
    outbox = outbox_in(opened, tmp_path)
    for number in range(3000):
        outbox.add(message(number))
    assert outbox.messages() == [message(number) for number in range(2999, 2899, -1)]
    assert (tmp_path / "outbox").stat().st_size < 300 * 1024
    assert b'"code":"000000"' not in (tmp_path / "outbox").read_bytes()


def test_a_message_does_not_show_its_code() -> None:
    """Neither the code nor the number is in its `repr`."""
    assert repr(message(123456)) == f"SentMessage(at={message(123456).at}, channel={Channel.SMS!r})"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("012345 is your Shop code, valid for 10 minutes.", "012345"),
        ("Shop 24: 0123 is the code.\n@1234.example.com #0123", "0123"),
        ("Your code is 0123456789.", "0123456789"),
        ("No code.", ""),
    ],
)
def test_a_message_that_was_taken_is_recorded(
    text: str, code: str, opened: ExitStack, tmp_path: Path
) -> None:
    """With its code, the number and the time of the shared clock."""
    provider, outbox = Provider(), outbox_in(opened, tmp_path)
    clock = ManualClock(after(START, DAY))
    sender = RecordedSenders(senders=provider, channel=Channel.SMS, outbox=outbox, clock=clock)
    to = Contact.of_phone(PhoneNumber(PHONE))
    sent = Sms(to=to, text=text, useful_for=MINUTE)
    assert sender.available()
    assert run(sender.send(sent)).sender == "outbox"
    assert provider.sent == [sent]
    (found,) = outbox.messages()
    assert found == SentMessage(
        at=after(START, DAY), to=PHONE, channel=Channel.SMS, text=text, code=code
    )


def test_a_call_is_recorded(opened: ExitStack, tmp_path: Path) -> None:
    """With the code in one piece, although its digits are said one by one."""
    outbox = outbox_in(opened, tmp_path)
    sender = RecordedSenders(
        senders=Provider(), channel=Channel.VOICE, outbox=outbox, clock=ManualClock()
    )
    call = Call(
        id="c1",
        to=Contact.stored(PHONE),
        code="0123",
        language=ENGLISH,
        service_name="Shop 2024",
        useful_for=MINUTE,
    )
    run(sender.send(call))
    (found,) = outbox.messages()
    assert (found.channel, found.code) == (Channel.VOICE, "0123")
    assert found.text == "Your Shop 2024 code is 0, 1, 2, 3."


def test_a_message_that_nobody_took_is_not_recorded(opened: ExitStack, tmp_path: Path) -> None:
    """The failure passes through, and so does whether the sender would try at all."""
    provider, outbox = (
        Provider(failure=SendFailed("away"), skipped=True),
        outbox_in(opened, tmp_path),
    )
    sender = RecordedSenders(
        senders=provider, channel=Channel.SMS, outbox=outbox, clock=ManualClock()
    )
    assert not sender.available()
    with pytest.raises(SendFailed):
        run(sender.send(Sms(to=Contact.stored(PHONE), text="1234", useful_for=MINUTE)))
    assert outbox.messages() == []


# --- The routes


@attrs.frozen
class Bench:
    """A client of a service with a sandbox."""

    client: Client
    outbox: FileOutbox

    def turn(self, members: object) -> tuple[int, object]:
        """Turn the clock; the status, and the time or the word."""
        reply = self.client.post(CLOCK, members)
        return reply.status, reply.json.get("now") or reply.json["error"]

    def listed(self, query: str = "") -> list[str]:
        """The codes of the listed messages."""
        reply = self.client.request("GET", OUTBOX, query=query)
        assert reply.status == 200
        return [one["code"] for one in reply.json["messages"]]


@pytest.fixture
def bench(opened: ExitStack, tmp_path: Path) -> Bench:
    """A sandbox whose clock stands still until it is turned."""
    outbox = outbox_in(opened, tmp_path)
    sandbox = Sandbox(outbox=outbox, clock=clock_in(opened, tmp_path))
    return Bench(Client(sandbox=sandbox, mode="development"), outbox)


def test_the_outbox_lists_messages(bench: Bench) -> None:
    """Each with its time, number, channel, text and code, the newest first."""
    bench.outbox.add(message(1))
    bench.outbox.add(message(2, OTHER_PHONE))
    reply = bench.client.request("GET", OUTBOX)
    assert reply.status == 200
    assert reply.json == {
        "messages": [
            {
                "at": "2026-01-01T00:00:02Z",
                "to": "+919812345678",
                "channel": "sms",
                "text": "000002 is your code.",
                "code": "000002",
            },
            {
                "at": "2026-01-01T00:00:01Z",
                "to": "+919876543210",
                "channel": "sms",
                "text": "000001 is your code.",
                "code": "000001",
            },
        ]
    }


@pytest.mark.parametrize(
    "query",
    [
        *("to=%2B919876543210", "to=+919876543210", "to=9876543210", "to=%20%2B91%2098765-43210"),
        *("to=%2B919876543210&x=1",),
    ],
)
def test_the_outbox_of_one_number(query: str, bench: Bench) -> None:
    """Any spelling of the number finds its messages, and no others."""
    for number, to in enumerate((PHONE, OTHER_PHONE, PHONE)):
        bench.outbox.add(message(number, to))
    assert bench.listed(query) == ["000002", "000000"]
    assert bench.listed("to=") == bench.listed() == ["000002", "000001", "000000"]


def test_what_is_no_number(bench: Bench) -> None:
    """It is refused, so that a mistake in a test does not look like a message that is missing."""
    for query in ("to=shop", "to=%00", "to=%FF", "to=%2B91987654321%ED%A0%80", "to=12"):
        reply = bench.client.request("GET", OUTBOX, query=query)
        assert (reply.status, reply.json["error"]) == (400, "invalid_phone")


def test_the_outbox_is_emptied(bench: Bench) -> None:
    """The answer is the empty outbox, and emptying it again changes nothing."""
    bench.outbox.add(message())
    for _ in range(2):
        reply = bench.client.request("DELETE", OUTBOX)
        assert (reply.status, reply.json) == (200, {"messages": []})
        assert bench.listed() == []


def test_the_clock_is_turned_forward(bench: Bench) -> None:
    """The answer is the new time; 0 asks for it alone."""
    assert bench.turn({"advance_seconds": 660}) == (200, "2026-01-01T00:11:00Z")
    assert bench.turn({"advance_seconds": 0}) == (200, "2026-01-01T00:11:00Z")
    assert bench.turn({"advance_seconds": 366 * 86_400}) == (200, "2027-01-02T00:11:00Z")


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({}, "missing_fields"),
        ({"advance_seconds": None}, "missing_fields"),
        ({"advance_seconds": -1}, "malformed_request"),
        ({"advance_seconds": 366 * 86_400 + 1}, "malformed_request"),
        ({"advance_seconds": 10**30}, "malformed_request"),
        ({"advance_seconds": 1.5}, "malformed_request"),
        ({"advance_seconds": "60"}, "malformed_request"),
        ({"advance_seconds": True}, "malformed_request"),
        ([], "malformed_request"),
    ],
)
def test_a_clock_that_is_not_turned(members: object, word: str, bench: Bench) -> None:
    """Never back, and by whole seconds of at most 366 days."""
    assert bench.turn(members) == (400, word)
    assert bench.turn({"advance_seconds": 0}) == (200, "2026-01-01T00:00:00Z")


def test_a_clock_that_is_far_ahead(bench: Bench) -> None:
    """After a hundred years the clock is not turned any further."""
    for _ in range(100):
        assert bench.turn({"advance_seconds": 366 * 86_400})[0] == 200
    assert bench.turn({"advance_seconds": 1}) == (400, "malformed_request")


def test_production_has_no_sandbox() -> None:
    """Its paths are unknown there."""
    client = Client()
    for method, path in (("GET", OUTBOX), ("DELETE", OUTBOX), ("POST", CLOCK)):
        reply = client.request(method, path)
        assert (reply.status, reply.json["error"]) == (404, "not_found")
