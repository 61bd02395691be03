"""Relays freeze, die, drip and hang while e-mail addresses are verified: docs/contract.md, 7."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import attrs
import httpx2
import pytest

from tests.e2e.production import by, query
from tests.e2e.server import Server, command
from tests.e2e.test_many_verifications import words
from tests.faults.proxy import Line, Proxy
from tests.faults.site import open_http
from tests.gateway import Gateway
from tests.integration.behind import LATE
from tests.relay import OK, Relay

START: Final = "/v1/verifications"
AT_ONCE: Final = 4
LEAST: Final = 3
"""Verifications of each caller during a fault."""

HEALS_WITHIN: Final = 30.0
"""Seconds; a relay that failed is skipped for 15."""

APP: Final = """
[shop]
account = "acme"
service_name = "Acme Shop"
[shop.limits]
sends_per_minute = 0
"""


@attrs.frozen(kw_only=True)
class Verified:
    """
    A start, and what its codes were answered.

    Attributes:
        status: Of the start.
        error: Its word.
        seconds: How long it took.
        codes: In the messages, whichever relay took them.
        checks: The statuses of two checks with each.
    """

    status: int
    error: str | None
    seconds: float
    codes: set[str] = attrs.field(repr=False)
    checks: tuple[int, ...]


@attrs.define(kw_only=True)
class Site:
    """
    A service with two relays, each behind a line of its own.

    Attributes:
        names: Of people whom nobody has verified yet.
    """

    relays: tuple[Relay, Relay]
    lines: tuple[Proxy, Proxy]
    server: Server
    key: str = attrs.field(repr=False)
    names: Iterator[int] = attrs.field(factory=itertools.count)

    async def post(self, http: httpx2.AsyncClient, path: str, body: object) -> httpx2.Response:
        """Make a request with the key."""
        return await http.post(
            f"http://127.0.0.1:{self.server.port}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.key}"},
        )

    def codes_to(self, address: str) -> set[str]:
        """The codes that any relay has taken for an address."""
        return {letter.code for relay in self.relays for letter in relay.to(address)}

    async def verify(self, http: httpx2.AsyncClient) -> Verified:
        """Verify a new person's address, by whatever code has reached it."""
        name = next(self.names)
        to, began = f"asha{name}@example{name % 7}.com", time.monotonic()
        started = await self.post(http, START, {"to": to, "subject": to})
        seconds, told = time.monotonic() - began, started.json()
        codes, checks = self.codes_to(to), list[int]()
        asked = "SELECT DISTINCT verification_id FROM sends WHERE contact = ?"
        for (verification,) in query(self.server.folder, asked, to) if codes else ():
            path = f"{START}/{verification}/check"
            for code in 2 * tuple(codes):
                checks.append((await self.post(http, path, {"code": code})).status_code)
        return Verified(
            status=started.status_code,
            error=told.get("error"),
            seconds=seconds,
            codes=codes,
            checks=tuple(checks),
        )


def become(line: Line, *places: int) -> Callable[[Site], None]:
    """Let the lines to these relays behave like that."""

    def break_(site: Site) -> None:
        for place in places:
            site.lines[place].become(line)

    return break_


def hang(*places: int) -> Callable[[Site], None]:
    """Let these relays take a message and never say so."""

    def break_(site: Site) -> None:
        for place in places:
            site.relays[place].on_data = None

    return break_


def mend(site: Site) -> None:
    """Let everything work."""
    for line, relay in zip(site.lines, site.relays, strict=True):
        line.become(Line.PASSES)
        relay.on_data = OK


FIRST: Final[dict[str, Callable[[Site], None]]] = {
    "is frozen": become(Line.SWALLOWS, 0),
    "is killed": become(Line.BREAKS, 0),
    "is slow": become(Line.DELAYS, 0),
    "drips": become(Line.DRIPS, 0),
    "takes it and hangs": hang(0),
}

ALL: Final[dict[str, Callable[[Site], None]]] = {
    "are frozen": become(Line.SWALLOWS, 0, 1),
    "are killed": become(Line.BREAKS, 0, 1),
    "take it and hang": hang(0, 1),
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """One for each fault, because the service remembers relays that failed."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(Relay()) for _ in range(2))
        lines = [stack.enter_context(Proxy(relay.port)) for relay in (first, second)]
        settings = by(twilio=stack.enter_context(Gateway())) | {
            "MODE": "development",
            "SENDERS": "twilio,smtp",
            "SMTP_URL": ",".join(f"smtp://127.0.0.1:{line.port}" for line in lines),
            "SMTP_FROM": "codes@otp.example.com",
            "WORKERS": "2",
            "CODE_DIGITS": "10",
        }
        (tmp_path / "apps.toml").write_text(APP)
        for arguments in ("db upgrade", "apps import apps.toml"):
            assert command(tmp_path, *arguments.split(), **settings).returncode == 0
        new = "api-keys new --name checkout --app shop"
        key = command(tmp_path, *new.split(), **settings).stdout.strip()
        server = stack.enter_context(Server(tmp_path, "serve", **settings))
        yield Site(relays=(first, second), lines=(lines[0], lines[1]), server=server, key=key)
        told = server.output + server.errors
        assert "asha" not in told
        assert not {letter.code for letter in (*first.taken, *second.taken)} & words(told)


async def _round(site: Site, breaks: Callable[[Site], None]) -> list[Verified]:
    """Break the relays while callers verify addresses, mend them, and wait until all is well."""
    async with open_http() as http:
        assert (await site.verify(http)).status == 200
        breaks(site)

        async def call() -> list[Verified]:
            return [await site.verify(http) for _ in range(LEAST)]

        found = await asyncio.gather(*(call() for _ in range(AT_ONCE)))
        await asyncio.to_thread(mend, site)
        give_up = time.monotonic() + HEALS_WITHIN
        while (await site.verify(http)).status != 200:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.2)
        return [one for of_caller in found for one in of_caller]


def hold(found: list[Verified]) -> None:
    """Whatever breaks: an answer in time; one code, which is right once if the start went well."""
    for one in found:
        assert one.seconds < 8 + LATE, one
        assert len(one.codes) <= 1, one
        if one.status == 200:
            assert (len(one.codes), one.checks) == (1, (200, 400)), one
        else:
            assert (one.status, one.error) == (400, "delivery_failed"), one
            assert one.checks == (400, 400) * len(one.codes), one


@pytest.mark.parametrize("fault", FIRST)
def test_the_first_relay(site: Site, fault: str, number: int) -> None:
    """The second takes what the first does not: every start is answered by a code."""
    del number
    found = asyncio.run(_round(site, FIRST[fault]))
    hold(found)
    assert {one.status for one in found} == {200}


@pytest.mark.parametrize("fault", ALL)
def test_all_relays(site: Site, fault: str, number: int) -> None:
    """Starts fail in time, and work again once a relay does."""
    del number
    found = asyncio.run(_round(site, ALL[fault]))
    hold(found)
    assert {one.status for one in found} == {400}
    assert any(one.codes for one in found) is (fault == "take it and hang")
