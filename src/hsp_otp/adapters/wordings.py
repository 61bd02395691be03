"""Texts of the operator's own, from a file, with the ids that they are registered under."""

import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from string import Formatter
from typing import Final, cast

from hsp_otp.domain.names import Language, Purpose
from hsp_otp.ports.messages import Wording, Wordings

_PLACEHOLDERS: Final = frozenset({"code", "service", "minutes"})
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LINK = re.compile(r"\.\S|://|www")
_LIKE_A_CODE = re.compile(r"[0-9]{4}")


def read_wordings(path: str, languages: Collection[Language]) -> Wordings:
    """
    Read the file at *path*, TOML with a table for each purpose and in it one for each language.

    Args:
        languages: Those there are.

    Raises:
        ValueError: It is not there, or something in it cannot be used; one line that says what.
    """
    try:
        found = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise ValueError("is not TOML in UTF-8") from None
    purposes = {purpose.value: purpose for purpose in Purpose}
    wordings: dict[tuple[Purpose, Language], Wording] = {}
    for purpose, texts in found.items():
        if purpose not in purposes or not isinstance(texts, dict):
            raise ValueError(f"has {purpose!r}, takes tables named {' or '.join(purposes)}")
        for language, members in cast("dict[str, object]", texts).items():
            where = f"{purpose}.{language}"
            if language not in languages or not isinstance(members, dict):
                raise ValueError(f"has {where!r}, takes tables named {', '.join(languages)} in it")
            wording = _wording(where, cast("dict[str, object]", members))
            wordings[purposes[purpose], Language(language)] = wording
    return wordings


def _wording(where: str, members: dict[str, object]) -> Wording:
    if unknown := members.keys() - {"text", "template_id", "entity_id"}:
        raise ValueError(f"has {min(unknown)!r} in {where}, takes text, template_id and entity_id")
    text = members.get("text")
    if not isinstance(text, str) or not text.strip() or not text.replace("\n", " ").isprintable():
        raise ValueError(f"has no text in {where}")
    _check_text(where, text)
    return Wording(
        text=text.strip(),
        template_id=_id(where, "template_id", members.get("template_id")),
        entity_id=_id(where, "entity_id", members.get("entity_id")),
    )


def _check_text(where: str, text: str) -> None:
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        raise ValueError(f"has a brace that stands alone in {where}") from None
    names = [name for _, name, _, _ in parts if name is not None]
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise ValueError(f"has a placeholder that is more than a name in {where}")
    if unknown := set(names) - _PLACEHOLDERS:
        raise ValueError(
            f"has {{{min(unknown)}}} in {where}, takes {{code}} {{service}} {{minutes}}"
        )
    if names.count("code") != 1:
        raise ValueError(f"has {{code}} {names.count('code')} times in {where}, takes it once")
    # What is filled in is harmless, and may not become harmful by what stands beside it.
    plain = "".join(literal + ("x" if name else "") for literal, name, _, _ in parts)
    if _LINK.search(plain):
        raise ValueError(f"has what looks like a link in {where}")
    if _LIKE_A_CODE.search(plain):
        raise ValueError(f"has digits that look like a code in {where}")


def _id(where: str, name: str, given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise ValueError(f"has no {name} in {where}: takes 1 to 64 letters, digits, _ and -")
    return given
