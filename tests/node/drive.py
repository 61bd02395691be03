"""Start a server for each algorithm, sign in and sign up there, and hand over to verify.mjs."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.e2e.server import Server
from tests.e2e.sessions import NUMBER, csrf_token, generated_keys, prove, sign_in, sign_up

VERIFY: Final = Path(__file__).with_name("verify.mjs")
KEY_FILES: Final = {"ES256": "ES256.pem", "EdDSA": "EdDSA.pem", "HS256": "hs256"}

ISSUER: Final = "https://otp.example"
AUDIENCE: Final = "https://api.example"
PROOF_AUDIENCE: Final = "https://next.example"


def verified(algorithm: str) -> bool:
    """Whether all that verify.mjs tries at a server comes out as it is to."""
    with (
        tempfile.TemporaryDirectory() as folder,
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
        facts = {
            "algorithm": algorithm,
            "origin": f"http://127.0.0.1:{server.port}",
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "accessToken": signed_in["access_token"],
            "refreshToken": signed_in["refresh_token"],
            "proofAudience": PROOF_AUDIENCE,
            "proof": proved["proof"],
            "session": session_id,
            "number": NUMBER,
            "user": signed_in["user"]["id"],
            # A forger has no key. It is here to make tokens that only one thing is wrong with.
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
