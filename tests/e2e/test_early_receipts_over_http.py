"""Receipts that come before the provider has answered the send: docs/contract.md, 5.4 and 7.8."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import attrs
import pytest

from tests import gateway as played
from tests.e2e.production import PUBLIC_URL, address, pass_of, prepare, start, unexpected
from tests.e2e.server import Server, until
from tests.gateway import Gateway, Taken
from tests.integration.behind import execute
from tests.integration.postgres_server import DATABASES
from tests.integration.stores import postgres_file
from tests.plays import PLAYS

pytestmark = pytest.mark.timeout(180)


@attrs.frozen
class Site:
    """
    A service of two workers and three providers.

    Attributes:
        file: Where its database is.
        people: Numbers of people of whom no test has heard yet.
    """

    server: Server
    gateways: dict[str, Gateway]
    file: Path
    people: "count[int]"

    def send(self) -> int:
        """Ask for a code, each from an address of its own; how that is answered."""
        person = next(self.people)
        body = {"pass_code": pass_of(person)}
        told = {"X-Forwarded-For": address(person)}
        return self.server.post("/customer/send-otp/", body, **told).status

    def report(self, name: str, message: str, state: str) -> int:
        """What a provider does once a message is in some state; how that is answered."""
        path = f"/callbacks/{name}/status/"
        body, headers = PLAYS[name].report(message, state, PUBLIC_URL + path)
        return self.server.post(path, body.decode(), **headers).status

    def state(self, message: str) -> str | None:
        """What is kept of a message."""
        found = execute(self.file, "SELECT provider_message_id, state FROM sends")
        states: dict[str, str] = dict(found)
        return states.get(message)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One over each kind of database."""
    folder = tmp_path_factory.mktemp("early")
    file, settings = folder / "hsp-otp.db", {}
    with ExitStack() as stack:
        if request.param == "postgresql":
            url = asyncio.run(DATABASES.empty())
            stack.callback(lambda: asyncio.run(DATABASES.drop([url])))
            # In development mode, for the server of the tests is not set up to keep anything.
            file, settings = postgres_file(folder), {"DATABASE_URL": url, "MODE": "development"}
            file.write_text(url)
        keys = prepare(folder, people=100, **settings)
        gateways = {name: stack.enter_context(Gateway(play)) for name, play in PLAYS.items()}
        server = stack.enter_context(start(folder, keys, gateways, **settings))
        yield Site(server, gateways, file, count())
        assert unexpected(server) == []


@pytest.mark.parametrize("name", PLAYS)
def test_receipts_before_the_answer_to_the_send(site: Site, name: str) -> None:
    """Whatever a provider reports before it answers, to whichever worker, is taken and applied."""
    answers: list[int] = []

    def report(taken: Taken) -> None:
        answers.extend(site.report(name, taken.sid, state) for state in ("delivered", "sent"))

    before = len(site.gateways[name].taken)
    for other, gateway in site.gateways.items():
        gateway.behaviour = played.decline() if other != name else played.accept_after(report)
    for _ in range(6):
        assert site.send() == 200
    assert answers == [200] * 12
    messages = [taken.sid for taken in site.gateways[name].taken[before:]]
    assert len(messages) == 6
    until(lambda: {site.state(one) for one in messages} == {"delivered"}, 20)


def test_receipts_of_a_message_that_is_never_known(site: Site) -> None:
    """While a send is under way a receipt of any message is taken, and forgotten without a word."""
    answers: list[int] = []
    site.gateways["twilio"].behaviour = played.accept_after(
        lambda _: answers.append(site.report("twilio", "SM0", "delivered"))
    )
    assert site.send() == 200
    assert answers == [200]
    assert site.state("SM0") is None
