"""What docs/check-tokens.md tells other backends to do with tokens: docs/contract.md, 5.2."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import jwt
import pytest

from hsp_otp.adapters.jwt import (
    JwtAccessTokens,
    SigningKey,
    new_signing_key_pem,
    parse_signing_keys,
)
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.instant import SECOND, Instant, after
from hsp_otp.domain.purposes import Purpose
from hsp_otp.ports.tokens import Access
from tests.e2e.server import Server
from tests.e2e.sessions import NUMBER, csrf_token, generated_keys, prove, sign_in, sign_up

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "check-tokens.md").read_text("utf-8")

Check = Callable[[str], dict[str, Any]]


@attrs.frozen
class Backend:
    """
    Another backend, with the code of the page.

    Attributes:
        key: The service's own, to make tokens at other times.
    """

    check_access_token: Check
    check_proof: Check
    access_token: str
    proof: str
    key: SigningKey

    def token(self, issued_at: Instant, **others: Any) -> str:  # noqa: ANN401 - any attribute
        """An access token of the service, as it would make it at that instant."""
        signer = JwtAccessTokens(
            keys=(self.key,), issuer="hsp-otp", audience="hsp-otp", lifetime=900 * SECOND
        )
        return attrs.evolve(signer, **others).sign(
            Access(
                user_id="u1",
                family_id="f1",
                token_id="t1",
                purpose=Purpose.PHONE_VERIFICATION,
                issued_at=issued_at,
                expires_at=after(issued_at, 900 * SECOND),
            )
        )


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Beside a service with a customer who has signed in and a visitor who has signed up."""
    folder = tmp_path_factory.mktemp("service")
    with Server(folder) as server:
        page = csrf_token(generated_keys(folder))
        session = sign_up(server, NUMBER, page)["session_id"]
        proof = prove(server, session, server.message_to(NUMBER).code, page)["proof"]
        (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
        found: dict[str, Any] = {}
        exec(code.replace("https://otp.example.com", f"http://127.0.0.1:{server.port}"), found)  # noqa: S102 - the page's
        (key,) = parse_signing_keys("ES256", f"dev:{folder}/hsp-otp.db.keys/ES256.pem")
        yield Backend(
            found["check_access_token"],
            found["check_proof"],
            sign_in(server)["access_token"],
            proof,
            key,
        )


def now() -> Instant:
    """By this machine's clock, which the library reads."""
    return SystemClock().now()


def test_tokens_of_the_service_are_taken(backend: Backend) -> None:
    """An access token and a proof are taken, each by its own check, and lose no claim."""
    access = backend.check_access_token(backend.access_token)
    assert (access["token_type"], access["exp"] - access["iat"]) == ("access", 900)
    proof = backend.check_proof(backend.proof)
    assert (proof["token_type"], proof["phone_number"]) == ("proof", NUMBER)


def test_neither_is_the_other(backend: Backend) -> None:
    """A proof opens nothing that takes access tokens, and the other way round."""
    for check, token in (
        (backend.check_access_token, backend.proof),
        (backend.check_proof, backend.access_token),
    ):
        with pytest.raises(jwt.PyJWTError):
            check(token)


@pytest.mark.parametrize("ahead", [0, 3, 5])
def test_a_clock_behind_takes_a_fresh_token(backend: Backend, ahead: int) -> None:
    """A token from up to 5 s in a backend's future is taken, and lives no longer for it."""
    claims = backend.check_access_token(backend.token(after(now(), ahead * SECOND)))
    assert claims["exp"] - claims["iat"] == 900


def test_a_clock_far_behind_does_not(backend: Backend) -> None:
    """A token from 6 s in a backend's future is refused."""
    early = False
    while not early:
        issued_at = after(now(), 6 * SECOND)
        why = refusal(backend.check_access_token, backend.token(issued_at))
        # On a busy machine a second may have gone by: then it was no longer early enough.
        early = now() < (issued_at // SECOND - 5) * SECOND
    assert why is jwt.ImmatureSignatureError


def refusal(check: Check, token: str) -> type[Exception] | None:
    """Why a token is refused; None where it is not."""
    try:
        check(token)
    except jwt.PyJWTError as error:
        return type(error)
    return None


def test_an_expired_token_is_refused(backend: Backend) -> None:
    """A token is refused once its end and the leeway are over."""
    with pytest.raises(jwt.ExpiredSignatureError):
        backend.check_access_token(backend.token(after(now(), -906 * SECOND)))


def test_tokens_of_others_are_refused(backend: Backend, tmp_path: Path) -> None:
    """Another issuer, audience, key or key id, and a token that is none, are refused."""
    (tmp_path / "own.pem").write_bytes(new_signing_key_pem("ES256"))
    (own,) = parse_signing_keys("ES256", f"dev:{tmp_path}/own.pem")
    (unknown,) = parse_signing_keys("ES256", f"other:{tmp_path}/own.pem")
    for token in (
        backend.token(now(), issuer="other"),
        backend.token(now(), audience="other"),
        backend.token(now(), keys=(own,)),
        backend.token(now(), keys=(unknown,)),
        backend.access_token[:-1],
        "rubbish",
        "",
    ):
        with pytest.raises(jwt.PyJWTError):
            backend.check_access_token(token)


def test_every_example_gives_a_leeway() -> None:
    """No example of checking a token, in any document, leaves out the 5 s between two clocks."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("clients/*.md")]
    blocks = [
        block
        for page in pages
        for block in re.findall(
            r"^```\w+\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
        )
    ]
    found = [block for block in blocks if "jwt.decode(" in block or "jwtVerify(" in block]
    assert len(found) == 2
    for block in found:
        assert "LEEWAY_SECONDS = 5" in block
        assert "leeway=LEEWAY_SECONDS" in block or "clockTolerance: LEEWAY_SECONDS" in block
