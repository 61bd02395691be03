"""What the pages and the API count of visitors, and what they do not: docs/funnel.md."""

from collections import Counter
from collections.abc import Iterator

import pytest

from hsp_otp.domain.audit import Step
from hsp_otp.domain.funnel import FIGURES, Funnel, counted
from hsp_otp.domain.purposes import Flow
from tests.http import SEND, SIGNUP_SEND, SIGNUP_VERIFY, VALIDATE, VERIFY, Client, csrf
from tests.visitor import LOGIN, SIGNUP, Visitor
from tests.world import PASS_CODE, World, other_than

HOST = "otp.example"
NUMBER = "98765 43210"
OPENED = Step.OPENED, ""


@pytest.fixture
def world() -> World:
    """With a pass."""
    made = World()
    made.add()
    return made


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """Over the world."""
    with Client(world) as found:
        yield found


@pytest.fixture
def visitor(client: Client) -> Visitor:
    """Somebody with a browser."""
    return Visitor(client, language="es")


def steps(world: World, flow: Flow = Flow.SIGNUP) -> Counter[tuple[Step, str]]:
    """What was counted without an audit row."""
    return Counter((row.step, row.word) for row in world.audit.steps if row.flow is flow)


def figures(world: World, flow: Flow = Flow.SIGNUP) -> dict[str, int]:
    """The figures that are not 0."""
    rows = [*world.audit.steps, *(one for row in world.audit.rows for one in counted(row))]
    found = Funnel.of((row.step, row.word, row.count) for row in rows if row.flow is flow)
    told = {name: int(getattr(found, name)) for name in FIGURES}
    return {name: count for name, count in told.items() if count}


# --- Pages that are opened


@pytest.mark.parametrize(("path", "flow"), [(SIGNUP, Flow.SIGNUP), (LOGIN, Flow.PASS_LOGIN)])
def test_a_page_is_opened_once(world: World, visitor: Visitor, path: str, flow: Flow) -> None:
    """A page that comes back is not opened again; another browser opens it anew."""
    for _ in range(3):
        visitor.get(path)
    assert steps(world, flow) == {OPENED: 1}
    (row,) = world.audit.steps
    assert (row.region, row.language) == (None, "es")
    Visitor(visitor.client).get(path)
    assert steps(world, flow) == {OPENED: 2}


def test_it_sets_no_cookie(world: World, visitor: Visitor) -> None:
    """The cookies are those of a page that counts nothing."""
    visitor.get(SIGNUP)
    assert set(visitor.cookies) == {"csrftoken"}
    assert steps(world) == {OPENED: 1}


def test_the_whole_way_is_opened_once(world: World, visitor: Visitor) -> None:
    """Errors, later steps and a new start come from the page's own forms."""
    page = visitor.submit(visitor.get(SIGNUP), "send", phone="12", region="IN")
    page = visitor.submit(page, "send", phone=NUMBER, region="IN")
    page = visitor.submit(page, "verify", otp=other_than(world.outbox.codes[-1]))
    page = visitor.submit(page, "verify", otp=world.outbox.codes[-1])
    visitor.submit(page, "restart")
    assert figures(world) == {
        "opened": 1,
        "number_entered": 1,
        "sent": 1,
        "code_entered": 1,
        "verified": 1,
    }
    assert steps(world) == {OPENED: 1, (Step.SEND, "invalid_phone"): 1}


def test_a_link_from_another_page(client: Client, world: World, visitor: Visitor) -> None:
    """A browser that has had another page opens this one, but not by reloading it."""
    visitor.get(LOGIN)
    visitor.get(SIGNUP)
    assert steps(world) == {}
    linked = {"host": HOST, "referer": f"http://{HOST}{LOGIN}"}
    assert visitor.request("GET", SIGNUP, headers=linked).status == 200
    assert steps(world) == {OPENED: 1}
    for more in (
        {"cache-control": "max-age=0"},
        {"cache-control": "no-cache"},
        {"referer": f"http://{HOST}{SIGNUP}?a=b"},
        {"referer": "http://elsewhere.example/"},
        {"referer": "nonsense"},
    ):
        visitor.request("GET", SIGNUP, headers=linked | more)
    assert steps(world) == {OPENED: 1}
    client.request("GET", SIGNUP, headers=linked | {"cache-control": "max-age=0"})
    assert steps(world) == {OPENED: 2}


def test_what_nobody_looks_at(client: Client, world: World) -> None:
    """A request for the head alone opens nothing, and neither does a page that is fetched ahead."""
    client.request("HEAD", SIGNUP)
    client.request("GET", SIGNUP, headers={"sec-purpose": "prefetch;prerender"})
    assert steps(world) == {}


def test_who_returns_to_a_later_step(world: World, visitor: Visitor) -> None:
    """The cookies of the flow say that the page has been opened, also once they are outdated."""
    for path, name in ((SIGNUP, "signup_session"), (LOGIN, "login"), (LOGIN, "login_refresh")):
        visitor.cookies = {name: "outdated"}
        visitor.get(path)
    assert world.audit.steps == []


# --- Proofs that are handed over


def test_the_api_hands_over(client: Client, world: World) -> None:
    """The answer to a right code carries the proof, or the tokens."""
    sent = client.post(SIGNUP_SEND, {"phone": NUMBER}, headers=csrf()).json
    told = {"session_id": sent["session_id"], "otp_code": world.outbox.codes[-1]}
    assert client.post(SIGNUP_VERIFY, told, headers=csrf()).status == 200
    assert figures(world)["handed_over"] == 1
    world.clock.advance(60_000_000)
    client.post(SEND, {"pass_code": PASS_CODE})
    code = world.outbox.codes[-1]
    assert client.post(VERIFY, {"pass_code": PASS_CODE, "otp": other_than(code)}).status == 400
    assert client.post(VERIFY, {"pass_code": PASS_CODE, "otp": code}).status == 200
    assert figures(world, Flow.PASS_LOGIN)["handed_over"] == 1
    assert {row.region for row in world.audit.steps} == {"IN"}


def test_the_pages_script_hands_nothing_over(client: Client, world: World) -> None:
    """It asks the API for the page, which goes nowhere with the proof."""
    sent = client.post(SIGNUP_SEND, {"phone": NUMBER}, headers=csrf()).json
    told = {"session_id": sent["session_id"], "otp_code": world.outbox.codes[-1]}
    page = {"host": HOST, "referer": f"http://{HOST}{SIGNUP}"}
    assert client.post(SIGNUP_VERIFY, told, headers=csrf() | page).status == 200
    assert figures(world) == {"number_entered": 1, "sent": 1, "code_entered": 1, "verified": 1}


# --- What is malformed


@pytest.mark.parametrize(
    ("path", "body", "step", "word"),
    [
        (SIGNUP_SEND, {}, Step.SEND, "phone_required"),
        (SIGNUP_SEND, {"phone": "12"}, Step.SEND, "invalid_phone"),
        (SIGNUP_SEND, {"phone": "+1 415 555 0123"}, Step.SEND, "region_not_allowed"),
        (SIGNUP_VERIFY, {}, Step.CHECK, "missing_fields"),
        (SIGNUP_VERIFY, {"session_id": "s" * 22, "otp_code": "x"}, Step.CHECK, "malformed_otp"),
        (VALIDATE, {}, Step.LOOK_UP, "pass_code_required"),
        (VALIDATE, {"pass_code": "1"}, Step.LOOK_UP, "invalid_format"),
        (VERIFY, {"pass_code": PASS_CODE, "otp": "1"}, Step.CHECK, "malformed_otp"),
    ],
)
def test_malformed_requests(  # noqa: PLR0917
    client: Client, world: World, path: str, body: dict[str, str], step: Step, word: str
) -> None:
    """They leave no audit row, so they are counted by their word."""
    flow = Flow.SIGNUP if path.startswith("/users/") else Flow.PASS_LOGIN
    assert client.post(path, body, headers=csrf()).json["error"] == word
    assert steps(world, flow) == {(step, word): 1}
    assert world.audit.rows == []


def test_other_answers_are_counted_by_the_audit_alone(client: Client, world: World) -> None:
    """A request that was audited, or that no visitor makes, is not counted here."""
    client.post(VALIDATE, {"pass_code": "HSP-0000-0000"})
    client.post("/token/refresh/", {})
    client.request("GET", "/healthz")
    client.request("GET", "/nowhere")
    assert world.audit.steps == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_page_that_leads_back_hands_over(world: World, times: int) -> None:
    """Once for each success, also if the form of a sign-in is sent twice."""
    login, signup = "https://a.example/", "https://b.example/"
    visitor = Visitor(Client(world, login_return_url=login, signup_return_url=signup))
    page = visitor.submit(visitor.get(LOGIN), "find", pass_code=PASS_CODE)
    page = visitor.submit(page, "send")
    held = dict(visitor.cookies)
    for _ in range(times):
        visitor.cookies = dict(held)
        visitor.submit(page, "verify", otp=world.outbox.codes[-1])
    assert figures(world, Flow.PASS_LOGIN)["handed_over"] == 1
    world.clock.advance(60_000_000)
    visitor = Visitor(visitor.client)
    page = visitor.submit(visitor.get(SIGNUP), "send", phone=NUMBER, region="IN")
    visitor.submit(page, "verify", otp=world.outbox.codes[-1])
    assert figures(world)["handed_over"] == 1
