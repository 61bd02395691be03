"""An operator's custom message texts, with the ids under which they are registered."""

import re
from collections.abc import Collection, Mapping
from string import Formatter
from typing import Final, cast

from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import Purpose
from hsp_otp.ports.messages import Wording, Wordings

_PLACEHOLDERS: Final = frozenset({"code", "service", "minutes"})
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LINK = re.compile(r"\.\S|://|www")
_LIKE_A_CODE = re.compile(r"[0-9]{4}")


def parse_wordings(found: Mapping[str, object], languages: Collection[Language]) -> Wordings:
    """
    Read a table for each purpose, which contains a table for each language.

    Args:
        found: The content of a TOML file.
        languages: The available languages.

    Raises:
        ValueError: An entry cannot be used. The message continues a sentence that begins with the
            file.
    """
    purposes = {purpose.value: purpose for purpose in Purpose}
    wordings: dict[tuple[Purpose, Language], Wording] = {}
    for purpose, texts in found.items():
        takes = f"takes tables named {' or '.join(purposes)}"
        if purpose not in purposes:
            raise ValueError(f"has {purpose!r}; {takes}")
        for language, members in _table(purpose, texts, takes).items():
            where = f"{purpose}.{language}"
            takes = f"takes tables named {', '.join(languages)} in {purpose}"
            if language not in languages:
                raise ValueError(f"has {where!r}; {takes}")
            wording = _wording(where, _table(where, members, takes))
            wordings[purposes[purpose], Language(language)] = wording
    return wordings


def _table(where: str, found: object, takes: str) -> Mapping[str, object]:
    if not isinstance(found, dict):
        raise ValueError(f"has {where!r}, which is not a table; {takes}")  # noqa: TRY004 - as above
    return cast("dict[str, object]", found)


def _wording(where: str, members: Mapping[str, object]) -> Wording:
    if unknown := members.keys() - {"text", "template_id", "entity_id"}:
        raise ValueError(f"has {min(unknown)!r} in {where}; takes text, template_id and entity_id")
    return Wording(
        text=_text(where, members.get("text")),
        template_id=_id(where, "template_id", members.get("template_id")),
        entity_id=_id(where, "entity_id", members.get("entity_id")),
    )


def _text(where: str, given: object) -> str:
    if given is None:
        raise ValueError(f"has no text in {where}")
    text = _in_quotes(where, "text", given).strip()
    if not text:
        raise ValueError(f"has an empty text in {where}")
    if not text.replace("\n", " ").isprintable():
        raise ValueError(f"has an unprintable character in the text of {where}")
    _check_text(where, text)
    return text


def _check_text(where: str, text: str) -> None:
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        raise ValueError(f"has unmatched braces in the text of {where}") from None
    names = [name for _, name, _, _ in parts if name is not None]
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise ValueError(f"has a placeholder with more than a name in {where}")
    if unknown := set(names) - _PLACEHOLDERS:
        raise ValueError(
            f"has {{{min(unknown)}}} in {where}; takes {{code}} {{service}} {{minutes}}"
        )
    if names.count("code") != 1:
        raise ValueError(
            f"has {{code}} {names.count('code')} times in {where}; takes it exactly once"
        )
    # A value that is harmless by itself must stay harmless next to the literal text.
    plain = "".join(literal + ("x" if name else "") for literal, name, _, _ in parts)
    if _LINK.search(plain):
        raise ValueError(f"has text that looks like a link in {where}")
    if _LIKE_A_CODE.search(plain):
        raise ValueError(f"has digits that look like a code in {where}")


def _id(where: str, name: str, given: object) -> str | None:
    if given is None:
        return None
    if not _ID.fullmatch(text := _in_quotes(where, name, given)):
        raise ValueError(
            f"has a malformed {name} in {where}; takes 1 to 64 letters, digits, _ and -"
        )
    return text


def _in_quotes(where: str, name: str, given: object) -> str:
    if not isinstance(given, str):
        raise ValueError(f"has {name} without quotes in {where}")  # noqa: TRY004 - as above
    return given
