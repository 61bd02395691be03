"""
Start a server for each algorithm, sign in and sign up there, and hand over to verify.mjs; then let
the code of docs/verify.md verify a number.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.e2e.server import Server
from tests.e2e.sessions import NUMBER, csrf_token, generated_keys, prove, sign_in, sign_up

VERIFY: Final = Path(__file__).with_name("verify.mjs")
KEY_FILES: Final = {"ES256": "ES256.pem", "EdDSA": "EdDSA.pem", "HS256": "hs256"}

PAGE: Final = Path(__file__).parents[2] / "docs" / "check-tokens.md"

VERIFYING: Final = PAGE.with_name("verify.md")
BASE: Final = "http://127.0.0.1:8000"
KEY_FILE: Final = "hsp-otp.db.keys/api-key"

DRIVEN: Final = """
import assert from "node:assert/strict";

const sent = await start("+919876543211", { metadata: { order: "A-17" } });
assert.deepEqual(buttons(sent), [{ channel: "sms", seconds: 30 }]);
const again = await resend(sent.id);
assert.equal(again.error, "resend_too_soon");
assert.equal(buttons(again).length, 1);
const { messages } = await (await fetch(`${BASE}/dev/outbox/`)).json();
assert.equal(messages.length, 1);
const wrong = messages[0].code.slice(0, 5) + ((Number(messages[0].code[5]) + 1) % 10);
assert.equal((await check(sent.id, wrong)).error, "invalid_otp");
assert.equal((await check(sent.id, messages[0].code)).valid, true);
console.log("verify.md: the code for Node verifies a number");
"""

ISSUER: Final = "https://otp.example"
AUDIENCE: Final = "https://api.example"
PROOF_AUDIENCE: Final = "https://next.example"


def example(folder: str, origin: str, algorithm: str) -> Path:
    """Write the page's code for Node as a module for one service, in a *folder* that has jose."""
    (code,) = re.findall(r"^```js\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    for shown, used in (
        ("https://otp.example.com", origin),
        ('"ES256"', f'"{algorithm}"'),
        ('"hsp-otp"', f'"{AUDIENCE}"'),
        (f'issuer: "{AUDIENCE}"', f'issuer: "{ISSUER}"'),
        ('"hsp-otp-signup"', f'"{PROOF_AUDIENCE}"'),
    ):
        assert shown in code, shown
        code = code.replace(shown, used)
    module = Path(folder) / "example.mjs"
    module.write_text(code, "utf-8")
    return module


def verified(algorithm: str) -> bool:
    """Run verify.mjs on a server, and return whether all its checks pass."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory(prefix=".example-", dir=VERIFY.parent) as beside_jose,
        Server(
            Path(folder),
            JWT_ALGORITHM=algorithm,
            JWT_ISSUER=ISSUER,
            JWT_AUDIENCE=AUDIENCE,
            PROOF_AUDIENCE=PROOF_AUDIENCE,
        ) as server,
    ):
        signed_in = sign_in(server)
        token = csrf_token(generated_keys(Path(folder)))
        session_id = sign_up(server, NUMBER, token)["session_id"]
        proved = prove(server, session_id, server.message_to(NUMBER).code, token)
        origin = f"http://127.0.0.1:{server.port}"
        facts = {
            "algorithm": algorithm,
            "origin": origin,
            "example": str(example(beside_jose, origin, algorithm)),
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "accessToken": signed_in["access_token"],
            "refreshToken": signed_in["refresh_token"],
            "proofAudience": PROOF_AUDIENCE,
            "proof": proved["proof"],
            "session": session_id,
            "number": NUMBER,
            "user": signed_in["user"]["id"],
            # A real forger has no key; here it serves to make tokens with only one flaw.
            "key": (Path(folder) / "hsp-otp.db.keys" / KEY_FILES[algorithm]).read_text(),
        }
        found = subprocess.run(  # noqa: S603
            ["node", VERIFY],  # noqa: S607
            input=json.dumps(facts),
            text=True,
            timeout=120,
            check=False,
        )
        return found.returncode == 0


def verifies() -> bool:
    """Run the code of docs/verify.md for Node on a server, and return whether a number passes."""
    (code,) = re.findall(
        r"^```js\n(.*?)^```$", VERIFYING.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
        origin = f"http://127.0.0.1:{server.port}"
        found = subprocess.run(  # noqa: S603
            ["node", "--input-type=module", "--eval", code.replace(BASE, origin) + DRIVEN],  # noqa: S607
            env={**os.environ, "OTP_KEY": (Path(folder) / KEY_FILE).read_text("ascii")},
            timeout=120,
            check=False,
        )
        return found.returncode == 0


if __name__ == "__main__":
    sys.exit(not (all(verified(algorithm) for algorithm in KEY_FILES) and verifies()))
