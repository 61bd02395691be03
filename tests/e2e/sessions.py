"""Customers' actions with tokens, and the records of these tokens in the database."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx2

from hsp_otp.adapters.secret_keys import CSRF_TOKENS, parse_secret_keys, ring
from tests.e2e.server import PATIENCE_SECONDS, Answer, Server

DEMO: Final = "HSP-1234-5678"
NUMBER: Final = "+919876543210"

NO_LIMITS: Final = {
    "PHONE_SENDS_PER_DAY": "0",
    "LOGIN_SENDS_PER_CLIENT_HOUR": "0",
    "SIGNUP_SENDS_PER_CLIENT_MINUTE": "0",
    "SIGNUP_SENDS_PER_CLIENT_HOUR": "0",
    "RESEND_COOLDOWN_SECONDS": "0",
    "LOOKUPS_PER_CLIENT_HOUR": "0",
    "LOOKUP_MISSES_PER_HOUR": "0",
    "CHECKS_PER_CLIENT_HOUR": "0",
    "UNSENT_ASKS_PER_CLIENT_HOUR": "0",
    "REJECTED_REQUESTS_PER_CLIENT_HOUR": "0",
    "FAILED_AUTHENTICATIONS_PER_CLIENT_MINUTE": "0",
    "FAILED_GUESSES_PER_DAY": "0",
    "FAILED_GUESSES_PER_30_DAYS": "0",
    "FAILED_GUESSES_IN_A_ROW": "0",
    "GUARD": "off",
}


def sign_in(server: Server, pass_code: str = DEMO, number: str = NUMBER) -> Answer:
    """Sign in by a code sent to *number*, and return the answer with the tokens."""
    assert server.send(pass_code).status == 200
    answer = server.verify(pass_code, server.message_to(number).code)
    assert answer.status == 200
    return answer


def csrf_token(secret_keys: str) -> str:
    """
    Make the CSRF token that a page of the service would give to a browser.

    Args:
        secret_keys: The value of the service's setting.
    """
    return ring(parse_secret_keys(secret_keys), CSRF_TOKENS).seal("f00d")


def generated_keys(folder: Path) -> str:
    """Return the secret keys that development mode made in *folder*, as the setting has them."""
    return "dev:" + (folder / "hsp-otp.db.keys" / "secret").read_text()


def csrf(token: str) -> dict[str, str]:
    """Return the headers of a request from a page of the service, by http or https."""
    return {"Cookie": f"csrftoken={token}; __Host-csrftoken={token}", "X-CSRFToken": token}


def sign_up(server: Server, phone: str, token: str, session_id: str | None = None) -> Answer:
    """Ask for a code in signup."""
    members = {"phone": phone, "session_id": session_id}
    return server.post("/users/api/send-otp/", members, **csrf(token))


def prove(server: Server, session_id: str, otp_code: str, token: str) -> Answer:
    """Present a code in signup."""
    members = {"session_id": session_id, "otp_code": otp_code}
    return server.post("/users/api/verify-otp/", members, **csrf(token))


def refresh(server: Server, token: str) -> Answer:
    """Exchange a refresh token."""
    return server.post("/token/refresh/", {"refresh_token": token})


def me(server: Server, token: str) -> Answer:
    """Request the user of an access token."""
    response = httpx2.get(
        f"http://127.0.0.1:{server.port}/customer/me/",
        headers={"Authorization": f"Bearer {token}"},
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    )
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, response.json(), headers)


def said(answer: Answer) -> tuple[int, str]:
    """Return the status with its error word."""
    return answer.status, answer.body.get("error", "granted")


def family_of(refresh_token: str) -> str:
    """Return the family of a token."""
    return refresh_token.split(".")[1]


class Families:
    """The records of families in the database."""

    def __init__(self, folder: Path) -> None:
        self._database = folder / "hsp-otp.db"

    def find(self, refresh_token: str) -> Any:  # noqa: ANN401 - any JSON
        """Return the record of a token's family."""
        with closing(sqlite3.connect(self._database)) as connection:
            (body,) = connection.execute(
                "SELECT body FROM records WHERE key = ?", (f"family:{family_of(refresh_token)}",)
            ).fetchone()
        return json.loads(body)

    def ended(self, refresh_token: str) -> Callable[[], bool]:
        """Return a function that checks whether a token's family has ended."""
        return lambda: self.find(refresh_token)["ended_at"] is not None

    def put_back(self, refresh_token: str, seconds: int) -> None:
        """Move the last use of a token's family *seconds* into the past."""
        family = self.find(refresh_token)
        family["parent"]["used_at"] -= seconds * 1_000_000
        for replaced in family["replaced"]:
            replaced["until"] -= seconds * 1_000_000
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute(
                "UPDATE records SET body = ?, version = version + 1 WHERE key = ?",
                (json.dumps(family), f"family:{family_of(refresh_token)}"),
            )
