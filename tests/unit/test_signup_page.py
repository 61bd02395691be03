"""The page of signup without scripts: docs/contract.md, sections 2, 3 and 5.3."""

import json
from collections.abc import Iterator

import pytest

from hsp_otp.domain.instant import MINUTE, SECOND
from hsp_otp.ports.failures import SendFailed, SendRejected
from tests.http import Client
from tests.visitor import SIGNUP, Page, Visitor
from tests.world import World, other_than

NUMBER = "98765 43210"
OTHER = "98123 45678"
TOO_SOON = "A code is on its way. Please wait a moment before you ask for another."
LOCKED = "There were too many wrong codes. Please try again later or contact support."
ENDED = "This session has ended. Please start again."


@pytest.fixture
def world() -> World:
    """An empty one."""
    return World()


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """Over the world, for numbers of three countries."""
    with Client(world, signup_regions=frozenset({"IN", "ES", "GB"})) as found:
        yield found


@pytest.fixture
def visitor(client: Client) -> Visitor:
    """Somebody with a browser."""
    return Visitor(client)


def asked(visitor: Visitor, phone: str = NUMBER, region: str = "IN") -> Page:
    """The page after a number was entered."""
    return visitor.submit(visitor.get(SIGNUP), "send", phone=phone, region=region)


def code(world: World) -> str:
    """The latest code."""
    return world.outbox.codes[-1]


def told(page: Page, field: str) -> str:
    """What stands at a field."""
    return page.texts.get(f"{field}-error", "")


def numbers(world: World) -> list[str]:
    """Where messages went."""
    return [sms.to.value for sms in world.outbox.sent]


def test_the_whole_way(world: World, visitor: Visitor) -> None:
    """Number, code, verified, and what comes next."""
    page = visitor.get(SIGNUP)
    assert (page.step, page.buttons) == ("number", ["send"])
    assert "Step 1 of 5" in page.main
    page = visitor.submit(page, "send", phone=NUMBER, region="IN")
    assert (page.step, page.buttons) == ("code", ["verify", "resend", "send"])
    assert numbers(world) == ["+919876543210"]
    assert "We sent a code to your phone." in page.main
    assert "It is in the text message that we sent to ***-***-3210." in page.main
    assert "The code is valid for another 5:00." in page.main
    assert page.texts["wait"] == "You can ask for a new code in 0:30."
    page = visitor.submit(page, "verify", otp=code(world))
    assert (page.step, page.buttons) == ("verified", ["restart"])
    assert "Step 2 of 5" in page.main
    assert "You have verified ***-***-3210. Next steps with NeoBank:" in page.main
    assert "Personal details Aadhaar PAN Account and password" in page.main
    assert "You can continue this sign-up for another 30:00." in page.main
    assert visitor.get(SIGNUP).step == "verified"
    assert visitor.submit(page, "restart").step == "number"
    assert "signup_session" not in visitor.cookies


def test_a_lock_and_the_next_code(world: World) -> None:
    """5.4.14: while a lock forbids one, the page promises none, and offers another number."""
    with Client(world, failed_guesses_per_day=1) as client:
        visitor = Visitor(client)
        older = asked(visitor)
        page = visitor.submit(older, "verify", otp=other_than(code(world)))
        for shown in (
            page,
            visitor.get(SIGNUP),
            visitor.submit(page, "resend"),
            visitor.submit(older, "verify", otp=code(world)),
        ):
            assert (shown.step, shown.buttons) == ("ended", ["resend", "send"])
            assert shown.main.count(LOCKED) == 1
            assert shown.texts["wait"] == "You can ask for a new code in 24:00:00."
            assert "New codes go to" not in shown.main
            assert "try again in" not in shown.main
        assert visitor.submit(page, "send", phone=OTHER, region="IN").step == "code"


def test_a_lock_that_only_an_operator_lifts(world: World) -> None:
    """5.4.14: no wait helps, so only another number can be entered."""
    with Client(world, failed_guesses_in_a_row=1) as client:
        visitor = Visitor(client)
        page = visitor.submit(asked(visitor), "verify", otp=other_than(code(world)))
        assert (page.step, page.buttons) == ("ended", ["send"])
        assert told(page, "code") == LOCKED
        assert "New codes go to" not in page.main


@pytest.mark.parametrize("waits", [0, 30 * SECOND + 1])
def test_enter_twice_is_verified(world: World, visitor: Visitor, waits: int) -> None:
    """5.4: whoever sends the right code twice comes to the step that it led to."""
    page = asked(visitor)
    held = dict(visitor.cookies)
    for wait in (0, waits):
        world.clock.advance(wait)
        visitor.cookies = dict(held)
        reply = visitor.post(SIGNUP, {**page.fields, "otp": code(world), "do": "verify"})
        assert reply.status == 303
    page = visitor.get(SIGNUP)
    assert page.step == "verified"
    assert "Step 2 of 5" in page.main
    assert 'role="alert"' not in page.reply.body.decode()
    assert len(world.proofs.signed) == 1


def test_the_session_in_its_cookie(visitor: Visitor) -> None:
    """It is for the signup alone, and out of reach of scripts."""
    page = asked(visitor)
    assert visitor.cookies["signup_session"] == page.fields["session_id"]
    assert visitor.set_cookies["signup_session"].endswith(
        "; HttpOnly; Max-Age=1800; Path=/users; SameSite=lax"
    )


@pytest.mark.parametrize(
    ("typed", "region", "number"),
    [
        ("98765 43210", "IN", "+919876543210"),
        ("098765-43210", "IN", "+919876543210"),
        ("९८७६५ ४३२१०", "IN", "+919876543210"),
        ("07400 123456", "GB", "+447400123456"),
        ("612 34 56 78", "ES", "+34612345678"),
        ("+44 7400 123456", "IN", "+447400123456"),
        ("+34 (612) 345-678", "GB", "+34612345678"),
        ("447400123456", "GB", "+447400123456"),
        ("44 07400 123456", "GB", "+447400123456"),
        ("34612345678", "ES", "+34612345678"),
        ("0919876543210", "IN", "+919876543210"),
        ("\u202a\uff0b919876543210\u202c", "GB", "+919876543210"),
        ("98765 43210", "nonsense", "+919876543210"),
        ("98765 43210", "", "+919876543210"),
    ],
)
def test_number_and_country(
    world: World, visitor: Visitor, typed: str, region: str, number: str
) -> None:
    """A number is of the chosen country unless it says otherwise."""
    assert asked(visitor, typed, region).step == "code"
    assert numbers(world) == [number]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Please enter your mobile number."),
        ("12", "We cannot send messages to this number. Please check it."),
        ("tel:9876543210", "We cannot send messages to this number. Please check it."),
        (
            "+1 202 555 0123",
            "We cannot send codes to numbers in this country. Please use another number.",
        ),
    ],
)
def test_a_number_that_will_not_do(
    world: World, visitor: Visitor, typed: str, sentence: str
) -> None:
    """The API's sentence stands at the field, which keeps what was typed, the country too."""
    page = asked(visitor, typed, "ES")
    assert page.step == "number"
    assert told(page, "phone") == sentence
    field = page.attributes["phone"]
    assert (field["value"], field["aria-invalid"]) == (typed, "true")
    assert "phone-error" in field["aria-describedby"]
    assert b'value="ES" selected>' in page.reply.body
    assert world.outbox.sent == []


def test_the_usual_country_is_chosen(visitor: Visitor) -> None:
    """Of the countries the default one, where it may sign up."""
    body = visitor.get(SIGNUP).reply.body
    assert b'<option data-example="81234 56789" value="IN" selected>' in body
    assert b'<option data-example="7400 123456" value="GB">' in body


def test_one_country_is_no_choice(world: World) -> None:
    """5.4: its calling code stands before the number, and an example below it."""
    with Client(world, signup_regions=frozenset({"ES"})) as client:
        visitor = Visitor(client)
        page = visitor.get(SIGNUP)
        assert "Mobile number +34 For example, 612 34 56 78 Send the code" in page.main
        assert "option" not in page.attributes
        assert page.attributes["phone"]["aria-describedby"].split() == [
            "phone-prefix",
            "phone-error",
            "phone-hint",
        ]
        page = visitor.submit(page, "send", phone="612345678")
    assert numbers(world) == ["+34612345678"]


def test_a_country_without_an_example(world: World) -> None:
    """5.4: where no mobile number is known, none is shown."""
    with Client(world, signup_regions=frozenset({"TA"})) as client:
        assert "For example" not in Visitor(client).get(SIGNUP).main


def test_reloading_sends_nothing(world: World, visitor: Visitor) -> None:
    """Looking again comes back where it was."""
    asked(visitor)
    world.clock.advance(10 * SECOND)
    page = visitor.get(SIGNUP)
    assert page.step == "code"
    assert "The code is valid for another 4:50." in page.main
    assert "We sent a code to your phone" not in page.main
    assert len(world.outbox.sent) == 1


def test_three_wrong_codes(world: World, visitor: Visitor) -> None:
    """2.5: what is left is told; after the third the page offers a new code and no field."""
    page = asked(visitor)
    wrong = other_than(code(world))
    said = []
    for _ in range(3):
        page = visitor.submit(page, "verify", otp=wrong)
        said.append(told(page, "code"))
    assert said == [
        "This code is wrong. Please check the code and try again. 2 attempts left.",
        "This code is wrong. Please check the code and try again. 1 attempt left.",
        "Three wrong codes were entered.",
    ]
    assert (page.step, page.buttons) == ("ended", ["resend", "send"])
    assert page.texts["wait"] == "You can ask for a new code in 0:30."
    world.clock.advance(30 * SECOND)
    page = visitor.submit(visitor.get(SIGNUP), "resend")
    assert (page.step, len(world.outbox.sent)) == ("code", 2)
    assert visitor.submit(page, "verify", otp=code(world)).step == "verified"


def test_what_a_clipboard_adds_to_a_code(world: World, visitor: Visitor) -> None:
    """Invisible characters and dashes of any kind make no other code."""
    page, digits = asked(visitor), code(world)
    page = visitor.submit(page, "verify", otp=f"\u200e{digits[:3]}\u2011{digits[3:]}\u202c")
    assert page.step == "verified"


@pytest.mark.parametrize("typed", ["", "\u200b", "12345", "1234567", "12a456"])
def test_a_malformed_code(world: World, visitor: Visitor, typed: str) -> None:
    """Nothing is charged for it."""
    page = asked(visitor)
    for _ in range(4):
        page = visitor.submit(page, "verify", otp=typed)
        assert page.step == "code"
        assert told(page, "code")
    assert visitor.submit(page, "verify", otp=code(world)).step == "verified"


def test_exhausted_then_presented(world: World, visitor: Visitor) -> None:
    """2.11: what comes after the third guess leads to the same page."""
    form = asked(visitor)
    for _ in range(3):
        visitor.submit(form, "verify", otp=other_than(code(world)))
    page = visitor.submit(form, "verify", otp=code(world))
    assert page.step == "ended"
    assert told(page, "code") == "Three wrong codes were entered."


def test_another_number_of_guesses(world: World) -> None:
    """5.4: the page counts to three only if that is the limit."""
    with Client(world, max_attempts=1) as client:
        visitor = Visitor(client)
        page = visitor.submit(asked(visitor), "verify", otp=other_than(code(world)))
    assert told(page, "code") == "Too many wrong codes were entered."


def test_a_code_that_ends(world: World, visitor: Visitor) -> None:
    """2.4: when its time is up the page says so by itself."""
    form = asked(visitor)
    world.clock.advance(5 * MINUTE - 1)
    assert visitor.get(SIGNUP).step == "code"
    world.clock.advance(1)
    assert visitor.get(SIGNUP).step == "ended"
    page = visitor.submit(form, "verify", otp=code(world))
    assert told(page, "code") == "The last code has expired."


def test_asking_again(world: World, visitor: Visitor) -> None:
    """The number need not be entered again; too soon is told with the time left."""
    page = asked(visitor)
    world.clock.advance(29 * SECOND)
    page = visitor.submit(page, "resend")
    assert (page.step, told(page, "send")) == ("code", TOO_SOON)
    assert page.texts["wait"] == "You can ask for a new code in 0:01."
    world.clock.advance(1 * SECOND)
    page = visitor.submit(page, "resend")
    assert numbers(world) == ["+919876543210"] * 2
    assert visitor.submit(page, "verify", otp=code(world)).step == "verified"


def test_correcting_the_number(world: World, visitor: Visitor) -> None:
    """5.3: another number in the same session; the older code has ended."""
    page = asked(visitor)
    session, first = page.fields["session_id"], code(world)
    page = visitor.submit(page, "send", phone=OTHER, region="IN")
    assert (page.step, page.fields["session_id"]) == ("code", session)
    assert "***-***-5678" in page.main
    assert numbers(world) == ["+919876543210", "+919812345678"]
    if first != code(world):
        assert visitor.submit(page, "verify", otp=first).step == "code"
    assert visitor.submit(page, "verify", otp=code(world)).step == "verified"


@pytest.mark.parametrize("typed", ["12", "", "+1 202 555 0123", NUMBER])
def test_a_correction_that_is_refused(world: World, visitor: Visitor, typed: str) -> None:
    """5.3: it changes nothing; the form of the correction stands open with the reason."""
    page = visitor.submit(asked(visitor), "send", phone=typed, region="IN")
    assert page.step == "code"
    assert told(page, "phone")
    assert "open" in page.attributes["details"]
    assert page.attributes["phone"]["value"] == typed
    assert "***-***-3210" in page.main
    assert "open" not in visitor.get(SIGNUP).attributes["details"]
    assert visitor.submit(page, "verify", otp=code(world)).step == "verified"


def test_a_message_that_nobody_takes(world: World, visitor: Visitor) -> None:
    """2.8: the page says so, asks for no code that was never sent, and may be asked at once."""
    world.outbox.failure = SendFailed()
    page = asked(visitor)
    assert page.step == "number"
    assert told(page, "phone") == "We could not send the message. Please try again."
    world.outbox.failure = None
    page = visitor.submit(page, "send", phone=NUMBER, region="IN")
    assert (page.step, len(world.outbox.sent)) == ("code", 1)


def test_a_number_that_is_refused_for_good(world: World, visitor: Visitor) -> None:
    """7.4: the page asks for another number, and shows the form for it."""
    page = asked(visitor)
    world.clock.advance(30 * SECOND)
    world.outbox.failure = SendRejected()
    page = visitor.submit(page, "resend")
    assert (page.step, told(page, "code")) == ("ended", "We could not send the last code.")
    assert (
        told(page, "send") == "We cannot send messages to this number. Please use another number."
    )
    assert "open" in page.attributes["details"]
    assert "wait" not in page.texts


def test_two_windows(world: World, visitor: Visitor) -> None:
    """Each form acts for the session it was made for, and the browser follows it."""
    empty = visitor.get(SIGNUP)
    first = visitor.submit(empty, "send", phone=NUMBER, region="IN")
    first_code = code(world)
    second = visitor.submit(empty, "send", phone=OTHER, region="IN")
    assert second.fields["session_id"] != first.fields["session_id"]
    page = visitor.submit(first, "verify", otp=first_code)
    assert page.step == "verified"
    assert "***-***-3210" in page.main
    page = visitor.submit(second, "verify", otp=code(world))
    assert page.step == "verified"
    assert "***-***-5678" in page.main


def test_a_session_that_has_ended(world: World, visitor: Visitor) -> None:
    """After half an hour the page begins anew; a form from before says why."""
    form = asked(visitor)
    world.clock.advance(30 * MINUTE - 1)
    assert visitor.get(SIGNUP).step == "ended"
    world.clock.advance(1)
    assert visitor.get(SIGNUP).step == "number"
    assert "signup_session" not in visitor.cookies
    for do in ("verify", "resend", "send"):
        page = visitor.submit(form, do, otp=code(world), phone=OTHER, region="IN")
        assert page.step == "number"
        assert told(page, "phone") == ENDED


def test_a_session_that_is_none(visitor: Visitor) -> None:
    """A form of a session that nobody began says that it is not there."""
    fields = visitor.get(SIGNUP).fields
    for session in ("nonsense", "A" * 22, "é"):
        for do in ("send", "resend", "verify"):
            form = {"session_id": session, "do": do, "otp": "123456", "phone": NUMBER}
            assert visitor.post(SIGNUP, {**fields, **form}).status == 303
            page = visitor.get(SIGNUP)
            assert (page.step, told(page, "phone")) == ("number", ENDED)
    assert visitor.client.world.outbox.sent == []


def test_a_form_from_before_the_proof(world: World, visitor: Visitor) -> None:
    """5.3: a session only steps forward; an older form leads to where it is."""
    form = asked(visitor)
    visitor.submit(form, "verify", otp=code(world))
    world.clock.advance(30 * SECOND)
    for do in ("verify", "resend", "send"):
        page = visitor.submit(form, do, otp=code(world), phone=OTHER, region="IN")
        assert page.step == "verified"
    assert len(world.outbox.sent) == 1


def test_limits_hold_on_the_page(world: World) -> None:
    """Section 3: the sixth message in a minute is refused, with the time to wait."""
    with Client(world, resend_cooldown_seconds=0) as client:
        visitor = Visitor(client)
        for last in range(5):
            visitor.cookies.pop("signup_session", None)
            assert asked(visitor, f"987654321{last}").step == "code"
        visitor.cookies.pop("signup_session", None)
        page = asked(visitor, "9876543219")
    assert told(page, "phone") == (
        "There were too many requests from your network. Please try again later. "
        "You can try again in 1:00."
    )
    assert len(world.outbox.sent) == 5


LATER = "Please wait a moment before you ask for another code."
NO_WORK = (
    "Several codes have been requested. To get another one now, turn on JavaScript and use a secure"
    " connection (https). Otherwise, please try again later."
)


def test_a_code_of_another_session(world: World, visitor: Visitor) -> None:
    """2.11: it cannot be entered here, in a new session or for a corrected number."""
    asked(Visitor(visitor.client))
    page = asked(visitor)
    assert page.step == "number"
    assert told(page, "phone") == f"{LATER} You can try again in 0:30."
    page = visitor.submit(asked(visitor, OTHER), "send", phone=NUMBER, region="IN")
    assert (page.step, told(page, "phone")) == (
        "code",
        f"{LATER} You can try again in 0:30.",
    )
    assert visitor.submit(page, "verify", otp=code(world)).step == "verified"


def test_a_code_that_another_session_replaced(world: World, visitor: Visitor) -> None:
    """2.7: the page says that its own code has ended, and does not claim the other."""
    page = asked(visitor)
    world.clock.advance(30 * SECOND)
    asked(Visitor(visitor.client))
    page = visitor.submit(page, "resend")
    assert (page.step, told(page, "send")) == ("ended", LATER)
    assert told(page, "code") == "The last code can no longer be used."
    assert page.texts["wait"] == "You can ask for a new code in 0:30."


def done(page: Page) -> str:
    """The work that *page* asks for, done."""
    solution = json.loads(page.attributes["div"]["data-work"])["parameters"]["solution"]
    assert isinstance(solution, str)
    return solution


def test_the_third_code_costs_work(world: World, visitor: Visitor) -> None:
    """3.12: the form for another code to the same number brings the work with it."""
    page = asked(visitor)
    world.clock.advance(30 * SECOND)
    page = visitor.submit(page, "resend")
    world.clock.advance(30 * SECOND)
    page = visitor.submit(page, "resend")
    assert (page.step, told(page, "send"), len(numbers(world))) == ("code", NO_WORK, 2)
    assert page.attributes["work"]["data-checking"] == "Checking your browser, about one second"
    page = visitor.submit(page, "resend", altcha=done(page))
    assert (page.step, len(numbers(world))) == ("code", 3)
    assert visitor.submit(page, "verify", otp=code(world)).step == "verified"


def test_work_for_a_number(world: World, visitor: Visitor) -> None:
    """3.12: others have asked for this number; the form keeps it, and does not call it wrong."""
    for _ in range(2):
        asked(Visitor(visitor.client))
        world.clock.advance(30 * SECOND)
    page = asked(visitor, "098765-43210", "IN")
    assert (page.step, told(page, "phone"), len(numbers(world))) == ("number", NO_WORK, 2)
    field = page.attributes["phone"]
    assert field["value"] == "098765-43210"
    assert "aria-invalid" not in field
    typed = {"phone": field["value"], "region": "IN", "altcha": done(page)}
    assert visitor.submit(page, "send", **typed).step == "code"
    assert numbers(world) == ["+919876543210"] * 3
    assert "altcha" not in visitor.get(SIGNUP).fields


def test_work_for_another_number(world: World, visitor: Visitor) -> None:
    """3.12: in the form that corrects the number, which stays open."""
    for _ in range(2):
        asked(Visitor(visitor.client), OTHER)
        world.clock.advance(30 * SECOND)
    page = visitor.submit(asked(visitor), "send", phone=OTHER, region="IN")
    assert (page.step, told(page, "phone")) == ("code", NO_WORK)
    assert "open" in page.attributes["details"]
    page = visitor.submit(page, "send", phone=OTHER, region="IN", altcha=done(page))
    assert "***-***-5678" in page.main


def test_what_makes_a_browser_known(world: World, visitor: Visitor) -> None:
    """2.15: for a year, out of reach of scripts and other sites; starting again keeps it."""
    page = visitor.submit(asked(visitor), "verify", otp=code(world))
    assert visitor.set_cookies["otp_device"].endswith(
        "; HttpOnly; Max-Age=31536000; Path=/users; SameSite=strict"
    )
    visitor.submit(page, "restart")
    for sent in (2, 3, 4):
        world.clock.advance(30 * SECOND)
        visitor.cookies.pop("signup_session", None)
        assert asked(visitor).step == "code"
        assert len(numbers(world)) == sent


def test_the_api_and_the_page_share_a_session(world: World, visitor: Visitor) -> None:
    """What scripts began goes on without them, and the browser comes back to what got on."""
    token = visitor.get(SIGNUP).fields["csrftoken"]
    headers = {"content-type": "application/json", "x-csrftoken": token}

    def call(path: str, **members: str) -> dict[str, object]:
        reply = visitor.request("POST", path, json.dumps(members).encode(), headers)
        assert reply.status == 200
        return dict(reply.json)

    session = call("/users/api/send-otp/", phone=NUMBER)["session_id"]
    first_code = code(world)
    page = visitor.get(SIGNUP)
    assert (page.step, page.fields["session_id"]) == ("code", session)
    call("/users/api/send-otp/", phone=OTHER)
    assert visitor.get(SIGNUP).fields["session_id"] != session
    call("/users/api/verify-otp/", session_id=str(session), otp_code=first_code)
    page = visitor.get(SIGNUP)
    assert page.step == "verified"
    assert "***-***-3210" in page.main


def test_numbers_are_shown_masked(world: World, visitor: Visitor) -> None:
    """Section 4: never more than the last four digits, whatever the page knows."""
    page = asked(visitor)
    bodies = [page.reply.body, visitor.get(SIGNUP).reply.body]
    page = visitor.submit(page, "verify", otp=code(world))
    for body in (*bodies, page.reply.body):
        assert b"98765" not in body
        assert b"43210" not in body
