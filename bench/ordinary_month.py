"""
Measure whom the rules refuse in a month in which nobody attacks.

Run it as ``PYTHONPATH=. .venv/bin/python bench/ordinary_month.py [--people N] [--days N]
[--before PATH] [--for-old-apps] [--keep]``. The same month is played twice: with the rules of this
version, and with those of the checkout at PATH, or without the rules that hold strangers back.
People mistype, ask again, use a new device, change networks before they type the code, share an
address with others, and share a number within a family; visitors sign up side by side. Requests
pass through the real routes and rules, and the play moves the clock.

``--for-old-apps`` switches off the two rules that apps must know of: bound guesses and work.
``--keep`` writes ``bench/results/ordinary-month.json``, or ``ordinary-month-old-apps.json``.
"""

# ruff: noqa: INP001, PLR2004, S311, S603, T201 - a script that plays and prints

import argparse
import enum
import json
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any, Final

import attrs
from bench.in_process import (
    SEND,
    SIGNUP_SEND,
    SIGNUP_VERIFY,
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

from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant, after

PATIENCE: Final[Duration] = 10 * MINUTE
"""The longest wait that somebody accepts."""

ASKS: Final = 6
"""How many codes somebody asks for before giving up."""

SWITCHED_OFF: Final = {
    "known_sends_per_day": 0,
    "others_per_network_day": 0,
    "work_seconds": 0,
    "fresh_code_seconds": 0,
    "bind_guesses": False,
}
"""Settings without the rules that hold strangers back."""


FOR_OLD_APPS: Final = {"work_seconds": 0, "bind_guesses": False}
"""Settings without the rules that apps must know of."""


class Means(enum.Enum):
    """What somebody signs in with."""

    CURRENT = "page or current app"
    OLD_APP = "app that knows neither challenges, devices nor work"


class Kind(enum.Enum):
    """How somebody lives."""

    ALONE = "own connection"
    MOVING = "changes networks before typing"
    CARRIER = "shared address of a carrier"
    OFFICE = "shared address of an office"
    FAMILY = "family with one number"
    FAIR = "sign-ups at a fair, from one address"


OF_TWENTY: Final = (
    *(7 * [Kind.ALONE]),
    *(2 * [Kind.MOVING]),
    *(5 * [Kind.CARRIER]),
    *(2 * [Kind.OFFICE]),
    *(4 * [Kind.FAMILY]),
)
"""How each twenty people who sign in live; the last four share a number and a connection."""


@attrs.frozen(kw_only=True)
class Habits:
    """
    How people behave; shares of visits, codes or messages.

    Attributes:
        visits: Of days on which somebody signs in.
        mistypes: Of codes that are mistyped at first.
        lost: Of messages that never arrive.
        impatient: Of messages that somebody does not wait for, so that two arrive.
        new_device: Of visits with a new device, or with a browser that has forgotten everything.
        old_apps: Of people whose app is old.
    """

    visits: float = 0.35
    mistypes: float = 0.08
    lost: float = 0.03
    impatient: float = 0.06
    new_device: float = 0.05
    old_apps: float = 0.15


HABITS: Final = Habits()


@attrs.define
class Visit:
    """
    One visit.

    Attributes:
        succeeded: Whether it ended in a sign-in or a proof.
        refused: The words of refusals, except for mistyped codes.
        worked: Seconds of work that the device did.
        asked: Codes that were sent.
    """

    name: str
    kind: str
    means: str
    succeeded: bool = False
    refused: list[str] = attrs.field(factory=list[str])
    worked: int = 0
    asked: int = 0


@attrs.define(kw_only=True)
class Somebody:
    """
    A person with one phone and one device.

    Attributes:
        number: The number that messages go to.
        home: The address of the usual connection.
        token: The device's token, if it has one.
    """

    kind: Kind
    means: Means
    home: str
    number: str
    pass_code: str = ""
    token: str = ""


@attrs.define
class Month:
    """The state of a play, and what came of it."""

    service: Service
    people: int
    days: int
    visits: list[Visit] = attrs.field(factory=list[Visit])

    def run(self) -> None:
        """Let everybody act, in the order of time."""
        begins = self.service.clock.now()
        courses = [self._customer(who, begins) for who in range(self.people)]
        courses += [self._guest(place, begins) for place in range(self.people // 3)]
        act(self.service, courses, after(begins, (self.days + 1) * DAY))

    @property
    def now(self) -> Instant:
        """The time in the play."""
        return self.service.clock.now()

    def _customer(self, who: int, begins: Instant) -> Course:
        draw = random.Random(who)
        kind = OF_TWENTY[who % 20]
        means = Means.OLD_APP if draw.random() < HABITS.old_apps else Means.CURRENT
        somebody = Somebody(
            kind=kind,
            means=means,
            home=_home(kind, who),
            number=phone_of(who),
            pass_code=pass_of(who),
        )
        for day in range(self.days):
            # The same chances in both plays, whatever came of the visits before.
            chance = random.Random(f"{who} {day}")
            if chance.random() >= HABITS.visits:
                continue
            at = after(begins, day * DAY + _hour(kind, chance))
            yield max(0, at - self.now)
            if chance.random() < HABITS.new_device:
                somebody.token = ""
            yield from self._visit(somebody, f"{who} on {day}", chance)

    def _guest(self, place: int, begins: Instant) -> Course:
        """Sign up once, at one of the fairs: every hundred guests share three hours."""
        chance = random.Random(f"guest {place}")
        fair = place // 100
        at = (fair * 7 % self.days) * DAY + chance.randrange(9 * HOUR, 12 * HOUR)
        yield max(0, after(begins, at) - self.now)
        somebody = Somebody(
            kind=Kind.FAIR,
            means=Means.OLD_APP if chance.random() < HABITS.old_apps else Means.CURRENT,
            home=f"192.0.2.{1 + fair}",
            number=f"+9197{place:08d}",
        )
        yield from self._visit(somebody, f"guest {place}", chance)

    def _visit(self, somebody: Somebody, name: str, chance: random.Random) -> Course:
        visit = Visit(name, somebody.kind.value, somebody.means.value)
        self.visits.append(visit)
        began, session = self.now, dict[str, str]()
        while visit.asked < ASKS:
            answer = yield from self._ask(somebody, session, visit)
            if answer.status == 200:
                visit.asked += 1
                judged = yield from self._type(somebody, session, answer, chance)
                if judged is None:  # no message, or no patience
                    continue
                answer = judged
            if answer.status == 200:
                visit.succeeded = True
                if somebody.means is Means.CURRENT:
                    somebody.token = str(answer.told.get("device_token", ""))
                return
            if answer.word == "invalid_otp":
                continue
            visit.refused.append(answer.word)
            if answer.word in {"otp_expired", "too_many_attempts"}:
                continue
            if answer.wait is None or self.now - began + answer.wait > PATIENCE:
                return
            yield answer.wait + chance.randrange(5) * SECOND

    def _ask(
        self, somebody: Somebody, session: dict[str, str], visit: Visit
    ) -> Generator[Duration, None, Answer]:
        told = _device(somebody)
        if somebody.pass_code:
            path, told["pass_code"] = SEND, somebody.pass_code
        else:
            path, told = SIGNUP_SEND, {**told, **session, "phone": somebody.number}
        answer = self.service.post(path, told, somebody.home)
        while answer.word == "work_required" and somebody.means is Means.CURRENT:
            seconds = int(answer.told["work_seconds"])
            visit.worked += seconds
            yield seconds * SECOND
            answer = self.service.post(path, {**told, "work": solved(answer)}, somebody.home)
        if answer.status == 200 and "session_id" in answer.told:
            session["session_id"] = str(answer.told["session_id"])
        return answer

    def _type(
        self,
        somebody: Somebody,
        session: dict[str, str],
        sent: Answer,
        chance: random.Random,
    ) -> Generator[Duration, None, Answer | None]:
        """Read the message, if it arrives, and type its code."""
        code = self.service.phones.codes_to(somebody.number)[-1]
        comes, fast = chance.random() >= HABITS.lost, chance.random() >= HABITS.impatient
        if not (comes and fast):
            yield chance.randrange(35, 90) * SECOND
            return None
        yield chance.randrange(8, 50) * SECOND
        address = somebody.home
        if somebody.kind is Kind.MOVING:
            address = _elsewhere(chance)
        told, path = _device(somebody), VERIFY if somebody.pass_code else SIGNUP_VERIFY
        told |= {"pass_code": somebody.pass_code} if somebody.pass_code else session
        if somebody.means is Means.CURRENT and somebody.pass_code:
            told["challenge_id"] = str(sent.told["challenge_id"])
        member = "otp" if somebody.pass_code else "otp_code"
        if chance.random() < HABITS.mistypes:
            answer = self.service.post(path, {**told, member: mistyped(code)}, address)
            if answer.word != "invalid_otp":
                return answer
            yield chance.randrange(5, 20) * SECOND
        return self.service.post(path, {**told, member: code}, address)


def phone_of(who: int) -> str:
    """The number of a customer: members of a family have the same one."""
    return number_of(who - who % 4 if OF_TWENTY[who % 20] is Kind.FAMILY else who)


def _home(kind: Kind, who: int) -> str:
    """The address of the usual connection of a customer."""
    if kind is Kind.CARRIER:
        return f"198.18.{who % 5}.1"
    if kind is Kind.OFFICE:
        return "198.19.0.1"
    if kind is Kind.FAMILY:
        who -= who % 4
    return f"100.{64 + (who >> 8)}.{who & 255}.7"


def _elsewhere(chance: random.Random) -> str:
    """An address on another network, as when a phone leaves the house."""
    return f"198.18.{100 + chance.randrange(100)}.{1 + chance.randrange(200)}"


def _hour(kind: Kind, chance: random.Random) -> Duration:
    """The time of the day of a visit: offices sign in when they open, families in the evening."""
    if kind is Kind.OFFICE:
        return chance.randrange(8 * HOUR, 10 * HOUR)
    if kind is Kind.FAMILY:
        return chance.randrange(18 * HOUR, 22 * HOUR)
    return chance.randrange(7 * HOUR, 23 * HOUR)


def _device(somebody: Somebody) -> dict[str, str]:
    return {"device_token": somebody.token} if somebody.token else {}


def played(people: int, days: int, **settings: object) -> list[Visit]:
    """Play a month with a new service."""
    month = Month(InMemory(people, phone_of, **settings), people, days)
    month.run()
    return month.visits


def elsewhere(checkout: Path, people: int, days: int) -> list[Visit]:
    """Play the same month with the service of *checkout*."""
    command = [sys.executable, __file__, "--record", "--people", str(people), "--days", str(days)]
    command += ["--checkout", str(checkout)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return [Visit(**one) for one in json.loads(done.stdout)]


def compared(before: list[Visit], now: list[Visit]) -> list[dict[str, Any]]:
    """Figures of both plays, by kind and means."""
    earlier = {one.name: one for one in before}
    groups: dict[tuple[str, str], list[tuple[Visit, Visit]]] = defaultdict(list)
    for one in now:
        groups[one.kind, one.means].append((earlier[one.name], one))
    return [
        {
            "kind": kind,
            "means": means,
            "visits": len(pairs),
            "succeeded_before": sum(old.succeeded for old, _ in pairs),
            "succeeded_now": sum(new.succeeded for _, new in pairs),
            "lost": _words(new for old, new in pairs if old.succeeded and not new.succeeded),
            "won": _words(old for old, new in pairs if new.succeeded and not old.succeeded),
            "delayed": _words(
                new
                for old, new in pairs
                if old.succeeded and new.succeeded and new.refused and not old.refused
            ),
            "refused_before": dict(Counter(word for old, _ in pairs for word in old.refused)),
            "refused_now": dict(Counter(word for _, new in pairs for word in new.refused)),
            "with_work": sum(new.worked > 0 for _, new in pairs),
            "work_seconds": sum(new.worked for _, new in pairs),
            "sent_before": sum(old.asked for old, _ in pairs),
            "sent_now": sum(new.asked for _, new in pairs),
        }
        for (kind, means), pairs in sorted(groups.items())
    ]


def _words(visits: Iterable[Visit]) -> dict[str, int]:
    """How many *visits* there are, by the first refusal."""
    return dict(Counter(one.refused[0] if one.refused else "gave up" for one in visits))


HEADING: Final = (
    "| who | with | visits | succeeded before | now | lost, and why | won, and why not before"
    " | refused once, then in | with work |\n|" + "---|" * 9
)


def row(found: dict[str, Any]) -> str:
    """A row of the table."""
    words = (
        ", ".join(f"{count} {word}" for word, count in found[name].items()) or "-"
        for name in ("lost", "won", "delayed")
    )
    cells = (found[name] for name in ("kind", "means", "visits"))
    counts = (found["succeeded_before"], found["succeeded_now"])
    told = (*cells, *counts, *words, found["with_work"])
    return "| " + " | ".join(str(cell) for cell in told) + " |"


def main() -> None:
    """Play the month twice, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("--people", type=int, default=240)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--before", type=Path, help="a checkout with the rules to compare with")
    parser.add_argument("--for-old-apps", action="store_true", help="leave two rules out")
    parser.add_argument("--keep", action="store_true", help="write bench/results")
    parser.add_argument("--record", action="store_true", help="print the visits of one play")
    parser.add_argument("--checkout", type=Path, help="of the service, for --record")
    asked = parser.parse_args()
    if asked.checkout:
        check_out(asked.checkout)
    without_log()
    if asked.record:
        json.dump([attrs.asdict(one) for one in played(asked.people, asked.days)], sys.stdout)
        return
    now = played(asked.people, asked.days, **(FOR_OLD_APPS if asked.for_old_apps else {}))
    before = (
        elsewhere(asked.before, asked.people, asked.days)
        if asked.before
        else played(asked.people, asked.days, **SWITCHED_OFF)
    )
    found = compared(before, now)
    print(HEADING)
    for one in found:
        print(row(one))
    if asked.keep:
        told = {"people": asked.people, "days": asked.days, "groups": found}
        name = "ordinary-month-old-apps" if asked.for_old_apps else "ordinary-month"
        path = Path(__file__).parent / "results" / f"{name}.json"
        path.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
