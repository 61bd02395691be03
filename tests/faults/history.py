"""What was asked and answered while parts broke, what the provider saw, and what must hold."""

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
"""What neither grants nor charges anything: many are one audit row."""


@attrs.frozen(kw_only=True)
class Step:
    """
    One request.

    Attributes:
        who: Whom a code is for: a person with a pass, or a visitor by number.
        began: By the clock that only goes forward, as all the times here.
        status: Zero where there was no answer.
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
        number: Whom the message is for.
        client: The address that it came from.
        challenge: The public id of what was issued; in signup, that of the session.
        is_login: Where it is not, it is of signup.
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
        challenge: What it was presented for, where that was said; in signup, the session.
        left: The guesses that were left, where it was wrong.
    """

    digits: str
    challenge: str = ""
    left: int | None = None


@attrs.frozen(kw_only=True)
class Refresh(Step):
    """A presented refresh token, of the sign-in of a person."""

    family: str


@attrs.define
class History:
    """
    Of one round.

    Attributes:
        messages: By the provider, each with the name of its gateway.
    """

    asks: list[Ask] = attrs.field(factory=list[Ask])
    checks: list[Check] = attrs.field(factory=list[Check])
    refreshes: list[Refresh] = attrs.field(factory=list[Refresh])
    messages: list[tuple[str, Taken]] = attrs.field(factory=list[tuple[str, Taken]])

    @property
    def steps(self) -> list[Step]:
        """All of them."""
        return [*self.asks, *self.checks, *self.refreshes]

    def codes(self) -> list["SentCode"]:
        """
        Whatever code the provider saw, with the ask that it came of.

        A person asks for one code after the other, so a message is of the latest ask that had
        begun.
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
    A code on its way.

    Attributes:
        at: When the first provider took its message.
    """

    ask: Ask
    digits: str
    at: float
    gateways: list[str] = attrs.field(factory=list[str])


def hold(history: History, *, lifetime: float, sends_a_number: int, sends_a_client: int) -> None:
    """Whatever broke: what must be true of every history."""
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
    clients = Counter(code.ask.client for code in codes if code.ask.is_login)
    assert max(clients.values(), default=0) <= sends_a_client, clients
    _hold_families(history.refreshes)


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
    """Nothing succeeds that no provider was handed."""
    known = {(code.ask.who, code.digits) for code in codes}
    for check in history.checks:
        assert check.status != 200 or (check.who, check.digits) in known, check


def _hold_families(refreshes: Sequence[Refresh]) -> None:
    """A family of which a used token was presented is dead."""
    reused = {step.family: step.ended for step in refreshes if step.error == "token_reused"}
    for step in refreshes:
        if step.status == 200:
            assert step.began < reused.get(step.family, step.ended), ("a dead family", step)


def hold_rows(history: History, rows: Counter[str], *, exactly: bool) -> None:
    """
    Every answer has its audit row.

    Args:
        rows: How many there are, by request id.
        exactly: The database was up all the time; otherwise a row that was committed without an
            answer may be there twice.
    """
    for step in history.steps:
        if step.status and step.error not in FLOODED:
            found = rows[step.request_id]
            assert found == 1 if exactly else found >= 1, (found, step)
