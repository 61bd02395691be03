"""Somebody asks and asks for numbers that providers refuse: docs/contract.md, 5.6 and 7.4."""

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests import gateway as played
from tests.e2e.production import (
    address,
    number_of,
    open_lines,
    pass_of,
    prepare,
    start,
    unexpected,
)
from tests.e2e.server import Answer, Line, Server
from tests.gateway import Gateway
from tests.plays import PLAYS

ASKS = int(os.environ.get("REFUSED_ASKS", "200"))
"""For refused numbers; 1200 in the soak."""

CALLERS = 4

EVERY_SECONDS = 0.2 if "REFUSED_ASKS" in os.environ else 0.0
"""How often each caller asks: in the soak twenty asks a second for a minute, else at once."""

HONEST = 10
"""One in so many asks is somebody else's."""

pytestmark = pytest.mark.timeout(180 + ASKS // 2)

REFUSED = {number_of(person) for person in range(ASKS)}
"""Numbers that no provider here takes a message for."""


def refuse_some(handler: played.Handler, form: played.Form) -> None:
    """Refuse the numbers of the attacker, each by another of the provider's answers."""
    play = handler.house.play
    if play.number(form) in REFUSED:
        played.decline(handler.house.asked % play.declines)(handler, form)
    else:
        played.accept(handler, form)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with a database and keys, and the settings for these."""
    folder = tmp_path_factory.mktemp("prepared")
    return folder, prepare(folder)


@pytest.fixture(params=[("twilio",), ("vonage", "twilio")], ids="-".join)
def site(
    request: pytest.FixtureRequest, prepared: tuple[Path, dict[str, str]], tmp_path: Path
) -> Iterator[Server]:
    """A service of two workers with one provider, or with two."""
    folder, keys = prepared
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    with ExitStack() as stack:
        gateways = {name: stack.enter_context(Gateway(PLAYS[name])) for name in request.param}
        for gateway in gateways.values():
            gateway.behaviour = refuse_some
        # So many messages would reach a cap of the guard.
        server = stack.enter_context(start(tmp_path, keys, gateways, GUARD="off"))
        yield server
        # No sender was ever skipped, which would be a warning.
        assert unexpected(server) == []
        assert "sender_skipped" not in server.errors


async def ask(line: Line, person: int) -> Answer:
    """Ask for a code, from a network of the caller's own."""
    client = address(person * 256 + 1)
    return await line.post("/customer/send-otp/", {"pass_code": pass_of(person)}, client)


async def besiege(server: Server) -> tuple[list[Answer], list[Answer]]:
    """What the attacker is answered, and what other people are in between."""
    attacker, honest = count(), count(ASKS)
    refused: list[Answer] = []
    sent: list[Answer] = []

    async def attack(line: Line) -> None:
        for person in attacker:
            if person >= ASKS:
                return
            began = time.monotonic()
            refused.append(await ask(line, person))
            if person % HONEST == 0:
                sent.append(await ask(line, next(honest)))
            await asyncio.sleep(max(0.0, EVERY_SECONDS - (time.monotonic() - began)))

    async with open_lines(server, CALLERS) as lines:
        await asyncio.gather(*(attack(line) for line in lines))
    return refused, sent


def test_refused_numbers_fail_nobody_else(site: Server) -> None:
    """While somebody asks for numbers that every provider refuses, all others are sent codes."""
    refused, sent = asyncio.run(besiege(site))
    assert {(answer.status, answer["error"]) for answer in refused} == {(400, "sms_failed")}
    # They were tried: an ask that nobody tries is not charged, and told of no wait.
    assert all("resend_in" in answer.body for answer in refused)
    assert len(refused) == ASKS
    assert len(sent) == ASKS // HONEST
    assert [answer.body for answer in sent if answer.status != 200] == []
    assert site.get("/readyz")["checks"]["senders"] == "ok"
