"""Twilio's API, played by a gateway on this machine: docs/contract.md, 5.6 and 7."""

import asyncio
import json
import socket
import traceback
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest

from hsp_otp.adapters.senders.http_client import open_client
from hsp_otp.adapters.senders.twilio_account import TwilioAccount
from hsp_otp.adapters.senders.twilio_api import TwilioSms
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.ports.failures import SendFailed, SendRefusedHere, SendRejected
from hsp_otp.ports.sender import Receipt, Sms
from tests import gateway as played
from tests.gateway import Behaviour, Gateway
from tests.integration.behind import LATE, PATIENCE_SECONDS, within
from tests.plays import ACCOUNT, FROM, TOKEN

pytestmark = pytest.mark.anyio

CODE = "012345"
NUMBER = "+919876543210"
SMS = Sms(
    to=Contact(ContactKind.PHONE, NUMBER),
    text=f"{CODE} is your code.\nसुरक्षित & 100 %",
    useful_for=600_000_000,
)

REJECTED = (21211, 21214, 21217, 21265, 21266, 21610, 21614, 21635, 30450, 63014)
"""About the number or the message: another provider would refuse it too."""

REFUSED_HERE = (21408, 21606, 21608, 21612, 20001, 21603, 21705, 30007, 99999, 572006)
"""About this message from here: another provider may take it. The last two are of tomorrow."""


def refuse_newly(code: object, status: object = 400, told: object = None) -> Behaviour:
    """Refuse it by an error of the newer form (RFC 9457), which repeats the number as well."""
    body = {
        "type": "https://www.twilio.com/docs/api/errors/21612",
        "title": f"{NUMBER} is not what it should be",
        "status": status if told is None else told,
        "code": code,
        "detail": f"{NUMBER} {CODE}",
    }
    assert isinstance(status, int)
    return played.rubbish(json.dumps(body).encode(), status)


FAILED = {
    "bad token": played.refuse(20003, 401),
    "bad token, by another status": played.refuse(20003, 403),
    "account is not active": played.refuse(20005, 403),
    "account is suspended": played.refuse(30002),
    "unknown account": played.refuse(20404, 404),
    "bad token, newly": refuse_newly(20003, 401),
    "try later, newly": refuse_newly(20429, 429),
    "a code that is none, newly": refuse_newly(919876543210),
    "try later": played.refuse(20429, 429),
    "queue is full": played.refuse(21611, 400),
    "daily limit": played.refuse(63038, 429),
    "a refused number while overloaded": played.refuse(21612, 503),
    "a refused number too often": played.refuse(21408, 429),
    "a number for a code": played.refuse(919876543210),
    "overloaded": played.refuse(20503, 503),
    "failed after accepting": played.fail_after_accepting,
    "reset": played.reset,
    "sent elsewhere": played.send_elsewhere("http://127.0.0.1:9"),
    "nothing": played.rubbish(b""),
    "no JSON": played.rubbish(b"<html>012345 +919876543210</html>"),
    "a list": played.rubbish(b"[]"),
    "a text": played.rubbish(b'"SM1"'),
    "null": played.rubbish(b"null"),
    "not UTF-8": played.rubbish(b'{"sid": "\xff\xfe'),
    "half of it": played.rubbish(b'{"sid": "SM1'),
    "deep": played.rubbish(b"[" * 100_000),
    "no name": played.rubbish(b"{}"),
    "an empty name": played.rubbish(b'{"sid": ""}'),
    "null for a name": played.rubbish(b'{"sid": null}'),
    "a number for a name": played.rubbish(b'{"sid": 1}'),
    "a refusal without JSON": played.rubbish(b"012345 +919876543210", 400),
    "a refusal without a code": played.rubbish(b'{"message": "012345 +919876543210"}', 400),
    "a refusal that is a list": played.rubbish(b"[21211]", 400),
    "a code that is a list": played.rubbish(b'{"code": [21211], "message": "012345"}', 400),
    "a code that is a text": played.rubbish(b'{"code": "012345", "message": ""}', 400),
    "a gateway before theirs": played.rubbish(b"<html>Bad Gateway</html>", 502),
}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """The provider."""
    with Gateway() as found:
        yield found


@asynccontextmanager
async def opened(
    url: str, callback: str | None = None, **changes: str
) -> AsyncGenerator[TwilioSms]:
    """A sender over a client of its own."""
    given = {"account_sid": ACCOUNT, "auth_token": TOKEN, "from_": FROM, "base_url": url}
    async with open_client() as client:
        yield TwilioSms(TwilioAccount(**(given | changes)), client, callback)


async def failure_of(sender: TwilioSms, message: Sms = SMS) -> SendFailed:
    """What a send that fails raises, within the eight seconds that it has."""
    async with asyncio.timeout(8 + LATE):
        with pytest.raises(SendFailed) as caught:
            await sender.send(message)
    return caught.value


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


def tells_nothing(error: SendFailed) -> bool:
    """Whether no number, code or token is in *error* or behind it."""
    told = everything(error)
    return not [secret for secret in (NUMBER[1:], CODE, TOKEN) if secret in told]


# --- What is asked


async def test_a_message_is_taken(gateway: Gateway) -> None:
    """One request with the number, the text, the sender and what is left of the code."""
    async with opened(gateway.url) as sender:
        assert sender.available()
        receipt = await sender.send(SMS)
    (taken,) = gateway.taken
    assert receipt == Receipt(sender="twilio", provider_message_id=taken.sid)
    assert taken.form == {
        "To": "+919876543210",
        "From": "+15005550006",
        "Body": "012345 is your code.\nसुरक्षित & 100 %",
        "ValidityPeriod": "600",
    }
    assert gateway.asked == 1


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (600_000_000, "600"),
        (598_500_000, "598"),
        (1_999_999, "1"),
        (1, "1"),
        (0, "1"),
        (-5_000_000, "1"),
        (40_000_000_000, "36000"),
    ],
)
async def test_the_validity_is_what_is_left_of_the_code(
    gateway: Gateway, left: int, told: str
) -> None:
    """Whole seconds, rounded down, between what Twilio takes at least and at most."""
    async with opened(gateway.url) as sender:
        await sender.send(Sms(to=SMS.to, text=SMS.text, useful_for=left))
    assert [taken.form["ValidityPeriod"] for taken in gateway.taken] == [told]


async def test_a_messaging_service_sends(gateway: Gateway) -> None:
    """Where a messaging service is named it takes the place of a number."""
    async with opened(gateway.url, from_="", messaging_service_sid="MG1") as sender:
        await sender.send(SMS)
    (taken,) = gateway.taken
    assert taken.form["MessagingServiceSid"] == "MG1"
    assert "From" not in taken.form


async def test_receipts_are_asked_for(gateway: Gateway) -> None:
    """Where there is an address for receipts it goes with the message."""
    url = "https://otp.example.com/callbacks/twilio/status/"
    async with opened(gateway.url, callback=url) as sender:
        await sender.send(SMS)
    assert [taken.form["StatusCallback"] for taken in gateway.taken] == [url]


async def test_a_base_url_with_a_path(gateway: Gateway) -> None:
    """The base URL may have a slash at its end, and a path of its own in front of theirs."""
    async with opened(f"{gateway.url}/") as sender:
        await sender.send(SMS)
    async with opened(f"{gateway.url}/elsewhere") as sender:
        error = await failure_of(sender)
    assert str(error) == "Twilio answered 404: 20404"
    assert len(gateway.taken) == 1


async def test_another_token_is_refused(gateway: Gateway) -> None:
    """It signs in with the account's own name and token."""
    async with opened(gateway.url, auth_token="0" * 32) as sender:
        error = await failure_of(sender)
    assert str(error) == "Twilio answered 401: 20003"


async def test_a_connection_is_used_again(gateway: Gateway) -> None:
    """Twenty messages one after the other all arrive, once each and in order."""
    async with opened(gateway.url) as sender:
        receipts = [await sender.send(SMS) for _ in range(20)]
    assert [receipt.provider_message_id for receipt in receipts] == [t.sid for t in gateway.taken]
    assert gateway.asked == 20


async def test_a_connection_that_the_provider_closed_is_not_used(gateway: Gateway) -> None:
    """A message does not fail because the provider hung up after the one before it."""
    gateway.behaviour = played.accept_and_leave
    async with opened(gateway.url) as sender:
        for _ in range(3):
            await sender.send(SMS)
            await asyncio.sleep(0.1)
    assert (gateway.asked, len(gateway.taken)) == (3, 3)


# --- What is answered


@pytest.mark.parametrize("code", REJECTED)
async def test_a_refused_number_is_rejected(gateway: Gateway, code: int) -> None:
    """
    A refusal that is about the number is one wherever else it would be tried. An opt-out and a
    block for fraud hold for other channels as well.
    """
    gateway.behaviour = played.refuse(code)
    async with opened(gateway.url) as sender:
        error = await failure_of(sender)
    assert isinstance(error, SendRejected)
    assert error.tries_channels is (code not in {21610, 30450, 63014})
    assert str(error) == f"Twilio refused the message: {code}"
    assert tells_nothing(error)
    assert gateway.asked == 1


@pytest.mark.parametrize("code", REFUSED_HERE)
@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("form", [played.refuse, refuse_newly])
async def test_a_message_that_twilio_alone_refuses(
    gateway: Gateway, code: int, status: int, form: Callable[[int, int], Behaviour]
) -> None:
    """A refusal with a code that is neither about the number nor the account is of this message."""
    gateway.behaviour = form(code, status)
    async with opened(gateway.url) as sender:
        error = await failure_of(sender)
    assert type(error) is SendRefusedHere
    assert str(error) == f"Twilio refused the message: {code}"
    assert tells_nothing(error)
    assert gateway.asked == 1


async def test_a_refused_number_in_the_newer_form(gateway: Gateway) -> None:
    """The newer form of Twilio's errors means the same, and its status is not believed blindly."""
    async with opened(gateway.url) as sender:
        gateway.behaviour = refuse_newly(21610)
        assert isinstance(await failure_of(sender), SendRejected)
        gateway.behaviour = refuse_newly(20003, 400, told=f"{NUMBER}")
        error = await failure_of(sender)
    assert str(error) == "Twilio answered 0: 20003"
    assert tells_nothing(error)


@pytest.mark.parametrize("behaviour", FAILED.values(), ids=FAILED)
async def test_everything_else_is_a_failure(gateway: Gateway, behaviour: Behaviour) -> None:
    """Whatever else is answered, the send failed, was tried once, and tells no secret."""
    gateway.behaviour = behaviour
    async with opened(gateway.url) as sender:
        error = await failure_of(sender)
    assert type(error) is SendFailed
    assert tells_nothing(error)
    assert gateway.asked == 1


async def test_a_redirect_is_not_followed(gateway: Gateway) -> None:
    """The message and the token go nowhere else, wherever the answer points to."""
    with Gateway() as other:
        gateway.behaviour = played.send_elsewhere(other.url)
        async with opened(gateway.url) as sender:
            await failure_of(sender)
        assert other.asked == 0


async def test_nobody_is_there() -> None:
    """Where nothing listens the send fails at once, and tells no secret."""
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    began = asyncio.get_running_loop().time()
    async with opened(url) as sender:
        error = await failure_of(sender)
    assert tells_nothing(error)
    assert asyncio.get_running_loop().time() - began < 8


async def test_nobody_opens() -> None:
    """Where a connection is not taken the send gives up after two seconds."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        queue = [socket.socket() for _ in range(3)]
        try:
            for one in queue:
                one.setblocking(False)  # noqa: FBT003 - a socket's own way
                one.connect_ex(full.getsockname())
            began = asyncio.get_running_loop().time()
            async with opened(f"http://127.0.0.1:{full.getsockname()[1]}") as sender:
                error = await failure_of(sender)
            took = asyncio.get_running_loop().time() - began
        finally:
            for one in queue:
                one.close()
    assert str(error) == "Twilio did not answer: ConnectionTimeoutError"
    assert 1.5 < took < 7


async def test_who_answers_too_slowly_is_not_waited_for(gateway: Gateway) -> None:
    """No answer, or a byte of it a second, fails within the eight seconds that a send has."""
    gateway.behaviour = played.hang
    with Gateway() as dripping:
        dripping.behaviour = played.drip
        began = asyncio.get_running_loop().time()
        async with opened(gateway.url) as one, opened(dripping.url) as other:
            errors = await asyncio.gather(failure_of(one), failure_of(other))
        took = asyncio.get_running_loop().time() - began
        assert (gateway.asked, dripping.asked) == (1, 1)
    assert 7 < took < 8 + LATE
    for error in errors:
        assert not isinstance(error, SendRejected)
        assert tells_nothing(error)


async def test_two_hundred_that_hang_keep_nobody_waiting(gateway: Gateway) -> None:
    """While two hundred sends hang, others are taken."""

    def hang_for_some(handler: Any, form: dict[str, str]) -> None:  # noqa: ANN401
        (played.hang if form["To"] != NUMBER else played.accept)(handler, form)

    gateway.behaviour = hang_for_some
    other = Sms(
        to=Contact(ContactKind.PHONE, "+919812345678"), text=SMS.text, useful_for=SMS.useful_for
    )
    async with opened(gateway.url) as sender:
        hanging = [asyncio.create_task(sender.send(other)) for _ in range(200)]

        def all_hang() -> bool:
            # Where the machine is busy with others some have given up by then.
            return gateway.asked + sum(task.done() for task in hanging) >= 200

        try:
            await within(PATIENCE_SECONDS, all_hang)
            for _ in range(20):
                await sender.send(SMS)
        finally:
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
    assert len(gateway.taken) == 20
    assert gateway.asked <= 220


async def test_a_cancelled_send_is_cancelled(gateway: Gateway) -> None:
    """Who is told to stop stops: a cancellation is no failure of the provider."""
    gateway.behaviour = played.hang
    async with opened(gateway.url) as sender:
        sending = asyncio.create_task(sender.send(SMS))
        await within(PATIENCE_SECONDS, lambda: gateway.asked == 1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
