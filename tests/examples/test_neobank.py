"""docs/integrate-django.md with the project of NeoBank."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import httpx2
import pytest

from tests.e2e.sessions import csrf_token, prove, sign_up
from tests.examples.conftest import Open, Site, Visit, state_of

HOWEVER = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
STEP_2 = "/signup/step-2/"

_numbers = count(9_876_500_000)


@pytest.fixture
def number() -> str:
    """A number that nobody has signed up with."""
    return f"+91{next(_numbers)}"


@HOWEVER
def test_step_2_takes_the_proof(
    site: Site, number: str, open_window: Open, *, scripts: bool
) -> None:
    """Step 1 leads to step 2, which knows the number; the signup goes on from there."""
    visit = open_window(scripts)
    begin(site, visit)
    visit.page.fill("#phone", number)
    visit.page.click("button[value=send]")
    visit.enter_code_to(site, number)
    visit.goes_on()
    visit.page.wait_for_url(site.neobank.origin + STEP_2)
    assert f"Your number {number} is confirmed" in visit.page.inner_text("main")
    (post,) = visit.posts
    assert "cookie" not in post.all_headers()  # as on the internet, where they are other sites
    returned = visit.returned()
    assert set(returned) == {"proof", "session_id", "state"}
    # The same proof again, as by a second press of the button or from the page of step 1, which
    # the visitor has opened again; and in another browser.
    for state in (returned["state"], begin(site, visit)):
        visit.post(site.neobank.origin + STEP_2, returned | {"state": state})
        assert f"Your number {number} is confirmed" in visit.page.inner_text("main")
    other = open_window(scripts)
    state = begin(site, other)
    other.post(site.neobank.origin + STEP_2, returned | {"state": state})
    assert "has already been used" in other.page.inner_text("main")
    other.page.goto(site.neobank.origin + STEP_2)
    assert "Confirm your phone number first" in other.page.inner_text("main")
    visit.page.fill("[name=full_name]", "Asha Rao")
    visit.page.fill("[name=date_of_birth]", "1990-01-31")
    visit.page.get_by_role("button", name="Continue").click()
    visit.page.wait_for_url(f"{site.neobank.origin}/signup/details/")
    assert "Step 3 of 5" in visit.page.inner_text("main")


def test_a_proof_in_another_browser(site: Site, number: str, open_window: Open) -> None:
    """Nobody goes on with the number of an attacker who has their browser post a proof."""
    victim = open_window(True)  # noqa: FBT003
    theirs = new_proof(site, number) | {"state": "of the attacker"}
    for begun in (False, True):
        if begun:
            begin(site, victim)
        victim.post(site.neobank.origin + STEP_2, theirs)
        assert "Confirm your phone number first" in victim.page.inner_text("main")


def test_what_is_no_proof(site: Site, number: str) -> None:
    """A proof of another session, a changed one, an access token and nothing at all are refused."""
    proof = new_proof(site, number)
    for members in (
        proof | {"session_id": "aI7HpmwPr-rSBiYSYhURXQ"},
        proof | {"proof": proof["proof"][:-1]},
        proof | {"proof": site.token(proof["session_id"], site.now())},
        proof | {"proof": ""},
        {"session_id": proof["session_id"]},
        {},
    ):
        with site.neobank.client(follow_redirects=True) as client:
            refused = client.post(STEP_2, data=members | {"state": new_state(client)})
            assert refused.status_code == 400
            assert number not in refused.text
    # None of them has used it up.
    with site.neobank.client(follow_redirects=True) as client:
        taken = client.post(STEP_2, data=proof | {"state": new_state(client)})
        assert taken.status_code == 200
        assert number in taken.text


def test_parallel_uses_of_a_proof(site: Site, number: str) -> None:
    """Of ten browsers that present one proof at once, one goes on."""
    proof = new_proof(site, number)
    clients = [site.neobank.client() for _ in range(10)]
    try:
        for client in clients:
            kept = client.post(STEP_2, data=proof | {"state": new_state(client)})
            assert (kept.status_code, kept.headers["Location"]) == (303, STEP_2)
        with ThreadPoolExecutor(len(clients)) as at_once:
            answers = list(at_once.map(lambda client: client.get(STEP_2), clients))
    finally:
        for client in clients:
            client.close()
    assert sorted(answer.status_code for answer in answers) == [302] + [400] * 9


def begin(site: Site, visit: Visit) -> str:
    """Go from Django to the service's signup page, and return the state that leads there."""
    visit.page.goto(site.neobank.origin)
    visit.page.get_by_role("link", name="Open an account").click()
    visit.page.wait_for_url(f"{site.origin}/users/signup/**")
    return state_of(next(one for one in reversed(visit.seen) if "state=" in one))


def new_state(client: httpx2.Client) -> str:
    """Begin a signup without a browser, and return its state."""
    return state_of(client.get("/signup/", follow_redirects=False).headers["Location"])


def new_proof(site: Site, number: str) -> dict[str, str]:
    """Sign up over the service's API, and return what its page would post."""
    token = csrf_token(site.settings["SECRET_KEYS"])
    session_id = sign_up(site.server, number, token)["session_id"]
    code = site.server.message_to(number).code
    proof = prove(site.server, session_id, code, token)["proof"]
    return {"session_id": session_id, "proof": proof}
