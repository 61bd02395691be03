"""What every sender promises, one by one and in turn: docs/contract.md, 5.6 and 7."""

import asyncio
import json
import socket
import traceback
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any

import attrs
import pytest

from hsp_otp.adapters.senders.circuit_breaker import CircuitBreaker
from hsp_otp.adapters.senders.failover import Failover
from hsp_otp.adapters.senders.provider import Means, no_receipts
from hsp_otp.adapters.senders.smtp import SMTP_RELAYS
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.names import ENGLISH, Language
from hsp_otp.entrypoints.senders import SENDERS, receipts_path
from hsp_otp.entrypoints.settings.checks import check_to_serve
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.wiring import means_of
from hsp_otp.ports.failures import SendBlocked, SendFailed, SendRefusedHere, SendRejected
from hsp_otp.ports.sender import Call, Mail, Message, Sender, Sms, WhatsApp
from tests import gateway as played
from tests.gateway import Behaviour, Gateway
from tests.integration.behind import LATE, PATIENCE_SECONDS, within
from tests.plays import PLAYED, PLAYS
from tests.unit.test_settings import KEYS

pytestmark = pytest.mark.anyio

NAMES = [
    name
    for name, provider in SENDERS.items()
    if provider is not SMTP_RELAYS and not provider.development_only
]
"""Those that reach a provider; the console and relays have tests of their own."""

REPORTING = [name for name in NAMES if SENDERS[name].receipts is not no_receipts]

REPORTED = [(name, state) for name in REPORTING for state in PLAYED[name].states]

CODE = "012345"
NUMBER = "+919876543210"
TEXT = f"{CODE} is your code.\nसुरक्षित & 100 % = é"
PHONE = Contact(ContactKind.PHONE, NUMBER)
SMS = Sms(to=PHONE, text=TEXT, useful_for=598_500_000)
WHATSAPP = WhatsApp(id="s1", to=PHONE, code=CODE, language=ENGLISH, useful_for=598_500_000)

MAIL = Mail(
    id="s1",
    to=Contact(ContactKind.EMAIL, "a@example.com"),
    subject="Your House code",
    text=TEXT,
    html=f"<p>{TEXT}</p>",
    language=ENGLISH,
    useful_for=598_500_000,
    sender_name="House",
)

CALL = Call(
    id="aI7HpmwPr-rSBiYSYhURXQ",
    to=PHONE,
    code=CODE,
    language=ENGLISH,
    service_name="House",
    useful_for=SMS.useful_for,
)

MESSAGES: dict[Channel, Message] = {
    Channel.SMS: SMS,
    Channel.VOICE: CALL,
    Channel.WHATSAPP: WHATSAPP,
    Channel.EMAIL: MAIL,
}

SAID = {Channel.SMS: TEXT, Channel.WHATSAPP: CODE, Channel.EMAIL: TEXT}
"""What a provider is given to say; it has the texts of WhatsApp messages itself."""

PUBLIC_URL = "https://otp.example.com"

SHORT = 500_000
"""Half a second, for those that nobody answers in time."""

LONG = 5_000_000
"""Five seconds, of which a busy machine may need some for an answer that is given at once."""

FAILED: dict[str, Behaviour] = {
    "limits": played.limit,
    "breaks": played.break_down,
    "failed after accepting": played.fail_after_accepting,
    "a gateway before theirs": played.rubbish(b"<html>Bad Gateway</html>", 502),
    "no such address": played.rubbish(b"", 404),
    "reset": played.reset,
    "sent elsewhere": played.send_elsewhere("http://127.0.0.1:9"),
    "not for free": played.rubbish(b'{"message": "012345 +919876543210"}', 402),
}

RUBBISH: dict[str, Behaviour] = {
    "nothing": played.rubbish(b"", 200),
    "no JSON": played.rubbish(b"<html>012345 +919876543210</html>", 200),
    "a list": played.rubbish(b"[]", 200),
    "null": played.rubbish(b"null", 200),
    "not UTF-8": played.rubbish(b'{"sid": "\xff\xfe', 200),
    "half of it": played.rubbish(b'{"messages": [{"status": "0", "message-id": "1', 200),
    "deep": played.rubbish(b"[" * 100_000, 200),
    "an empty object": played.rubbish(b"{}", 200),
}
"""Successes that say nothing."""

AWAY = FAILED | {"rubbish": RUBBISH["null"]}


def settings_of(name: str, url: str) -> dict[str, str]:
    """All variables of a service that sends by one provider."""
    given = {**KEYS, "SENDERS": name, "PUBLIC_URL": PUBLIC_URL, **PLAYED[name].settings(url)}
    if SENDERS[name].channel is not Channel.SMS:  # logins need text messages
        given |= {"SENDERS": f"webhook,{name}", **PLAYS["webhook"].settings("http://127.0.0.1:9")}
    return {f"HSP_OTP_{variable}": value for variable, value in given.items()}


@asynccontextmanager
async def opened(name: str, url: str) -> AsyncGenerator[Sender[Any]]:
    """A sender as the table opens it, with settings that would serve."""
    settings = load(settings_of(name, url))
    check_to_serve(settings)
    async with SENDERS[name].open(settings.accounts[name], means_for(settings, name)) as sender:
        yield sender


def means_for(settings: Settings, name: str) -> Means:
    """The resources of a sender, as the service provides them."""
    return means_of(settings, settings.used_senders[name], SystemClock(), SystemRandomness())


def message_to(name: str, to: Contact = SMS.to) -> Message:
    """The message that this sender takes; an e-mail goes to an address with that number."""
    channel = SENDERS[name].channel
    if channel is Channel.EMAIL:
        to = Contact(ContactKind.EMAIL, f"{to.value[1:]}@{to.value[5:9]}.example.com")
    return attrs.evolve(MESSAGES[channel], to=to)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Every sender of the table."""
    found: str = request.param
    return found


@pytest.fixture(params=REPORTING)
def reporting(request: pytest.FixtureRequest) -> str:
    """Every sender that reports what becomes of messages."""
    found: str = request.param
    return found


@pytest.fixture
def gateway(name: str) -> Iterator[Gateway]:
    """The provider at the other end."""
    with Gateway(PLAYED[name]) as found:
        yield found


def everything(error: BaseException) -> str:
    """All that an exception and those behind it say, the suppressed ones too."""
    told: list[str] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None:
            told += [repr(one), str(one), repr(vars(one)), *traceback.format_exception(one)]
            waiting += [one.__cause__, one.__context__]
    return "\n".join(told)


def secrets_in(told: str, name: str) -> list[str]:
    """The number, the code and the provider's secrets that *told* holds."""
    return [secret for secret in (NUMBER[1:], CODE, *PLAYED[name].secrets) if secret in told]


async def failure_of(sender: Sender[Any], name: str, given: int = LONG) -> SendFailed:
    """What a send that fails raises: in its time, and without a secret."""
    began = asyncio.get_running_loop().time()
    with pytest.raises(SendFailed) as caught:
        await sender.send(message_to(name), given)
    assert asyncio.get_running_loop().time() - began < given / 1_000_000 + 0.5
    assert secrets_in(everything(caught.value), name) == []
    return caught.value


# --- Each by itself


def test_every_sender_is_played() -> None:
    """There is a gateway for every sender of the table, so that none goes without these tests."""
    assert set(NAMES) == set(PLAYED)


async def test_a_message_is_taken(name: str, gateway: Gateway) -> None:
    """One request with number, text and what is left of the code; the message's name comes back."""
    async with opened(name, gateway.url) as sender:
        assert sender.available()
        receipt = await sender.send(message_to(name))
    (taken,) = gateway.taken
    play = PLAYED[name]
    channel = SENDERS[name].channel
    assert receipt.sender == name
    assert receipt.provider_message_id == (play.kept(taken.sid) if play.kept else taken.sid)
    assert taken.to == NUMBER
    if channel is Channel.VOICE:
        assert CODE not in str(taken.form)
        assert play.seconds is not None
        assert play.seconds(taken.form) == 60
    else:
        assert taken.text == SAID[channel]
        assert play.seconds is None or play.seconds(taken.form) == 598
    assert gateway.asked == 1


async def test_two_messages_have_two_names(name: str, gateway: Gateway) -> None:
    """Receipts can tell one message from another."""
    async with opened(name, gateway.url) as sender:
        receipts = [await sender.send(message_to(name)) for _ in range(2)]
    assert receipts[0] != receipts[1]
    assert gateway.taken[0].sid != gateway.taken[1].sid


async def test_a_refused_number(name: str, gateway: Gateway) -> None:
    """A refusal that is about the number is final and no trouble of the sender's."""
    async with opened(name, gateway.url) as sender:
        for place in range(PLAYED[name].refusals):
            gateway.behaviour = played.refuse_number(place)
            error = await failure_of(sender, name)
            assert isinstance(error, SendRejected)
            assert (error.tries_next, error.blames_sender) == (False, False)
            assert gateway.asked == place + 1


async def test_a_message_refused_by_this_sender_alone(name: str, gateway: Gateway) -> None:
    """A refusal of one message that others need not give is neither final nor a trouble."""
    async with opened(name, gateway.url) as sender:
        for place in range(PLAYED[name].declines):
            gateway.behaviour = played.decline(place)
            error = await failure_of(sender, name)
            assert isinstance(error, SendRefusedHere)
            assert (error.tries_next, error.blames_sender) == (True, False)
            assert gateway.asked == place + 1


async def test_a_refused_account(name: str, gateway: Gateway) -> None:
    """A refusal of the account is the sender's trouble, whatever the message was."""
    async with opened(name, gateway.url) as sender:
        for place in range(PLAYED[name].disowns):
            gateway.behaviour = played.disown(place)
            error = await failure_of(sender, name)
            assert (error.tries_next, error.blames_sender) == (True, True)
            assert gateway.asked == place + 1


@pytest.mark.parametrize("behaviour", FAILED.values(), ids=FAILED)
async def test_everything_else_is_a_failure(
    name: str, gateway: Gateway, behaviour: Behaviour
) -> None:
    """Whatever else goes wrong is the provider's failure, was tried once, and tells no secret."""
    gateway.behaviour = behaviour
    async with opened(name, gateway.url) as sender:
        error = await failure_of(sender, name)
    assert (error.tries_next, error.blames_sender) == (True, True)
    assert gateway.asked == 1


@pytest.mark.parametrize("behaviour", RUBBISH.values(), ids=RUBBISH)
async def test_rubbish(name: str, gateway: Gateway, behaviour: Behaviour) -> None:
    """A success that does not name the message is a failure, wherever the provider names them."""
    gateway.behaviour = behaviour
    async with opened(name, gateway.url) as sender:
        if PLAYED[name].names_messages:
            error = await failure_of(sender, name)
            assert (error.tries_next, error.blames_sender) == (True, True)
        else:
            assert (await sender.send(message_to(name))).provider_message_id
    assert gateway.asked == 1


@pytest.mark.parametrize(
    "behaviour",
    [played.hang, played.hang_after_accepting, played.drip],
    ids=["hangs", "hangs after accepting", "drips"],
)
async def test_who_does_not_answer_in_time(
    name: str, gateway: Gateway, behaviour: Behaviour
) -> None:
    """Nobody is waited for longer than was given, whatever the bytes do."""
    gateway.behaviour = behaviour
    async with opened(name, gateway.url) as sender:
        began = asyncio.get_running_loop().time()
        error = await failure_of(sender, name, SHORT)
        assert asyncio.get_running_loop().time() - began > 0.4
    assert (error.tries_next, error.blames_sender) == (True, True)
    assert gateway.asked == 1


async def test_nobody_is_there(name: str) -> None:
    """Where nothing listens the send fails at once, and tells no secret."""
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    async with opened(name, url) as sender:
        error = await failure_of(sender, name)
    assert (error.tries_next, error.blames_sender) == (True, True)


async def test_a_redirect_is_not_followed(name: str, gateway: Gateway) -> None:
    """The message and the secrets go nowhere else, wherever the answer points to."""
    with Gateway(PLAYED[name]) as other:
        gateway.behaviour = played.send_elsewhere(other.url)
        async with opened(name, gateway.url) as sender:
            await failure_of(sender, name)
        assert other.asked == 0


async def test_a_cancelled_send_is_cancelled(name: str, gateway: Gateway) -> None:
    """Who is told to stop stops: a cancellation is no failure of the provider."""
    gateway.behaviour = played.hang
    async with opened(name, gateway.url) as sender:
        sending = asyncio.create_task(sender.send(message_to(name)))
        await within(PATIENCE_SECONDS, lambda: gateway.asked == 1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_two_hundred_that_hang_keep_nobody_waiting(name: str, gateway: Gateway) -> None:
    """While two hundred sends hang, others are taken."""
    other = message_to(name, Contact(ContactKind.PHONE, "+919812345678"))

    def hang_for_some(handler: played.Handler, form: played.Form) -> None:
        (played.hang if PLAYED[name].number(form) != NUMBER else played.accept)(handler, form)

    gateway.behaviour = hang_for_some
    async with opened(name, gateway.url) as sender:
        hanging = [asyncio.create_task(sender.send(other)) for _ in range(200)]

        def all_hang() -> bool:
            # Where the machine is busy with others some have given up by then.
            return gateway.asked + sum(task.done() for task in hanging) >= 200

        try:
            await within(PATIENCE_SECONDS, all_hang)
            for _ in range(20):
                await sender.send(message_to(name))
        finally:
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
    assert len(gateway.taken) == 20


# --- What each reports


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """As the HTTP library has them."""
    return {header.lower(): value for header, value in headers.items()}


def reader(name: str) -> Any:  # noqa: ANN401 - some sender's own
    """What reads its reports."""
    settings = load(settings_of(name, "http://127.0.0.1:9"))
    return SENDERS[name].receipts(settings.accounts[name], means_for(settings, name))


@pytest.mark.parametrize(("reporting", "state"), REPORTED)
def test_reports(reporting: str, state: str) -> None:
    """A signed report tells of a message and its state, in our words."""
    receipts, play = reader(reporting), PLAYED[reporting]
    body, headers = play.report("message-1", state, PUBLIC_URL + receipts_path(reporting))
    assert receipts.is_signed(body, lower(headers))
    kept = play.kept("message-1") if play.kept else "message-1"
    assert receipts.read(body) == [(kept, DeliveryState(state))]


def test_forged_reports(reporting: str) -> None:
    """What was changed, or signed by nobody, is nobody's."""
    receipts = reader(reporting)
    url = PUBLIC_URL + receipts_path(reporting)
    body, headers = PLAYED[reporting].report("message-1", "sent", url)
    other, _ = PLAYED[reporting].report("message-2", "sent", url)
    assert not receipts.is_signed(body.replace(b"message-1", b"message-2"), lower(headers))
    assert not receipts.is_signed(b"", lower(headers))
    assert not receipts.is_signed(other.partition(b"&sig=")[0], {})
    assert not receipts.is_signed(b"\xff\x00" * 9, dict.fromkeys(lower(headers), "ÿ"))
    assert not receipts.is_signed(b"[" * 10_000, lower(headers))


def test_the_secrets_are_shown_nowhere(name: str) -> None:
    """Neither settings nor what is made of them show a secret."""
    settings = load(settings_of(name, "http://127.0.0.1:9"))
    shown = f"{settings!r} {settings.accounts!r} {reader(name)!r}"
    assert not [secret for secret in PLAYED[name].secrets if secret in shown]


# --- In turn


@asynccontextmanager
async def in_turn(*gateways: tuple[str, Gateway]) -> AsyncGenerator[Failover]:
    """Senders in turn, each with a circuit, as the service has them."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        senders = [
            CircuitBreaker(name, await stack.enter_async_context(opened(name, gateway.url)), clock)
            for name, gateway in gateways
        ]
        yield Failover(senders, clock)


@pytest.fixture
def pair() -> Iterator[list[tuple[str, Gateway]]]:
    """Two providers."""
    with Gateway(PLAYS["vonage"]) as first, Gateway(PLAYS["twilio"]) as second:
        yield [("vonage", first), ("twilio", second)]


@pytest.mark.parametrize("behaviour", AWAY.values(), ids=AWAY)
async def test_the_next_takes_it(pair: list[tuple[str, Gateway]], behaviour: Behaviour) -> None:
    """Where the first fails, however it does, the second is given the same text, each once."""
    (_, first), (_, second) = pair
    first.behaviour = behaviour
    async with in_turn(*pair) as sender:
        receipt = await sender.send(SMS)
    assert receipt.sender == "twilio"
    assert [taken.text for taken in second.taken] == [TEXT]
    assert (first.asked, second.asked) == (1, 1)


async def test_who_hangs_leaves_half(pair: list[tuple[str, Gateway]]) -> None:
    """The first of two that hangs is given up after half of the time, and the second takes it."""
    (_, first), (_, second) = pair
    first.behaviour = played.hang_after_accepting
    began = asyncio.get_running_loop().time()
    async with in_turn(*pair) as sender:
        receipt = await sender.send(SMS)
    took = asyncio.get_running_loop().time() - began
    assert 3.7 < took < 7
    assert receipt.sender == "twilio"
    assert (len(first.taken), len(second.taken)) == (1, 1)


async def test_all_hang(pair: list[tuple[str, Gateway]]) -> None:
    """Where all hang it is over within 8 s, and each was asked once."""
    for _, gateway in pair:
        gateway.behaviour = played.hang
    began = asyncio.get_running_loop().time()
    async with in_turn(*pair) as sender:
        with pytest.raises(SendFailed):
            await sender.send(SMS)
    assert 7.3 < asyncio.get_running_loop().time() - began < 8 + LATE
    assert [gateway.asked for _, gateway in pair] == [1, 1]


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("turned", [False, True])
async def test_a_refused_number_is_not_tried_elsewhere(
    pair: list[tuple[str, Gateway]],
    place: int,
    turned: bool,  # noqa: FBT001
) -> None:
    """A refusal about the number is final, for fraud too: the second never hears of it."""
    (name, first), (_, second) = chain = pair[::-1] if turned else pair
    first.behaviour = played.refuse_number(min(place, PLAYED[name].refusals - 1))
    async with in_turn(*chain) as sender:
        with pytest.raises(SendRejected):
            await sender.send(SMS)
    assert (first.asked, second.asked) == (1, 0)


async def test_what_one_refuses_the_next_takes(pair: list[tuple[str, Gateway]]) -> None:
    """However often the first refuses messages for itself, the second takes each, asked once."""
    (name, first), (_, second) = pair
    async with in_turn(*pair) as sender:
        for number in range(24):
            first.behaviour = played.decline(number % PLAYED[name].declines)
            to = Contact(ContactKind.PHONE, f"+9198{number:04d}3210")
            receipt = await sender.send(Sms(to=to, text=TEXT, useful_for=SMS.useful_for))
            assert receipt.sender == "twilio"
            assert (first.asked, second.asked) == (number + 1, number + 1)


async def test_refused_numbers_skip_no_sender(name: str, gateway: Gateway) -> None:
    """After any number of refused messages, whatever the refusal, the sender takes the next."""
    play = PLAYED[name]
    async with in_turn((name, gateway)) as sender:
        for number in range(24):
            place = number % (play.refusals + play.declines)
            refused = place < play.refusals
            gateway.behaviour = (
                played.refuse_number(place) if refused else played.decline(place - play.refusals)
            )
            to = Contact(ContactKind.PHONE, f"+9198{number:04d}3210")
            with pytest.raises(SendFailed):
                await sender.send(message_to(name, to))
        gateway.behaviour = played.accept
        assert (await sender.send(message_to(name))).sender == name


async def test_a_refused_account_skips_the_sender(name: str, gateway: Gateway) -> None:
    """A sender that refuses the account for numbers of three ranges is skipped."""
    async with in_turn((name, gateway)) as sender:
        for number in range(5):
            assert sender.available()
            gateway.behaviour = played.disown(number % PLAYED[name].disowns)
            to = Contact(ContactKind.PHONE, f"+9198{number % 3:04d}3210")
            with pytest.raises(SendFailed):
                await sender.send(message_to(name, to))
        assert not sender.available()


async def test_a_cancelled_send_goes_nowhere_else(pair: list[tuple[str, Gateway]]) -> None:
    """Who is told to stop while the first hangs does not begin with the second."""
    (_, first), (_, second) = pair
    first.behaviour = played.hang
    async with in_turn(*pair) as sender:
        sending = asyncio.create_task(sender.send(SMS))
        await within(PATIENCE_SECONDS, lambda: first.asked == 1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert second.asked == 0


# --- What some of them pass on


async def test_vonage_passes_registered_ids_on() -> None:
    """Template and entity ids (DLT) go with the message where there are some, and only there."""
    registered = Sms(
        to=SMS.to, text="Code 012345", useful_for=SMS.useful_for, template_id="1107", entity_id="11"
    )
    with Gateway(PLAYS["vonage"]) as gateway:
        async with opened("vonage", gateway.url) as sender:
            await sender.send(registered)
            await sender.send(SMS)
    first, second = (taken.form for taken in gateway.taken)
    assert (first["content-id"], first["entity-id"], first["type"]) == ("1107", "11", "text")
    assert not {"content-id", "entity-id"} & second.keys()
    assert second["type"] == "unicode"
    assert first["callback"] == "https://otp.example.com/callbacks/vonage/status/"
    assert first["to"] == "919876543210"


@pytest.mark.parametrize(
    ("left", "told"), [(600_000_000, "600000"), (1, "20000"), (-1, "20000"), (10**15, "604800000")]
)
async def test_vonages_time_to_live(left: int, told: str) -> None:
    """What is left of the code in milliseconds, between what Vonage takes at least and at most."""
    with Gateway(PLAYS["vonage"]) as gateway:
        async with opened("vonage", gateway.url) as sender:
            await sender.send(Sms(to=SMS.to, text=TEXT, useful_for=left))
    assert [taken.form["ttl"] for taken in gateway.taken] == [told]


PARTS = {
    "two parts": (b'{"messages": [{"status": "0", "message-id": "A"}, {"status": "0"}]}', "A"),
    "half of it": (b'{"messages": [{"status": "0", "message-id": "A"}, {"status": "5"}]}', None),
    "no parts": (b'{"messages": []}', None),
    "parts that are none": (b'{"messages": [1]}', None),
    "a code that is none": (b'{"messages": [{"status": "012345", "message-id": "A"}]}', None),
    "a number for a code": (b'{"messages": [{"status": 0, "message-id": "A"}]}', None),
    "no name": (b'{"messages": [{"status": "0"}]}', None),
    "a number for a name": (b'{"messages": [{"status": "0", "message-id": 1}]}', None),
}


@pytest.mark.parametrize(("body", "named"), PARTS.values(), ids=PARTS)
async def test_vonages_parts(body: bytes, named: str | None) -> None:
    """A long message goes in parts; its name is that of the first, and all have to be taken."""
    with Gateway(PLAYS["vonage"]) as gateway:
        gateway.behaviour = played.rubbish(body, 200)
        async with opened("vonage", gateway.url) as sender:
            if named:
                assert (await sender.send(SMS)).provider_message_id == named
            else:
                assert not isinstance(await failure_of(sender, "vonage"), SendRejected)


async def test_the_webhooks_message() -> None:
    """A webhook is given everything that there is to know."""
    registered = Sms(
        to=SMS.to, text=TEXT, useful_for=SMS.useful_for, template_id="1107", entity_id="11"
    )
    with Gateway(PLAYS["webhook"]) as gateway:
        async with opened("webhook", gateway.url) as sender:
            receipt = await sender.send(registered)
            await sender.send(Sms(to=SMS.to, text=TEXT, useful_for=0))
    first, second = (taken.form for taken in gateway.taken)
    assert first == {
        "message_id": receipt.provider_message_id,
        "to": "+919876543210",
        "text": TEXT,
        "valid_seconds": 598,
        "template_id": "1107",
        "entity_id": "11",
    }
    assert (second["valid_seconds"], second["template_id"], second["entity_id"]) == (1, None, None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((422, SendRejected), (400, SendRefusedHere), (409, SendRefusedHere)),
        *((status, SendFailed) for status in (301, 401, 402, 403, 404, 405, 410, 413, 429, 503)),
    ],
)
async def test_the_webhooks_statuses(status: int, kind: type[SendFailed]) -> None:
    """422 refuses a message for everybody, 400 and 409 for the webhook; all else is trouble."""
    with Gateway(PLAYS["webhook"]) as gateway:
        gateway.behaviour = played.rubbish(b"", status)
        async with opened("webhook", gateway.url) as sender:
            error = await failure_of(sender, "webhook")
    assert type(error) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *(("7", SendBlocked), ("33", SendRejected)),
        *((code, SendFailed) for code in ("1", "4", "5", "8", "9", "10", "11", "13", "14", "32")),
        *((code, SendRefusedHere) for code in ("2", "3", "6", "12", "15", "22", "23", "29", "34")),
        *((code, SendRefusedHere) for code in ("99", "101", "999")),
        *((code, SendFailed) for code in ("1000", "-6", "", "six", "٦")),
    ],
)
async def test_vonages_statuses(code: str, kind: type[SendFailed]) -> None:
    """What Vonage's statuses mean; one that nobody knows refuses the message alone."""
    body = json.dumps({"messages": [{"status": code}]}).encode()
    with Gateway(PLAYS["vonage"]) as gateway:
        gateway.behaviour = played.rubbish(body, 200)
        async with opened("vonage", gateway.url) as sender:
            error = await failure_of(sender, "vonage")
    assert type(error) is kind


SPANISH, HINDI = Language("es"), Language("hi")


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (ENGLISH, ("login_code", "en_US")),
        (SPANISH, ("login_code", "es")),
        (HINDI, ("login_code", "en_US")),
    ],
)
async def test_metas_message(language: Language, told: tuple[str, str]) -> None:
    """The code is in the body and in the button of the language's template, and nowhere else."""
    with Gateway(PLAYED["meta-whatsapp"]) as gateway:
        async with opened("meta-whatsapp", gateway.url) as sender:
            await sender.send(attrs.evolve(WHATSAPP, language=language))
    name, code = told
    parameters = [{"type": "text", "text": "012345"}]
    assert [taken.form for taken in gateway.taken] == [
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "+919876543210",
            "type": "template",
            "template": {
                "name": name,
                "language": {"code": code},
                "components": [
                    {"type": "body", "parameters": parameters},
                    {"type": "button", "sub_type": "url", "index": "0", "parameters": parameters},
                ],
            },
        }
    ]


@pytest.mark.parametrize(
    ("language", "sid"),
    [
        (ENGLISH, "HX0000000000000000000000000000000e"),
        (SPANISH, "HX00000000000000000000000000000005"),
        (HINDI, "HX0000000000000000000000000000000e"),
    ],
)
async def test_twilios_whatsapp_message(language: Language, sid: str) -> None:
    """The code is the first variable of the language's template."""
    with Gateway(PLAYED["twilio-whatsapp"]) as gateway:
        async with opened("twilio-whatsapp", gateway.url) as sender:
            await sender.send(attrs.evolve(WHATSAPP, language=language))
    assert [taken.form for taken in gateway.taken] == [
        {
            "To": "whatsapp:+919876543210",
            "From": "whatsapp:+15005550006",
            "ContentSid": sid,
            "ContentVariables": '{"1": "012345"}',
            "ValidityPeriod": "598",
            "StatusCallback": "https://otp.example.com/callbacks/twilio-whatsapp/status/",
        }
    ]


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        *((code, 400, SendRejected) for code in (131021, 131026)),
        *((code, 401, SendFailed) for code in (0, 190, 131026, 999_999)),
        *((code, 403, SendFailed) for code in (10, 200, 299, 368, 131031)),
        *((code, 400, SendFailed) for code in (2, 4, 33, 80007, 130429, 131005, 131037, 131042)),
        *((code, 400, SendFailed) for code in (131045, 131048, 133010)),
        *((code, 500, SendFailed) for code in (3, 131000, 131016, 131057, 131026)),
        *((code, 429, SendFailed) for code in (131026, 131047)),
        *((code, 400, SendRefusedHere) for code in (1, 100, 130472, 131008, 131009, 131030)),
        *((code, 400, SendRefusedHere) for code in (131047, 131049, 131050, 131056, 300, 999_999)),
        *((code, 400, SendRefusedHere) for code in (132000, 132012, 132015, 132016)),
        (130497, 403, SendRefusedHere),
        (132001, 404, SendRefusedHere),
        *((code, 400, SendFailed) for code in (1_000_000, -1, 919876543210, "131026", None, 1.5)),
    ],
)
async def test_metas_codes(code: object, status: int, kind: type[SendFailed]) -> None:
    """What Meta's error codes mean; one that nobody knows refuses the message alone."""
    body = json.dumps({"error": {"message": "012345", "code": code}}).encode()
    with Gateway(PLAYED["meta-whatsapp"]) as gateway:
        gateway.behaviour = played.rubbish(body, status)
        async with opened("meta-whatsapp", gateway.url) as sender:
            error = await failure_of(sender, "meta-whatsapp")
    assert type(error) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, SendRejected) for code in (63003, 63024, 21211, 21614)),
        *((code, SendBlocked) for code in (21610, 30450, 63014)),
        *((code, SendFailed) for code in (63001, 63002, 63007, 63018, 63020, 63038)),
        *((code, SendRefusedHere) for code in (63005, 63013, 63015, 63016, 63027, 63032, 63049)),
    ],
)
async def test_twilios_codes_of_whatsapp(code: int, kind: type[SendFailed]) -> None:
    """What Twilio's error codes about WhatsApp mean."""
    with Gateway(PLAYED["twilio-whatsapp"]) as gateway:
        gateway.behaviour = played.rubbish(json.dumps({"code": code, "status": 400}).encode(), 400)
        async with opened("twilio-whatsapp", gateway.url) as sender:
            error = await failure_of(sender, "twilio-whatsapp")
    assert type(error) is kind


METAS_RUBBISH: dict[str, bytes] = {
    "no messages": b'{"messages": []}',
    "messages that are none": b'{"messages": {"id": "wamid.1"}}',
    "a message that is none": b'{"messages": ["wamid.1"]}',
    "an empty id": b'{"messages": [{"id": ""}]}',
    "a number for an id": b'{"messages": [{"id": 1}]}',
}


@pytest.mark.parametrize("body", METAS_RUBBISH.values(), ids=METAS_RUBBISH)
async def test_metas_rubbish(body: bytes) -> None:
    """A message that Meta does not name is not known to be taken."""
    with Gateway(PLAYED["meta-whatsapp"]) as gateway:
        gateway.behaviour = played.rubbish(body, 200)
        async with opened("meta-whatsapp", gateway.url) as sender:
            error = await failure_of(sender, "meta-whatsapp")
    assert type(error) is SendFailed


# --- What the provider calls a message


def named(sid: str) -> Behaviour:
    """Take the message, and call it that."""

    def behave(handler: played.Handler, form: played.Form) -> None:
        handler.house.take(form)
        handler.answer(*handler.house.play.accept(form, sid))

    return behave


@pytest.mark.parametrize(
    ("sid", "kept"),
    [("!", True), ("=cmd()", True), ("x" * 64, True), ("x" * 65, False), ("a b", False)],
)
async def test_a_messages_id_is_kept_where_it_is_visible_ascii(
    name: str,
    gateway: Gateway,
    sid: str,
    kept: bool,  # noqa: FBT001
) -> None:
    """An id of 1 to 64 visible ASCII characters is kept; with any other the message is taken."""
    gateway.behaviour = named(sid)
    async with opened(name, gateway.url) as sender:
        receipt = await sender.send(message_to(name))
    assert receipt.sender == name
    play = PLAYED[name]
    if play.kept:
        assert receipt.provider_message_id == play.kept(sid)
    elif play.names_messages:
        assert receipt.provider_message_id == (sid if kept else None)
