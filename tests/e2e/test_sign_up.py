"""A visitor signs up at two workers in production mode; the proof is checked with the key set."""

import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import jwt
import pytest

from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.instant import SECOND
from tests.e2e.production import prepare, start, wrong
from tests.e2e.server import Answer, Server
from tests.e2e.sessions import DEMO, csrf, csrf_token, generated_keys, me, prove, sign_in, sign_up
from tests.gateway import Gateway, refuse

NUMBER = "+919876543210"
OTHER = "+919812345678"

pytestmark = pytest.mark.timeout(120)


@attrs.frozen
class Site:
    """A service, its keys, and the provider that it sends by."""

    folder: Path
    keys: dict[str, str]
    gateway: Gateway

    def open(self, **settings: str) -> Server:
        """Start the service."""
        settings["SIGNUP_SENDS_PER_CLIENT_MINUTE"] = "0"  # all of these tests are one client
        return start(self.folder, self.keys, self.gateway, **settings)

    @property
    def token(self) -> str:
        """What a page would have given to the browser."""
        return csrf_token(self.keys["SECRET_KEYS"])

    def code(self, number: str) -> str:
        """The code of the latest message to *number*."""
        return self.gateway.to(number)[-1].code


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """The provider."""
    with Gateway() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, gateway: Gateway) -> Site:
    """What an operator has prepared."""
    folder = tmp_path_factory.mktemp("signup")
    return Site(folder, prepare(folder), gateway)


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[Server]:
    """The service, running."""
    with site.open(RESEND_COOLDOWN_SECONDS="0") as found:
        yield found


def refused(answer: Answer) -> tuple[int, str]:
    """Its status and word."""
    assert answer["success"] is False
    return answer.status, answer["error"]


def test_a_visitor_signs_up(site: Site, server: Server) -> None:
    """A mistyped number, a corrected one, a wrong code, the right one, and the right one again."""
    sent = sign_up(server, "98123 45678", site.token)
    session_id = sent["session_id"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", session_id)
    assert sent.body == {
        "success": True,
        "message": "We sent a code to your phone.",
        "session_id": session_id,
        "phone_masked": "***-***-5678",
        "expires_in": 300,
        "resend_in": 0,
    }
    (first,) = site.gateway.to(OTHER)
    assert first.form["Body"] == (
        f"{first.code} is your NeoBank code. It expires in 5 minutes. Do not share it with anyone."
    )
    assert 290 <= int(first.form["ValidityPeriod"]) <= 300
    corrected = sign_up(server, "+91 98765-43210", site.token, session_id)
    assert (corrected["session_id"], corrected["phone_masked"]) == (session_id, "***-***-3210")
    code = site.code(NUMBER)
    answer = prove(server, session_id, wrong(code), site.token)
    assert (refused(answer), answer["attempts_remaining"]) == ((400, "invalid_otp"), 2)
    answer = prove(server, session_id, f" {code[:3]}-{code[3:]} ", site.token)
    assert answer.status == 200
    proof = answer.body.pop("proof")
    assert re.fullmatch(r"[^.]+\.[0-9]+\.[0-9a-f]{64}", answer.body.pop("device_token"))
    assert answer.body == {
        "success": True,
        "message": "Your mobile number is verified.",
        "next_step": 2,
    }
    assert proof.count(".") == 2
    for again in (
        prove(server, session_id, code, site.token),
        sign_up(server, NUMBER, site.token, session_id),
    ):
        assert (refused(again), again["next_step"]) == ((400, "already_verified"), 2)


def proof_of(site: Site, server: Server, number: str) -> tuple[str, str]:
    """Sign *number* up: the session and its proof."""
    session_id = sign_up(server, number, site.token)["session_id"]
    proof: str = prove(server, session_id, site.code(number), site.token)["proof"]
    return session_id, proof


def test_the_proof_is_checked_with_the_key_set(site: Site, server: Server) -> None:
    """The backend of the next steps needs nothing but the published keys."""
    before = SystemClock().now() // SECOND
    session_id, proof = proof_of(site, server, NUMBER)
    keys = jwt.PyJWKSet.from_dict(server.get("/.well-known/jwks.json").body)
    header = jwt.get_unverified_header(proof)
    assert header == {"alg": "ES256", "typ": "proof+jwt", "kid": keys.keys[0].key_id}
    claims = jwt.decode(
        proof,
        keys[header["kid"]],
        algorithms=["ES256"],
        issuer="hsp-otp",
        audience="hsp-otp-signup",
        options={"require": ["iat", "nbf", "exp", "jti"], "strict_aud": True},
    )
    issued = claims.pop("iat")
    assert before <= issued <= SystemClock().now() // SECOND
    assert (claims.pop("nbf"), claims.pop("exp")) == (issued, issued + 600)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", claims.pop("jti"))
    assert claims == {
        "iss": "hsp-otp",
        "aud": "hsp-otp-signup",
        "sub": session_id,
        "token_type": "proof",
        "purpose": "signup",
        "phone_number": NUMBER,
        "amr": ["otp", "sms"],
    }


def test_a_proof_signs_nobody_in(site: Site, server: Server) -> None:
    """A proof as a bearer token is 401."""
    _, proof = proof_of(site, server, NUMBER)
    answer = me(server, proof)
    assert (answer.status, answer["error"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_page_of_another_site(site: Site, server: Server) -> None:
    """Without the pair, or with one of a key of somebody else's, nothing goes out."""
    asked = site.gateway.asked
    others = csrf_token("k1:" + "A" * 43 + "=")
    for headers in (
        {},
        {"Cookie": f"__Host-csrftoken={site.token}"},
        {"X-CSRFToken": site.token},
        {"Cookie": f"__Host-csrftoken={others}", "X-CSRFToken": others},
        {"Cookie": "__Host-csrftoken=x", "X-CSRFToken": "x"},
        # By https a neighbour can plant one without the prefix.
        {"Cookie": f"csrftoken={site.token}", "X-CSRFToken": site.token},
        {**csrf(site.token), "Origin": "https://evil.example"},
        {**csrf(site.token), "Sec-Fetch-Site": "cross-site"},
    ):
        answer = server.post("/users/api/send-otp/", {"phone": NUMBER}, **headers)
        assert refused(answer) == (403, "csrf_failed")
    assert site.gateway.asked == asked


def test_a_number_that_the_provider_refuses(site: Site, server: Server) -> None:
    """The provider takes no message: no code lives, and another number can be given."""
    session_id = sign_up(server, NUMBER, site.token)["session_id"]
    code = site.code(NUMBER)
    accept, site.gateway.behaviour = site.gateway.behaviour, refuse(21211)
    try:
        failed = sign_up(server, OTHER, site.token, session_id)
    finally:
        site.gateway.behaviour = accept
    assert (refused(failed), failed["resend_in"]) == ((400, "sms_failed"), 0)
    assert refused(prove(server, session_id, code, site.token)) == (400, "otp_expired")
    sign_up(server, NUMBER, site.token, session_id)
    assert prove(server, session_id, site.code(NUMBER), site.token).status == 200


def test_a_signup_outlives_a_kill(site: Site) -> None:
    """The service is killed between send and verify: session and code are there, once."""
    number = "+919900112233"
    with site.open(WORKERS="1") as server:
        session_id = sign_up(server, number, site.token)["session_id"]
        server.kill()
    code = site.code(number)
    with site.open(WORKERS="1") as server:
        too_soon = sign_up(server, number, site.token)
        assert refused(too_soon) == (429, "resend_too_soon")
        answer = prove(server, session_id, wrong(code), site.token)
        assert (refused(answer), answer["attempts_remaining"]) == ((400, "invalid_otp"), 2)
        server.kill()
    with site.open(WORKERS="1") as server:
        assert prove(server, session_id, code, site.token).status == 200
        server.kill()
    with site.open(WORKERS="1") as server:
        again = prove(server, session_id, code, site.token)
        assert refused(again) == (400, "already_verified")


def test_both_flows_beside_each_other(tmp_path: Path) -> None:
    """One number signs in and signs up at once; a number's sends are counted together."""
    with Server(tmp_path, PHONE_SENDS_PER_DAY="2") as server:
        token = csrf_token(generated_keys(tmp_path))
        signed_in = sign_in(server)
        sent = sign_up(server, NUMBER, token)
        assert sent.status == 200
        assert "is your NeoBank code. It expires in 5" in server.output
        assert (
            prove(server, sent["session_id"], server.message_to(NUMBER).code, token).status == 200
        )
        assert me(server, signed_in["access_token"]).status == 200
        again = server.send(DEMO)
        assert (again.status, again["error"]) == (429, "phone_rate_limited")
        assert len(server.messages) == 2
