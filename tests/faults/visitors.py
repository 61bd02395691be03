"""People who sign in and sign up, again and again, while parts break."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import attrs
import httpx2

from tests.e2e.production import address, number_of, pass_of, wrong
from tests.e2e.sessions import csrf
from tests.faults.history import Ask, Check, History, Refresh
from tests.gateway import Gateway

PATIENCE_SECONDS: Final = 15

_request_ids: Iterator[int] = itertools.count(1)


@attrs.frozen(kw_only=True)
class Answered:
    """
    An answer.

    Attributes:
        status: The status; 0 without an answer.
    """

    request_id: str
    began: float
    ended: float
    status: int
    body: dict[str, Any]

    @property
    def error(self) -> str:
        """The error word; empty for a success."""
        return str(self.body.get("error", ""))


@attrs.define(kw_only=True)
class Street:
    """
    The connection between people and the service.

    Attributes:
        ports: The ports of the servers that callers may choose.
        gateways: The gateways by name, with the messages sent.
        token: A CSRF token that the service accepts.
        secrets: Tokens and codes that must never appear anywhere.
    """

    ports: Callable[[], Sequence[int]]
    gateways: dict[str, Gateway]
    token: str
    history: History = attrs.field(factory=History)
    secrets: set[str] = attrs.field(factory=set[str])

    async def post(
        self, http: httpx2.AsyncClient, path: str, body: dict[str, Any], client: str
    ) -> Answered:
        """Send one request to a running server."""
        number = next(_request_ids)
        request_id = f"visit-{number}"
        headers = {"X-Forwarded-For": client, "X-Request-Id": request_id, **csrf(self.token)}
        began, status, told = time.monotonic(), 0, {}
        ports = self.ports()
        if ports:
            url = f"http://127.0.0.1:{ports[number % len(ports)]}{path}"
            try:
                answer = await http.post(url, json=body, headers=headers)
            except httpx2.TransportError:
                pass
            else:
                status, told = answer.status_code, answer.json()
        return Answered(
            request_id=request_id, began=began, ended=time.monotonic(), status=status, body=told
        )

    def newest(self, number: str) -> str | None:
        """Return the code in the latest message to *number*."""
        found = [one for gateway in self.gateways.values() for one in gateway.to(number)]
        return max(found, key=lambda one: one.at).code if found else None

    def collect(self, since: float) -> None:
        """Collect the messages that providers have received since then."""
        self.history.messages = [
            (name, taken)
            for name, gateway in self.gateways.items()
            for taken in list(gateway.taken)
            if taken.at >= since
        ]
        self.secrets |= {taken.code for _, taken in self.history.messages}


@attrs.define(kw_only=True)
class Customer:
    """A person with a pass."""

    person: int
    street: Street
    http: httpx2.AsyncClient

    @property
    def client(self) -> str:
        """The client's address, shared by two people."""
        return address(self.person // 2)

    @property
    def number(self) -> str:
        """The recipient of messages."""
        return number_of(self.person)

    async def ask(self) -> Ask:
        """Ask for a code."""
        body = {"pass_code": pass_of(self.person)}
        got = await self.street.post(self.http, "/customer/send-otp/", body, self.client)
        ask = Ask(
            who=pass_of(self.person),
            number=self.number,
            client=self.client,
            is_login=True,
            challenge=str(got.body.get("challenge_id", "")),
            **_step(got),
        )
        self.street.history.asks.append(ask)
        return ask

    async def present(self, digits: str, challenge: str = "") -> Answered:
        """Present a code."""
        body = {"pass_code": pass_of(self.person), "otp": digits}
        if challenge:
            body["challenge_id"] = challenge
        got = await self.street.post(self.http, "/customer/verify-otp/", body, self.client)
        self.street.history.checks.append(
            Check(
                who=pass_of(self.person),
                digits=digits,
                challenge=challenge,
                left=got.body.get("attempts_remaining"),
                **_step(got),
            )
        )
        return got

    async def refresh(self, family: str, token: str) -> str | None:
        """Present a refresh token, and return the next one if there is one."""
        body = {"refresh_token": token}
        got = await self.street.post(self.http, "/token/refresh/", body, self.client)
        self.street.history.refreshes.append(
            Refresh(who=pass_of(self.person), family=family, **_step(got))
        )
        return self._kept(got)

    def _kept(self, got: Answered) -> str | None:
        tokens = {got.body[name] for name in ("access_token", "refresh_token") if name in got.body}
        self.street.secrets |= tokens
        found = got.body.get("refresh_token")
        return None if found is None else str(found)

    async def visit(self, number: int) -> bool:
        """
        Use one code: right at once and several times, wrong first, exhausted, or superseded.

        Returns:
            Whether another visit is useful.
        """
        ask = await self.ask()
        if ask.status == 429:
            return False
        code = self.street.newest(self.number)
        if code is None:
            return True
        challenge = ask.challenge
        match number % 4:
            case 0:
                right = (self.present(code, challenge) for _ in range(3))
                await self._stay(await asyncio.gather(*right))
            case 1:
                await self.present(wrong(code), challenge)
                either = (self.present(wrong(code), challenge), self.present(code, challenge))
                await self._stay(await asyncio.gather(*either, self.present(code)))
            case 2:
                await asyncio.gather(*(self.present(wrong(code), challenge) for _ in range(5)))
                await self.present(code, challenge)
            case _:
                await self.ask()
                newest = self.street.newest(self.number) or code
                await asyncio.gather(self.present(code), self.present(newest))
        return True

    async def _stay(self, answers: Sequence[Answered]) -> None:
        """Refresh twice after a sign-in, and then present the first token again."""
        for got in answers:
            first = self._kept(got)
            if first is None:
                continue
            family = first.split(".")[1]
            second = await self.refresh(family, first)
            third = second and await self.refresh(family, second)
            if third:
                await self.refresh(family, first)
                await self.refresh(family, third)


@attrs.define(kw_only=True)
class Visitor:
    """A person who signs up with a number."""

    person: int
    street: Street
    http: httpx2.AsyncClient

    @property
    def number(self) -> str:
        """The number, which belongs to nobody with a pass."""
        return f"+9197{self.person:08d}"

    @property
    def client(self) -> str:
        """The client's address, different for each visitor."""
        return address(500_000 + self.person)

    async def visit(self, number: int) -> bool:
        """Sign up in a new session with a code, possibly after wrong ones."""
        body = {"phone": self.number}
        got = await self.street.post(self.http, "/users/api/send-otp/", body, self.client)
        session = str(got.body.get("session_id", ""))
        self.street.history.asks.append(
            Ask(
                who=self.number,
                number=self.number,
                client=self.client,
                is_login=False,
                challenge=session,
                **_step(got),
            )
        )
        code = self.street.newest(self.number)
        if got.status == 429:
            return False
        if code is None or not session:
            return True
        if number % 2:
            await self.present(wrong(code), session)
        await asyncio.gather(*(self.present(code, session) for _ in range(3)))
        return True

    async def present(self, digits: str, session: str) -> None:
        """Present a code in a session."""
        body = {"session_id": session, "otp_code": digits}
        got = await self.street.post(self.http, "/users/api/verify-otp/", body, self.client)
        if proof := got.body.get("proof"):
            self.street.secrets.add(str(proof))
        self.street.history.checks.append(
            Check(
                who=self.number,
                digits=digits,
                challenge=session,
                left=got.body.get("attempts_remaining"),
                **_step(got),
            )
        )


def _step(got: Answered) -> dict[str, Any]:
    return {
        "request_id": got.request_id,
        "began": got.began,
        "ended": got.ended,
        "status": got.status,
        "error": got.error,
    }
