"""What docs/twilio-verify.md shows."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from twilio.rest import Client

from tests.e2e.server import Server, command
from tests.e2e.test_readme import ROOT, blocks
from tests.sdks.shop import ACCOUNT, new_number, refused

PAGE: Final = (ROOT / "docs" / "twilio-verify.md").read_text("utf-8")
NODE: Final = Path(__file__).parent
PRODUCTION: Final = "https://otp.example.com"
SANDBOX: Final = "http://127.0.0.1:8000"

DRIVEN: Final = """
import assert from "node:assert/strict";

const number = "+919876543219";
await start(number);
const { messages } = await (await fetch(`${BASE}/dev/outbox/`)).json();
const { code } = messages[0];
const wrong = code.slice(0, 5) + ((Number(code[5]) + 1) % 10);
assert.equal(await isRight(number, wrong), false);
assert.equal(await isRight(number, code), true);
assert.equal(await isRight(number, code), false);
"""


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its apps and its key serve the code for Python, with its tests, and the code for Node."""
    (apps,) = blocks("toml", dedented(PAGE))
    assert tomllib.loads(apps)["shop"]["account_sid"] == ACCOUNT
    (tmp_path / "apps.toml").write_text(apps, "utf-8")
    for line in blocks("sh", PAGE)[-1].splitlines()[1:]:
        _, *arguments = line.partition(" >")[0].split()
        done = command(tmp_path, *arguments, MODE="development")
        assert (done.returncode, done.stderr) == (0, ""), line
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", done.stdout.strip())
    with Server(tmp_path) as server:
        base = f"http://127.0.0.1:{server.port}"
        in_python(base, monkeypatch)
        in_node(base)


def in_python(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the code for Python, its tests, and its HTTP client."""
    # The successor of httpx, with the same interface.
    monkeypatch.setitem(sys.modules, "httpx", httpx2)
    page: dict[str, Any] = {}
    code = "\n".join(blocks("python", PAGE))
    exec(code.replace(PRODUCTION, base).replace(SANDBOX, base), page)  # noqa: S102 - the page's
    for test in ("test_a_code_works_once", "test_a_code_expires", "test_a_second_code_has_to_wait"):
        page[test]()
    client = Client(http_client=page["OtpHttpClient"]())
    (service,) = client.verify.v2.services.list()
    assert service.friendly_name == "Acme Shop"
    assert service.sid is not None
    checks = client.verify.v2.services(service.sid).verification_checks
    assert refused(lambda: checks.create(to=new_number(), code="123456")).status == 404


def in_node(base: str) -> None:
    """Run the code for Node."""
    code = "\n".join(blocks("js", PAGE)).replace(PRODUCTION, base)
    ran = subprocess.run(  # noqa: S603
        ["node", "--input-type=module", "--eval", f'const BASE = "{base}";\n{code}{DRIVEN}'],  # noqa: S607
        cwd=NODE,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def dedented(text: str) -> str:
    """The text without the indentation of lists."""
    return "\n".join(line.removeprefix("   ") for line in text.splitlines()) + "\n"
