"""The `keys` commands."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from hsp_otp.adapters.jwt import PemAlgorithm, new_signing_key_pem
from hsp_otp.adapters.secret_keys import new_secret_key
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.instant import SECOND
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.private_files import make_private_folder
from hsp_otp.entrypoints.settings.model import PREFIX

keys = App(name="keys", help="Create keys for the service.")


@keys.command(name="new")
def new_keys(
    folder: Annotated[Path, Parameter(name="DIR")], /, *, algorithm: PemAlgorithm = "ES256"
) -> None:
    """
    Write a new signing key to DIR, and print the lines for the settings.

    Example: hsp-otp keys new /etc/hsp-otp

    Parameters
    ----------
    folder
        The folder for the PEM file; created if it does not exist.
    algorithm
        The key's algorithm.
    """
    key_id = f"k{SystemClock().now() // SECOND}"
    path = folder / f"{key_id}.pem"
    try:
        make_private_folder(folder)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(new_signing_key_pem(algorithm))
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from None
    print(f"{PREFIX}SECRET_KEYS={key_id}:{new_secret_key()}")
    print(f"{PREFIX}JWT_ALGORITHM={algorithm}")
    print(f"{PREFIX}JWT_KEYS={key_id}:{path.resolve()}")
