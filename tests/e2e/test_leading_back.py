"""What a run of pages that lead back leaves: docs/contract.md, 2.2, 5.10 and 8.3."""

import os
import re
import signal
from pathlib import Path
from typing import Final

import httpx2

from tests.e2e.server import PATIENCE_SECONDS, Answer, Server, command
from tests.e2e.sessions import refresh
from tests.e2e.test_secrets import DEMO, NUMBER, LoudServer, found_in

EXCHANGE: Final = "/token/exchange/"
STATES: Final = {"state of login": "st4te-of-a-l0gin-page", "state of signup": "st4te-of-a-signup"}


def test_no_trace_of_what_is_posted(tmp_path: Path) -> None:
    """Neither output, audit, metrics nor address has a code, a proof, a state or a key in it."""
    settings = {
        "MODE": "development",
        "RESEND_COOLDOWN_SECONDS": "0",
        "LOGIN_RETURN_URL": "http://localhost:1/signed-in/",
        "SIGNUP_RETURN_URL": "https://bank.example/step-2/",
        "METRICS_PORT": "0",
    }
    with Server(tmp_path, **settings) as prepared:
        assert prepared.get("/healthz").status == 200
    with LoudServer(tmp_path, **settings) as server:
        keys = [made_key(tmp_path, scope, **settings) for scope in ("exchange", "passes")]
        login, on_login = walk(server, "/customer/login/", "find", pass_code=DEMO)
        signup, on_signup = walk(server, "/users/signup/", "send", phone=NUMBER)
        answers = [
            exchange(server, login["code"], keys[1]),
            exchange(server, login["code"][:-1], keys[0]),
            server.post(f"{EXCHANGE}{login['code']}", {}, Authorization=f"Bearer {keys[0]}"),
            server.post(EXCHANGE, f'{{"code": "{login["code"]}', Authorization=f"Bearer {keys[0]}"),
        ]
        assert [answer.status for answer in answers] == [403, 400, 404, 400]
        tokens = exchange(server, login["code"], keys[0])
        assert tokens.status == 200
        answers.append(exchange(server, login["code"], keys[0]))
        answers.append(refresh(server, tokens["refresh_token"]))
        assert [answer.status for answer in answers[-2:]] == [400, 401]
        counted = httpx2.get(f"http://127.0.0.1:{server.metrics_port}/metrics", trust_env=False)
        os.kill(server.process.pid, signal.SIGTERM)
        server.process.wait(PATIENCE_SECONDS)
        shown = re.sub(r"^[|+].*[|+]\n", "", server.output, flags=re.MULTILINE)
        audit = command(tmp_path, "audit", "list", "--json", **settings).stdout
        told = [shown, server.errors, audit, counted.text, *(str(one.body) for one in answers)]
        secrets = {
            "exchange code": login["code"],
            "middle of the exchange code": login["code"].split(".")[2],
            "proof": signup["proof"],
            "session": signup["session_id"],
            "refresh token": tokens["refresh_token"],
            **STATES,
            **{f"key {number}": key.split("_")[2] for number, key in enumerate(keys)},
        }
    assert [found for text in told for found in found_in(text, secrets)] == []
    assert found_in(" ".join(on_login + on_signup), secrets) == []
    for word in ("exchanged", "code_reused", "invalid_code", "forbidden"):
        assert f'"{word}"' in audit
    assert 'hsp_otp_exchanges_total{outcome="code_reused"} 1.0' in counted.text
    for file in tmp_path.glob("hsp-otp.db*"):
        if file.is_file():
            stored = file.read_bytes().decode("latin-1")
            assert found_in(stored, {name: secrets[name] for name in HIDDEN}) == []


HIDDEN: Final = ("exchange code", "middle of the exchange code", "proof", *STATES)
"""What is not even in the database."""


def made_key(folder: Path, scope: str, **settings: str) -> str:
    """Make an API key."""
    made = command(folder, "api-keys", "new", "--name", "shop", "--scopes", scope, **settings)
    return made.stdout.strip()


def exchange(server: Server, code: str, key: str) -> Answer:
    """Exchange a code as another backend."""
    return server.post(EXCHANGE, {"code": code}, Authorization=f"Bearer {key}")


def walk(server: Server, path: str, first: str, **typed: str) -> tuple[dict[str, str], list[str]]:
    """Follow a link to a page, and go to its end: the fields for the other site, the addresses."""
    state = STATES["state of login" if first == "find" else "state of signup"]
    addresses: list[str] = []

    def submit(page: str, do: str, **fields: str) -> str:
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        answer = browser.post(path, data={**hidden, **fields, "do": do})
        addresses.append(str(answer.url))
        return answer.text

    with httpx2.Client(
        base_url=f"http://127.0.0.1:{server.port}", follow_redirects=True, trust_env=False
    ) as browser:
        opened = browser.get(path, params={"state": state})
        addresses.append(str(opened.url))
        page = submit(opened.text, first, **typed)
        page = submit(page, "verify", otp=server.message_to(NUMBER).code)
    form = page[page.index("data-way") :]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)), addresses
