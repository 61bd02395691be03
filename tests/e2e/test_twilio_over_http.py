"""Sign-ins in production mode, their messages sent by Twilio's API: docs/contract.md, 5 to 7."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import sqlite3
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import attrs
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
    wrong,
)
from tests.e2e.server import Answer, Line, Server, until
from tests.gateway import Gateway, Taken
from tests.integration.behind import LATE
from tests.plays import FROM, TOKEN

STATUS_URL = "https://otp.example.com/callbacks/twilio/status/"

pytestmark = pytest.mark.timeout(180)


@attrs.frozen
class Site:
    """
    A service and its provider.

    Attributes:
        people: Numbers of people of whom no test has heard yet.
    """

    server: Server
    gateway: Gateway
    people: "count[int]"

    def send(self, person: int, **members: str) -> Answer:
        """Ask for a code, each from an address of its own."""
        body = {"pass_code": pass_of(person), **members}
        return self.server.post("/customer/send-otp/", body, **_from(person))

    def verify(self, person: int, otp: str) -> Answer:
        """Present a code."""
        body = {"pass_code": pass_of(person), "otp": otp}
        return self.server.post("/customer/verify-otp/", body, **_from(person))

    def taken(self, person: int) -> Taken:
        """The latest message to somebody."""
        return self.gateway.to(number_of(person))[-1]

    def report(self, sid: str, state: str, token: str = TOKEN) -> int:
        """What the provider does once a message is in some state; how that is answered."""
        form = {"MessageSid": sid, "MessageStatus": state, "To": number_of(0), "From": FROM}
        text = STATUS_URL + "".join(name + form[name] for name in sorted(form))
        signed = base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1))
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signed.decode(),
        }
        return self.server.post("/callbacks/twilio/status/", urlencode(form), **headers).status

    def state(self, sid: str) -> str:
        """What is kept of a message."""
        with closing(sqlite3.connect(self.server.folder / "hsp-otp.db")) as connection:
            found = connection.execute(
                "SELECT state FROM sends WHERE provider_message_id = ?", (sid,)
            )
            state: str = found.fetchone()[0]
            return state


def _from(person: int) -> dict[str, str]:
    return {"X-Forwarded-For": address(person)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests after which the provider is as well as before."""
    folder = tmp_path_factory.mktemp("production")
    keys = prepare(folder)
    with Gateway() as gateway, start(folder, keys, gateway) as server:
        yield Site(server, gateway, count())


@pytest.fixture
def person(site: Site) -> Iterator[int]:
    """Somebody of whom nobody has heard; the provider is well before and after."""
    site.gateway.behaviour = played.accept
    yield next(site.people)
    site.gateway.behaviour = played.accept


def test_a_customer_signs_in(site: Site, person: int) -> None:
    """Send, the code from the provider, a wrong one, the right one, and the right one again."""
    sent = site.send(person)
    assert sent.status == 200
    assert (sent["sent"], sent["expires_in"], sent["resend_in"]) == (True, 600, 30)
    (taken,) = site.gateway.to(number_of(person))
    code = taken.code
    assert re.fullmatch("[0-9]{6}", code)
    assert taken.form == {
        "To": number_of(person),
        "From": "+15005550006",
        "Body": f"{code} is your House Service Pass code."
        " It expires in 10 minutes. Do not share it with anyone.",
        "ValidityPeriod": taken.form["ValidityPeriod"],
        "StatusCallback": "https://otp.example.com/callbacks/twilio/status/",
    }
    assert 590 <= int(taken.form["ValidityPeriod"]) <= 600
    assert site.verify(person, wrong(code))["attempts_remaining"] == 2
    answer = site.verify(person, code)
    assert (answer.status, answer["user"]["phone_number"]) == (200, number_of(person))
    assert site.verify(person, code)["error"] == "otp_expired"


def test_the_audit_names_the_message(site: Site, person: int) -> None:
    """The row of a send names the provider and its id of the message, and is there at once."""
    request_id = f"send-{person}"
    headers = _from(person) | {"X-Request-Id": request_id}
    site.server.post("/customer/send-otp/", {"pass_code": pass_of(person)}, **headers)
    with closing(sqlite3.connect(site.server.folder / "hsp-otp.db")) as connection:
        found = connection.execute(
            "SELECT outcome, sender, provider_message_id FROM audit WHERE request_id = ?",
            (request_id,),
        ).fetchall()
    assert found == [("sent", "twilio", site.taken(person).sid)]


@pytest.mark.parametrize("code", [21610, 30450])
def test_a_number_that_is_refused(site: Site, person: int, code: int) -> None:
    """A refused number is `sms_failed`, tried once; the next code may be asked for at once."""
    site.gateway.behaviour = played.refuse(code)
    before = site.gateway.asked
    answer = site.send(person)
    assert (answer.status, answer["error"], answer["sent"]) == (400, "sms_failed", False)
    assert answer["resend_in"] == 0
    assert site.gateway.asked == before + 1
    site.gateway.behaviour = played.accept
    assert site.send(person).status == 200


def test_a_code_that_went_out_all_the_same(site: Site, person: int) -> None:
    """A provider that fails after it took the message: the code it sent is good for nothing."""
    site.gateway.behaviour = played.fail_after_accepting
    answer = site.send(person)
    assert (answer.status, answer["error"]) == (400, "sms_failed")
    answer = site.verify(person, site.taken(person).code)
    assert (answer.status, answer["error"]) == (400, "otp_expired")
    assert len(site.gateway.to(number_of(person))) == 1


@pytest.mark.parametrize("behaviour", [played.reset, played.rubbish(b"<html>")], ids=["reset", "-"])
def test_no_answer_worth_the_name(site: Site, person: int, behaviour: played.Behaviour) -> None:
    """A connection that breaks off, or an answer that is none, is `sms_failed`, tried once."""
    site.gateway.behaviour = behaviour
    before = site.gateway.asked
    answer = site.send(person)
    assert (answer.status, answer["error"]) == (400, "sms_failed")
    assert site.gateway.asked == before + 1


def test_a_client_that_hangs_up(site: Site, person: int) -> None:
    """Who does not wait for the answer changes nothing: the code of a failed send is withdrawn."""

    def fail_late(handler: played.Handler, form: played.Form) -> None:
        handler.house.take(form)
        handler.house.closing.wait(1)
        handler.answer(500, {"code": 20500, "message": "internal error", "status": 500})

    site.gateway.behaviour = fail_late

    async def hang_up() -> None:
        line = await Line.open(site.server.port)
        asking = asyncio.create_task(_send(line, person))
        await asyncio.to_thread(until, lambda: site.gateway.to(number_of(person)))
        asking.cancel()
        await line.close()

    asyncio.run(hang_up())
    withdrawn = '"ended":"withdrawn"'
    slot = f'%"{number_of(person)}"%'

    def found() -> bool:
        with closing(sqlite3.connect(site.server.folder / "hsp-otp.db")) as connection:
            bodies = connection.execute(
                "SELECT body FROM records WHERE key LIKE 'slot:%' AND body LIKE ?", (slot,)
            ).fetchall()
        return [withdrawn in body for (body,) in bodies] == [True]

    until(found)
    assert site.verify(person, site.taken(person).code)["error"] == "otp_expired"


def test_receipts(site: Site, person: int) -> None:
    """Out of order, twice, forged, after the code's use: only forward."""
    site.send(person)
    sid = site.taken(person).sid
    assert site.state(sid) == "queued"
    assert site.report(sid, "sent") == 200
    assert site.state(sid) == "sent"
    assert site.report(sid, "delivered", token="0" * 32) == 403
    assert site.state(sid) == "sent"
    assert site.report(sid, "delivered") == 200
    assert site.verify(person, site.taken(person).code).status == 200
    for state in ("sent", "delivered", "queued", "failed"):
        assert site.report(sid, state) == 200
        assert site.state(sid) == "delivered"


def test_nothing_secret_is_written(site: Site, person: int) -> None:
    """What the server writes holds no code, number, pass code or token, failures included."""
    for behaviour in (played.refuse(21610), played.fail_after_accepting, played.accept):
        site.gateway.behaviour = behaviour
        site.send(person)
        person = next(site.people)
    written = site.server.errors + site.server.output
    assert len(written.splitlines()) > 3
    assert all(json.loads(line) for line in site.server.errors.splitlines())
    assert TOKEN not in written
    assert "+9198" not in written
    assert not re.search(r"HSP-\d{4}-", written)
    assert not [one for one in site.gateway.taken if f'"{one.code}"' in written]
    assert "HTTP Request" not in written


async def _send(line: Line, person: int) -> Answer:
    return await line.post("/customer/send-otp/", {"pass_code": pass_of(person)}, address(person))


async def _verify(line: Line, person: int, otp: str) -> Answer:
    body = {"pass_code": pass_of(person), "otp": otp}
    return await line.post("/customer/verify-otp/", body, address(person))


def test_a_provider_that_hangs(tmp_path: Path) -> None:
    """
    200 sends hang: each is answered in time, and no check of others waits for one; then the
    provider is skipped at once and nothing is charged, until it is tried again.
    """
    keys = prepare(tmp_path)
    hanging, checking = range(200), range(200, 240)
    with Gateway() as gateway, start(tmp_path, keys, gateway) as server:
        site = Site(server, gateway, count(300))
        for person in checking:
            assert site.send(person).status == 200
        gateway.behaviour = played.hang
        answers, waited, checked = asyncio.run(_hang(site, hanging, checking))
        told = Counter((answer.status, answer["error"]) for answer in answers)
        # On a busy machine the database has no time for some of so many at once.
        assert told.keys() <= {(400, "sms_failed"), (503, "unavailable")}
        assert told[400, "sms_failed"] > 150
        assert max(waited) < 10 + LATE
        # Had they waited for a send that hangs, it would have been for seven seconds.
        assert statistics.median(checked) < 2
        # Nobody is asked for twice; on a busy machine some were late enough to be skipped.
        asked = gateway.asked
        assert 150 < asked <= 240
        # Both workers know by now that there is no use in trying.
        gateway.behaviour = played.accept
        person = next(site.people)
        for _ in range(4):
            answer = site.send(person)
            assert (answer.status, answer["error"]) == (400, "sms_failed")
            assert "resend_in" not in answer.body
        ready = server.get("/readyz")
        assert (ready.status, ready["status"], ready["checks"]["senders"]) == (
            *(200, "degraded"),
            "away",
        )
        assert gateway.asked == asked
        # Neither the cooldown nor the five sends an hour of that client were touched by it.
        until(lambda: all(server.get("/readyz")["status"] == "ready" for _ in range(10)))
        assert site.send(person).status == 200
        assert gateway.asked == asked + 1
        assert site.verify(person, site.taken(person).code).status == 200
        assert unexpected(server) == []


async def _hang(
    site: Site, hanging: range, checking: range
) -> tuple[list[Answer], list[float], list[float]]:
    """The answers of sends that hang, how long each took, and how long checks took meanwhile."""

    async def send(line: Line, person: int) -> tuple[Answer, float]:
        began = time.monotonic()
        return await _send(line, person), time.monotonic() - began

    before = site.gateway.asked
    checked: list[float] = []
    async with open_lines(site.server, len(hanging) + 1) as (own, *lines):
        asking = [asyncio.create_task(send(*asked)) for asked in zip(lines, hanging, strict=True)]
        # Most of them hang by now, and for some seconds more: longer than the checks take.
        await asyncio.to_thread(until, lambda: site.gateway.asked > before + 150)
        for person in checking:
            code = site.taken(person).code
            for otp, status in ((wrong(code), 400), (code, 200)):
                began = time.monotonic()
                assert (await _verify(own, person, otp)).status == status
                checked.append(time.monotonic() - began)
        done = await asyncio.gather(*asking)
    return [answer for answer, _ in done], [took for _, took in done], checked
