"""The page of pass login, without scripts: the way through it, and what it keeps and shows."""

import base64
import json
from collections.abc import Iterator

import attrs
import pytest

from hsp_otp.domain.instant import MINUTE, SECOND, Instant
from hsp_otp.domain.passes import end_of_pass
from hsp_otp.domain.refresh_tokens import InvalidToken
from hsp_otp.ports.failures import Unavailable
from tests.http import OPEN, Client, Reply
from tests.login_page import HIDDEN, OTHER_END, SENT, TOO_SOON, asked, code, signed_in, told
from tests.visitor import LOGIN, Page, Visitor
from tests.world import PASS_CODE, World


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
