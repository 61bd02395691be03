"""Codes by WhatsApp at a running server, through Meta and Twilio: docs/contract.md, 5.4 and 7."""

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import attrs
import httpx2
import pytest

from tests import gateway as played
from tests.e2e.production import PUBLIC_URL, number_of, prepare, query, start, unexpected
from tests.e2e.server import PATIENCE_SECONDS, Answer, Server, command
from tests.gateway import Behaviour, Gateway, Taken
from tests.plays import META_VERIFY_TOKEN, PLAYED, meta_notice, meta_signed, meta_status

pytestmark = pytest.mark.timeout(180)

META, TWILIO = "meta-whatsapp", "twilio-whatsapp"
RECEIPTS = f"/callbacks/{META}/status/"

APPS = """
[shop]
account = "acme"
service_name = "Acme Shop"
regions = ["IN"]
channels = { phone = ["whatsapp"] }
"""


@attrs.frozen
class Site:
    """
    A service that sends by Meta and then by Twilio, with an app.

    Attributes:
        key: The app's API key.
        people: Numbers of people of whom no test has heard yet.
    """

    server: Server
    gateways: dict[str, Gateway]
    key: str
    people: "count[int]"

    def ask(self, path: str, body: object, **headers: str) -> Answer:
        """Ask for something about verifications."""
        told = {"Authorization": f"Bearer {self.key}"} | headers
        return self.server.post(f"/v1/verifications{path}", body, **told)

    def report(self, *statuses: tuple[str, str]) -> int:
        """Report states of messages as Meta does, all in one body; how that is answered."""
        notice = meta_notice(*(meta_status(*one) for one in statuses))
        body, headers = meta_signed(notice)
        return self.server.post(RECEIPTS, body.decode(), **headers).status

    def get(self, path: str, **query: str) -> httpx2.Response:
        """Get something as Meta does."""
        return httpx2.get(
            f"http://127.0.0.1:{self.server.port}{path}",
            params=query,
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    def sends(self) -> list[tuple[object, ...]]:
        """What is kept of the messages, the latest first."""
        asked = "SELECT sender, provider_message_id, state FROM sends ORDER BY rowid DESC"
        return query(self.server.folder, asked)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One of two workers."""
    folder = tmp_path_factory.mktemp("whatsapp")
    keys = prepare(folder)
    (folder / "apps.toml").write_text(APPS)
    with ExitStack() as stack:
        names = (META, TWILIO, "vonage")
        gateways = {name: stack.enter_context(Gateway(PLAYED[name])) for name in names}
        settings = {"VERIFY_API": "true", "METRICS_PORT": "0"}
        for arguments in (
            ("apps", "import", "apps.toml"),
            ("api-keys", "new", "--name", "shop", "--app", "shop"),
        ):
            by = {"SENDERS": ",".join(names), **PLAYED[META].settings("http://127.0.0.1:9")}
            by |= PLAYED[TWILIO].settings("http://127.0.0.1:9")
            done = command(folder, *arguments, **keys, **by)
            assert (done.returncode, done.stderr) == (0, "")
        server = stack.enter_context(start(folder, keys, gateways, **settings))
        yield Site(server, gateways, done.stdout.strip(), count())
        assert unexpected(server) == []


@pytest.fixture(autouse=True)
def _well(site: Site) -> None:
    for gateway in site.gateways.values():
        gateway.behaviour = played.accept


def started(site: Site, **members: str) -> tuple[str, str]:
    """Start a verification of somebody; its id, and the number."""
    number = number_of(next(site.people))
    answer = site.ask("", {"to": number, **members})
    assert answer.status == 200, answer.body
    assert answer["channel"] == "whatsapp"
    return answer["id"], number


def message_to(site: Site, sender: str, number: str) -> Taken:
    """The one message that a provider has for *number*."""
    (found,) = site.gateways[sender].to(number)
    return found


def test_a_code_by_whatsapp(site: Site) -> None:
    """The code that Meta is given, in the language's template, is right."""
    verification, number = started(site, locale="es-MX")
    taken = message_to(site, META, number)
    assert taken.form["template"]["language"] == {"code": "es"}
    assert site.gateways["vonage"].to(number) == []
    answer = site.ask(f"/{verification}/check", {"code": taken.code})
    assert (answer.status, answer["status"]) == (200, "approved")


def test_the_handshake(site: Site) -> None:
    """Meta is answered its challenge, and nobody else."""
    asked = {
        "hub.mode": "subscribe",
        "hub.challenge": "1158201444",
        "hub.verify_token": META_VERIFY_TOKEN,
    }
    reply = site.get(RECEIPTS, **asked)
    assert (reply.status_code, reply.text) == (200, "1158201444")
    assert site.get(RECEIPTS, **(asked | {"hub.verify_token": "guessed"})).status_code == 403
    assert site.get(RECEIPTS).status_code == 403
    assert site.get(f"/callbacks/{TWILIO}/status/", **asked).status_code == 405


def test_receipts_of_meta(site: Site) -> None:
    """One body tells of two messages; one that was read is delivered, and stays so."""
    first, second = (message_to(site, META, started(site)[1]) for _ in range(2))
    assert site.report((first.sid, "sent"), (second.sid, "failed"), (first.sid, "read")) == 200
    assert site.report((first.sid, "delivered")) == 200
    keep = PLAYED[META].kept
    assert keep is not None
    kept = {one[1]: one[2] for one in site.sends()}
    assert (kept[keep(first.sid)], kept[keep(second.sid)]) == ("delivered", "failed")
    assert site.report(("wamid.0", "sent")) == 404
    body, headers = meta_signed(meta_notice(meta_status(first.sid, "sent")), "1" * 32)
    assert site.server.post(RECEIPTS, body.decode(), **headers).status == 403


def test_a_receipt_before_the_answer_to_the_send(site: Site) -> None:
    """A receipt that comes while the message is handed over is taken."""
    answers: list[int] = []
    site.gateways[META].behaviour = played.accept_after(
        lambda taken: answers.append(site.report((taken.sid, "delivered")))
    )
    started(site)
    assert answers == [200]


TROUBLE: dict[str, Behaviour] = {
    "limits": played.limit,
    "declines": played.decline(),
    "disowns": played.disown(),
    "resets": played.reset,
}


@pytest.mark.parametrize("behaviour", TROUBLE.values(), ids=TROUBLE)
def test_the_next_takes_it(site: Site, behaviour: Behaviour) -> None:
    """Where Meta does not take a message, Twilio gets the same code, and its receipt counts."""
    site.gateways[META].behaviour = behaviour
    verification, number = started(site)
    taken = message_to(site, TWILIO, number)
    path = f"/callbacks/{TWILIO}/status/"
    body, headers = PLAYED[TWILIO].report(taken.sid, "read", PUBLIC_URL + path)
    assert site.server.post(path, body.decode(), **headers).status == 200
    assert (TWILIO, taken.sid, "delivered") in site.sends()
    answer = site.ask(f"/{verification}/check", {"code": taken.code})
    assert (answer.status, answer["status"]) == (200, "approved")


def test_nothing_secret_is_written(site: Site) -> None:
    """Neither output nor metrics nor database hold a code, a number, a token or Meta's ids."""
    number = ""
    for behaviour in (
        *(played.refuse_number(), played.limit, played.disown(), played.fail_after_accepting),
        *(played.reset, played.rubbish(b"<html>"), played.accept),
    ):
        site.gateways[META].behaviour = behaviour
        number = number_of(next(site.people))
        site.ask("", {"to": number})
    sid = message_to(site, META, number).sid
    assert number[1:].encode() in base64.b64decode(sid.removeprefix("wamid."))
    assert site.report((sid, "failed")) == 200
    site.get(RECEIPTS, **{"hub.mode": "subscribe", "hub.verify_token": META_VERIFY_TOKEN})
    written = site.server.errors + site.server.output + str(site.server.metrics())
    assert "Meta refused the message: 131026" in written
    assert f"sender', '{META}" in written
    # Long enough not to stand in an instant or a request id by chance.
    numbers = {number_of(person).removeprefix("+91")[:8] for person in range(next(site.people))}
    taken = [one for gateway in site.gateways.values() for one in gateway.taken]
    assert len(numbers) > 5
    assert len(taken) > 5
    sids = [one.sid for one in site.gateways[META].taken]
    secrets = [*PLAYED[META].secrets, *PLAYED[TWILIO].secrets]
    assert not [one for one in (*secrets, *numbers, *sids) if one in written]
    codes = {one.code for one in taken}
    assert not [one for one in codes if f'"{one}"' in written or f" {one} " in written]
    stored = b"".join(
        path.read_bytes() for path in Path(site.server.folder).glob("hsp-otp.db*") if path.is_file()
    )
    assert not [one for one in (*secrets, *sids) if one.encode() in stored]
