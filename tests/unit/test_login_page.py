"""The page of pass login without scripts: docs/contract.md, sections 2, 3 and 5.1."""

import base64
import json
from collections.abc import Iterator

import attrs
import pytest

from hsp_otp.domain.instant import MINUTE, SECOND, Instant
from hsp_otp.domain.passes import PaymentStatus, end_of_pass
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.refresh_tokens import InvalidToken
from hsp_otp.entrypoints.settings.branding import Branding, Support
from hsp_otp.ports.failures import SendFailed, SendRejected, Unavailable
from tests.http import OPEN, Client, Reply
from tests.visitor import LOGIN, Page, Visitor
from tests.world import OTHER_CLIENT, PASS_CODE, World, other_than

HIDDEN = "***-***-3210"
SENT = f"We sent a code to {HIDDEN}."
WRONG = "This code is wrong."
NOT_HERE = "A code was requested elsewhere a moment ago. It can only be entered there."
NO_WORK = (
    "Several codes have been requested. To get another one now, turn on JavaScript and use a secure"
    " connection (https). Otherwise, please try again later."
)
OTHER_END = "The last code can no longer be used."
OVER = "This code is no longer valid. Please ask for a new one."
TOO_SOON = "A code is on its way. Please wait a moment before you ask for another."
LOCKED = "There were too many wrong codes. Please try again later or contact support."
GOES_TO = "New codes go to"
LATER = "Please wait a moment before you ask for another code."
THREE_WRONG = "Three wrong codes were entered."


@pytest.fixture
def world() -> World:
    """With a pass."""
    world = World()
    world.add()
    return world


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """Over the world."""
    with Client(world) as found:
        yield found


@pytest.fixture
def visitor(client: Client) -> Visitor:
    """Somebody with a browser."""
    return Visitor(client)


def asked(visitor: Visitor, pass_code: str = PASS_CODE) -> Page:
    """The page after a pass code was entered; a code is sent at once."""
    return visitor.submit(visitor.get(LOGIN), "find", pass_code=pass_code)


def code(world: World) -> str:
    """The latest code."""
    return world.outbox.codes[-1]


def told(page: Page, field: str) -> str:
    """What stands at a field."""
    return page.texts.get(f"{field}-error", "")


def signed_in(visitor: Visitor) -> Page:
    """The page of somebody who is in."""
    return visitor.submit(asked(visitor), "verify", otp=code(visitor.client.world))


# The way


def test_the_whole_way(world: World, visitor: Visitor) -> None:
    """Pass code, code, signed in, signed out; the code is sent without another question."""
    page = visitor.get(LOGIN)
    assert (page.step, page.buttons) == ("start", ["find"])
    page = visitor.submit(page, "find", pass_code=" hsp-1234-5678 ")
    assert len(world.outbox.sent) == 1
    assert (page.step, page.buttons) == ("code", ["verify", "send", "restart"])
    assert SENT in page.main
    assert "The code is valid for another 10:00." in page.main
    assert "You can ask for a new code in 0:30." in page.main
    page = visitor.submit(page, "verify", otp=code(world))
    assert (page.step, page.buttons) == ("in", ["sign_out"])
    assert "Welcome, Asha Rao" in page.main
    assert f"Pass code {PASS_CODE}" in page.main
    assert "Status Active" in page.main
    assert f"Mobile number {HIDDEN}" in page.main
    page = visitor.submit(page, "sign_out")
    assert page.step == "start"
    assert "You are signed out." in page.main
    assert "login_access" not in visitor.cookies
    assert "login_refresh" not in visitor.cookies


def test_the_field_takes_a_code_as_it_comes(visitor: Visitor) -> None:
    """It is one field, for autofill and a numeric keyboard, and no length breaks a paste."""
    field = asked(visitor).attributes["code"]
    assert field["autocomplete"] == "one-time-code"
    assert field["inputmode"] == "numeric"
    assert "maxlength" not in field
    assert "pattern" not in field
    assert field["aria-describedby"] == "code-error code-hint"
    assert "autofocus" in field


@pytest.mark.parametrize("digits", [4, 6, 10])
def test_as_many_boxes_as_digits(world: World, digits: int) -> None:
    """The field is drawn with a box for each digit of the policy."""
    with Client(world, code_digits=digits) as client:
        page = asked(Visitor(client))
    assert page.reply.body.count(b'<i aria-hidden="true"></i>') == digits
    assert page.attributes["code"]["data-digits"] == str(digits)


def test_a_code_in_other_digits(world: World, visitor: Visitor) -> None:
    """Section 2.10: digits of any script, with spaces."""
    page = asked(visitor)
    devanagari = "".join(chr(0x0966 + int(digit)) for digit in code(world))
    page = visitor.submit(page, "verify", otp=f" {devanagari[:3]} {devanagari[3:]} ")
    assert page.step == "in"


def test_what_a_clipboard_adds(world: World, visitor: Visitor) -> None:
    """Invisible characters and other dashes make no other pass code and no other code."""
    page = visitor.get(LOGIN)
    page = visitor.submit(page, "find", pass_code="\u202aHSP\u20111234\u2013\u200b5678\u202c")
    digits = code(world)
    page = visitor.submit(page, "verify", otp=f"\u200e{digits[:3]}\u2011{digits[3:]}\ufeff")
    assert page.step == "in"


def test_nothing_is_done_twice(world: World, visitor: Visitor) -> None:
    """Looking again, by reloading or going back, sends nothing and comes back where it was."""
    asked(visitor)
    for _ in range(3):
        assert visitor.get(LOGIN).step == "code"
    assert len(world.outbox.sent) == 1


def test_news_is_told_once(visitor: Visitor) -> None:
    """What a form came to is gone when the page is looked at again."""
    assert SENT in asked(visitor).main
    assert SENT not in visitor.get(LOGIN).main


def test_another_pass(world: World, visitor: Visitor) -> None:
    """One can start again; the code that was sent stays good for whoever enters that pass."""
    page = visitor.submit(asked(visitor), "restart")
    assert page.step == "start"
    assert "login" not in visitor.cookies
    page = visitor.submit(page, "find", pass_code=PASS_CODE)
    assert page.step == "code"
    assert told(page, "send") == TOO_SOON
    assert visitor.submit(page, "verify", otp=code(world)).step == "in"


def test_no_address_holds_a_secret(visitor: Visitor) -> None:
    """Neither pass code nor number nor code nor token ever stands in an address."""
    pages = [asked(visitor, "HSP-1"), asked(visitor)]
    pages.append(visitor.submit(pages[-1], "verify", otp=code(visitor.client.world)))
    assert [page.step for page in pages] == ["start", "code", "in"]
    for page in pages:
        for url in page.urls:
            assert url in {LOGIN, "/language/"} or url.startswith("/static/")


# A form that is sent twice


def twice(visitor: Visitor, page: Page, otp: str, times: int = 2) -> list[Reply]:
    """Press Enter so often on a slow line: all are sent before the first is answered."""
    held = dict(visitor.cookies)
    replies: list[Reply] = []
    for _ in range(times):
        visitor.cookies = dict(held)
        replies.append(visitor.post(LOGIN, {**page.fields, "otp": otp, "do": "verify"}))
    return replies


def tokens(replies: list[Reply]) -> list[str]:
    """The refresh tokens that were given."""
    lines = [line for reply in replies for line in reply.cookies]
    return [
        line.partition("=")[2].partition(";")[0]
        for line in lines
        if line.startswith("login_refresh=")
    ]


@pytest.mark.parametrize("waits", [0, 30 * SECOND])
def test_enter_twice_signs_in(world: World, visitor: Visitor, waits: int) -> None:
    """2.6: the answer to the second form, the only one that is seen, signs in as well, once."""
    page = asked(visitor)
    held = dict(visitor.cookies)
    (first,) = twice(visitor, page, code(world), times=1)
    world.clock.advance(waits)
    visitor.cookies = held
    (second,) = twice(visitor, page, code(world), times=1)
    assert (first.status, second.status) == (303, 303)
    shown = visitor.get(LOGIN)
    assert (shown.step, "You are signed in." in shown.main) == ("in", True)
    assert "login" not in visitor.cookies
    # One family, in which the token of the answer that nobody saw is worth nothing.
    lost, live = tokens([first, second])
    assert lost.split(".")[1] == live.split(".")[1]
    assert world.refresh(lost) == InvalidToken()
    world.clock.advance(15 * MINUTE)
    assert visitor.get(LOGIN).step == "in"
    assert visitor.cookies["login_refresh"] != live


def test_a_third_time_is_too_often(world: World, visitor: Visitor) -> None:
    """2.6: once; what the browser holds by then stays good."""
    replies = twice(visitor, asked(visitor), code(world), times=3)
    assert len(tokens(replies)) == 2
    assert tokens(replies[2:]) == []
    page = visitor.get(LOGIN)
    assert (page.step, told(page, "code")) == ("ended", OTHER_END)
    for line in replies[1].cookies:
        name, _, value = line.partition(";")[0].partition("=")
        visitor.cookies[name] = value
    assert visitor.get(LOGIN).step == "in"


def test_enter_twice_too_slowly(world: World, visitor: Visitor) -> None:
    """2.6: after half a minute the code is used for its own browser too."""
    page = asked(visitor)
    held = dict(visitor.cookies)
    twice(visitor, page, code(world), times=1)
    world.clock.advance(30 * SECOND + 1)
    visitor.cookies = held
    twice(visitor, page, code(world), times=1)
    page = visitor.get(LOGIN)
    assert (page.step, told(page, "code")) == ("ended", OTHER_END)


def test_another_browser_with_the_same_code(world: World, visitor: Visitor) -> None:
    """2.6: the code that signed in here signs in nobody who read it elsewhere."""
    page = asked(visitor)
    other = Visitor(visitor.client)
    theirs = asked(other)
    assert told(theirs, "send") == TOO_SOON
    (reply,) = twice(visitor, page, code(world), times=1)
    assert len(tokens([reply])) == 1
    assert tokens(twice(other, theirs, code(world))) == []
    assert told(other.get(LOGIN), "code") == OTHER_END
    assert visitor.get(LOGIN).step == "in"


def test_a_code_that_another_browser_asked_for(world: World, visitor: Visitor) -> None:
    """2.6: who was told that a code is on its way may press Enter twice as well."""
    asked(Visitor(visitor.client))
    page = asked(visitor)
    assert told(page, "send") == TOO_SOON
    assert len(tokens(twice(visitor, page, code(world)))) == 2
    assert visitor.get(LOGIN).step == "in"


def test_what_tells_a_browser_apart_is_its_own(world: World) -> None:
    """2.6: it is random, stays for as long as the browser asks, and stands in no page."""
    browsers: list[str] = []
    with Client(world, **OPEN) as client:
        for visitor in (Visitor(client), Visitor(client)):
            page = asked(visitor)
            for again in (True, False):
                sealed = visitor.cookies["login"].split(".")[1]
                state = json.loads(base64.urlsafe_b64decode(f"{sealed}=="))[2]
                browsers.append(state["browser"])
                assert browsers[-1] not in page.reply.body.decode()
                world.clock.advance(30 * SECOND)
                if again:
                    page = visitor.submit(page, "send")
    assert len(browsers[0]) == 22
    assert (browsers[0], browsers[2]) == (browsers[1], browsers[3])
    assert browsers[0] != browsers[2]


# Refusals


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Please enter your pass code."),
        ("  ", "Please enter your pass code."),
        ("HSP-12", "A pass code looks like HSP-1234-5678. Please check yours."),
        ("<b>&\"'", "A pass code looks like HSP-1234-5678. Please check yours."),
        ("HSP-0000-0000", "We cannot find a pass with this code. Please check it."),
    ],
)
def test_a_pass_code_that_will_not_do(visitor: Visitor, typed: str, sentence: str) -> None:
    """The API's sentence stands at the field, which keeps what was typed and gets the focus."""
    page = asked(visitor, typed)
    assert page.step == "start"
    assert told(page, "pass_code") == sentence
    field = page.attributes["pass_code"]
    assert field["value"] == typed.strip()
    assert field["aria-invalid"] == "true"
    assert "pass_code-error" in field["aria-describedby"]
    assert "autofocus" in field
    assert "aria-invalid" not in visitor.get(LOGIN).attributes["pass_code"]


@pytest.mark.parametrize("typed", ["x" * 65, "a\x00b", "a\nb"])
def test_what_is_not_shown_again(visitor: Visitor, typed: str) -> None:
    """What no pass code looks like is not put back into the field."""
    assert asked(visitor, typed).attributes["pass_code"]["value"] == ""


def test_what_is_shown_again_can_be_seen(visitor: Visitor) -> None:
    """The field keeps what was typed, without what nobody sees."""
    page = asked(visitor, "\u202aHSP-12\u200b\u202c")
    assert page.attributes["pass_code"]["value"] == "HSP-12"


@pytest.mark.parametrize("uniform", [False, True])
def test_passes_that_do_not_sign_in(world: World, *, uniform: bool) -> None:
    """5.1: an unpaid pass and one without a number; all alike where that is set."""
    world.add("HSP-0000-0001", payment=PaymentStatus.PENDING)
    world.add("HSP-0000-0002", user="u2", phone=None)
    with Client(world, uniform_pass_errors=uniform) as client:
        said = [
            told(asked(Visitor(client), pass_code), "pass_code")
            for pass_code in ("HSP-0000-0001", "HSP-0000-0002")
        ]
    unknown = "We cannot find a pass with this code. Please check it."
    assert said == (
        [unknown, unknown]
        if uniform
        else [
            "This pass has not been paid for. Please complete the purchase, then try again.",
            "There is no phone number for this pass. Please contact support.",
        ]
    )


@pytest.mark.parametrize("typed", ["", " ", "12345", "1234567", "12a456"])
def test_a_malformed_code(world: World, visitor: Visitor, typed: str) -> None:
    """Nothing is charged for it."""
    page = visitor.submit(asked(visitor), "verify", otp=typed)
    assert page.step == "code"
    assert told(page, "code") in {
        "Something is missing. Please fill in every field.",
        "Please enter all the digits of the code.",
    }
    assert page.attributes["code"]["aria-invalid"] == "true"
    assert "value" not in page.attributes["code"]
    assert visitor.submit(page, "verify", otp=code(world)).step == "in"


def test_three_wrong_codes(world: World, visitor: Visitor) -> None:
    """2.5: what is left is told; after the third the page offers a new code and no field."""
    page = asked(visitor)
    wrong = other_than(code(world))
    page = visitor.submit(page, "verify", otp=wrong)
    assert told(page, "code") == f"{WRONG} Please check the code and try again. 2 attempts left."
    page = visitor.submit(page, "verify", otp=wrong)
    assert told(page, "code") == f"{WRONG} Please check the code and try again. 1 attempt left."
    for shown in (visitor.submit(page, "verify", otp=wrong), visitor.get(LOGIN)):
        assert (shown.step, shown.buttons) == ("ended", ["send", "restart"])
        assert told(shown, "code") == THREE_WRONG
    page = visitor.submit(page, "send")
    assert (page.step, told(page, "send")) == ("ended", LATER)
    assert told(page, "code") == THREE_WRONG
    world.clock.advance(30 * SECOND)
    page = visitor.submit(visitor.get(LOGIN), "send")
    assert page.step == "code"
    assert visitor.submit(page, "verify", otp=code(world)).step == "in"


def test_a_lock_and_the_next_code(world: World) -> None:
    """5.4.14: while a lock forbids one, the page promises none, and says how long that lasts."""
    with Client(world, failed_guesses_per_day=2) as client:
        visitor = Visitor(client)
        page = visitor.submit(asked(visitor), "verify", otp=other_than(code(world)))
        world.clock.advance(24 * 60 * MINUTE - 5 * MINUTE)
        older = asked(visitor)
        page = visitor.submit(older, "verify", otp=other_than(code(world)))
        for shown in (page, visitor.get(LOGIN)):
            assert (shown.step, shown.buttons) == ("ended", ["send", "restart"])
            assert told(shown, "code") == LOCKED
            assert shown.texts["wait"] == "You can ask for a new code in 5:00."
            assert GOES_TO not in shown.main
        page = visitor.submit(page, "send")
        assert (page.step, page.main.count(LOCKED)) == ("ended", 1)
        assert page.texts["wait"] == "You can ask for a new code in 5:00."
        assert "try again in" not in page.main
        page = visitor.submit(older, "verify", otp=code(world))
        assert (page.step, page.main.count(LOCKED)) == ("ended", 1)
        assert "try again in" not in page.main
        world.clock.advance(5 * MINUTE)
        page = visitor.get(LOGIN)
        assert (page.step, told(page, "code")) == ("ended", OTHER_END)
        assert f"{GOES_TO} {HIDDEN}." in page.main
        assert visitor.submit(page, "send").step == "code"


def test_another_refusal_beside_a_lock(world: World) -> None:
    """5.4.14: its shorter wait does not take the place of the lock's."""
    with Client(world, failed_guesses_per_day=1, lookups_per_client_hour=4) as client:
        visitor = Visitor(client)
        page = visitor.submit(asked(visitor), "verify", otp=other_than(code(world)))
        for _ in range(2):
            page = visitor.submit(page, "send")
        assert "Too many pass codes were tried" in told(page, "send")
        assert "You can try again in 1:00:00." in told(page, "send")
        assert told(page, "code") == LOCKED
        assert page.texts["wait"] == "You can ask for a new code in 24:00:00."


def test_a_lock_that_only_an_operator_lifts(world: World) -> None:
    """5.4.14: no wait helps, so there is nothing to press, and support is named."""
    branding = {Flow.PASS_LOGIN: Branding(support=SUPPORT), Flow.SIGNUP: Branding()}
    with Client(world, branding=branding, failed_guesses_in_a_row=1) as client:
        visitor = Visitor(client)
        page = visitor.submit(asked(visitor), "verify", otp=other_than(code(world)))
        for shown in (page, visitor.get(LOGIN)):
            assert (shown.step, shown.buttons) == ("ended", ["restart"])
            assert told(shown, "code") == f"{LOCKED} Support: help@example.com"
            assert "new code in" not in shown.main
            assert GOES_TO not in shown.main


def test_a_code_that_ends(world: World, visitor: Visitor) -> None:
    """2.4: when its time is up the page says so by itself, not a moment earlier."""
    page = asked(visitor)
    world.clock.advance(10 * MINUTE - 1)
    assert visitor.get(LOGIN).step == "code"
    world.clock.advance(1)
    assert visitor.get(LOGIN).step == "ended"
    page = visitor.submit(page, "verify", otp=code(world))
    assert (page.step, told(page, "code")) == ("ended", "The last code has expired.")


def test_asking_too_soon(world: World, visitor: Visitor) -> None:
    """Without scripts the button can always be pressed; what it says is how long to wait."""
    page = asked(visitor)
    world.clock.advance(29 * SECOND)
    page = visitor.submit(page, "send")
    assert (page.step, told(page, "send")) == ("code", TOO_SOON)
    assert page.texts["wait"] == "You can ask for a new code in 0:01."
    world.clock.advance(1 * SECOND)
    page = visitor.submit(page, "send")
    assert len(world.outbox.sent) == 2
    assert page.step == "code"


def test_a_form_of_an_older_code(world: World, visitor: Visitor) -> None:
    """Of two windows, the one with the older code is told so, and the newer one stays good."""
    older = asked(visitor)
    first = code(world)
    world.clock.advance(30 * SECOND)
    newer = visitor.submit(visitor.get(LOGIN), "send")
    page = visitor.submit(older, "verify", otp=first)
    assert (page.step, told(page, "code")) == ("code", OVER)
    assert visitor.submit(newer, "verify", otp=code(world)).step == "in"


def test_a_message_that_nobody_takes(world: World, visitor: Visitor) -> None:
    """2.8: the page says so, asks for no code that was never sent, and may be asked at once."""
    world.outbox.failure = SendFailed()
    page = asked(visitor)
    assert (page.step, page.buttons) == ("found", ["send", "restart"])
    assert HIDDEN in page.main
    assert told(page, "send") == "We could not send the message. Please try again."
    world.outbox.failure = None
    page = visitor.submit(page, "send")
    assert (page.step, told(page, "send")) == ("code", "")
    assert visitor.submit(page, "verify", otp=code(world)).step == "in"


def test_a_number_that_is_refused_for_good(world: World, visitor: Visitor) -> None:
    """7.4: trying again does not help, and the page says what does."""
    world.outbox.failure = SendRejected()
    page = asked(visitor)
    assert (page.step, told(page, "send")) == (
        "found",
        "We cannot send messages to the phone number of this pass. Please contact support.",
    )


def test_a_second_message_that_nobody_takes(world: World, visitor: Visitor) -> None:
    """2.7 and 2.8: the older code has ended with the ask, and the page says so."""
    page = asked(visitor)
    world.clock.advance(30 * SECOND)
    world.outbox.failure = SendFailed()
    page = visitor.submit(page, "send")
    assert (page.step, told(page, "code")) == ("ended", "We could not send the last code.")
    assert "wait" not in page.texts


def test_nobody_tries_to_send(world: World, visitor: Visitor) -> None:
    """While every sender is skipped the code that was sent stays good."""
    page = asked(visitor)
    world.clock.advance(30 * SECOND)
    world.outbox.skipped = True
    page = visitor.submit(page, "send")
    assert page.step == "code"
    assert visitor.submit(page, "verify", otp=code(world)).step == "in"


def test_limits_hold_on_the_page(world: World) -> None:
    """Section 3: the sixth message in an hour is refused, with the time to wait."""
    with Client(world, **OPEN, resend_cooldown_seconds=0) as client:
        visitor = Visitor(client)
        page = asked(visitor)
        for _ in range(4):
            page = visitor.submit(page, "send")
            assert page.step == "code"
        page = visitor.submit(page, "send")
        assert told(page, "send") == (
            "There were too many requests from your network. Please try again later."
        )
        assert page.texts["wait"] == "You can ask for a new code in 1:00:00."
        assert len(world.outbox.sent) == 5


def test_look_ups_are_limited_on_the_page(world: World) -> None:
    """Section 3: a miss counts double; the page says when to try again."""
    with Client(world, lookups_per_client_hour=2) as client:
        visitor = Visitor(client)
        asked(visitor, "HSP-0000-0000")
        page = asked(visitor)
    assert told(page, "pass_code") == (
        "Too many pass codes were tried from your network. Please try again later. "
        "You can try again in 1:00:00."
    )


# Codes of others


def elsewhere(client: Client) -> Visitor:
    """Somebody in another network."""
    return Visitor(client, address=OTHER_CLIENT)


def test_a_code_of_another_network(world: World, visitor: Visitor) -> None:
    """2.11 and 3.11: no guess from here would be judged, so the page waits for none."""
    asked(elsewhere(visitor.client))
    world.clock.advance(20 * SECOND)
    page = asked(visitor)
    assert (page.step, page.buttons) == ("found", ["send", "restart"])
    assert told(page, "send") == f"{NOT_HERE} You can try again in 1:40."
    assert visitor.get(LOGIN).step == "found"
    world.clock.advance(100 * SECOND - 1)
    page = visitor.submit(page, "send")
    assert told(page, "send") == f"{NOT_HERE} You can try again in 0:01."
    world.clock.advance(1)
    page = visitor.submit(page, "send")
    assert (page.step, len(world.outbox.sent)) == ("code", 2)
    assert visitor.submit(page, "verify", otp=code(world)).step == "in"


def test_a_code_that_another_network_replaced(world: World, visitor: Visitor) -> None:
    """3.11: the page says that the code that was asked for here has ended, and when to ask."""
    page = asked(visitor)
    world.clock.advance(2 * MINUTE)
    asked(elsewhere(visitor.client))
    page = visitor.submit(page, "send")
    assert (page.step, told(page, "send")) == ("ended", NOT_HERE)
    assert page.texts["wait"] == "You can ask for a new code in 2:00."
    assert len(world.outbox.sent) == 2


def test_where_guesses_are_not_bound(world: World) -> None:
    """2.11: by the old rule a code may be typed anywhere, and the page waits for it."""
    with Client(world, bind_guesses=False) as client:
        asked(elsewhere(client))
        visitor = Visitor(client)
        page = asked(visitor)
        assert (page.step, told(page, "send")) == ("code", TOO_SOON)
        assert visitor.submit(page, "verify", otp=code(world)).step == "in"


@pytest.mark.parametrize("end", ["three wrong codes", "signed in elsewhere"])
def test_a_code_that_is_over_is_not_on_its_way(world: World, visitor: Visitor, end: str) -> None:
    """5.1: whoever begins anew within the cooldown is told to wait, and of no code."""
    page = asked(visitor)
    if end == "three wrong codes":
        for _ in range(3):
            page = visitor.submit(page, "verify", otp=other_than(code(world)))
    else:
        visitor.submit(page, "verify", otp=code(world))
    again = asked(Visitor(visitor.client))
    assert (again.step, told(again, "send")) == ("found", f"{LATER} You can try again in 0:30.")


def test_after_signing_out(world: World, visitor: Visitor) -> None:
    """2.14: the next code is sent at once, since this browser is known by now."""
    page = visitor.submit(signed_in(visitor), "sign_out")
    page = visitor.submit(page, "find", pass_code=PASS_CODE)
    assert (page.step, told(page, "send"), len(world.outbox.sent)) == ("code", "", 2)


@pytest.mark.parametrize(
    "typed",
    ["12345678", "HSP 1234 5678", "hsp12345678", "1234\u20145678", "hsp\u2010 1234\u22125678"],
)
def test_a_pass_code_as_people_type_it(visitor: Visitor, typed: str) -> None:
    """5.4: with or without the letters and the dashes, and with dashes of any kind."""
    assert asked(visitor, typed).step == "code"


def test_a_pass_code_is_shown_in_its_form(visitor: Visitor) -> None:
    """5.4: so that it can be compared with the pass."""
    page = asked(visitor, "00000000")
    assert page.attributes["pass_code"]["value"] == "HSP-0000-0000"


SUPPORT = Support("help@example.com", "mailto:help@example.com")


def helped(world: World, typed: str = PASS_CODE) -> Page:
    """The page after a pass code was entered, of a service with an address for support."""
    branding = {Flow.PASS_LOGIN: Branding(support=SUPPORT), Flow.SIGNUP: Branding()}
    with Client(world, branding=branding) as client:
        return asked(Visitor(client), typed)


def test_whoever_support_can_help_is_told_where_it_is(world: World) -> None:
    """5.4: an unpaid pass, one without a number, one whose number takes no messages."""
    world.add("HSP-0000-0001", payment=PaymentStatus.PENDING)
    world.add("HSP-0000-0002", user="u2", phone=None)
    for pass_code in ("HSP-0000-0001", "HSP-0000-0002"):
        page = helped(world, pass_code)
        assert told(page, "pass_code").endswith(". Support: help@example.com")
        assert page.urls.count("mailto:help@example.com") == 2  # and at the end of the page
    assert "Support" not in told(helped(world, "HSP-9999-9999"), "pass_code")
    world.outbox.failure = SendRejected()
    assert told(helped(world), "send").endswith(". Support: help@example.com")


def test_what_is_logged_of_a_code_of_others(
    visitor: Visitor, capsys: pytest.CaptureFixture[str]
) -> None:
    """5.1: the outcome keeps its word, whatever the page says."""
    asked(elsewhere(visitor.client))
    capsys.readouterr()
    asked(visitor)
    assert "outcome=resend_too_soon" in capsys.readouterr().out


# Work


def asked_often(visitor: Visitor, times: int = 2) -> Page:
    """The page after so many codes were sent, when another may be asked for."""
    page = asked(visitor)
    for sent in range(1, times + 1):
        assert page.step == "code"
        visitor.client.world.clock.advance(30 * SECOND)
        if sent < times:
            page = visitor.submit(page, "send")
    return visitor.get(LOGIN)


def done(page: Page) -> str:
    """The work that *page* asks for, done."""
    solution = json.loads(page.attributes["div"]["data-work"])["parameters"]["solution"]
    assert isinstance(solution, str)
    return solution


def test_the_third_code_costs_work(world: World, visitor: Visitor) -> None:
    """3.12: the page tells what to do and how long it takes; with the work done a code is sent."""
    page = visitor.submit(asked_often(visitor), "send")
    assert (page.step, len(world.outbox.sent)) == ("code", 2)
    assert told(page, "send") == NO_WORK
    place = page.attributes["div"]
    assert place["data-seconds"] == "1"
    assert json.loads(place["data-work"]).keys() == {"parameters", "signature"}
    assert place["data-script"].startswith("/static/work.js?v=")
    assert page.attributes["work"]["role"] == "status"
    assert page.attributes["work"]["data-checking"] == "Checking your browser, about one second"
    assert page.attributes["progress"]["aria-labelledby"] == "work"
    page = visitor.submit(page, "send", altcha=done(page))
    assert (page.step, len(world.outbox.sent)) == ("code", 3)
    assert SENT in page.main
    assert visitor.submit(page, "verify", otp=code(world)).step == "in"


def test_each_code_more_costs_twice_the_work(world: World, visitor: Visitor) -> None:
    """3.12: the next level is told by its time."""
    page = visitor.submit(asked_often(visitor), "send")
    visitor.submit(page, "send", altcha=done(page))
    world.clock.advance(2 * MINUTE)
    visitor.address = OTHER_CLIENT  # the third was the last for the other network
    page = visitor.submit(visitor.get(LOGIN), "send")
    assert page.attributes["work"]["data-checking"] == "Checking your browser, about 2 seconds"


def test_the_first_code_on_this_browser_may_cost_work(world: World, visitor: Visitor) -> None:
    """Others have asked: the button that sends the first code brings the work with it."""
    asked_often(Visitor(visitor.client))
    page = asked(visitor)
    assert (page.step, told(page, "send")) == ("found", NO_WORK)
    page = visitor.submit(page, "send", altcha=done(page))
    assert (page.step, len(world.outbox.sent)) == ("code", 3)


def test_work_is_told_once(world: World, visitor: Visitor) -> None:
    """Who reloads the page or comes back to it sees the button and no work."""
    page = visitor.submit(asked_often(visitor), "send")
    assert "progress" in page.attributes
    page = visitor.get(LOGIN)
    assert (page.step, told(page, "send")) == ("code", "")
    assert "progress" not in page.attributes
    assert "altcha" not in page.fields
    assert len(world.outbox.sent) == 2


def test_work_that_is_not_done(world: World, visitor: Visitor) -> None:
    """The form without it, as a browser without scripts sends it, and work done before: more."""
    page = visitor.submit(asked_often(visitor), "send")
    again = visitor.submit(page, "send")
    assert (told(again, "send"), len(world.outbox.sent)) == (NO_WORK, 2)
    world.clock.advance(5 * MINUTE)
    late = visitor.submit(page, "send", altcha=done(page))
    assert (told(late, "send"), len(world.outbox.sent)) == (NO_WORK, 2)
    assert done(late) != done(page)


def test_a_known_browser_does_no_work(world: World, visitor: Visitor) -> None:
    """2.14: who has signed in here before is in a lane of their own, also after signing out."""
    visitor.submit(signed_in(visitor), "sign_out")
    world.clock.advance(30 * SECOND)
    asked_often(Visitor(visitor.client), times=1)
    page = asked(visitor)
    for sent in (3, 4, 5):
        assert (page.step, len(world.outbox.sent)) == ("code", sent)
        world.clock.advance(30 * SECOND)
        page = visitor.submit(page, "send") if sent < 5 else page
    assert visitor.submit(page, "verify", otp=code(world)).step == "in"


# Cookies


def test_what_makes_a_browser_known(visitor: Visitor) -> None:
    """2.15: for a year, out of reach of scripts and other sites; signing out keeps it."""
    page = signed_in(visitor)
    assert visitor.set_cookies["otp_device"].endswith(
        "; HttpOnly; Max-Age=31536000; Path=/customer; SameSite=strict"
    )
    kept = visitor.cookies["otp_device"]
    visitor.submit(page, "sign_out")
    assert visitor.cookies["otp_device"] == kept


def test_a_state_that_was_changed(visitor: Visitor) -> None:
    """A cookie that somebody changed is as good as none."""
    asked(visitor)
    kept = visitor.cookies["login"]
    for changed in (kept[:-1], "a" + kept, kept.replace(".", ".A", 1)):
        visitor.cookies["login"] = changed
        assert visitor.get(LOGIN).step == "start"
    visitor.cookies["login"] = kept
    assert visitor.get(LOGIN).step == "code"


def test_a_cookie_in_the_place_of_another(visitor: Visitor) -> None:
    """One cookie of ours cannot stand in for another."""
    asked(visitor)
    visitor.cookies["notice_customer_login"] = visitor.cookies["login"]
    assert visitor.get(LOGIN).step == "code"
    visitor.cookies["login"] = visitor.cookies["csrftoken"]
    assert visitor.get(LOGIN).step == "start"


def test_a_state_does_not_last(world: World, visitor: Visitor) -> None:
    """After an hour the page begins anew."""
    asked(visitor)
    world.clock.advance(60 * MINUTE - 1)
    assert visitor.get(LOGIN).step == "ended"
    world.clock.advance(1)
    assert visitor.get(LOGIN).step == "start"


def test_tokens_are_out_of_reach(visitor: Visitor) -> None:
    """Of scripts, of other sites, of other pages."""
    signed_in(visitor)
    for name in ("login_access", "login_refresh"):
        assert visitor.set_cookies[name].endswith(
            "; HttpOnly; Path=/customer/login; SameSite=strict"
        )


def test_an_access_token_that_ends(world: World, visitor: Visitor) -> None:
    """5.2: the page refreshes, and goes on."""
    signed_in(visitor)
    access, refresh = visitor.cookies["login_access"], visitor.cookies["login_refresh"]
    world.clock.advance(15 * MINUTE)
    assert visitor.get(LOGIN).step == "in"
    assert visitor.cookies["login_access"] != access
    assert visitor.cookies["login_refresh"] != refresh
    assert visitor.get(LOGIN).step == "in"


def test_a_family_that_was_ended(world: World, visitor: Visitor) -> None:
    """Signed out elsewhere is signed out here, and the browser forgets the tokens."""
    signed_in(visitor)
    world.revoke(visitor.cookies["login_refresh"])
    assert visitor.get(LOGIN).step == "start"
    assert "login_access" not in visitor.cookies
    assert "login_refresh" not in visitor.cookies


def test_signing_out_ends_the_family(world: World, visitor: Visitor) -> None:
    """5.2: what the browser had is worth nothing afterwards."""
    page = signed_in(visitor)
    access = visitor.cookies["login_access"]
    visitor.submit(page, "sign_out")
    visitor.cookies["login_access"] = access
    assert visitor.get(LOGIN).step == "start"
    assert world.outbox.sent


# What the page shows


def test_a_pass_that_has_ended(world: World, visitor: Visitor) -> None:
    """It signs in, and the page says that it has ended, and which day was its last."""
    world.add(expires_at=world.clock.now())
    page = signed_in(visitor)
    assert "Status Expired" in page.main
    assert "Valid until December 31, 2025" in page.main
    assert "This pass has expired. Please renew it to keep using it." in page.main


def test_a_pass_on_its_last_day(world: World, visitor: Visitor) -> None:
    """One that was imported with today's date is active today, and expired tomorrow."""
    world.add(expires_at=end_of_pass("2026-01-01"))
    page = signed_in(visitor)
    assert "Status Active" in page.main
    assert "Valid until January 1, 2026" in page.main
    world.clock.advance(24 * 60 * MINUTE)
    page = visitor.get(LOGIN)
    assert "Status Expired" in page.main
    assert "Valid until January 1, 2026" in page.main


def test_names_are_text(world: World, visitor: Visitor) -> None:
    """Whatever stands in a name is shown, and is no markup."""
    stored = world.add()
    user = attrs.evolve(stored.user, first_name="<script>alert(1)</script>", last_name="{0}")
    world.passes.stored[stored.code] = attrs.evolve(stored, user=user)
    assert "Welcome, <script>alert(1)</script> {0}" in signed_in(visitor).texts["h1"]


def test_a_user_without_a_name(world: World, visitor: Visitor) -> None:
    """The e-mail address stands in for it."""
    stored = world.add()
    user = attrs.evolve(stored.user, first_name="", last_name="")
    world.passes.stored[stored.code] = attrs.evolve(stored, user=user)
    assert signed_in(visitor).texts["h1"] == "Welcome, u1@example.com"


@pytest.mark.parametrize(
    ("language", "expected"),
    [("es", "1 de enero de 2030"), ("hi", "1 जनवरी 2030"), ("en", "January 1, 2030")],
)
def test_dates_are_in_the_language(
    world: World, visitor: Visitor, language: str, expected: str
) -> None:
    """As its readers write them."""
    world.add(expires_at=Instant(1_893_456_000_000_001))
    visitor.language = language
    assert expected in signed_in(visitor).main


class _Away:
    """Passes in a database that does not answer."""

    async def find(self, _: object) -> None:
        """Fail."""
        raise Unavailable


def test_a_store_that_is_away(world: World) -> None:
    """5.6: 503 with Retry-After, as a page that people can read."""
    world.passes = _Away()  # type: ignore[assignment]
    with Client(world) as client:
        visitor = Visitor(client)
        page = visitor.get(LOGIN)
        reply = visitor.post(LOGIN, {**page.fields, "do": "find", "pass_code": PASS_CODE})
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")
    page = Page(reply)
    assert page.step == "failure"
    assert "The service is not available at the moment. Please try again soon." in page.main
    assert LOGIN in page.urls
