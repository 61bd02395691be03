"""
Write the files that the clients take from the service: its OpenAPI document and its texts.

`script/test-clients` calls it with ``--check``, which writes nothing and fails if the files are
out of date.
"""

# ruff: noqa: INP001, T201 - a script that prints

import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po

from hsp_otp.adapters.messages import LOCALE, GettextMessages
from hsp_otp.entrypoints.app import ROUTES
from hsp_otp.entrypoints.http.openapi import document
from hsp_otp.entrypoints.http.verification.routes import ROUTES as VERIFICATIONS
from hsp_otp.entrypoints.settings.model import Settings

CLIENTS = Path(__file__).parents[1] / "clients"


def texts() -> dict[str, dict[str, str]]:
    """
    Return the texts of the catalogues by language and id.

    Without those of messages, e-mails and calls, and without the sentences that only other backends
    get.
    """
    for_backends = _words_of(document(VERIFICATIONS, Settings().texts)) - _words_of(
        document(ROUTES, Settings().texts)
    )
    found = {}
    for tag in GettextMessages({}).languages:
        folder = tag.replace("-", "_")
        source = LOCALE / folder / "LC_MESSAGES" / "hsp_otp.po"
        catalogue = read_po(BytesIO(source.read_bytes()), locale=folder)
        found[tag] = {
            str(message.id): str(message.string)
            for message in catalogue
            if message.id
            and not message.pluralizable
            and not str(message.id).startswith(("email.", "voice."))
            and message.id not in for_backends
        }
    return found


def _words_of(described: object) -> set[str]:
    """Return the error words in the examples of an OpenAPI document."""
    if isinstance(described, list):
        return set[str]().union(*map(_words_of, described))
    if not isinstance(described, dict):
        return set()
    error = described.get("error")
    own = {error} if isinstance(error, str) else set[str]()
    return own.union(*map(_words_of, described.values()))


def main() -> None:
    """Write the files, or check that they are up to date."""
    sources: dict[str, Any] = {
        "api/openapi.json": document((*ROUTES, *VERIFICATIONS), Settings().texts),
        "mobile/src/texts.json": {
            "languages": dict(GettextMessages({}).own_names),
            "texts": texts(),
        },
    }
    checks = sys.argv[1:] == ["--check"]
    stale = False
    for name, content in sources.items():
        path = CLIENTS / name
        text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        if not checks:
            path.write_text(text, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            print(f"clients/{name} is out of date", file=sys.stderr)
            stale = True
    if stale:
        sys.exit("update the files: sh script/test-clients --update")


main()
