"""
Generate the reference pages in docs/ from the code: the settings and the life of a code.

Run it as ``.venv/bin/python script/references.py``. With ``--check`` it writes nothing, and fails
if a page is out of date.
"""

# ruff: noqa: INP001, T201 - a script that prints

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from hsp_otp.domain.challenge import ask, check, code_of, lock, unlock, withdraw
from hsp_otp.domain.challenge_outcomes import Issued
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.instant import DAY, Instant, after
from hsp_otp.domain.keys import Key, KeyRing
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Flow, Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.quota import Quota, Refusal
from hsp_otp.domain.slot_record import Drawn, Ended, Held, Presented, Request, SlotRecord
from hsp_otp.entrypoints.settings.load import described

DOCS = Path(__file__).parents[1] / "docs"

POLICY = Policy(cooldown=0, contact_sends=Quota(0, DAY), client_sends=())
RING = KeyRing((Key("k1", bytes(32)),))
START = Instant(0)
REQUEST = Request(
    slot=Slot(Subject(SubjectKind.USER, "u1"), Purpose.PHONE_VERIFICATION),
    flow=Flow.PASS_LOGIN,
    contact=Contact.stored("+919876543210"),
    client=ClientAddress("198.51.100.7"),
)

Step = Callable[[Held, Instant], tuple[str, Held]]


def settings() -> str:
    """Return the content of docs/settings.md."""
    rows = [
        f"| `{name}` | {_cell(default)} | {_cell(takes)} | {_cell(meaning)} |"
        for name, default, takes, meaning in described()
    ]
    return "\n".join(
        (
            "# Settings",
            "",
            "Every setting, as `hsp-otp settings` prints it. Set it as an environment variable or,",
            "by its lower-case name without the prefix, in the file that `HSP_OTP_CONFIG` names.",
            "`script/references.py` generates this page.",
            "",
            "| Variable | Default | Takes | Meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        )
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def lifecycle() -> str:
    """Return the content of docs/lifecycle.md."""
    found = list(_moves())
    states = list(STATES)
    steps = list(STEPS)
    table = []
    for state in states:
        cells = [
            f"{outcome}" + (f" → {becomes}" if becomes != state else "")
            for was, _, outcome, becomes in found
            if was == state
        ]
        table.append(f"| {state} | {' | '.join(cells)} |")
    arrows = [
        f"    {_id(was)} --> {_id(becomes)}: {step}"
        for was, step, _, becomes in found
        if was != becomes
    ]
    names = [f'    state "{state}" as {_id(state)}' for state in states]
    return "\n".join(
        (
            "# The life of a code",
            "",
            "The outcome of each request in each state, and the state that follows.",
            "`script/references.py` generates this page by running the rules in",
            "`domain/challenge.py`, without the cooldown and the limits on sends.",
            "",
            f"| | {' | '.join(steps)} |",
            "|---" * (1 + len(steps)) + "|",
            *table,
            "",
            "```mermaid",
            "stateDiagram-v2",
            *names,
            f"    [*] --> {_id(states[0])}",
            *arrows,
            "```",
            "",
        )
    )


def _id(state: str) -> str:
    return state.replace(" ", "_")


def _asked() -> Held:
    return _ask(Held(), START)[1]


def _guessed(times: int, held: Held | None = None) -> Held:
    held = held or _asked()
    for _ in range(times):
        held = _guess_wrong(held, START)[1]
    return held


def _locked() -> Held:
    held = Held()
    while lock(held.record, POLICY, START) is None:
        held = _guessed(3, _ask(held, START)[1])
    return held


def _ask(held: Held, now: Instant) -> tuple[str, Held]:
    drawn = Drawn(challenge_id="c1", nonce=bytes(16), key_id="k1")
    decision = ask(held, REQUEST, drawn, POLICY, now)
    assert not isinstance(decision.outcome, Refusal), "no limit applies"  # noqa: S101
    word = "sent" if isinstance(decision.outcome, Issued) else decision.outcome.word
    return f"`{word}`", decision.becomes


def _guess(held: Held, now: Instant, *, right: bool) -> tuple[str, Held]:
    challenge = held.record.others.challenge
    digits = "000000"
    if challenge is not None:
        digits = code_of(challenge, RING.first, POLICY.digits).reveal()
    if not right:
        digits = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    decision = check(held, REQUEST, Presented(Code(digits)), POLICY, ring=RING, now=now)
    return f"`{decision.outcome.word}`", decision.becomes


def _guess_right(held: Held, now: Instant) -> tuple[str, Held]:
    return _guess(held, now, right=True)


def _guess_wrong(held: Held, now: Instant) -> tuple[str, Held]:
    return _guess(held, now, right=False)


def _withdraw(held: Held, _: Instant) -> tuple[str, Held]:
    decision = withdraw(held, "c1")
    return f"`{decision.outcome.word}`", decision.becomes


def _unlock(held: Held, _: Instant) -> tuple[str, Held]:
    becomes = unlock(held).becomes
    return "failures cleared" if becomes is not held else "nothing", becomes


STEPS: dict[str, Step] = {
    "a code is asked for": _ask,
    "a wrong code": _guess_wrong,
    "the right code": _guess_right,
    "no sender accepts the message": _withdraw,
    "an operator unlocks": _unlock,
}

EXPIRED = after(START, POLICY.lifetime)

STATES: dict[str, tuple[Callable[[], Held], Instant]] = {
    "no code": (Held, START),
    "live": (_asked, START),
    "one guess left": (lambda: _guessed(2), START),
    "exhausted": (lambda: _guessed(3), START),
    "expired": (_asked, EXPIRED),
    "used": (lambda: _guess_right(_asked(), START)[1], START),
    "withdrawn": (lambda: _withdraw(_asked(), START)[1], START),
    "locked": (_locked, START),
}


def _state_of(record: SlotRecord, now: Instant) -> str:
    challenge = record.others.challenge
    if lock(record, POLICY, now) is not None:
        return "locked"
    if challenge is None:
        return "no code"
    if challenge.ended is not None:
        return {Ended.USED: "used", Ended.WITHDRAWN: "withdrawn"}[challenge.ended]
    if now >= challenge.expires_at:
        return "expired"
    left = POLICY.max_attempts - challenge.attempts
    return {0: "exhausted", 1: "one guess left"}.get(left, "live")


def _moves() -> Iterator[tuple[str, str, str, str]]:
    """Yield each state and step with its outcome and the state that follows."""
    for state, (made, now) in STATES.items():
        held = made()
        found = _state_of(held.record, now)
        assert found == state, f"{state} is {found}"  # noqa: S101
        for step, take in STEPS.items():
            outcome, becomes = take(held, now)
            yield state, step, outcome, _state_of(becomes.record, now)


PAGES: dict[str, Callable[[], str]] = {"settings.md": settings, "lifecycle.md": lifecycle}


def main() -> None:
    """Write the pages, or check them."""
    old = [
        name
        for name, made in PAGES.items()
        if not (DOCS / name).is_file() or (DOCS / name).read_text("utf-8") != made()
    ]
    if "--check" in sys.argv[1:]:
        if old:
            sys.exit(f"{', '.join(old)}: out of date; run script/references.py")
        return
    for name in old:
        (DOCS / name).write_text(PAGES[name](), "utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
