"""
Measure how many owners sign in while vandals try to lock them out.

Run it as ``PYTHONPATH=. .venv/bin/python bench/lockout.py [--owners N] [--days N]
[--store STORE] [--checkout PATH] [--keep NAME]``. Every owner has a vandal of their own, who knows
the pass code and asks for codes, guesses, or both, from a number of networks at once. Half of the
owners use a device that signed in before the attack, the others a new device every day. Requests
pass through the real routes and rules, and the play moves the clock. STORE is memory or sqlite,
which takes several times as long and comes to the same results.

``--checkout`` plays against another version of the service, which need not know devices and work.
``--keep`` writes ``bench/results/lockout-NAME.json``.
"""

# ruff: noqa: INP001, PLR2004, S311, T201 - a script that plays and prints

import argparse
import enum
import itertools
import json
import random
import statistics
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
from bench.in_process import (
    SEND,
    VERIFY,
    Answer,
    Course,
    InMemory,
    Service,
    act,
    check_out,
    mistyped,
    number_of,
    pass_of,
    solved,
    without_log,
)
from bench.over_sqlite import OverSqlite

from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant, after

NETWORKS: Final = (1, 2, 3, 10, 100)

PATIENCE: Final[Duration] = 10 * MINUTE
"""How long an owner waits at one sitting."""

LATER: Final[Duration] = 12 * HOUR
"""The longest wait after which an owner comes back on the same day."""

SITTINGS: Final = 3
"""How often an owner tries on one day."""

ASKS: Final = 6
"""How many codes an owner asks for at one sitting."""

MISTYPES: Final = 0.05
"""The share of codes that an owner mistypes at first."""

ADDRESSES: Final = 50
"""How many addresses a vandal uses in each network."""

Sitting: TypeAlias = Generator[Duration, None, Duration | None]
"""A course that ends with a wait that is too long to sit through, or with None."""


class Attack(enum.Enum):
    """What vandals do."""

    SENDS = "sends"
    GUESSES = "guesses"
    BOTH = "both"


@attrs.frozen(kw_only=True)
class Scene:
    """
    What is played.

    Attributes:
        owners: Every second one has a known device.
        networks: How many each vandal has.
        works: Whether vandals do the work that they are asked for.
    """

    owners: int
    days: int
    networks: int
    attack: Attack
    works: bool = True


@attrs.define(kw_only=True)
class Visit:
    """
    An owner's attempt to sign in on one day.

    Attributes:
        day: The number of days that the attack had lasted before.
        refused: The words of their requests that were refused, except for mistyped codes.
        took: From the first request to the sign-in; None if they gave up for the day.
        worked: Seconds of work that their device did.
    """

    day: int
    is_known: bool
    began: Instant
    refused: list[str] = attrs.field(factory=list[str])
    took: Duration | None = None
    worked: int = 0


@attrs.define
class Vandal:
    """
    Somebody who attacks one owner from several networks.

    Attributes:
        free_at: When each network may ask again, as far as the vandal was told.
        asked_at: When each network last got a code.
        worked: Seconds of work.
    """

    free_at: list[Instant]
    asked_at: list[Instant]
    waits_until: Instant = Instant(0)
    worked: int = 0

    def hear(self, network: int, answer: Answer, now: Instant) -> None:
        """Learn from a refusal how long to wait."""
        until = after(now, DAY if answer.wait is None else answer.wait)
        if answer.word == "work_required":
            self.waits_until = after(now, 4 * HOUR)
        elif answer.word in {"resend_too_soon", "locked_out"}:
            self.waits_until = until
        else:
            self.free_at[network] = until
            # A network that got no code today is refused because of all the others.
            if answer.word == "phone_rate_limited" and self.asked_at[network] <= now - DAY:
                self.waits_until = until


@attrs.define
class Play:
    """The state of a play, and what came of it."""

    scene: Scene
    service: Service
    draw: random.Random = attrs.field(factory=lambda: random.Random(5))
    tokens: dict[int, str] = attrs.field(factory=dict[int, str])
    visits: list[Visit] = attrs.field(factory=list[Visit])
    vandals: list[Vandal] = attrs.field(factory=list[Vandal])

    def run(self) -> None:
        """Let everybody act, in the order of time."""
        scene, begins = self.scene, self.service.clock.now()
        for owner in range(0, scene.owners, 2):
            self._make_known(owner)
        courses = [self._owner(who, begins) for who in range(scene.owners)]
        courses += [self._vandal(who) for who in range(scene.owners)]
        act(self.service, courses, after(begins, (scene.days + 1) * DAY))

    @property
    def now(self) -> Instant:
        """The time in the play."""
        return self.service.clock.now()

    # Owners

    def _make_known(self, owner: int) -> None:
        code = pass_of(owner)
        self.service.post(SEND, {"pass_code": code}, _home(owner, 0))
        told = {"pass_code": code, "otp": self.service.phones.codes_to(number_of(owner))[-1]}
        answer = self.service.post(VERIFY, told, _home(owner, 0))
        self.tokens[owner] = str(answer.told.get("device_token", ""))

    def _owner(self, owner: int, begins: Instant) -> Course:
        for day in range(1, self.scene.days + 1):
            at = after(begins, day * DAY + self.draw.randrange(DAY))
            yield max(0, at - self.now)
            visit = Visit(day=day, is_known=owner in self.tokens, began=self.now)
            self.visits.append(visit)
            for _ in range(SITTINGS):
                wait = yield from self._sit(owner, visit)
                if visit.took is not None or wait is None or wait > LATER:
                    break
                yield wait + self.draw.randrange(10 * MINUTE)

    def _sit(self, owner: int, visit: Visit) -> Sitting:
        began, address = self.now, _home(owner, 0 if visit.is_known else visit.day)
        token = self.tokens.get(owner, "")
        device = {"device_token": token} if token else {}
        for _ in range(ASKS):
            answer = yield from self._ask(owner, device, address, visit)
            if answer.status == 200:
                answer = yield from self._type(owner, device, address, answer)
            if answer.status == 200:
                visit.took = self.now - visit.began
                if visit.is_known:
                    self.tokens[owner] = str(answer.told.get("device_token", ""))
                return None
            visit.refused.append(answer.word)
            if answer.word in {"otp_expired", "too_many_attempts", "invalid_otp"}:
                continue
            if answer.wait is None:
                return None
            if self.now - began + answer.wait > PATIENCE:
                return answer.wait
            yield answer.wait + SECOND * self.draw.randrange(5)
        return PATIENCE

    def _ask(
        self, owner: int, device: dict[str, str], address: str, visit: Visit
    ) -> Generator[Duration, None, Answer]:
        told = {"pass_code": pass_of(owner), **device}
        answer = self.service.post(SEND, told, address)
        while answer.word == "work_required":
            seconds = int(answer.told["work_seconds"])
            visit.worked += seconds
            yield seconds * SECOND
            answer = self.service.post(SEND, {**told, "work": solved(answer)}, address)
        return answer

    def _type(
        self, owner: int, device: dict[str, str], address: str, sent: Answer
    ) -> Generator[Duration, None, Answer]:
        """Read the message and type its code; the newest one first, if there are several."""
        number, told = number_of(owner), {"pass_code": pass_of(owner), **device}
        earlier = len(self.service.phones.codes_to(number)) - 1
        if owner % 4 < 2:  # an app, which knows the challenge; the others use the page
            told["challenge_id"] = str(sent.told["challenge_id"])
        yield self.draw.randrange(8, 45) * SECOND
        codes = self.service.phones.codes_to(number)[earlier:][::-1]
        if self.draw.random() < MISTYPES:
            codes.insert(0, mistyped(codes[0]))
        answer = sent
        for code in codes:
            answer = self.service.post(VERIFY, {**told, "otp": code}, address)
            if answer.word != "invalid_otp":
                break
            yield self.draw.randrange(5, 15) * SECOND
        return answer

    # Vandals

    def _vandal(self, owner: int) -> Course:
        networks = self.scene.networks
        vandal = Vandal([Instant(0)] * networks, [Instant(0)] * networks)
        self.vandals.append(vandal)
        yield self.draw.randrange(HOUR)
        while True:
            ready = max(vandal.waits_until, min(vandal.free_at))
            if ready > self.now:
                yield ready - self.now
                continue
            free = [one for one in range(networks) if vandal.free_at[one] <= self.now]
            network = min(free, key=vandal.asked_at.__getitem__)
            if self.scene.attack is Attack.GUESSES:
                self._guess(owner, vandal, network, None)
            answer = self._demand(owner, vandal, network)
            if answer.status != 200:
                vandal.hear(network, answer, self.now)
                continue
            vandal.asked_at[network] = self.now
            pause = int(answer.told.get("resend_in", 30)) * SECOND
            if pause <= 2 * MINUTE:
                vandal.waits_until = after(self.now, pause)
            else:
                vandal.free_at[network] = after(self.now, pause)
            if self.scene.attack is Attack.GUESSES:
                vandal.waits_until = after(self.now, HOUR)
            if self.scene.attack is not Attack.SENDS:
                self._guess(owner, vandal, network, str(answer.told["challenge_id"]))

    def _demand(self, owner: int, vandal: Vandal, network: int) -> Answer:
        told, address = {"pass_code": pass_of(owner)}, self._address(owner, network)
        answer = self.service.post(SEND, told, address)
        if answer.word == "work_required" and self.scene.works:
            vandal.worked += int(answer.told["work_seconds"])
            answer = self.service.post(SEND, {**told, "work": solved(answer)}, address)
        return answer

    def _guess(self, owner: int, vandal: Vandal, network: int, challenge: str | None) -> None:
        """Guess until the code is exhausted, wrongly: a right guess is one in a million."""
        received = self.service.phones.codes_to(number_of(owner))
        told = {
            "pass_code": pass_of(owner),
            "otp": mistyped(received[-1] if received else "000000"),
        }
        if challenge is not None:
            told["challenge_id"] = challenge
        while True:
            answer = self.service.post(VERIFY, told, self._address(owner, network))
            if answer.word == "locked_out":
                vandal.hear(network, answer, self.now)
            if answer.word != "invalid_otp":
                return

    def _address(self, owner: int, network: int) -> str:
        """An address of a vandal; each vandal has networks that nobody else uses."""
        place = owner * self.scene.networks + network
        return f"{11 + (place >> 16)}.{place >> 8 & 255}.{place & 255}.{self._one_of(ADDRESSES)}"

    def _one_of(self, count: int) -> int:
        return 1 + self.draw.randrange(count)


def _home(owner: int, day: int) -> str:
    """The address of an owner, in another network each day with a new device."""
    return f"100.{64 + owner // 250 + 8 * (day % 7)}.{owner % 250}.{1 + day % 250}"


def play(scene: Scene, make: Callable[[int], Service] = InMemory) -> Play:
    """Play *scene* with a new service."""
    played = Play(scene, make(scene.owners))
    played.run()
    return played


def play_over_sqlite(scene: Scene) -> Play:
    """Play *scene* with the application as it is served, over a new database."""
    with OverSqlite(scene.owners) as service:
        played = Play(scene, service)
        played.run()
        return played


def results(played: Play) -> dict[str, Any]:
    """What came of a play, as figures."""
    scene = played.scene
    person_days = scene.owners * (scene.days + 1)
    known = [one for one in played.visits if one.is_known]
    new = [one for one in played.visits if not one.is_known]
    return {
        "networks": scene.networks,
        "attack": scene.attack.value,
        "works": scene.works,
        "known": shares(known),
        "new": shares(new),
        "new_by_day": [
            shares([one for one in new if one.day == day])["in_a_day"]
            for day in range(1, scene.days + 1)
        ],
        "refusals_of_new": dict(Counter(one.refused[0] for one in new if one.refused)),
        "refusals_of_known": dict(Counter(one.refused[0] for one in known if one.refused)),
        "work_seconds_of_new": statistics.mean(one.worked for one in new),
        "messages": round(played.service.phones.count / person_days, 2),
        "work_seconds_of_vandals": round(
            sum(one.worked for one in played.vandals) / person_days, 1
        ),
    }


def shares(visits: Sequence[Visit]) -> dict[str, float]:
    """The shares of *visits* that ended in a sign-in, by how long it took."""
    count = len(visits)
    took = [one.took for one in visits if one.took is not None]
    return {
        "at_once": sum(one.took is not None and not one.refused for one in visits) / count,
        "in_10_minutes": sum(one <= 10 * MINUTE for one in took) / count,
        "in_a_day": len(took) / count,
    }


HEADING: Final = (
    "| networks | attack | work | known devices: at once | new devices: at once | in 10 minutes"
    " | in the day | on the last day | messages a day |\n|" + "---|" * 9
)


def row(found: dict[str, Any]) -> str:
    """A row of the table."""
    known, new = found["known"], found["new"]
    work = "done" if found["works"] else "not done"
    percents = [known["at_once"], new["at_once"], new["in_10_minutes"], new["in_a_day"]]
    percents.append(found["new_by_day"][-1])
    cells = [found["networks"], found["attack"], work, *(f"{one:.0%}" for one in percents)]
    return "| " + " | ".join(str(cell) for cell in (*cells, found["messages"])) + " |"


def main() -> None:
    """Play all scenes, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("--owners", type=int, default=200)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--networks", default=",".join(map(str, NETWORKS)), help="with commas")
    parser.add_argument("--store", choices=("memory", "sqlite"), default="memory")
    parser.add_argument("--checkout", type=Path, help="of the service, if it is not this one")
    parser.add_argument("--keep", default="", help="a name for the results")
    asked = parser.parse_args()
    if asked.checkout:
        check_out(asked.checkout)
    without_log()
    print(HEADING)
    found = list[dict[str, Any]]()
    counts = [int(one) for one in asked.networks.split(",")]
    for networks, attack, works in itertools.product(counts, Attack, (True, False)):
        if not works and not found[-1]["work_seconds_of_vandals"]:
            continue  # nobody was asked for work, so this scene would be the last one again
        scene = Scene(
            owners=asked.owners, days=asked.days, networks=networks, attack=attack, works=works
        )
        found.append(results(play_over_sqlite(scene) if asked.store == "sqlite" else play(scene)))
        print(row(found[-1]), flush=True)
    if asked.keep:
        path = Path(__file__).parent / "results" / f"lockout-{asked.keep}.json"
        told = {"owners": asked.owners, "days": asked.days, "scenes": found}
        path.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
