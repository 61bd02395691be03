"""Providers of WhatsApp, texts and calls freeze, die and are slow: docs/contract.md, 7 and 13.1."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Final

import attrs
import httpx2
import pytest

from hsp_otp.domain.policy import PHONE_SENDS_PER_DAY
from tests import gateway
from tests.e2e.production import PUBLIC_URL, query
from tests.e2e.server import Server, command, until
from tests.e2e.test_many_verifications import words
from tests.faults.proxy import Line, Proxy
from tests.faults.site import open_http
from tests.gateway import Gateway
from tests.integration.behind import LATE
from tests.plays import PLAYED

START: Final = "/v1/verifications"
AT_ONCE: Final = 4
LEAST: Final = 3
"""Verifications of each caller during a fault."""

LONGER_THAN_A_SKIP: Final = 16
"""Seconds; a sender that keeps failing is skipped for 15."""

SKIPPED_SECONDS: Final = 2.0
"""What a start takes at most on a busy machine whose failing senders are all skipped."""

RANGES: Final = 7
"""Of numbers; a sender is skipped if it fails for numbers of three."""

SLOW_SECONDS: Final = 1.0

APP: Final = """
[shop]
account = "acme"
service_name = "Acme Shop"
channels = { phone = ["whatsapp", "sms", "voice"] }
[shop.limits]
sends_per_minute = 0
"""

META: Final = ("meta-whatsapp", "vonage", "twilio-voice")
TWILIO: Final = ("twilio-whatsapp", "vonage", "vonage-voice")
"""The senders of the channels, in the order of the app."""

CHANNELS: Final = ("whatsapp", "sms", "voice")


@attrs.frozen(kw_only=True)
class Verified:
    """
    A start, and what came of it.

    Attributes:
        status: Of the start.
        channel: That the start was answered with.
        error: The word of a refusal.
        seconds: How long it took.
        messages: That the provider of each channel has taken.
        rows: Of sends, by channel.
        charged: The sends that the number was charged.
        codes: In all messages.
        checks: The statuses of two checks with each.
    """

    status: int
    channel: str | None
    error: str | None
    seconds: float
    messages: Counter[str]
    rows: Counter[str]
    charged: int
    codes: set[str] = attrs.field(repr=False)
    checks: tuple[int, ...]


@attrs.define(kw_only=True)
class Site:
    """
    A service with a provider of each channel, each behind a line of its own.

    Attributes:
        senders: The names of the senders, by channel.
        gateways: The providers, by channel.
        lines: The lines to them.
        numbers: Of people whom nobody has verified yet.
    """

    senders: Mapping[str, str]
    gateways: Mapping[str, Gateway]
    lines: Mapping[str, Proxy]
    server: Server
    key: str = attrs.field(repr=False)
    numbers: Iterator[int] = attrs.field(factory=itertools.count)

    async def ask(
        self, http: httpx2.AsyncClient, method: str, path: str, body: object = None
    ) -> httpx2.Response:
        """Make a request with the key."""
        return await http.request(
            method,
            f"http://127.0.0.1:{self.server.port}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.key}"},
        )

    async def _codes_to(self, http: httpx2.AsyncClient, to: str) -> set[str]:
        """The codes in all messages; a call says its code after a key alone."""
        told = await self.ask(http, "GET", f"/dev/outbox/?to=%2B{to[1:]}")
        codes = {str(one["code"]) for one in told.json()["messages"]}
        texts = ("whatsapp", "sms")
        return codes | {one.code for name in texts for one in self.gateways[name].to(to)}

    def circuits(self) -> Counter[tuple[str, str]]:
        """How often the log tells that the sender of a channel is skipped, or works again."""
        lines = self.server.errors.splitlines() + self.server.output.splitlines()
        return Counter(
            (event, channel)
            for line in lines
            for event in ("sender_skipped", "sender_works_again")
            for channel, name in self.senders.items()
            if event in line and f"sender={name}" in line.split()
        )

    async def verify(self, http: httpx2.AsyncClient, channel: str | None = None) -> Verified:
        """Verify a new person's number, by whatever code has reached it."""
        number = next(self.numbers)
        to, began = f"+9198{number % RANGES:02d}{number:06d}", time.monotonic()
        asked = {"to": to, "subject": to} | ({"channel": channel} if channel else {})
        started = await self.ask(http, "POST", START, asked)
        seconds, told = time.monotonic() - began, started.json()
        standing = await self.ask(http, "POST", "/v1/standing", {"to": to, "subject": to})
        (left,) = (
            one["remaining"]
            for one in standing.json()["limits"]
            if one["limit"] == "phone_rate_limited"
        )
        folder, codes, checks = self.server.folder, await self._codes_to(http, to), list[int]()
        rows = query(folder, "SELECT channel, verification_id FROM sends WHERE contact = ?", to)
        for verification in {row[1] for row in rows}:
            for code in 2 * tuple(codes):
                check = f"{START}/{verification}/check"
                checks.append((await self.ask(http, "POST", check, {"code": code})).status_code)
        return Verified(
            status=started.status_code,
            channel=told.get("channel"),
            error=told.get("error"),
            seconds=seconds,
            messages=Counter({name: len(one.to(to)) for name, one in self.gateways.items()}),
            rows=Counter(str(row[0]) for row in rows),
            charged=PHONE_SENDS_PER_DAY - int(left),
            codes=codes,
            checks=tuple(checks),
        )


def become(line: Line) -> Callable[[Gateway, Proxy], None]:
    """Let the line behave like that."""
    return lambda _, proxy: proxy.become(line)


def behave(behaviour: gateway.Behaviour) -> Callable[[Gateway, Proxy], None]:
    """Let the provider behave like that."""

    def break_(provider: Gateway, _: Proxy) -> None:
        provider.behaviour = behaviour

    return break_


def answer_slowly(handler: gateway.Handler, form: gateway.Form) -> None:
    """Take the message after a while."""
    handler.house.closing.wait(SLOW_SECONDS)
    gateway.accept(handler, form)


FAULTS: Final[dict[str, Callable[[Gateway, Proxy], None]]] = {
    "freezes": become(Line.SWALLOWS),
    "dies": become(Line.BREAKS),
    "drips": become(Line.DRIPS),
    "takes it and hangs": behave(gateway.hang_after_accepting),
    "takes it and fails": behave(gateway.fail_after_accepting),
    "answers rubbish": behave(gateway.rubbish(b"<html>")),
    "answers rubbish for ever": behave(gateway.drip),
}
"""Those in which a provider does not say that it has a message."""


SETTINGS: Final = {
    "MODE": "development",
    "PUBLIC_URL": PUBLIC_URL,
    "WORKERS": "1",  # each has circuits of its own
    "CODE_DIGITS": "10",
}


@pytest.fixture(scope="module", params=[META, TWILIO], ids="-".join)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A service with senders of each channel; after a test, all of them work again."""
    senders: tuple[str, ...] = request.param
    folder = tmp_path_factory.mktemp("channels")
    with ExitStack() as stack:
        plays = [PLAYED[name] for name in senders]
        gateways = [stack.enter_context(Gateway(play)) for play in plays]
        lines = [stack.enter_context(Proxy(int(one.url.rpartition(":")[2]))) for one in gateways]
        settings = SETTINGS | {"SENDERS": ",".join(senders)}
        for play, line in zip(plays, lines, strict=True):
            settings |= play.settings(f"http://127.0.0.1:{line.port}")
        (folder / "apps.toml").write_text(APP)
        printed = ""
        new = "api-keys new --name checkout --app shop"
        for arguments in ("db upgrade", "apps import apps.toml", new):
            done = command(folder, *arguments.split(), **settings)
            assert done.returncode == 0, done.stderr
            printed = done.stdout
        key = printed.strip()
        server = stack.enter_context(Server(folder, "serve", **settings))
        yield Site(
            senders=dict(zip(CHANNELS, senders, strict=True)),
            gateways=dict(zip(CHANNELS, gateways, strict=True)),
            lines=dict(zip(CHANNELS, lines, strict=True)),
            server=server,
            key=key,
        )
        told = server.output + server.errors
        assert "+9198" not in told
        assert "919800" not in told
        assert key not in told
        assert not [secret for play in plays for secret in play.secrets if secret in told]
        texts = [taken for one in gateways[:2] for taken in one.taken]
        assert not {taken.code for taken in texts} & words(told)


async def _round(site: Site, fault: str, *channels: str) -> list[Verified]:
    """Break the providers of *channels* until they are skipped, mend them, and try them again."""
    before = site.circuits()
    async with open_http() as http:
        for channel in channels:
            FAULTS[fault](site.gateways[channel], site.lines[channel])

        async def call() -> list[Verified]:
            return [await site.verify(http) for _ in range(LEAST)]

        found = await asyncio.gather(*(call() for _ in range(AT_ONCE)))
        skipped = Counter({("sender_skipped", channel): 1 for channel in channels})
        await asyncio.to_thread(until, lambda: site.circuits() == before + skipped)
        assert (await site.verify(http)).seconds < SKIPPED_SECONDS
        for channel in channels:
            site.gateways[channel].behaviour = gateway.accept
            await asyncio.to_thread(site.lines[channel].become, Line.PASSES)
        await site.ask(http, "POST", "/dev/clock/", {"advance_seconds": LONGER_THAN_A_SKIP})
        for channel in channels:
            again = await site.verify(http, channel)
            assert (again.status, again.channel) == (200, channel), again
        works = Counter({("sender_works_again", channel): 1 for channel in channels})
        await asyncio.to_thread(until, lambda: site.circuits() == before + skipped + works)
    return [one for of_caller in found for one in of_caller]


def hold(found: list[Verified]) -> None:
    """
    Whatever breaks: an answer in time; one code, which is right once if the start went well; at
    most one message by each channel, each with its row and its charge.
    """
    for one in found:
        assert one.seconds < 8 + LATE, one
        assert one.messages <= one.rows, one
        assert set(one.rows.values()) <= {1}, one
        assert one.charged == one.rows.total(), one
        assert len(one.codes) <= 1, one
        if one.status == 200:
            assert (len(one.codes), one.checks) == (1, (200, 400)), one
            assert one.messages[str(one.channel)] == 1, one
        else:
            assert (one.status, one.error) == (400, "delivery_failed"), one
            assert set(one.checks) <= {400}, one


@pytest.mark.parametrize("site", [META], indirect=True, ids="-".join)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_channel(site: Site, fault: str, number: int) -> None:
    """The next one sends the same code: every start is answered by a code."""
    del number
    found = asyncio.run(_round(site, fault, "whatsapp"))
    hold(found)
    assert {(one.status, one.channel) for one in found} == {(200, "sms")}


@pytest.mark.parametrize("site", [TWILIO], indirect=True, ids="-".join)
@pytest.mark.parametrize("fault", ["freezes", "takes it and fails"])
def test_all_channels_but_the_last(site: Site, fault: str, number: int) -> None:
    """A call says the code."""
    del number
    found = asyncio.run(_round(site, fault, "whatsapp", "sms"))
    hold(found)
    assert {(one.status, one.channel) for one in found} == {(200, "voice")}


@pytest.mark.parametrize("site", [TWILIO], indirect=True, ids="-".join)
@pytest.mark.parametrize("fault", ["dies", "takes it and hangs"])
def test_all_channels(site: Site, fault: str, number: int) -> None:
    """
    Starts fail in time, and work again once the providers do.

    What is tried is charged; once all senders are skipped, nothing is.
    """
    del number
    found = asyncio.run(_round(site, fault, *CHANNELS))
    hold(found)
    assert {one.status for one in found} == {400}
    assert any(one.messages.total() for one in found) is fault.startswith("takes it")
    assert any(one.charged == 0 for one in found)


@pytest.mark.parametrize("site", [TWILIO], indirect=True, ids="-".join)
def test_slow_providers(site: Site, number: int) -> None:
    """A provider that answers within its time has the message, and no other channel has."""
    del number

    async def verify() -> list[Verified]:
        async with open_http() as http:
            for one in site.gateways.values():
                one.behaviour = answer_slowly
            found = await asyncio.gather(*(site.verify(http) for _ in range(AT_ONCE)))
            for one in site.gateways.values():
                one.behaviour = gateway.accept
            return found

    found = asyncio.run(verify())
    hold(found)
    assert all(one.rows == one.messages for one in found), found
