"""The requests, answers and messages of a round with a fault, and their invariants."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import attrs

from tests.gateway import Taken

FLOODED = {
    "rate_limited",
    "lookup_rate_limited",
    "phone_rate_limited",
    "resend_too_soon",
    "invalid_token",
}
"""Outcomes that neither grant nor charge anything; many of them share one audit row."""


@attrs.frozen(kw_only=True)
class Step:
    """
    One request.

    Attributes:
        who: The subject of the code: a person with a pass, or a visitor by number.
        began: By the monotonic clock, like all times here.
        status: The answer's status; 0 without an answer.
    """

    who: str
    request_id: str
    began: float
    ended: float
    status: int
    error: str


@attrs.frozen(kw_only=True)
class Ask(Step):
    """
    A request for a code.

    Attributes:
        number: The recipient of the message.
        client: The client's address.
        challenge: The public id of the challenge; in signup, of the session.
        is_login: Whether it belongs to pass login; otherwise to signup.
    """

    number: str
    client: str
    is_login: bool
    challenge: str = ""


@attrs.frozen(kw_only=True)
class Check(Step):
    """
    A presented code.

    Attributes:
        challenge: The challenge that it named, if any; in signup, the session.
        left: The guesses left after a wrong code.
    """

    digits: str
    challenge: str = ""
    left: int | None = None


@attrs.frozen(kw_only=True)
class Refresh(Step):
    """A presented refresh token of a person's sign-in."""

    family: str


@attrs.define
class History:
    """
    The history of one round.

    Attributes:
        messages: The messages, each with the name of its gateway.
    """

    asks: list[Ask] = attrs.field(factory=list[Ask])
    checks: list[Check] = attrs.field(factory=list[Check])
    refreshes: list[Refresh] = attrs.field(factory=list[Refresh])
    messages: list[tuple[str, Taken]] = attrs.field(factory=list[tuple[str, Taken]])

    @property
    def steps(self) -> list[Step]:
        """Return all steps."""
        return [*self.asks, *self.checks, *self.refreshes]

    def codes(self) -> list["SentCode"]:
        """
        Return all codes that providers received, each with its request.

        A person requests one code after the other, so a message belongs to the latest request that
        had begun.
        """
        by_ask: dict[str, SentCode] = {}
        for gateway, message in sorted(self.messages, key=lambda pair: pair[1].at):
            asks = [ask for ask in self.asks if ask.number == message.to]
            ask = [ask for ask in asks if ask.began <= message.at][-1]
            sent = by_ask.setdefault(ask.request_id, SentCode(ask, message.code, message.at))
            assert message.code == sent.digits, "another code for the same ask"
            assert gateway not in sent.gateways, "twice through one provider"
            sent.gateways.append(gateway)
        return list(by_ask.values())


@attrs.define
class SentCode:
    """
    A code in a message.

    Attributes:
        at: When the first provider accepted its message.
    """

    ask: Ask
    digits: str
    at: float
    gateways: list[str] = attrs.field(factory=list[str])


def hold(history: History, *, lifetime: float, sends_a_number: int, sends_a_client: int) -> None:
    """Check the invariants of every history, whatever the fault."""
    codes = history.codes()
    by_person: defaultdict[str, list[SentCode]] = defaultdict(list)
    for code in codes:
        by_person[code.ask.who].append(code)
    for sent in by_person.values():
        for place, code in enumerate(sent):
            _hold_code(history, code, sent[place + 1 :], lifetime)
    _hold_successes(history, codes)
    numbers = Counter(code.ask.number for code in codes)
    assert max(numbers.values(), default=0) <= sends_a_number, numbers
    clients: Counter[str] = Counter()
    for sent in by_person.values():
        charged = [code for code in _charged(history, sent) if code.ask.is_login]
        clients.update(code.ask.client for code in charged)
    assert max(clients.values(), default=0) <= sends_a_client, clients
    _hold_families(history.refreshes)


def _charged(history: History, sent: Sequence[SentCode]) -> Sequence[SentCode]:
    """The codes of one person whose sends no right code can have given back to the client."""
    for place in reversed(range(len(sent))):
        code = sent[place]
        if any(
            check.who == code.ask.who
            and check.digits == code.digits
            and (check.status in {0, 200} or check.status >= 500)
            for check in history.checks
        ):
            return sent[place + 1 :]
    return sent


def _hold_code(
    history: History, code: SentCode, later: Sequence[SentCode], lifetime: float
) -> None:
    presented = [
        check
        for check in history.checks
        if check.who == code.ask.who
        and check.digits == code.digits
        and check.began > code.ask.began
    ]
    successes = [check for check in presented if check.status == 200]
    assert len(successes) <= 1, ("more than one success", code, successes)
    wrong = [
        check
        for check in history.checks
        if check.challenge == code.ask.challenge != "" and check.error == "invalid_otp"
    ]
    left = [check.left for check in wrong]
    assert len(left) <= 3, ("more than three guesses judged", code, wrong)
    assert len(set(left)) == len(left), ("a guess was lost", code, wrong)
    for success in successes:
        assert success.began <= code.at + lifetime, ("an expired code", code, success)
        newer = [other for other in later if other.at < success.began]
        assert not newer, ("a superseded code", code, success, newer)
        if code.ask.error == "sms_failed":
            assert success.began < code.ask.ended, ("a withdrawn code", code, success)
        judged = [check for check in wrong if check.ended < success.began]
        assert len(judged) < 3, ("an exhausted code", code, success)


def _hold_successes(history: History, codes: Iterable[SentCode]) -> None:
    """Check that only codes that a provider received succeed."""
    known = {(code.ask.who, code.digits) for code in codes}
    for check in history.checks:
        assert check.status != 200 or (check.who, check.digits) in known, check


def _hold_families(refreshes: Sequence[Refresh]) -> None:
    """Check that a family ends when a used token is presented."""
    reused = {step.family: step.ended for step in refreshes if step.error == "token_reused"}
    for step in refreshes:
        if step.status == 200:
            assert step.began < reused.get(step.family, step.ended), ("a dead family", step)


def hold_rows(history: History, rows: Counter[str], *, exactly: bool) -> None:
    """
    Check that every answer has its audit row.

    Args:
        rows: The number of rows by request id.
        exactly: Whether the database was always up; otherwise a row that was committed without an
            answer may exist twice.
    """
    for step in history.steps:
        if step.status and step.error not in FLOODED:
            found = rows[step.request_id]
            assert found == 1 if exactly else found >= 1, (found, step)
