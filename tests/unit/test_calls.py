"""Calls that say a code: docs/contract.md, 7.9."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final
from xml.etree import ElementTree as ET

import attrs
import jwt
import pytest

from hsp_otp.adapters.messages import GettextMessages
from hsp_otp.adapters.senders.twilio_speech import asking_for_key, saying
from hsp_otp.adapters.senders.vonage_voice import VonageVoiceControl
from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.apps import PurposeNumbers, default_channels
from hsp_otp.domain.audit import Action, AuditFacts, HandedOverRow
from hsp_otp.domain.challenge import live_code
from hsp_otp.domain.challenge_outcomes import Issued
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import DeliveryState, UnknownMessage
from hsp_otp.domain.instant import SECOND
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import ENGLISH, ClientAddress, Language
from hsp_otp.domain.purposes import Flow, Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.slot_record import Ended, Held, Request, SlotRecord
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.flows.calls import CodeOver, CodeToSay
from hsp_otp.flows.verification_outcomes import Sent
from hsp_otp.ports.calls import Speech
from hsp_otp.ports.failures import Unavailable
from tests.backend import Shop, shop
from tests.http import Client, Reply, problem
from tests.plays import VOICE_PLAYS
from tests.verifying import with_app
from tests.world import CLIENT, PHONE, START, World, other_than, ring, run, slot_of

PUBLIC_URL: Final = "https://otp.example.com"
SPANISH, HINDI = Language("es"), Language("hi")
CALL_ID: Final = "CA0123456789abcdef0123456789abcdef"

WORDS: Final = {
    ENGLISH: ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    SPANISH: ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
    HINDI: ["शून्य", "एक", "दो", "तीन", "चार", "पाँच", "छह", "सात", "आठ", "नौ"],
}
VOICES: Final = {ENGLISH: "en-US", SPANISH: "es-ES", HINDI: "hi-IN"}
TEXTS: Final = GettextMessages({})

NOT_FOUND = problem(404, "Not Found", "not_found", "There is nothing at this address.")
FORBIDDEN = problem(403, "Forbidden", "forbidden", "This is not allowed.")

REQUEST = Request(
    slot=slot_of("u1"),
    flow=Flow.PASS_LOGIN,
    contact=Contact(ContactKind.PHONE, PHONE),
    channel=Channel.VOICE,
    client=ClientAddress(CLIENT),
)
FACTS = AuditFacts(
    at=START,
    flow=Flow.PASS_LOGIN,
    purpose=Purpose.PHONE_VERIFICATION,
    action=Action.SEND,
    client=ClientAddress(CLIENT),
    request_id="r1",
)


# --- What calls say


@pytest.mark.parametrize("language", WORDS)
def test_digits_are_words(language: Language) -> None:
    """Each digit is a word of the language, the whole twice, and after a pause once more."""
    speech = TEXTS.spelled(Code("0123456789"), language)
    assert speech.voice == VOICES[language]
    (first, second) = speech.passages
    words = tuple(WORDS[language])
    assert first[1:11] == words
    assert first[12:] == words
    assert second[1:] == words
    assert first[11] == second[0]
    assert not re.search(r"[0-9]", "".join((*first, *second)))


@pytest.mark.parametrize("language", WORDS)
def test_announcement(language: Language) -> None:
    """It names the service, and asks for a key in the language."""
    speech = TEXTS.announcement("Acme Shop", language)
    ((said,),) = speech.passages
    assert "Acme Shop" in said
    assert speech.voice == VOICES[language]


def test_a_language_without_texts() -> None:
    """Calls speak English where there are no texts, with an English voice."""
    assert TEXTS.over(Language("fr")) == TEXTS.over(ENGLISH)
    assert TEXTS.over(ENGLISH).voice == "en-US"


def test_what_is_said_is_shown_nowhere() -> None:
    """Neither a speech nor what is made of it shows the words of a code."""
    speech = TEXTS.spelled(Code("447744"), ENGLISH)
    script = VonageVoiceControl("s").script(speech)
    assert "four" in script.content.decode()
    assert "four" not in f"{speech!r} {speech} {script!r} {CodeToSay(Code('447744'), ENGLISH)!r}"


# --- How providers are told


def speech_of(code: str) -> Speech:
    """A code in English."""
    return TEXTS.spelled(Code(code), ENGLISH)


def test_twiml_that_asks_for_a_key() -> None:
    """It waits 10 s for one key of any kind, reports it to the URL, and hangs up."""
    url = f"{PUBLIC_URL}/callbacks/twilio-voice/calls/aI7HpmwPr-rSBiYSYhURXQ/"
    made = ET.fromstring(asking_for_key(TEXTS.announcement("A & B", ENGLISH), url))  # noqa: S314 - our own
    gather, hangup = made
    assert hangup.tag == "Hangup"
    assert gather.attrib == {
        "action": url,
        "method": "POST",
        "input": "dtmf",
        "numDigits": "1",
        "timeout": "10",
        "finishOnKey": "",
    }
    say, pause = gather
    assert say.attrib == {"language": "en-US"}
    assert say.text is not None
    assert "A & B" in say.text
    assert pause.attrib == {"length": "1"}


def test_twiml_of_a_code() -> None:
    """Every digit is an element of its own with a pause behind it."""
    made = ET.fromstring(saying(speech_of("41")))  # noqa: S314 - our own
    told = [one.text if one.tag == "Say" else one.attrib.get("length", one.tag) for one in made]
    digits = ["four", "1", "one", "1"]
    assert told == [
        *("Your code is", "1", *digits, "Again:", "1", *digits),
        *("3", "Again:", "1", *digits, "Hangup"),
    ]


def test_ncco_of_a_code() -> None:
    """Every digit is an action of its own, with a longer wait before the last repetition."""
    script = VonageVoiceControl("s").script(speech_of("41"))
    assert script.media_type == "application/json"
    actions = json.loads(script.content)
    told = [one.get("text", one.get("timeout")) for one in actions]
    assert told == [
        *("Your code is", "four", "one", "Again:", "four", "one"),
        *(3, "Again:", "four", "one"),
    ]
    assert {one["language"] for one in actions if one["action"] == "talk"} == {"en-US"}


# --- The codes of challenges


def placed(world: World, **request: object) -> tuple[Slot, str, str]:
    """Ask for a code by a call; return its slot, its challenge and the code."""
    asked = attrs.evolve(REQUEST, **request)  # type: ignore[arg-type]
    assert isinstance(run(world.otp.ask(asked, FACTS, ENGLISH)), Issued)
    return asked.slot, world.audit.sends[-1].id, world.outbox.codes[-1]


def code_of_slot(world: World, slot: Slot, challenge_id: str, codes: KeyRing) -> str | None:
    """The live code of the challenge; the slot stays as it is."""

    def judge(held: Held) -> Decision[Held, str | None]:
        decision = live_code(
            held,
            challenge_id=challenge_id,
            policy=world.policy,
            ring=codes,
            now=world.clock.now(),
        )
        assert decision.becomes is held
        code = decision.outcome
        return Decision(None if code is None else code.reveal(), held)

    return run(world.slots.transition(slot, (), judge))


def test_a_live_code() -> None:
    """The code is that of the message, to the last microsecond of its life."""
    world = World()
    slot, challenge_id, code = placed(world)
    world.clock.advance(600 * SECOND - 1)
    assert code_of_slot(world, slot, challenge_id, world.codes) == code
    world.clock.advance(1)
    assert code_of_slot(world, slot, challenge_id, world.codes) is None


def test_the_code_of_a_known_device() -> None:
    """Codes are found in both lanes."""
    world = World()
    slot, challenge_id, code = placed(world)

    def move(held: Held) -> Decision[Held, None]:
        record = SlotRecord(known=held.record.others)
        return Decision(None, attrs.evolve(held, record=record))

    run(world.slots.transition(slot, (), move))
    assert code_of_slot(world, slot, challenge_id, world.codes) == code


def test_a_replaced_code() -> None:
    """Once another code has taken its place, only the newer one is told."""
    world = World()
    slot, old, _ = placed(world)
    world.clock.advance(60 * SECOND)
    _, new, code = placed(world)
    assert code_of_slot(world, slot, old, world.codes) is None
    assert code_of_slot(world, slot, new, world.codes) == code


@pytest.mark.parametrize(
    "change",
    [{"ended": Ended.USED}, {"ended": Ended.CANCELED}, {"attempts": 3}, {"test_contact": "t"}],
    ids=["used", "canceled", "exhausted", "of a test contact"],
)
def test_a_code_that_nobody_can_use(change: dict[str, Any]) -> None:
    """A code that cannot be right is not told; one with a guess left is."""
    world = World()
    slot, challenge_id, code = placed(world)

    def evolve(held: Held, changes: dict[str, Any]) -> Decision[Held, None]:
        own = held.record.others
        assert own.challenge is not None
        challenge = attrs.evolve(own.challenge, **changes)
        record = attrs.evolve(held.record, others=attrs.evolve(own, challenge=challenge))
        return Decision(None, attrs.evolve(held, record=record))

    run(world.slots.transition(slot, (), partial(evolve, changes={"attempts": 2})))
    assert code_of_slot(world, slot, challenge_id, world.codes) == code
    run(world.slots.transition(slot, (), partial(evolve, changes=change)))
    assert code_of_slot(world, slot, challenge_id, world.codes) is None


def test_a_code_of_a_key_that_is_gone() -> None:
    """Without its key a code cannot be told."""
    world = World()
    slot, challenge_id, _ = placed(world)
    assert code_of_slot(world, slot, challenge_id, ring("codes", "k2")) is None


def test_a_code_of_the_future() -> None:
    """A code that a fast clock has issued is void, as it is for guesses."""
    world = World()
    slot, challenge_id, code = placed(world)
    world.clock.advance(-5 * SECOND)
    assert code_of_slot(world, slot, challenge_id, world.codes) == code
    world.clock.advance(-1)
    assert code_of_slot(world, slot, challenge_id, world.codes) is None


@pytest.mark.parametrize("subject", ["u1", "shop:user:1", "+919876543210", ""])
def test_a_slot_as_text(subject: str) -> None:
    """A slot is read back as it was written, whatever its subject contains."""
    slot = Slot(Subject(SubjectKind.APP, subject), Purpose.LOGIN_VERIFICATION)
    assert Slot.stored(str(slot)) == slot


# --- What a call is answered


def answered(world: World, send_id: str, call_id: str = "message-1") -> object:
    """What a call says in which a key was pressed."""
    return run(world.journeys.calls.answer(send_id, call_id))


def test_a_call_of_pass_login() -> None:
    """The send of a customer's own journey is found by the id of its challenge."""
    world = World()
    _, send_id, code = placed(world)
    outcome = answered(world, send_id)
    assert isinstance(outcome, CodeToSay)
    assert outcome.code.matches(Code(code))
    assert outcome.language == "en"


def test_a_call_of_signup() -> None:
    """A code that is bound to a session is told as it is, with the numbers of its purpose."""
    world = World()
    slot = Slot(Subject(SubjectKind.PHONE, PHONE), Purpose.SIGNUP)
    _, send_id, code = placed(world, slot=slot, flow=Flow.SIGNUP, session="s" * 22)
    outcome = answered(world, send_id)
    assert isinstance(outcome, CodeToSay)
    assert outcome.code.matches(Code(code))


def test_calls_of_a_verification() -> None:
    """Every call of a verification says its one code, in its language, by the app's numbers."""
    told = by_voice(purposes={Purpose.PHONE_VERIFICATION: PurposeNumbers(max_attempts=1)})
    view = told.sent(subject="user-1", language=HINDI).view
    told.world.clock.advance(60 * SECOND)
    assert isinstance(told.resend(view.verification.id), Sent)
    first, second = told.world.audit.sends
    code, again = told.world.outbox.codes
    assert code == again
    for call_id, send in (("message-1", first), ("message-2", second)):
        outcome = answered(told.world, send.id, call_id)
        assert isinstance(outcome, CodeToSay)
        assert outcome.code.matches(Code(code))
        assert outcome.language == "hi"
    told.check(view.verification.id, other_than(code))
    assert answered(told.world, first.id) == CodeOver(HINDI)


def test_a_verification_whose_app_is_gone() -> None:
    """Its codes are over."""
    told = by_voice()
    told.sent()
    told.world.apps.stored = Tenants()
    assert answered(told.world, told.world.audit.sends[0].id) == CodeOver(ENGLISH)


def test_a_report_of_another_call() -> None:
    """The report of one call tells nothing of another, and of no text message."""
    world = World()
    _, send_id, _ = placed(world)
    assert answered(world, send_id, "message-2") == UnknownMessage()
    assert answered(world, "x" * 22) == UnknownMessage()
    world.clock.advance(60 * SECOND)
    _, send_id, _ = placed(world, channel=Channel.SMS)
    assert answered(world, send_id, "message-2") == UnknownMessage()


def test_a_call_that_is_not_recorded_yet() -> None:
    """A key may be pressed before it is recorded that the provider took the call."""
    world = World()
    _, send_id, _ = placed(world)
    world.audit.handed_over.clear()
    assert isinstance(answered(world, send_id, "any"), CodeToSay)


# --- Over HTTP


@attrs.frozen
class Line:
    """
    A call that a provider has taken, for a service that takes its reports.

    Attributes:
        name: The sender.
    """

    client: Client
    name: str
    send_id: str
    code: str

    @property
    def path(self) -> str:
        """The path of reports of pressed keys."""
        return f"/callbacks/{self.name}/calls/{self.send_id}/"

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Post a report."""
        lower = {name.lower(): value for name, value in headers.items()}
        return self.client.request("POST", path, body=body, headers=lower)

    def press(self, key: str = "5", call_id: str = CALL_ID) -> Reply:
        """Report a pressed key."""
        signed = VOICE_PLAYS[self.name].press(call_id, key, PUBLIC_URL + self.path)
        return self.post(self.path, *signed)

    def end(self) -> Reply:
        """Report that the call has ended."""
        path = f"/callbacks/{self.name}/status/"
        return self.post(
            path, *VOICE_PLAYS[self.name].report(CALL_ID, "undelivered", PUBLIC_URL + path)
        )

    @property
    def state(self) -> DeliveryState | None:
        """What was reported of the call."""
        return self.client.world.deliveries.states.get((self.name, CALL_ID))


def settings_of(name: str) -> dict[str, Any]:
    """The settings of a service that calls."""
    given = VOICE_PLAYS[name].settings("http://127.0.0.1:9")
    accounts = load({f"HSP_OTP_{variable}": value for variable, value in given.items()}).accounts
    return {"senders": ("webhook", name), "accounts": accounts, "public_url": PUBLIC_URL}


@pytest.fixture(params=VOICE_PLAYS)
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    """A call by each provider."""
    name: str = request.param
    world = World()
    _, send_id, code = placed(world)
    taken = HandedOverRow(send_id=send_id, sender=name, provider_message_id=CALL_ID)
    world.audit.handed_over[:] = [taken]
    with Client(world, **settings_of(name)) as client:
        yield Line(client, name, send_id, code)


def words_of(code: str) -> list[str]:
    """The digits in English."""
    return [WORDS[ENGLISH][int(digit)] for digit in code]


def said_by(reply: Reply) -> list[str]:
    """What a call is told to say, in order."""
    text = reply.body.decode()
    if reply.headers["content-type"].startswith("application/json"):
        return [one["text"] for one in json.loads(text) if one["action"] == "talk"]
    assert reply.headers["content-type"].startswith("text/xml")
    return re.findall(r"<Say[^>]*>([^<]*)</Say>", text)


def test_the_code_after_a_key(line: Line) -> None:
    """Once a key is pressed, the call says the code as words; that counts as its delivery."""
    reply = line.press()
    assert reply.status == 200
    words = words_of(line.code)
    assert said_by(reply) == ["Your code is", *words, *("Again:", *words) * 2]
    assert line.state is DeliveryState.DELIVERED


def test_no_key(line: Line) -> None:
    """Without a key nothing is said, and the call is undelivered when it ends."""
    reply = line.press("")
    assert (reply.status, said_by(reply)) == (200, [])
    assert line.state is None
    assert line.end().status == 200
    assert line.state is DeliveryState.UNDELIVERED


def test_the_end_of_a_call_that_said_the_code(line: Line) -> None:
    """It stays delivered."""
    line.press()
    assert line.end().status == 200
    assert line.state is DeliveryState.DELIVERED


def test_a_call_whose_code_is_over(line: Line) -> None:
    """The call says that the code is no longer valid, and is not delivered."""
    line.client.world.clock.advance(600 * SECOND)
    reply = line.press()
    assert reply.status == 200
    assert said_by(reply) == ["This code is no longer valid. Please ask for a new one."]
    assert line.state is None


def test_forged_keys(line: Line) -> None:
    """Without the provider's signature a report is 403, and tells nothing of the code."""
    body, headers = VOICE_PLAYS[line.name].press(CALL_ID, "5", PUBLIC_URL + line.path)
    changed = body.replace(CALL_ID.encode(), CALL_ID[::-1].encode())
    kind = {"Content-Type": headers["Content-Type"]}
    forged = {name: f"{value}x" for name, value in headers.items() if name not in kind} | kind
    for reply in (
        line.post(line.path, body, kind),
        line.post(line.path, body, forged),
        line.post(line.path, changed, headers),
        line.post(line.path, b"", headers),
        line.post(line.path, b"[" * 10_000, headers),
        line.post(
            line.path, body, kind | {"Authorization": "Basic eA==", "X-Twilio-Signature": ""}
        ),
    ):
        assert (reply.status, reply.json) == (403, FORBIDDEN)
        assert not [word for word in words_of(line.code) if word in reply.body.decode()]
    assert line.state is None


def test_a_signature_for_another_call(line: Line) -> None:
    """The report of one call is refused for another, by the signature or by the call's id."""
    world = line.client.world
    world.clock.advance(60 * SECOND)
    _, other, code = placed(world)
    signed = VOICE_PLAYS[line.name].press(CALL_ID, "5", PUBLIC_URL + line.path)
    reply = line.post(line.path.replace(line.send_id, other), *signed)
    assert reply.status in {403, 404}
    assert not [word for word in words_of(code) if word in reply.body.decode()]


@pytest.mark.parametrize("send_id", ["x" * 22, "x", "x" * 23, "é" * 22, "a" * 21 + "\0"])
def test_calls_that_nobody_made(line: Line, send_id: str) -> None:
    """An id of no send is 404, signed or not."""
    unknown = attrs.evolve(line, send_id=send_id)
    reply = unknown.press()
    assert (reply.status, reply.json) == (404, NOT_FOUND)


def test_reports_that_are_read_as_no_key(line: Line) -> None:
    """A signed report with other members than a key and a call is 200, and says nothing."""
    for key, call_id in (("5", ""), ("", CALL_ID), ("", "")):
        reply = line.press(key, call_id)
        assert (reply.status, said_by(reply)) == (200, [])


def test_the_database_is_away(line: Line) -> None:
    """The provider is told to come back, and no code is said."""
    line.client.world.deliveries.failure = Unavailable("away")
    reply = line.press()
    assert reply.status == 503
    assert not [word for word in words_of(line.code) if word in reply.body.decode()]


@pytest.mark.parametrize("name", VOICE_PLAYS)
@pytest.mark.parametrize("changed", [{"public_url": ""}, {"senders": ("webhook",)}])
def test_nobody_calls(name: str, changed: dict[str, Any]) -> None:
    """Where the provider makes no calls there is nothing at the address, signed or not."""
    with Client(World(), **(settings_of(name) | changed)) as client:
        reply = Line(client, name, "x" * 22, "").press()
        assert (reply.status, reply.json) == (404, NOT_FOUND)


def test_vonages_older_keys() -> None:
    """Keys are also read in the form that inputs of older applications have."""
    control = VonageVoiceControl("s")
    assert control.pressed(b'{"uuid": "u1", "dtmf": "5", "timed_out": false}') == "u1"
    assert control.pressed(b'{"uuid": "u1", "dtmf": "", "timed_out": true}') is None
    assert control.pressed(b'{"uuid": "u1", "dtmf": {"digits": 5}}') is None
    assert control.pressed(b'{"uuid": ["u1"], "dtmf": {"digits": "5"}}') is None
    assert control.pressed(b"[]") is None


def test_vonages_digest_is_of_the_compact_body() -> None:
    """The same report in another layout has the same digest; another report has not."""
    body, headers = VOICE_PLAYS["vonage-voice"].press(CALL_ID, "5", "")
    control = load_control()
    signed = {name.lower(): value for name, value in headers.items()}
    spaced = json.dumps(json.loads(body), indent=2).encode()
    assert control.is_signed("", body, signed)
    assert control.is_signed("", spaced, signed)
    assert not control.is_signed("", spaced.replace(b"5", b"6"), signed)


def load_control() -> VonageVoiceControl:
    """What reads the played reports."""
    return VonageVoiceControl(VOICE_PLAYS["vonage-voice"].secrets[0])


@pytest.mark.parametrize(("algorithm", "secret"), [("none", ""), ("HS256", "other" * 8)])
def test_tokens_that_vonage_did_not_sign(algorithm: str, secret: str) -> None:
    """A token that is signed with another secret, or not at all, signs nothing."""
    body, headers = VOICE_PLAYS["vonage-voice"].press(CALL_ID, "5", "")
    _, _, token = headers["Authorization"].partition(" ")
    claims = jwt.decode(token, options={"verify_signature": False})
    forged = jwt.encode(claims, secret, algorithm=algorithm)
    assert load_control().is_signed("", body, {"authorization": f"Bearer {token}"})
    assert not load_control().is_signed("", body, {"authorization": f"Bearer {forged}"})


def by_voice(**rules: Any) -> Shop:  # noqa: ANN401 - of every kind
    """A shop whose codes are said by calls."""
    told = shop(channels=default_channels() | {ContactKind.PHONE: (Channel.VOICE,)}, **rules)
    with_app(told.world, told.app)
    return told
