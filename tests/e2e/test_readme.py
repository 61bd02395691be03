"""What README.md shows is what happens."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.server import COMMAND, Server, environment

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def shape(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Members and their types, in any order."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in sorted(value.items())}
    return type(value).__name__


def test_the_sign_in_is_as_shown(server: Server) -> None:
    """Every curl line of the README, and the right code after them, gets the answer shown."""
    requests = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]
    curls = [line for line in requests if line[:1] == ["curl"]]
    shown = [json.loads(block) for block in blocks("json")]
    assert len(curls) == 3
    assert len(shown) == 4
    for (_, url, flag, body), expected in zip(curls, shown, strict=False):
        assert (urlsplit(url).netloc, flag) == ("127.0.0.1:8000", "--json")
        assert shape(server.post(urlsplit(url).path, body).body) == shape(expected)
    (message,) = server.messages
    box = blocks("text")[0]
    assert box.replace("758239", message.code) in server.output
    signed_in = server.verify("HSP-1234-5678", message.code)
    assert shape(signed_in.body) == shape(shown[3])


def test_the_import_is_as_shown(server: Server) -> None:
    """The block that imports passes works as it stands, and the pass can be used."""
    (block,) = [block for block in blocks("sh") if "passes import" in block]
    done = subprocess.run(
        ["/bin/sh", "-eu"],
        input=block.replace(".venv/bin/hsp-otp", shlex.quote(str(COMMAND))),
        cwd=server.folder,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "HSP-****-0001" in done.stdout
    assert server.validate("HSP-2000-0001").body == {"valid": True, "phone_masked": "***-***-5678"}
    assert server.validate("HSP-2000-0002")["error"] == "pass_not_paid"


def test_the_readme_names_what_there_is() -> None:
    """The two commands, the licence and the documents that it leads to are there."""
    assert blocks("sh")[0].split()[:2] == ["sh", "script/server"]
    assert "sh script/test" in blocks("sh")[0]
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
