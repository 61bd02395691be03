"""
A day of traffic in the form in which the service records it, with an attack in it.

People look up their pass, ask for a code, receive it and type it; some mistype it, and some never
type it. At night an attacker has codes sent to many numbers in one foreign range from a few
addresses, and verifies almost none, which is SMS pumping. Another attacker tries pass codes.
"""

import hashlib
import random
from collections import Counter
from typing import Any, Final

import attrs

from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant, after, day_of

SWEPT_REGION: Final = "LV"
SWEEPERS: Final = ("203.0.113.7", "203.0.113.8", "203.0.113.21")
SCANNER: Final = "198.51.100.66"

AUDIT: Final = (
    *("at", "flow", "purpose", "action", "outcome", "client", "request_id", "pass_code", "contact"),
    *("region", "contact_fingerprint", "range_fingerprint", "sender", "provider_message_id"),
    *("retry_at", "count"),
)
SENDS: Final = (
    *("id", "at", "flow", "purpose", "slot", "contact", "client", "sender"),
    *("provider_message_id", "state", "state_at"),
)
FUNNEL: Final = ("at", "flow", "step", "word", "region", "language", "shard", "count")
SHARD: Final = 99
"""No process counts there."""


def fingerprint(of: str) -> str:
    """Make a fingerprint of the same length as a real one, without a key."""
    return f"k1:{hashlib.sha256(of.encode()).hexdigest()[:32]}"


@attrs.define
class Day:
    """
    The rows of a day that ends at a given instant.

    Attributes:
        numbers: The full numbers to which codes were sent; no page may show one.
        attack: Start and end of the attack, before the day's end; None for a normal day.
    """

    ends: Instant
    seed: int = 1
    people: int = 1200
    attack: tuple[Duration, Duration] | None = (9 * HOUR, 7 * HOUR)
    swept: int = 700
    audit: list[tuple[Any, ...]] = attrs.field(factory=list[tuple[Any, ...]], init=False)
    sends: list[tuple[Any, ...]] = attrs.field(factory=list[tuple[Any, ...]], init=False)
    numbers: list[str] = attrs.field(factory=list[str], init=False)
    steps: Counter[tuple[Any, ...]] = attrs.field(factory=Counter[tuple[Any, ...]], init=False)

    def __attrs_post_init__(self) -> None:
        draw = random.Random(self.seed)  # noqa: S311 - the same every time
        for person in range(self.people):
            self._visit(draw, person)
        if self.attack is not None:
            self._sweep(draw, *self.attack)
        self.audit.sort(key=lambda row: row[0])

    def _visit(self, draw: random.Random, person: int) -> None:
        """Add one visit, a sign-in or a signup; there are more at noon than at night."""
        while True:
            ago = draw.randrange(DAY)
            hour = (self.ends - ago) % DAY / HOUR
            if draw.random() < 0.25 + 0.75 * max(0.0, 1 - abs(hour - 13) / 9):
                break
        at = after(self.ends, -ago)
        who = Who(
            client=f"10.{person % 5}.{person // 250}.{person % 250}",
            flow="pass_login" if draw.random() < 0.7 else "signup",
            number=f"+9198{person:08d}",
            region="IN",
        )
        sender = "twilio" if draw.random() < 0.8 else "vonage"
        for _ in range(1 + (person % 4 == 0)):  # one in five goes no further
            self._step(at, attrs.evolve(who, region=""), "opened")
        if who.flow == "pass_login":
            if draw.random() < 0.05:
                self._row(at, attrs.evolve(who, number=None), "look_up", "pass_not_found")
            self._row(at, who, "look_up", "valid")
        asked = after(at, draw.randrange(2, 20) * SECOND)
        delivered = draw.random() < 0.96
        self._send(draw, asked, who, sender, delivered=delivered)
        if draw.random() < 0.06:
            self._row(after(asked, 9 * SECOND), who, "send", "resend_too_soon")
        if not delivered or draw.random() < 0.1:
            return
        took = int(min(500, draw.lognormvariate(3.2, 0.7)) * SECOND)
        if draw.random() < 0.12:
            self._row(after(asked, took), who, "check", "invalid_otp")
            took += 8 * SECOND
        self._row(after(asked, took), who, "check", "verified")

    def _sweep(self, draw: random.Random, since: Duration, until: Duration) -> None:
        scanner = Who(client=SCANNER, flow="pass_login")
        for place in range(self.swept):
            at = after(self.ends, -since + (since - until) * place // self.swept)
            who = Who(
                client=SWEEPERS[min(int(draw.random() ** 2 * 3), 2)],
                flow="signup",
                number=f"+371284{place // 500}{place * 13 % 10_000:04d}",
                region=SWEPT_REGION,
            )
            self._send(draw, at, who, "twilio", delivered=draw.random() < 0.9)
            if place % 5 == 0:
                self._row(after(at, SECOND), who, "send", "rate_limited", count=9)
            if place % 140 == 0:
                self._row(after(at, MINUTE), who, "check", "verified")
            if place % 8 == 0:
                self._row(after(at, 3 * SECOND), scanner, "look_up", "pass_not_found")

    def _send(
        self, draw: random.Random, at: Instant, who: "Who", sender: str, *, delivered: bool
    ) -> None:
        name, number = f"m{len(self.sends)}", str(who.number)
        self.numbers.append(number)
        arrives = after(at, int(draw.uniform(1, 9 if sender == "twilio" else 22) * SECOND))
        state = ("delivered", arrives) if delivered else ("sent", after(at, SECOND))
        self.sends.append(
            (
                *(name, at, who.flow, who.purpose, f"slot {name}", number, who.client),
                *(sender, name, *state),
            )
        )
        self._row(at, who, "send", "sent", sender=sender, message=name)
        self._step(at, who, "number_entered")
        if delivered:
            self._step(at, who, "delivered")

    def _row(
        self,
        at: Instant,
        who: "Who",
        action: str,
        outcome: str,
        *,
        sender: str | None = None,
        message: str | None = None,
        count: int = 1,
    ) -> None:
        if at >= self.ends:
            return
        self._step(at, who, action, outcome, count)
        if outcome == "verified":
            self._step(at, who, "code_entered")
            self._step(at, who, "handed_over")
        number = who.number
        known = (
            (f"***-***-{number[-4:]}", who.region, fingerprint(number), fingerprint(number[:-4]))
            if number
            else (None, None, None, None)
        )
        request = fingerprint(f"{at} {who.client} {action}")[3:]
        self.audit.append(
            (
                *(at, who.flow, who.purpose, action, outcome, who.client, request),
                "HSP-****-0001" if who.flow == "pass_login" else None,
                *known,
                *(sender, message, None, count),
            )
        )

    def _step(self, at: Instant, who: "Who", step: str, word: str = "", count: int = 1) -> None:
        language = "hi" if len(self.numbers) % 3 == 0 else "en"
        self.steps[day_of(at), who.flow, step, word, who.region or "", language, SHARD] += count


@attrs.frozen(kw_only=True)
class Who:
    """A client of the service."""

    client: str
    flow: str
    number: str | None = None
    region: str | None = None

    @property
    def purpose(self) -> str:
        """The purpose of the requested code."""
        return "signup" if self.flow == "signup" else "phone_verification"


def statements(day: Day) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """Return the statements that insert the rows, with question marks as placeholders."""
    return [
        (_insert("audit", AUDIT), day.audit),
        (_insert("sends", SENDS), day.sends),
        (_insert("funnel", FUNNEL), [(*of, count) for of, count in day.steps.items()]),
    ]


def _insert(table: str, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
