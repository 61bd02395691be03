"""Start a server for each algorithm, sign in and sign up there, and hand over to verify.mjs."""

import json
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


if __name__ == "__main__":
    sys.exit(not all(verified(algorithm) for algorithm in KEY_FILES))
