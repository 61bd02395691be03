"""The commands for apps and their keys: docs/contract.md, 11."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import command

SHOP = """
[shop]
account = "acme"
service_name = "Acme Shop"
regions = ["IN", "GB"]
named_limits = { user = ["5 in 600 s", "20 in 86400 s"] }
purposes = { phone_verification = { max_attempts = 5 } }
"""
TEXTS = """
[shop.texts.password_reset.en]
text = "{code} resets it"
template_id = "1107"
email = '''
Hello,

{code}'''
"""
CLUB = """
[club]
account = "acme"
service_name = "Club"
sid = "VA000102030405060708090a0b0c0d0e0f"
"""
MODE = {"MODE": "development"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a database."""
    assert command(tmp_path, "db", "upgrade", **MODE).returncode == 0
    return tmp_path


def imported(folder: Path, text: str) -> tuple[int, list[str], list[str]]:
    """Import *text*; the status, and the lines of both outputs."""
    (folder / "apps.toml").write_text(text, "utf-8")
    done = command(folder, "apps", "import", "apps.toml", **MODE)
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def test_an_import_prints_the_new_ids(folder: Path) -> None:
    """It prints both writings of each, and does so once."""
    status, told, complaints = imported(folder, SHOP + CLUB)
    assert (status, complaints) == (0, [])
    account, shop, club, counts = told
    assert re.fullmatch(r"new account acme: [\w-]{22}, AC[0-9a-f]{32}", account)
    assert re.fullmatch(r"new app shop: [\w-]{22}, VA[0-9a-f]{32}", shop)
    assert club == "new app club: AAECAwQFBgcICQoLDA0ODw, VA000102030405060708090a0b0c0d0e0f"
    assert counts == "apps: 2 added, 0 changed, 0 unchanged"
    again: tuple[int, list[str], list[str]] = (0, ["apps: 0 added, 0 changed, 2 unchanged"], [])
    assert imported(folder, SHOP + CLUB) == again
    assert imported(folder, SHOP + CLUB.replace("sid =", "# sid =")) == again


def test_an_app_that_is_not_in_the_file_stays(folder: Path) -> None:
    """The import names it, and says how to stop it."""
    imported(folder, SHOP + CLUB)
    changed = SHOP.replace("Acme Shop", "Shop")
    assert imported(folder, changed) == (
        0,
        ["changed app shop", "apps: 0 added, 1 changed, 0 unchanged"],
        [
            (
                "app club is not in the file and stays as it is; to stop it, revoke its API keys: "
                "hsp-otp api-keys list"
            )
        ],
    )
    assert imported(folder, changed + CLUB)[1] == ["apps: 0 added, 0 changed, 2 unchanged"]


def test_a_file_that_contradicts_what_is_stored(folder: Path) -> None:
    """One line says what it contradicts, and nothing of the file is stored."""
    imported(folder, CLUB)
    other = CLUB.replace("0e0f", "0e0e")
    assert imported(folder, SHOP + other) == (
        1,
        [],
        ["hsp-otp: 'apps.toml': club.sid: the app has another, and ids never change"],
    )
    assert imported(folder, SHOP + CLUB.replace("club", "bar")) == (
        1,
        [],
        ["hsp-otp: 'apps.toml': bar.sid: another app has it"],
    )
    assert shown(folder) == ["club"]


def test_a_file_that_cannot_be_used(folder: Path) -> None:
    """One line says where the fault is, and nothing of the file is stored."""
    hooks = '[[club.webhooks]]\nurl = "https://club.example.com/"'
    assert imported(folder, SHOP + CLUB + hooks) == (
        1,
        [],
        ["hsp-otp: 'apps.toml': club.webhooks: it is not offered by this version"],
    )
    assert shown(folder) == []


def shown(folder: Path) -> list[str]:
    """The names of the apps that the command lists."""
    done = command(folder, "apps", "show", **MODE)
    assert done.returncode == 0
    return [line.split()[0] for line in done.stdout.splitlines()[1:]]


def test_an_app_is_shown(folder: Path) -> None:
    """The list has every app, and one app is shown with all its rules."""
    imported(folder, SHOP + CLUB)
    assert shown(folder) == ["club", "shop"]
    done = command(folder, "apps", "show", "shop", **MODE)
    lines = dict(re.split(r": +", line, maxsplit=1) for line in done.stdout.splitlines())
    assert lines["account"] == "acme"
    assert lines["service_name"] == "Acme Shop"
    assert lines["regions"] == "IN, GB"
    assert lines["client_ip_required"] == "no"
    assert lines["limits.sends_per_minute"] == "60"
    assert lines["named_limits.user"] == "5 in 600 s, 20 in 86400 s"
    assert lines["purposes.phone_verification.max_attempts"] == "5"
    assert "web_origin" not in lines
    unknown = command(folder, "apps", "show", "bank", **MODE)
    assert (unknown.returncode, unknown.stderr) == (1, "hsp-otp: there is no app 'bank'\n")


def test_texts_of_an_app(folder: Path) -> None:
    """They are shown one to a line, and a fault in them stores nothing."""
    imported(folder, SHOP + TEXTS)
    done = command(folder, "apps", "show", "shop", **MODE)
    lines = dict(re.split(r": +", line, maxsplit=1) for line in done.stdout.splitlines())
    place = "texts.password_reset.en"
    assert {name: value for name, value in lines.items() if name.startswith("texts")} == {
        f"{place}.text": "{code} resets it",
        f"{place}.template_id": "1107",
        f"{place}.email": r"Hello,\n\n{code}",
    }
    assert imported(folder, SHOP + TEXTS.replace("{code} resets", "{digits} resets")) == (
        1,
        [],
        [
            (
                "hsp-otp: 'apps.toml': shop.texts: it has {digits} in the text of "
                "password_reset.en; takes {code} {service} {minutes}"
            )
        ],
    )
    assert command(folder, "apps", "show", "shop", **MODE).stdout == done.stdout


def test_keys_of_apps_and_accounts(folder: Path) -> None:
    """A key has all three scopes unless it is made with fewer, and is listed with its owner."""
    imported(folder, SHOP)
    for arguments in (("--app", "shop"), ("--account", "acme", "--scopes", "check,read")):
        done = command(folder, "api-keys", "new", "--name", "x", *arguments, **MODE)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(r"hspotp_[0-9a-f]{32}_[\w-]{43}_[0-9a-f]{8}\n", done.stdout)
    keys = listed_keys(folder)
    assert [(key["app"], key["account"], key["scopes"]) for key in keys] == [
        ("shop", None, ["check", "read", "start"]),
        (None, "acme", ["check", "read"]),
    ]
    table = command(folder, "api-keys", "list", **MODE).stdout
    assert "app shop" in table
    assert "account acme" in table


def listed_keys(folder: Path) -> list[dict[str, Any]]:
    """The keys that the command lists."""
    done = command(folder, "api-keys", "list", "--json", **MODE)
    return [json.loads(line) for line in done.stdout.splitlines()]
