"""Calls on the pages of both flows, without scripts: docs/contract.md, 5.1 and 5.4."""

from collections.abc import Iterator

import pytest

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import MINUTE, SECOND
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.sender import Call
from tests.http import Client
from tests.visitor import LOGIN, SIGNUP, Page, Visitor
from tests.world import PASS_CODE, PHONE, Outbox, World

HIDDEN = "***-***-3210"
CALLED = f"We are calling {HIDDEN}. Press a key to hear a new code."


@pytest.fixture
def world() -> World:
    """With a pass, and a sender of calls."""
    world = World(outboxes={Channel.VOICE: Outbox()})
    world.add()
    return world


@pytest.fixture
def visitor(world: World) -> Iterator[Visitor]:
    """Somebody with a browser."""
    with Client(world, work_seconds=0) as client:
        yield Visitor(client)


def begun(visitor: Visitor, path: str) -> Page:
    """The page after the first text message."""
    page = visitor.get(path)
    if path == LOGIN:
        return visitor.submit(page, "find", pass_code=PASS_CODE)
    return visitor.submit(page, "send", phone=PHONE)


def said(world: World) -> str:
    """The code of the latest call."""
    call = world.outboxes[Channel.VOICE].sent[-1]
    assert isinstance(call, Call)
    return call.code


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
def test_a_visitor_is_called_instead(path: str, world: World, visitor: Visitor) -> None:
    """The page offers a call beside a new code, counts down to it, and takes what it says."""
    page = begun(visitor, path)
    assert "call" in page.buttons
    assert "You can ask for a call in 1:00." in page.main
    world.clock.advance(MINUTE)
    page = visitor.get(path)
    assert "You can ask for a call" not in page.main
    page = visitor.submit(page, "call")
    assert CALLED in page.main
    assert "You can ask for a new code in 0:30." in page.main
    assert "You can ask for a call in 1:00." in page.main
    page = visitor.submit(page, "verify", otp=said(world))
    assert page.step == ("in" if path == LOGIN else "verified")


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
def test_a_call_too_soon(path: str, world: World, visitor: Visitor) -> None:
    """Whoever presses early is told the wait beside the button; the text message stays due."""
    page = begun(visitor, path)
    world.clock.advance(31 * SECOND)
    page = visitor.submit(page, "call")
    assert "0:29" in page.texts["call-error"]
    assert page.texts.get("send-error", "") == ""
    assert "You can ask for a new code" not in page.main
    assert world.outboxes[Channel.VOICE].sent == []


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
def test_a_call_that_nobody_makes(path: str, world: World, visitor: Visitor) -> None:
    """The page says so, and a new code may be had at once."""
    page = begun(visitor, path)
    world.clock.advance(MINUTE)
    world.outboxes[Channel.VOICE].failure = SendFailed("away")
    page = visitor.submit(page, "call")
    assert page.step == "ended"
    assert "We could not call you." in page.texts["call-error"]
    page = visitor.submit(page, "send" if path == LOGIN else "resend")
    assert page.step == "code"


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
@pytest.mark.parametrize(
    ("language", "words"), [("es", "Prefiero una llamada"), ("hi", "मुझे कॉल करें")]
)
def test_in_other_languages(path: str, language: str, words: str, visitor: Visitor) -> None:
    """The button is in the reader's language."""
    visitor.language = language
    assert words in begun(visitor, path).main


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
def test_without_a_sender_of_calls(path: str) -> None:
    """Nothing is offered, and a form that asks for a call all the same does nothing."""
    world = World()
    world.add()
    with Client(world) as client:
        visitor = Visitor(client)
        page = begun(visitor, path)
        assert "call" not in page.buttons
        world.clock.advance(MINUTE)
        fields = {"csrftoken": page.fields["csrftoken"], "do": "call"}
        assert visitor.post(path, fields).status == 303
    assert len(world.outbox.sent) == 1
