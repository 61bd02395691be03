"""Verifications at running servers: docs/contract.md, 13, and docs/verify.md."""

import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx2
import jwt
import pytest

from tests.e2e.server import PATIENCE_SECONDS, Answer, Server, command
from tests.e2e.test_readme import ROOT, blocks, run, shape
from tests.world import other_than

PAGE: Final = (ROOT / "docs" / "verify.md").read_text("utf-8")
TOKENS: Final = (ROOT / "docs" / "check-tokens.md").read_text("utf-8")
VERIFICATIONS: Final = "/v1/verifications"
REVOKED_SECONDS: Final = 5
SPARE_SECONDS: Final = 1
SECRET: Final = slice(40, 83)
"""Of an API key: its secret, in which there may be an underscore."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers over one database, with the demo app."""
    with Server(tmp_path_factory.mktemp("verifications"), WORKERS="2") as found:
        yield found


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    """The key of the demo app."""
    return (server.folder / "hsp-otp.db.keys" / "api-key").read_text("ascii")


def ask(
    server: Server,
    method: str,
    path: str,
    key: str,
    body: object = None,
    **headers: str,
) -> Answer:
    """Make a request on a connection of its own, so that any worker may answer it."""
    response = httpx2.request(
        method,
        f"http://127.0.0.1:{server.port}{path}",
        headers={"Authorization": f"Bearer {key}"} | headers,
        json=body,
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    )
    found = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, response.json(), found)


def post(server: Server, key: str, path: str, body: object, **headers: str) -> Answer:
    """Post to a verification, or start one."""
    return ask(server, "POST", f"{VERIFICATIONS}{path}", key, body, **headers)


def started(server: Server, key: str, number: str) -> tuple[str, str]:
    """Start a verification; return its id and its code."""
    answer = post(server, key, "", {"to": number})
    assert answer.status == 200, answer.body
    return answer["id"], server.message_to(number).code


def said(answer: Answer) -> tuple[int, str]:
    """The status and the word of a refusal."""
    return answer.status, answer["error"]


def new_key(server: Server, *arguments: str) -> str:
    """A new key, as it is printed."""
    done = command(
        server.folder, "api-keys", "new", "--name", "test", *arguments, MODE="development"
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def claims_of(server: Server, proof: str, audience: str) -> dict[str, Any]:
    """What the code of docs/check-tokens.md finds in a proof."""
    (code,) = blocks("python", TOKENS)
    found: dict[str, Any] = {}
    exec(code.replace("https://otp.example.com", f"http://127.0.0.1:{server.port}"), found)  # noqa: S102 - the page's
    claims: dict[str, Any] = found["check_proof"](proof, audience)
    return claims


# The page


def test_the_quickstart_is_as_shown(tmp_path: Path) -> None:
    """Every command of docs/verify.md gets the answer that is shown, and the proof is good."""
    with Server(tmp_path) as server:
        keep, begin, check, look, mail, standing = blocks("sh", PAGE)
        shown, wrong, right, free = map(json.loads, blocks("json", PAGE))
        key = (tmp_path / "hsp-otp.db.keys" / "api-key").read_text("ascii")
        kept = re.sub("=.*", f"={key}", keep)
        sent = json.loads(run(server, kept + begin))
        assert shape(sent) == shape(shown)
        steady = ("status", "to_masked", "purpose", "channel", "resent", "expires_in", "next")
        assert {name: sent[name] for name in steady} == {name: shown[name] for name in steady}
        check = check.replace(shown["id"], sent["id"])
        code = server.message_to("+919876543211").code
        refused = json.loads(run(server, kept + check.replace("000000", other_than(code))))
        changing = {"request_id", "resend_in"}
        assert {name: refused[name] for name in refused if name not in changing} == {
            name: wrong[name] for name in wrong if name not in changing
        }
        approved = json.loads(run(server, kept + check.replace("000000", code)))
        assert shape(approved) == shape(right)
        found = json.loads(run(server, kept + look.replace(shown["id"], sent["id"])))
        assert (found["status"], len(found["events"])) == ("approved", 3)
        assert json.loads(run(server, kept + standing)) == free
        mailed = json.loads(run(server, kept + mail))
        assert (mailed["channel"], mailed["to_masked"]) == ("email", "a***@example.com")
        assert mailed["purpose"] == "email_verification"
        claims = claims_of(server, approved["proof"], "demo")
        assert claims["verification_id"] == claims["sub"] == claims["jti"] == sent["id"]
        assert (claims["phone_number"], claims["phone_number_verified"]) == ("+919876543211", True)
        assert (claims["channel"], claims["amr"]) == ("sms", ["otp", "sms"])
        assert (claims["purpose"], claims["exp"] - claims["iat"]) == ("phone_verification", 600)
        with pytest.raises(jwt.InvalidAudienceError):
            claims_of(server, approved["proof"], "hsp-otp-signup")


def test_the_python_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client verifies, resets passwords alike for everybody, and its tests pass."""
    # The successor of httpx, with the same interface.
    monkeypatch.setitem(sys.modules, "httpx", httpx2)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(tmp_path) as server:
        key = (tmp_path / "hsp-otp.db.keys" / "api-key").read_text("ascii")
        monkeypatch.setenv("OTP_KEY", key)
        users = {"+919876543216": {"id": "4711", "phone": "+919876543216"}}
        page: dict[str, Any] = {"find_user": users.get}
        code = "\n".join(blocks("python", PAGE))
        exec(code.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}"), page)  # noqa: S102 - the page's
        sent = page["start"]("+919876543217", locale="es")
        assert page["check"](sent["id"], page["code_for"]("+919876543217"))["valid"]
        user, nobody = (page["ask_for_reset"](one) for one in (*users, "+919876543218"))
        assert shape(user) == shape(nobody)
        assert user["message"] == nobody["message"]
        page["resets"][user["handle"]].result()
        code = server.message_to("+919876543216").code
        guesses = [(user, other_than(code)), (nobody, code), (user, code)]
        told = [page["confirm_reset"](one["handle"], guess) for one, guess in guesses]
        assert told == [False, False, True]
        page["test_a_code_expires"]()
        page["test_a_resend_has_to_wait"]()
        page["background"].shutdown()
        page["otp"].close()


# The story


def test_a_verification(server: Server, key: str) -> None:
    """Any worker takes each step: start, resend of the same code, wrong, right, look."""
    number = "+919876543220"
    verification_id, code = started(server, key, number)
    early = post(server, key, f"/{verification_id}/resend", {})
    assert said(early) == (429, "resend_too_soon")
    assert early.headers["retry-after"] == str(early["retry_after_seconds"])
    server.post("/dev/clock/", {"advance_seconds": early["retry_after_seconds"]})
    again = post(server, key, f"/{verification_id}/resend", {})
    assert (again.status, again["id"], again["resent"]) == (200, verification_id, True)
    outbox = ask(server, "GET", f"/dev/outbox/?to=%2B{number[1:]}", key)
    assert [one["code"] for one in outbox["messages"]] == [code, code]
    check = f"/{verification_id}/check"
    wrong = post(server, key, check, {"code": other_than(code)})
    assert (*said(wrong), wrong["attempts_remaining"]) == (400, "invalid_otp", 2)
    assert post(server, key, check, {"code": code})["valid"] is True
    found = ask(server, "GET", f"{VERIFICATIONS}/{verification_id}", key)
    assert (found["status"], found["expires_at"]) == ("approved", again["expires_at"])
    assert [(one["event"], one["outcome"]) for one in found["events"]] == [
        ("send", "sent"),
        ("send", "resend_too_soon"),
        ("send", "sent"),
        ("check", "invalid_otp"),
        ("check", "verified"),
    ]
    assert {one["sender"] for one in found["sends"]} == {"console"}


def test_a_lost_answer(server: Server, key: str) -> None:
    """A success is told again under its key, with the same `jti` and times, and to nobody else."""
    verification_id, code = started(server, key, "+919876543221")
    check, once = f"/{verification_id}/check", {"Idempotency-Key": "check-1"}
    first = post(server, key, check, {"code": code}, **once)
    time.sleep(SPARE_SECONDS)
    second = post(server, key, check, {"code": code}, **once)
    assert (first.status, second.status) == (200, 200)
    assert second.headers["idempotent-replayed"] == "true"
    # Another test may have turned the clock forward, and both proofs with it.
    claims = [
        jwt.decode(one["proof"], options={"verify_signature": False}) for one in (first, second)
    ]
    assert claims[0] == claims[1]
    assert first["approved_at"] == second["approved_at"]
    third = post(server, key, check, {"code": code})
    assert (*said(third), third["verification_status"]) == (400, "otp_expired", "approved")


def test_forty_starts_at_once(server: Server, key: str) -> None:
    """With one key there is one message and one verification; all answers tell of it."""
    number = "+919876543222"
    with ThreadPoolExecutor(40) as callers:
        begun = threading.Barrier(40)

        def start() -> Answer:
            begun.wait()
            return post(server, key, "", {"to": number}, **{"Idempotency-Key": "order-17"})

        answers = [one.result() for one in [callers.submit(start) for _ in range(40)]]
    assert {one.status for one in answers} <= {200, 409}
    assert len({one["id"] for one in answers if one.status == 200}) == 1
    outbox = ask(server, "GET", f"/dev/outbox/?to=%2B{number[1:]}", key)
    assert len(outbox["messages"]) == 1


def test_whose_it_is(server: Server, key: str) -> None:
    """Another app's key finds nothing; an account's finds everything; a scope is what it says."""
    (server.folder / "apps.toml").write_text(
        '[bank]\naccount = "bolt"\nservice_name = "Bolt"\n', "utf-8"
    )
    done = command(server.folder, "apps", "import", "apps.toml", MODE="development")
    assert done.returncode == 0, done.stderr
    verification_id, code = started(server, key, "+919876543223")
    check = f"/{verification_id}/check"
    other = new_key(server, "--app", "bank")
    assert said(post(server, other, check, {"code": code})) == (404, "verification_not_found")
    found = ask(server, "GET", f"{VERIFICATIONS}/{verification_id}", other)
    assert said(found) == (404, "verification_not_found")
    reader = new_key(server, "--app", "demo", "--scopes", "start,read")
    assert said(post(server, reader, check, {"code": code})) == (403, "forbidden")
    account = new_key(server, "--account", "demo")
    assert said(post(server, account, "", {"to": "+919876543224"})) == (404, "app_not_found")
    named = post(server, account, "", {"to": "+919876543224", "app": "demo"})
    assert named.status == 200
    assert post(server, account, check, {"code": code})["valid"] is True


def test_a_revoked_key(server: Server) -> None:
    """After 5 s, no worker accepts it, however often it has been used."""
    revoked = new_key(server, "--app", "demo")
    standing = {"to": "+919876543225"}
    for _ in range(20):  # every worker remembers it
        assert ask(server, "POST", "/v1/standing", revoked, standing).status == 200
    done = command(server.folder, "api-keys", "revoke", revoked.split("_")[1], MODE="development")
    assert done.returncode == 0
    time.sleep(REVOKED_SECONDS)
    answers = [ask(server, "POST", "/v1/standing", revoked, standing) for _ in range(20)]
    assert {said(answer) for answer in answers} == {(401, "unauthorized")}


def test_nothing_is_told(server: Server, key: str) -> None:
    """The log has no key, number, subject or metadata, and the database no code."""
    members = {"to": "+919876543226", "subject": "user-4711", "metadata": {"note": "private-17"}}
    answer = post(server, key, "", members, **{"Idempotency-Key": "secretive-17"})
    assert answer.status == 200
    log, secret_of_key = server.errors, key[SECRET]
    for secret in (key, secret_of_key, "9876543226", "user-4711", "private-17", "secretive-17"):
        assert secret not in log
    files = [one for one in server.folder.glob("hsp-otp.db*") if one.is_file()]
    stored = b"".join(one.read_bytes() for one in files)
    for secret in (secret_of_key, "secretive-17"):
        assert secret.encode() not in stored


def test_without_the_setting(tmp_path: Path) -> None:
    """The API is not there, and not described either."""
    with Server(tmp_path, VERIFY_API="false") as server:
        assert said(post(server, "x", "", {"to": "+919876543211"})) == (404, "not_found")
        paths = ask(server, "GET", "/docs/openapi.json", "x")["paths"]
        assert not [path for path in paths if "/v1/passes" not in path and path.startswith("/v1/")]
