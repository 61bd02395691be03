"""The `ops` commands, for the operators who may sign in at the operators' page."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from hsp_otp.adapters.operator_accounts import new_account, text_of
from hsp_otp.domain.operator_sessions import LEAST_PASSWORD, is_password, read_name
from hsp_otp.entrypoints.errors import CommandError, SettingsError
from hsp_otp.entrypoints.private_files import locked, make_private_folder, write_private_file
from hsp_otp.entrypoints.settings.checks import ops_accounts
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import PREFIX
from hsp_otp.ports.operator_accounts import Account

Name = Annotated[str, Parameter(name="NAME")]

_TAKES: Final = f"a password takes {LEAST_PASSWORD} printable characters or more"

ops = App(name="ops", help="Manage the operators who sign in at /ops/ by name.")


@ops.command(name="add")
def add(name: Name, /) -> None:
    """
    Add an operator, or replace the password of one.

    Asks for the password twice, or reads it from a pipe.

    Example: hsp-otp ops add asha

    Args:
        name: The operator's name, as the audit shows it: up to 32 letters, digits, dots, dashes
            and underscores.
    """
    name, file = _name(name), _file()
    account = new_account(name, _password())
    with _changing(file) as accounts:
        told = "has a new password" if name in accounts else "may sign in at /ops/"
        accounts[name] = account
    print(f"{name} {told}")


@ops.command(name="remove")
def remove(name: Name, /) -> None:
    """
    Remove an operator, whose sessions end at once.

    Example: hsp-otp ops remove asha

    Args:
        name: The operator's name.
    """
    name = _name(name)
    with _changing(_file()) as accounts:
        if accounts.pop(name, None) is None:
            raise CommandError(f"there is no operator {name}; hsp-otp ops list lists them")
    print(f"{name} may no longer sign in")


@ops.command(name="list")
def list_() -> None:
    """
    List the names of the operators.

    Example: hsp-otp ops list
    """
    for name in sorted(ops_accounts(_file())):
        print(name)


def _name(text: str) -> str:
    try:
        return read_name(text)
    except ValueError as error:
        raise CommandError(f"NAME: {error}") from None


def _file() -> Path:
    file = load().ops_users
    if file is None:
        raise SettingsError(f"{PREFIX}OPS_USERS: missing; takes the path of the operators' file")
    return file


@contextmanager
def _changing(file: Path) -> Generator[dict[str, Account]]:
    """Change the accounts in *file* while no other command does."""
    try:
        make_private_folder(file.parent)
        with locked(file.parent):
            accounts = ops_accounts(file) if file.exists() else {}
            yield accounts
            write_private_file(file, text_of(accounts))
    except OSError as error:
        raise CommandError(f"cannot write {str(file)!r}: {error.strerror}") from None


def _password() -> str:
    try:
        if sys.stdin.isatty():
            text = getpass("Password: ")
            if is_password(text) and getpass("The same again: ") != text:
                raise CommandError("the two passwords differ")
        else:
            text = sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except (EOFError, UnicodeDecodeError):
        text = ""
    if not is_password(text):
        raise CommandError(_TAKES)
    return text
