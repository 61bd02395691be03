"""Start services and a gateway for the tests in clients/live, and act on them for these tests."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree
from typing import Final

from tests.clients.example import CLIENTS
from tests.e2e.production import number_of, prepare, start
from tests.e2e.server import STRICT, Server
from tests.gateway import Gateway, accept, break_down, hang

PEOPLE: Final = 60
ACTS: Final = {"accept": accept, "break_down": break_down, "hang": hang}
JEST: Final = ("npx", "--no-install", "jest", "--selectProjects", "live", "--runInBand")

HASTY: Final = {
    "LOGIN_CODE_SECONDS": "5",
    "ACCESS_TOKEN_SECONDS": "4",
    "RESEND_COOLDOWN_SECONDS": "5",
}
"""The settings of a service whose codes, tokens and waits end within a test."""


def control(gateway: Gateway, fragile: Server) -> ThreadingHTTPServer:
    """Serve tests' requests over HTTP: read a sent code, script the provider, kill the server."""

    def code(person: str) -> str | None:
        messages = gateway.to(number_of(int(person)))
        return messages[-1].code if messages else None

    def act(name: str) -> str:
        gateway.behaviour = ACTS[name]
        return name

    def kill(_: str) -> str:
        fragile.kill()
        return "killed"

    does: dict[str, Callable[[str], str | None]] = {"code": code, "gateway": act, "kill": kill}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, name, value = self.path.split("/")
            body = json.dumps(does[name](value)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def drive() -> int:
    """Run the tests, and return their exit status."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        prepared = folder / "prepared"
        prepared.mkdir()
        keys = prepare(prepared, PEOPLE)
        gateway = stack.enter_context(Gateway())

        def serve(name: str, **settings: str) -> Server:
            copytree(prepared, folder / name)
            given = {"PUBLIC_URL": "", "WORKERS": "1", **STRICT} | settings
            return start(folder / name, keys, gateway, **given)

        house = stack.enter_context(serve("house"))
        hasty = stack.enter_context(serve("hasty", **HASTY))
        fragile = serve("fragile")
        stack.callback(fragile.kill)
        asked = control(gateway, fragile)
        threading.Thread(target=asked.serve_forever, daemon=True).start()
        stack.callback(asked.shutdown)
        facts = {
            "house": f"http://127.0.0.1:{house.port}",
            "hasty": f"http://127.0.0.1:{hasty.port}",
            "fragile": f"http://127.0.0.1:{fragile.port}",
            "control": f"http://127.0.0.1:{asked.server_address[1]}",
        }
        ran = subprocess.run(  # noqa: S603
            JEST,
            cwd=CLIENTS,
            env=os.environ | {"LIVE": json.dumps(facts)},
            timeout=240,
            check=False,
        )
        return ran.returncode


if __name__ == "__main__":
    sys.exit(drive())
