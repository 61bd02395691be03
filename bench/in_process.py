"""
The service in one process, for benchmarks that play days and months in minutes.

Requests pass through the real routes, flows and rules. A play moves the clock, reads the messages,
and gives each request the address that it comes from. The stores are the tests' stores in memory,
or those of the real application over SQLite.
"""

# ruff: noqa: INP001, PLR2004, S101 - part of scripts

import heapq
import itertools
import logging
import os
import re
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, cast

import attrs
import structlog
from tests.http import Client
from tests.world import ManualClock, World

import hsp_otp
from hsp_otp.domain.instant import SECOND, Duration, Instant, after
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt

SEND: Final = "/customer/send-otp/"
VERIFY: Final = "/customer/verify-otp/"
SIGNUP_SEND: Final = "/users/api/send-otp/"
SIGNUP_VERIFY: Final = "/users/api/verify-otp/"

Course: TypeAlias = Generator[Duration]
"""What somebody does. Each value is how long they wait before they continue."""

_DIGITS: Final = re.compile(r"\d{6}")


def without_log() -> None:
    """Log failures only."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def pass_of(person: int) -> str:
    """The pass code of a person."""
    return f"HSP-{person // 10_000:04d}-{person % 10_000:04d}"


def number_of(person: int) -> str:
    """The number of a person; consecutive people have numbers in different ranges."""
    return "+9198" + f"{person:08d}"[::-1]


def check_out(path: Path) -> None:
    """Start this script again with the service and the tests of the checkout at *path*."""
    root = path.resolve()
    if Path(hsp_otp.__file__).resolve().is_relative_to(root / "src"):
        return
    if "BENCH_CHECKOUT" in os.environ:
        raise SystemExit(f"{root} is no checkout of the service")
    own = Path(__file__).resolve().parent.parent
    searched = os.pathsep.join(str(one) for one in (root, root / "src", own))
    told = os.environ | {"PYTHONPATH": searched, "BENCH_CHECKOUT": str(root)}
    os.execve(sys.executable, [sys.executable, *sys.argv], told)  # noqa: S606 - this very script


@attrs.define
class Phones:
    """
    A sender that delivers every message at once.

    Attributes:
        received: The codes in the messages to each number, oldest first.
        count: How many messages were sent.
        sent: Always empty, and so is `codes`: the tests' client looks for them in its answers.
    """

    received: dict[str, list[str]] = attrs.field(factory=dict[str, list[str]])
    count: int = 0
    sent: tuple[Message, ...] = ()
    codes: tuple[str, ...] = ()

    def codes_to(self, number: str) -> list[str]:
        """The codes in the messages to *number*, oldest first."""
        return self.received.get(number, [])

    def available(self, names: Sequence[str] = ()) -> bool:
        """Keep the promise of `Senders.available`."""
        return not names

    async def send(
        self, message: Message, within: Duration = SEND_WITHIN, names: Sequence[str] = ()
    ) -> Receipt:
        """Keep the promise of `Senders.send`."""
        assert within > 0
        assert not names
        (code,) = _DIGITS.findall(message.text)
        self.received.setdefault(message.to.value, []).append(code)
        self.count += 1
        return Receipt(sender="outbox", provider_message_id=f"message-{self.count}")


@attrs.frozen
class Answer:
    """
    An answer.

    Attributes:
        status: 200 is a success.
        told: The parsed body.
    """

    status: int
    told: Mapping[str, Any]

    @property
    def word(self) -> str:
        """The error word, or an empty text."""
        return str(self.told.get("error", ""))

    @property
    def wait(self) -> Duration | None:
        """How long to wait before the same request, if the answer says so."""
        seconds = self.told.get("retry_after_seconds")
        return None if seconds is None else int(seconds) * SECOND


class Service(Protocol):
    """The service, as plays use it."""

    @property
    def clock(self) -> ManualClock:
        """The clock, which only the play moves."""
        ...

    @property
    def phones(self) -> Phones:
        """Where messages arrive."""
        ...

    def post(self, path: str, members: Mapping[str, str], address: str) -> Answer:
        """Make a request from *address*."""
        ...


def act(service: Service, courses: Iterable[Course], ends: Instant) -> None:
    """Let everybody act, in the order of time, until *ends*."""
    order = itertools.count()
    begins = service.clock.now()
    waiting = [(begins, next(order), course) for course in courses]
    while waiting and waiting[0][0] < ends:
        now, _, course = heapq.heappop(waiting)
        service.clock.instant = now
        wait = next(course, None)
        if wait is not None:
            heapq.heappush(waiting, (after(now, wait), next(order), course))


def solved(answer: Answer) -> str:
    """The solution of the work that an answer asks for: the tests' work contains it."""
    return str(answer.told["work"]["parameters"]["solution"])


def mistyped(code: str) -> str:
    """A code other than *code*."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


class InMemory:
    """The routes over the tests' world."""

    def __init__(
        self,
        people: int,
        number: Callable[[int], str] = number_of,
        **settings: Any,  # noqa: ANN401 - of every kind
    ) -> None:
        """
        Store the passes of *people*.

        Args:
            number: The number of each person.
        """
        self.clock, self.phones = ManualClock(), Phones()
        self._world = World(clock=self.clock, outbox=cast("Any", self.phones))
        self._client = Client(self._world, **settings)
        for person in range(people):
            self._world.add(pass_of(person), user=f"u{person}", phone=number(person))

    def post(self, path: str, members: Mapping[str, str], address: str) -> Answer:
        """Make a request from *address*."""
        reply = self._client.post(path, members, client=address)
        # Plays last for months, and none of them reads the audit.
        audit = self._world.audit
        for rows in (audit.rows, audit.sends, audit.handed_over):
            rows.clear()
        assert reply.status < 500, reply
        return Answer(reply.status, reply.json)
