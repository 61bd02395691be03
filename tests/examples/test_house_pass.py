"""docs/integrate-django.md with the project of House Service Pass."""

import time
from itertools import count
from pathlib import Path

import attrs
import httpx2
import jwt
import pytest

from hsp_otp.adapters.jwt import new_signing_key_pem, parse_signing_keys
from hsp_otp.domain.instant import SECOND, after
from tests.e2e.production import number_of, pass_of
from tests.e2e.server import until
from tests.examples.conftest import (
    KEY_SET_SECONDS,
    PAYMENT_SECRET,
    Open,
    Site,
    Visit,
    id_of,
    new_keys,
    state_of,
)

HOWEVER = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])

_people = count()


@pytest.fixture
def person() -> int:
    """Somebody whose pass is not paid yet."""
    return next(_people)


@pytest.fixture
def holder(site: Site, person: int) -> int:
    """Somebody whose pass is paid, and known to the service."""
    assert site.pay(person).status_code == 200
    until(lambda: usable(site, person))
    return person


def usable(site: Site, person: int) -> bool:
    """Return whether the service lets the holder of a pass sign in."""
    return site.server.validate(pass_of(person)).body.get("valid") is True


def test_a_paid_pass_signs_in(site: Site, person: int) -> None:
    """Within 2 s of the payment, its holder signs in, known by the id that Django has."""
    assert not usable(site, person)
    assert site.pay(person).status_code == 200
    until(lambda: usable(site, person), seconds=2)
    answer = site.sign_in(person)
    assert answer.status == 200
    assert answer["user"]["id"] == id_of(person)
    assert answer["pass"]["plan_name"] == "Gold"
    assert answer["pass"]["expires_at"].startswith("2099-12-31T18:30:00")
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["sub"] == id_of(person)
    mine = site.my_passes(answer["access_token"])
    assert mine.status_code == 200
    assert mine.json() == {"user": id_of(person), "passes": [pass_of(person)]}


def test_a_forged_payment_changes_nothing(site: Site, person: int) -> None:
    """Only the payment provider can report a payment."""
    with site.house_pass.client() as client:
        for signature in ("", "0" * 64, PAYMENT_SECRET):
            answer = client.post(
                "/payments/",
                json={"pass_code": pass_of(person)},
                headers={"X-Signature": signature},
            )
            assert answer.status_code == 403
    assert not usable(site, person)


def test_refreshing_as_django_clients_do(site: Site, holder: int) -> None:
    """A client that sends `refresh` reads `access` and `refresh`, and both of them work."""
    refresh_token = site.sign_in(holder)["refresh_token"]
    for _ in range(2):
        answer = site.server.post("/token/refresh/", {"refresh": refresh_token})
        assert answer.status == 200
        assert site.my_passes(answer["access"]).json()["user"] == id_of(holder)
        refresh_token = answer["refresh"]


def test_tokens_that_are_refused(site: Site, person: int, tmp_path: Path) -> None:
    """An expired token, a foreign one and one of nobody are refused, and so is no token."""
    good = site.token(id_of(person), site.now())
    ahead = site.token(id_of(person), after(site.now(), 4 * SECOND))  # by a clock that is ahead
    assert site.my_passes(good).status_code == site.my_passes(ahead).status_code == 200
    (tmp_path / "own.pem").write_bytes(new_signing_key_pem("ES256"))
    (own,) = parse_signing_keys("ES256", f"{site.signing[0].id}:{tmp_path}/own.pem")
    for token in (
        site.token(id_of(person), after(site.now(), -906 * SECOND)),
        site.token(id_of(person), site.now(), keys=(own,)),
        site.token(id_of(person), site.now(), keys=(attrs.evolve(own, id="unknown"),)),
        site.token(id_of(person), site.now(), issuer="other"),
        site.token(id_of(person), site.now(), audience="hsp-otp-signup"),
        site.token("aI7HpmwPr-rSBiYSYhURXQ", site.now()),
        site.token("00000000-0000-0000-0000-000000000000", site.now()),
        good[:-1],
        "rubbish",
        "a b",
    ):
        refused = site.my_passes(token)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
    with site.house_pass.client() as client:
        assert client.get("/api/my-passes/").status_code == 401


def test_a_key_that_is_withdrawn(site: Site, holder: int) -> None:
    """A token is refused once its key has left the key set."""
    token = site.sign_in(holder)["access_token"]
    assert site.my_passes(token).status_code == 200
    ours = site.settings["JWT_KEYS"]
    theirs = new_keys(site.folder, "next")["JWT_KEYS"]
    site.stop()
    try:
        site.restart(JWT_KEYS=theirs)
        time.sleep(KEY_SET_SECONDS)
        assert site.my_passes(token).status_code == 401
        assert site.my_passes(site.sign_in(holder)["access_token"]).status_code == 200
        site.stop()
    finally:
        site.restart(JWT_KEYS=ours)
    # Django keeps the key set for a while, and the next test may have the same one.
    until(lambda: site.my_passes(token).status_code == 200)


def test_a_payment_while_the_service_is_away(site: Site, person: int) -> None:
    """The payment is taken at once, the pass is put when the service is back; tokens wait."""
    token = site.token(id_of(person), site.now())
    site.stop()
    try:
        assert come_back(site, "a code").status_code == 503
        assert site.pay(person).status_code == 200
        until(lambda: "hsp-otp takes no passes" in site.house_pass.log)
        until(lambda: site.my_passes(token).status_code == 503)
    finally:
        site.restart()
    until(lambda: usable(site, person))
    until(lambda: site.my_passes(token).status_code == 200)


def test_what_was_there_before(site: Site, person: int) -> None:
    """A command puts passes that no server has put, and names how many were refused."""
    change = (
        "from accounts.models import *; u = User.objects.get(pk='{}');"
        "u.phone_number = '{}'; u.save(); p = u.passes.get(); p.payment_status = 'paid'; p.save()"
    )
    site.house_pass.manage("shell", "-v", "0", "-c", change.format(id_of(person), "123"))
    assert "it refused 1" in site.house_pass.manage("put_passes")
    number = number_of(person)
    site.house_pass.manage("shell", "-v", "0", "-c", change.format(id_of(person), number))
    assert "it refused 0" in site.house_pass.manage("put_passes", "--all")
    assert site.sign_in(person)["user"]["phone_number"] == number


def test_codes_that_sign_nobody_in(site: Site) -> None:
    """A made-up code, none, and one that no browser keeps are refused, and so is no state."""
    for code in ("a code", "", "x" * 5_000):
        answer = come_back(site, code)
        assert answer.status_code == 400
        assert "You are not signed in" in answer.text
    with site.house_pass.client(follow_redirects=True) as client:
        client.get("/login/", follow_redirects=False)
        for members in ({"code": "a code"}, {"code": "a code", "state": ""}, {}):
            assert client.post("/login/return/", data=members).status_code == 400
        assert client.get("/login/return/").status_code == 400


def come_back(site: Site, code: str) -> httpx2.Response:
    """Come back from the login page with a code, without a browser."""
    with site.house_pass.client(follow_redirects=True) as client:
        state = state_of(client.get("/login/", follow_redirects=False).headers["Location"])
        return client.post("/login/return/", data={"code": code, "state": state})


@HOWEVER
def test_signing_in_at_django(site: Site, holder: int, open_window: Open, *, scripts: bool) -> None:
    """The login page leads back, and Django signs in the user who has entered the code, once."""
    visit = open_window(scripts)
    begin_and_enter_code(site, visit, holder)
    visit.goes_on()
    visit.page.wait_for_url(f"{site.house_pass.origin}/")
    assert f"Signed in as u{holder}@example.com" in visit.page.inner_text("main")
    (post,) = visit.posts
    assert "cookie" not in post.all_headers()  # as on the internet, where they are other sites
    returned = visit.returned()
    assert set(returned) == {"code", "state"}
    assert "otp_return" not in {cookie["name"] for cookie in visit.page.context.cookies()}
    # The same form again, as by a second press of the button; and the code in another browser.
    visit.post(site.house_pass.origin + "/login/return/", returned)
    visit.page.wait_for_url(f"{site.house_pass.origin}/")
    assert f"Signed in as u{holder}@example.com" in visit.page.inner_text("main")
    other = open_window(scripts)
    state = begin(site, other)
    other.post(site.house_pass.origin + "/login/return/", returned | {"state": state})
    assert "has already been used" in other.page.inner_text("main")


@HOWEVER
def test_a_return_to_another_browser(
    site: Site, holder: int, open_window: Open, *, scripts: bool
) -> None:
    """Nobody is signed in by a code that an attacker has their browser post."""
    attacker = open_window(scripts)
    attacker.page.route("**/login/return/", lambda route: route.abort())
    with attacker.page.expect_request("**/login/return/"):
        begin_and_enter_code(site, attacker, holder)
        if not scripts:
            attacker.page.get_by_role("button", name="Continue").click(no_wait_after=True)
    theirs = attacker.returned()
    victim = open_window(scripts)
    for begun in (False, True):
        if begun:
            begin(site, victim)
        victim.post(site.house_pass.origin + "/login/return/", theirs)
        assert "began in another browser" in victim.page.inner_text("main")
        victim.page.goto(site.house_pass.origin)
        assert "Signed in" not in victim.page.inner_text("main")
    # The attacker's own browser still can: nothing has used the code.
    attacker.page.unroute("**/login/return/")
    attacker.post(site.house_pass.origin + "/login/return/", theirs)
    attacker.page.wait_for_url(f"{site.house_pass.origin}/")
    assert "Signed in as" in attacker.page.inner_text("main")


def begin(site: Site, visit: Visit) -> str:
    """Go from Django to the service's login page, and return the state that leads there."""
    visit.page.goto(site.house_pass.origin)
    visit.page.get_by_role("link", name="Sign in").click()
    visit.page.wait_for_url(f"{site.origin}/customer/login/**")
    return state_of(next(one for one in reversed(visit.seen) if "state=" in one))


def begin_and_enter_code(site: Site, visit: Visit, person: int) -> None:
    """Begin at Django, and enter the pass code and the code at the service's page."""
    begin(site, visit)
    page = visit.page
    page.fill("#pass_code", pass_of(person))
    page.click("button[value=find]")
    visit.enter_code_to(site, number_of(person))
