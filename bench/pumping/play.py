"""Play people and an attacker against the rules, with a clock that jumps from ask to ask."""

# ruff: noqa: INP001, PLR2004, S311 - part of a script, with random people

import heapq
import itertools
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Final

import attrs
from bench.pumping.service import CAPS, Answer, Message, Service, is_reproduced
from bench.pumping.world import BEGIN, REGIONS, Attack, Person, Places, Site, people_of

from hsp_otp.domain.guard import GuardPolicy
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant, after
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.prices import DOLLAR, Money

PATIENCE: Final[Duration] = 15 * MINUTE
"""How long somebody who is refused tries again."""

ASKS: Final = 3
"""How often somebody asks to whom no message arrives."""


@attrs.frozen(kw_only=True)
class Outage:
    """For four hours, a share of the messages to a region is lost."""

    region: str = "IN"
    share: float = 0.5
    has_receipts: bool = False

    def is_under_way(self, since: Duration) -> bool:
        """Whether it is, so long after the first day that counts began."""
        return 10 * HOUR <= since < 14 * HOUR


@attrs.frozen(kw_only=True)
class Scene:
    """
    What is played.

    Attributes:
        people: A day, about.
        gives_up: Share of people who have the code and do not enter it.
        before: Days that are played first and do not count.
        days: Days that count.
        launch: People who come in one hour beside the others, from noon of the first day on.
        guarded: Without it, the limits on sends are alone.
        processes: How many serve; each has leases of its own.
        crashes: One of them is killed every hour.
    """

    name: str
    people: int = 10_000
    gives_up: float = 0.03
    before: int = 7
    days: int = 3
    attack: Attack | None = None
    outage: Outage | None = None
    launch: int = 0
    guarded: bool = True
    policy: GuardPolicy = GuardPolicy()
    processes: int = 1
    crashes: bool = False

    @property
    def warm_up(self) -> tuple[object, ...]:
        """What the days that do not count depend on."""
        return (self.people, self.gives_up, self.before, self.guarded, self.policy, self.processes)


@attrs.define
class Spending:
    """Money, and the most of it within any 24 h."""

    total: Money = 0
    most: Money = 0
    _within: Money = 0
    _lately: deque[tuple[Instant, Money]] = attrs.field(factory=deque[tuple[Instant, Money]])

    def add(self, at: Instant, amount: Money) -> None:
        """Add what was spent at an instant, which is none before the last one."""
        while self._lately and self._lately[0][0] <= at - DAY:
            self._within -= self._lately.popleft()[1]
        self._lately.append((at, amount))
        self._within += amount
        self.total += amount
        self.most = max(self.most, self._within)


@attrs.define
class Result:
    """
    What came of a play, in the days that count.

    Attributes:
        refused: People who gave up on a refusal before any message arrived, by what refused them.
        refused_unsent: Those of them to whom no message was sent at all.
        refused_elsewhere: Those of them whose number is in no block that is attacked.
        delayed: People who were refused and got a message when they tried again.
        worked: People whom the guard asked for work.
        verdicts: Verdicts on people's asks whose stored reasons were read again.
        not_reproduced: Those of them that the reasons alone do not lead to.
        attacker: What the attacker's messages cost.
        regions: What all messages cost, by region.
        everything: What all messages cost.
    """

    people: int = 0
    refused: Counter[str] = attrs.field(factory=Counter[str])
    refused_unsent: int = 0
    refused_elsewhere: int = 0
    delayed: int = 0
    worked: int = 0
    verdicts: int = 0
    not_reproduced: int = 0
    attack_asked: int = 0
    attack_sent: int = 0
    attack_work_seconds: int = 0
    attacker: Spending = attrs.field(factory=Spending)
    regions: dict[str, Spending] = attrs.field(
        factory=lambda: {name: Spending() for name in REGIONS}
    )
    everything: Spending = attrs.field(factory=Spending)


class Play:
    """
    A play of a scene.

    `warm_up` plays the days that do not count. Scenes with the same `Scene.warm_up` may go on from
    the same state.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.places = Places()
        self.service = Service(
            scene.policy if scene.guarded else None,
            CAPS,
            leases=[{} for _ in range(scene.processes)],
        )
        self.result = Result()
        self.counts_from = after(BEGIN, scene.before * DAY)
        self._draw = random.Random(9)
        self._order = itertools.count()
        self._coming: list[tuple[Instant, int, Callable[[Instant], None]]] = []
        self._messages: dict[Person, list[Message]] = {}

    def warm_up(self) -> None:
        """Play the days that do not count."""
        for day in range(self.scene.before):
            self._day(day)

    def run(self, scene: Scene) -> Result:
        """Play the days of *scene* that count, after the same `warm_up`."""
        self.scene = scene
        begins, ends = self.counts_from, after(self.counts_from, scene.days * DAY)
        if scene.launch:
            people = people_of(
                self.places,
                5,
                begins=after(begins, 12 * HOUR),
                span=HOUR,
                count=scene.launch,
                gives_up=scene.gives_up,
            )
            self._expect(people)
        if scene.attack is not None:
            self._attack(scene.attack, scene.attack.asks(self.places, begins, ends))
        if scene.crashes:
            for hour in range(scene.days * 24):
                self._at(after(begins, hour * HOUR), self._crash)
        for day in range(scene.before, scene.before + scene.days):
            self._day(day)
        return self.result

    def _day(self, day: int) -> None:
        scene, begins = self.scene, after(BEGIN, day * DAY)
        count = round(random.Random(100_000 + day).gauss(scene.people, scene.people / 20))
        people = people_of(
            self.places,
            1_000 + day,
            begins=begins,
            span=DAY,
            count=count,
            gives_up=scene.gives_up,
        )
        self._expect(people)
        ends = after(begins, DAY)
        while self._coming and self._coming[0][0] < ends:
            now, _, act = heapq.heappop(self._coming)
            act(now)

    def _at(self, at: Instant, act: Callable[[Instant], None]) -> None:
        heapq.heappush(self._coming, (at, next(self._order), act))

    def _process(self) -> int:
        return self._draw.randrange(self.scene.processes)

    def _crash(self, _: Instant) -> None:
        self.service.crash(self._process())

    def _spent(self, message: Message) -> None:
        if message.at >= self.counts_from:
            self.result.regions[message.region].add(message.at, message.price)
            self.result.everything.add(message.at, message.price)

    # People

    def _expect(self, people: list[Person]) -> None:
        for person in people:
            self._at(person.first, lambda now, person=person: self._ask(person, now))  # type: ignore[misc]

    def _ask(self, person: Person, now: Instant) -> None:
        counts = person.first >= self.counts_from
        result = self.result
        result.people += counts and not person.asked
        person.asked += 1
        answer = self.service.ask(person.site, person.address, now, process=self._process())
        if counts and answer.verdict is not None:
            result.verdicts += 1
            result.not_reproduced += not is_reproduced(answer.verdict)
        if answer.message is None:
            self._refused(person, answer, now)
            return
        if counts and answer.level and not person.has_worked:
            person.has_worked = True
            result.worked += 1
        result.delayed += counts and person.was_refused and not person.sent
        person.sent += 1
        self._spent(answer.message)
        self._messages.setdefault(person, []).append(answer.message)
        if not self._arrives(person, answer.message, now):
            if person.sent < ASKS:
                wait = int((45 + 60 * person.draws[1]) * SECOND)
                self._at(after(now, wait), lambda then: self._ask(person, then))
            else:
                self._messages.pop(person)
        elif person.gives_up:
            self._messages.pop(person)
        else:
            wait = int(min(280, math.exp(3.2 + 0.8 * (person.draws[0] * 4 - 2))) * SECOND)
            self._at(after(now, wait), lambda then: self._verify(person, then))

    def _refused(self, person: Person, answer: Answer, now: Instant) -> None:
        person.was_refused = True
        if now - person.first < PATIENCE:
            wait = 150 * SECOND + int(person.draws[2] * MINUTE)
            self._at(after(now, wait), lambda then: self._ask(person, then))
            return
        self._messages.pop(person, None)
        if person.first >= self.counts_from:
            self.result.refused[answer.group] += 1
            self.result.refused_unsent += not person.sent
            attack = self.scene.attack
            is_attacked = (
                attack is not None
                and person.site.region == attack.region
                and (not attack.blocks or person.site.block in attack.blocks)
            )
            self.result.refused_elsewhere += not is_attacked

    def _arrives(self, person: Person, message: Message, now: Instant) -> bool:
        outage = self.scene.outage
        if (
            outage is not None
            and person.site.region == outage.region
            and outage.is_under_way(now - self.counts_from)
            and person.draws[(person.sent + 5) % 12] < outage.share
        ):
            if outage.has_receipts:
                self.service.forgive(message, now)
                self._messages[person].remove(message)
            return False
        return person.is_reachable and person.draws[person.sent % 12] > 0.03

    def _verify(self, person: Person, now: Instant) -> None:
        self.service.pay(self._messages.pop(person), now)

    # The attacker

    def _attack(self, attack: Attack, asks: Iterator[tuple[Instant, Site, ClientAddress]]) -> None:
        """Act on the next ask, and expect the one after it."""
        found = next(asks, None)
        if found is None:
            return
        at, site, client = found

        def act(now: Instant) -> None:
            result = self.result
            answer = self.service.ask(site, client, now, flow=attack.flow, process=self._process())
            result.attack_asked += 1
            if answer.message is not None:
                result.attack_sent += 1
                result.attack_work_seconds += 2 ** (answer.level - 1) if answer.level else 0
                result.attacker.add(now, answer.message.price)
                self._spent(answer.message)
                if self._draw.random() < attack.verifies:
                    messages = [answer.message]
                    self._at(after(now, 20 * SECOND), lambda then: self.service.pay(messages, then))
            self._attack(attack, asks)

        self._at(at, act)


def play(scene: Scene) -> Result:
    """Play a whole scene."""
    one = Play(scene)
    one.warm_up()
    return one.run(scene)


def dollars(amount: Money) -> float:
    """*amount* in dollars, rounded to cents."""
    return round(amount / DOLLAR, 2)
