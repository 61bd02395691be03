"""What README.md shows is what happens."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.server import COMMAND, Server, environment

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def shape(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Members and their types, in any order."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in sorted(value.items())}
    return type(value).__name__


def section(title: str) -> str:
    """What stands under that heading."""
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def run(server: Server, block: str) -> str:
    """
    Run shell commands of the README against *server*, in its folder, and return what they print.

    curl is played by `tests/e2e/curl.py`, so that a machine needs no more than Python.
    """
    curl = f'curl() {{ {shlex.join([sys.executable, str(ROOT / "tests/e2e/curl.py")])} "$@"; }}\n'
    block = block.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    done = subprocess.run(
        ["/bin/sh", "-eu"],
        input=curl + block.replace(".venv/bin/hsp-otp", shlex.quote(str(COMMAND))),
        cwd=server.folder,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), block
    return done.stdout


def test_the_sign_in_is_as_shown(server: Server) -> None:
    """Every curl line of the README, and the right code after them, gets the answer shown."""
    shown = section("Sign in with curl")
    validate, send, verify = blocks("sh", shown)
    valid, sent, wrong, right = map(json.loads, blocks("json", shown))
    assert shape(json.loads(run(server, validate))) == shape(valid)
    assert shape(json.loads(run(server, send))) == shape(sent)
    (message,) = server.messages
    (box,) = blocks("text", shown)
    assert box.replace("758239", message.code) in server.output
    assert shape(json.loads(run(server, verify))) == shape(wrong)
    assert shape(json.loads(run(server, verify.replace("000000", message.code)))) == shape(right)


def test_the_signup_is_as_shown(server: Server) -> None:
    """So does every curl line of the signup, with the session and the code of the reader's own."""
    shown = section("Sign up with curl")
    page, send, verify = blocks("sh", shown)
    sent, confirmed = map(json.loads, blocks("json", shown))
    assert run(server, page) == ""
    token = page.splitlines()[1]
    answer = json.loads(run(server, f"{token}\n{send}"))
    assert shape(answer) == shape(sent)
    own = verify.replace(sent["session_id"], answer["session_id"])
    own = own.replace("206356", server.message_to("+919876543211").code)
    assert own != verify
    assert shape(json.loads(run(server, f"{token}\n{own}"))) == shape(confirmed)


def test_the_import_is_as_shown(server: Server) -> None:
    """The block that imports passes works as it stands, and the pass can be used."""
    (block,) = [block for block in blocks("sh") if "passes import" in block]
    assert "HSP-****-0001" in run(server, block)
    assert server.validate("HSP-2000-0001").body == {"valid": True, "phone_masked": "***-***-5678"}
    assert server.validate("HSP-2000-0002")["error"] == "pass_not_paid"


def test_the_readme_names_what_there_is() -> None:
    """The two commands, the licence and the documents that it leads to are there."""
    assert blocks("sh")[0].split()[:2] == ["sh", "script/server"]
    assert "sh script/test" in blocks("sh")[0]
    for target in re.findall(r"\[[^\]]*\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
