"""The order of channels at running servers, by the answers of providers: docs/contract.md, 13.1."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Final

import attrs
import pytest

from tests import gateway as played
from tests.e2e.production import number_of, prepare, query, start, unexpected
from tests.e2e.server import Answer, Server, command
from tests.gateway import Behaviour, Form, Gateway, Handler
from tests.plays import PLAYED, code_in

pytestmark = pytest.mark.timeout(180)

APPS: Final = """
[shop]
account = "acme"
service_name = "Acme Shop"
regions = ["IN"]
channels = { phone = ["whatsapp", "sms", "voice"] }
"""

NOT_ON_WHATSAPP: Final = {"meta-whatsapp": "131026", "twilio-whatsapp": "63003"}
"""How each provider says that a number has no WhatsApp, by the first of its refusals."""

NO_SUCH_NUMBER: Final = {"twilio": 0, "vonage": 1}
"""Which of the refusals of text messages is of a number that does not exist."""

BLOCKED: Final = {"twilio": 1, "vonage": 0}
"""Which of them is of somebody who said STOP (21610), or whose number is barred (7)."""


@attrs.frozen
class Site:
    """
    Two workers with a sender for each channel of an app's order.

    Attributes:
        gateways: The providers by their channels.
        names: Their senders.
        people: Numbers of people of whom no test has heard yet.
    """

    server: Server
    gateways: dict[str, Gateway]
    names: dict[str, str]
    key: str
    people: "count[int]"

    def ask(self, path: str, body: object) -> Answer:
        """Ask for something about verifications."""
        bearer = f"Bearer {self.key}"
        return self.server.post(f"/v1/verifications{path}", body, Authorization=bearer)

    def refused_by(self, channel: str, refusal: Behaviour) -> list[str]:
        """Have the provider of *channel* refuse; return the codes that it gets from now on."""
        codes: list[str] = []
        gateway = self.gateways[channel]

        def behave(handler: Handler, form: Form) -> None:
            codes.append(code_in(gateway.play.text(form)))
            refusal(handler, form)

        gateway.behaviour = behave
        return codes

    def asked(self) -> dict[str, int]:
        """How many requests each provider has had."""
        return {channel: gateway.asked for channel, gateway in self.gateways.items()}

    def sends(self, number: str) -> list[tuple[object, ...]]:
        """Channels, senders, and verifications of all sends to *number*, the first one first."""
        kept = "SELECT channel, sender, verification_id FROM sends WHERE contact = ? ORDER BY at"
        return query(self.server.folder, kept, number)

    def verifications(self, number: str) -> list[tuple[object, ...]]:
        """Ids and ends of all verifications of which something was sent to *number*."""
        kept = (
            "SELECT id, ended FROM verifications"
            " WHERE id IN (SELECT verification_id FROM sends WHERE contact = ?)"
        )
        return query(self.server.folder, kept, number)


@pytest.fixture(scope="module", params=NOT_ON_WHATSAPP)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One for each provider of WhatsApp messages."""
    whatsapp = request.param
    names = {"whatsapp": whatsapp, "sms": "twilio", "voice": "vonage-voice"}
    if whatsapp == "twilio-whatsapp":  # whose gateway is Twilio's only one
        names["sms"] = "vonage"
    folder = tmp_path_factory.mktemp("channels")
    keys = prepare(folder)
    (folder / "apps.toml").write_text(APPS)
    assert command(folder, "apps", "import", "apps.toml", **keys).returncode == 0
    made = command(folder, "api-keys", "new", "--name", "shop", "--app", "shop", **keys)
    assert made.returncode == 0, made.stderr
    with ExitStack() as stack:
        gateways = {
            channel: stack.enter_context(Gateway(PLAYED[name])) for channel, name in names.items()
        }
        senders = {name: gateways[channel] for channel, name in names.items()}
        server = stack.enter_context(start(folder, keys, senders, VERIFY_API="true"))
        yield Site(server, gateways, names, made.stdout.strip(), count())
        assert unexpected(server) == []


@pytest.fixture
def site(shared: Site) -> Site:
    """The same one, where every provider takes messages; refusals of numbers open no circuit."""
    for gateway in shared.gateways.values():
        gateway.behaviour = played.accept
    return shared


def test_a_number_without_whatsapp_gets_a_text(site: Site) -> None:
    """The same code, in the same request: two sends and two rows, but one verification."""
    number = number_of(next(site.people))
    refused = site.refused_by("whatsapp", played.refuse_number())
    before = site.asked()
    answer = site.ask("", {"to": number})
    assert (answer.status, answer["channel"]) == (200, "sms"), answer.body
    after = {channel: asked - before[channel] for channel, asked in site.asked().items()}
    assert after == {"whatsapp": 1, "sms": 1, "voice": 0}
    (taken,) = site.gateways["sms"].to(number)
    assert refused == [taken.code]
    assert site.sends(number) == [
        ("whatsapp", None, answer["id"]),
        ("sms", site.names["sms"], answer["id"]),
    ]
    refusal = f": {NOT_ON_WHATSAPP[site.names['whatsapp']]}"
    site.server.wait_for_log(refusal)
    checked = site.ask(f"/{answer['id']}/check", {"code": taken.code})
    assert (checked.status, checked["status"]) == (200, "approved")
    assert site.verifications(number) == [(answer["id"], "approved")]


def test_a_call_takes_the_code_of_a_text(site: Site) -> None:
    """A refusal of the number ends the channel; the code that the text had is the right one."""
    number = number_of(next(site.people))
    place = NO_SUCH_NUMBER[site.names["sms"]]
    refused = site.refused_by("sms", played.refuse_number(place))
    answer = site.ask("", {"to": number, "channel": "sms"})
    assert (answer.status, answer["channel"]) == (200, "voice"), answer.body
    (code,) = refused
    assert len(site.gateways["voice"].to(number)) == 1
    assert site.gateways["whatsapp"].to(number) == []
    assert site.sends(number) == [
        ("sms", None, answer["id"]),
        ("voice", "vonage-voice", answer["id"]),
    ]
    checked = site.ask(f"/{answer['id']}/check", {"code": code})
    assert (checked.status, checked["status"]) == (200, "approved")
    assert site.verifications(number) == [(answer["id"], "approved")]


def test_nobody_who_said_stop_is_called(site: Site) -> None:
    """Neither by a start for text messages nor by one that comes to them after WhatsApp."""
    place = BLOCKED[site.names["sms"]]
    for channel, tried in (("sms", ["sms"]), ("whatsapp", ["whatsapp", "sms"])):
        number = number_of(next(site.people))
        site.refused_by("whatsapp", played.refuse_number())
        codes = site.refused_by("sms", played.refuse_number(place))
        before = site.asked()
        answer = site.ask("", {"to": number, "channel": channel})
        assert (answer.status, answer["error"]) == (400, "delivery_failed")
        assert site.asked()["voice"] == before["voice"]
        assert len(codes) == 1
        ((verification, ended),) = site.verifications(number)
        assert ended == "failed"
        assert site.sends(number) == [(one, None, verification) for one in tried]
        checked = site.ask(f"/{verification}/check", {"code": codes[0]})
        assert (checked.status, checked["status"]) != (200, "approved"), checked.body
