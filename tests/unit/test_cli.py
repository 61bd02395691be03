"""What the command line says of its commands without loading them."""

import subprocess
import sys
from importlib import import_module
from inspect import getdoc

import pytest
from cyclopts import App

from hsp_otp.entrypoints.cli.main import COMMANDS

HEAVY = {
    *("litestar", "sqlalchemy", "alembic", "redis", "twilio", "phonenumbers", "cryptography"),
    "markdown_it",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_says_what_each_command_says_itself(name: str) -> None:
    """It stands in two places, so that the help loads none of them."""
    called = name.replace("-", "_")
    module = import_module(f"hsp_otp.entrypoints.cli.{'serve' if name == 'dev' else called}")
    command = getattr(module, called)
    told = command.help if isinstance(command, App) else (getdoc(command) or "").splitlines()[0]
    assert COMMANDS[name] == told


def test_the_help_loads_no_library_that_it_does_not_need() -> None:
    """The command answers at once."""
    look = "import sys; from hsp_otp.entrypoints.cli.main import main\n"
    look += "try: main()\nfinally: print('loaded', *{one.split('.')[0] for one in sys.modules})"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", look, "--help"], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.rpartition("loaded")[2].split())
    assert "cyclopts" in loaded
    assert not loaded & HEAVY


def test_a_server_loads_neither_an_orm_nor_rich() -> None:
    """They would take 10 MB of every process and are not used."""
    look = "import sys; from hsp_otp.entrypoints.cli.main import main\n"
    look += "try: main()\nfinally:\n"
    look += "    import hsp_otp.adapters.sql.postgres, hsp_otp.adapters.sql.sqlite\n"
    look += "    print(*sys.modules)"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", look, "serve"],
        env={"HSP_OTP_MODE": "none"},  # it ends before it serves
        capture_output=True,
        text=True,
        check=False,
    )
    loaded = set(done.stdout.split())
    assert {"sqlalchemy.engine", "structlog.dev", "hsp_otp.entrypoints.server.run"} <= loaded
    assert not {"sqlalchemy.orm", "sqlalchemy.ext.asyncio"} & loaded
    assert not {"rich.console", "pygments"} & loaded
