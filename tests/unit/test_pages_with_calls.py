"""Calls on the pages of both flows, without scripts: docs/contract.md, 5.1 and 5.4."""

from collections.abc import Iterator

import attrs
import pytest

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import MINUTE, SECOND
from hsp_otp.domain.names import PassCode
from hsp_otp.ports.failures import SendFailed, SendRejected, Unavailable
from hsp_otp.ports.sender import Call
from tests.http import Client
from tests.visitor import LOGIN, SIGNUP, Page, Visitor
from tests.world import PASS_CODE, PHONE, Outbox, World, other_than

HIDDEN = "***-***-3210"
CALLED = f"We called {HIDDEN}. Press a key during the call to hear the code."


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
    assert "We are calling you." in page.main
    assert CALLED in page.main
    assert "You can ask for a new code in 0:30." in page.main
    assert "You can ask for a call in 1:00." in page.main
    page = visitor.submit(page, "verify", otp=said(world))
    assert page.step == ("in" if path == LOGIN else "verified")


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
@pytest.mark.parametrize(
    ("language", "written", "said_aloud"),
    [
        (
            "en",
            f"It is in the text message that we sent to {HIDDEN}.",
            CALLED,
        ),
        (
            "es",
            f"Está en el SMS que enviamos al {HIDDEN}.",
            f"Llamamos al {HIDDEN}. Pulse una tecla durante la llamada para oír el código.",
        ),
        (
            "hi",
            f"यह {HIDDEN} पर भेजे गए एसएमएस में है।",
            f"हमने {HIDDEN} पर कॉल किया है। कोड सुनने के लिए कॉल के दौरान कोई भी बटन दबाएँ।",
        ),
    ],
)
def test_where_the_code_is(
    path: str, language: str, *, written: str, said_aloud: str, world: World, visitor: Visitor
) -> None:
    """After a call the page says so, also when it is loaded again and after a wrong code."""
    visitor.language = language
    page = begun(visitor, path)
    assert written in page.main
    world.clock.advance(MINUTE)
    visitor.submit(page, "call")
    page = visitor.get(path)
    assert said_aloud in page.main
    assert written not in page.main
    assert said_aloud in visitor.submit(page, "verify", otp=other_than(said(world))).main
    world.clock.advance(MINUTE)
    page = visitor.submit(page, "send" if path == LOGIN else "resend")
    assert written in page.main
    assert said_aloud not in page.main


def test_a_call_that_another_window_asked_for(world: World, visitor: Visitor) -> None:
    """A page that asks for its first code meanwhile asks for the one that was said."""
    page = visitor.get(LOGIN)
    world.send(channel=Channel.VOICE)
    page = visitor.submit(page, "find", pass_code=PASS_CODE)
    assert page.step == "code"
    assert f"We called {HIDDEN}." in page.main


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
def test_a_call_too_soon(path: str, world: World, visitor: Visitor) -> None:
    """Whoever presses early is told the wait at the button; the text message stays due."""
    page = begun(visitor, path)
    world.clock.advance(31 * SECOND)
    page = visitor.submit(page, "call")
    assert page.texts["call-error"].startswith("A code is on its way.")
    assert page.texts["call-wait"] == "You can ask for a call in 0:29."
    assert page.texts.get("send-error", "") == ""
    assert "You can ask for a new code" not in page.main
    assert world.outboxes[Channel.VOICE].sent == []


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
def test_no_more_calls_today(path: str, world: World) -> None:
    """The button counts down to the next one before and after it is pressed, however often."""
    with Client(world, calls_per_day=1) as client:
        visitor = Visitor(client)
        page = begun(visitor, path)
        world.clock.advance(MINUTE)
        page = visitor.submit(page, "call")
        assert page.texts["call-wait"] == "You can ask for a call in 24:00:00."
        world.clock.advance(MINUTE)
        for _ in range(2):
            page = visitor.submit(page, "call")
            assert page.texts["call-error"] == (
                "Too many codes were sent to this phone number. Please try again later."
            )
            assert page.texts["call-wait"] == "You can ask for a call in 23:59:00."
            assert page.texts.get("wait", "") == ""


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (
            SendFailed("away"),
            "We could not call you. Please try again, or ask for a text message.",
        ),
        (
            SendRejected("no such number"),
            "We cannot call this number. Please ask for a text message.",
        ),
    ],
    ids=["away", "for good"],
)
def test_a_call_that_nobody_makes(
    path: str, failure: SendFailed, told: str, world: World, visitor: Visitor
) -> None:
    """The page says so, and a new code may be had at once."""
    page = begun(visitor, path)
    world.clock.advance(MINUTE)
    world.outboxes[Channel.VOICE].failure = failure
    page = visitor.submit(page, "call")
    assert page.step == "ended"
    assert page.texts["call-error"] == told
    assert page.texts.get("wait", "") == ""
    page = visitor.submit(page, "send" if path == LOGIN else "resend")
    assert page.step == "code"


class _Away:
    """Passes in a database that does not answer."""

    async def find(self, code: PassCode) -> None:  # noqa: ARG002
        """Break the promise of `Passes.find`."""
        raise Unavailable("away")


def test_a_page_without_the_database(world: World, visitor: Visitor) -> None:
    """5.4.4: the code can still be typed; nobody knows when a call may be asked for."""
    begun(visitor, LOGIN)
    world.passes = _Away()  # type: ignore[assignment]
    with Client(world) as client:
        page = attrs.evolve(visitor, client=client).get(LOGIN)
    assert page.step == "code"
    assert "call" in page.buttons
    assert page.texts.get("call-wait", "") == ""


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
