"""The API against its own description: schemathesis makes the requests up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.server import Server, command
from tests.e2e.sessions import NO_LIMITS, csrf_token, generated_keys, sign_in
from tests.e2e.test_api_keys import made

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")

EXAMPLES = 30
"""Made up for every operation, beside those of the document and of every corner of a schema."""

TOLD = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "404", "409"]

[auth.openapi]
bearer = {{ bearer = "{token}" }}
apiKey = {{ bearer = "{key}" }}
appKey = {{ bearer = "{app_key}" }}
csrfCookie = {{ api_key = "{pair}" }}
csrfHeader = {{ api_key = "{pair}" }}
"""


SIGNUP_WORDS = {"csrf_failed", "phone_required", "session_not_found"}
"""What the log tells where the requests got as far as signup."""


APP = """
[shop]
account = "acme"
service_name = "Acme Shop"
limits = { sends_per_minute = 0, sends_per_day = 0, sends_per_client_hour = 0 }
"""


def _app_key(folder: Path) -> str:
    """A key of an app without limits."""
    (folder / "apps.toml").write_text(APP, "utf-8")
    for arguments in (
        ("apps", "import", "apps.toml"),
        ("api-keys", "new", "--name", "shop", "--app", "shop"),
    ):
        done = command(folder, *arguments, MODE="development")
        assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """
    No request finds an answer that the document does not describe, with every check there is.

    One check, positive_data_acceptance, is told something: a well-formed body may be answered
    with 400, an unknown refresh token with 401, an unknown pass, app or verification with 404, and
    a user's id with 409. The contract itself rules that (5.1, 5.2, 5.9 and 13):
    `{"pass_code": "HSP-0000-0000"}` is as well-formed as can be, and 400 `invalid_pass` where that
    pass is not usable.
    """
    # Not of Twilio's routes: in a form, a value of another type is a text like every other.
    with Server(tmp_path, TWILIO_VERIFY="false", **NO_LIMITS) as server:
        token = sign_in(server)["access_token"]
        key = made(tmp_path, "passes,exchange", MODE="development")
        app_key = _app_key(tmp_path)
        # Without a genuine pair nothing but 403 would be seen of signup.
        pair = csrf_token(generated_keys(tmp_path))
        (tmp_path / "schemathesis.toml").write_text(
            TOLD.format(token=token, pair=pair, key=key, app_key=app_key)
        )
        found = subprocess.run(  # noqa: S603
            [
                SCHEMATHESIS,
                *("run", f"http://127.0.0.1:{server.port}/docs/openapi.json"),
                *("--checks", "all", "--mode", "all", "--continue-on-failure"),
                *("--max-examples", str(EXAMPLES), "--generation-database", "none"),
                *("--request-timeout", "30"),
            ],
            cwd=tmp_path,
            # Nothing of ours is to be sent through a proxy or to be coloured.
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert found.returncode == 0, found.stdout + found.stderr
        assert "23 selected / 23 total" in found.stdout
        assert "- GET /customer/me/" not in found.stdout  # it would warn of nothing but 401
        assert "is your NeoBank code" in server.output
        told = {word for word in SIGNUP_WORDS if word in server.errors}
        assert told == SIGNUP_WORDS
        assert server.stop() == 0
        assert server.complaints == []
