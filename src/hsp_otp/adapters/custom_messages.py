"""An operator's custom message texts, with the ids under which they are registered."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from string import Formatter
from typing import Final, cast

from hsp_otp.domain.contact import ContactKind
from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import APP_PURPOSES, PURPOSES, Purpose
from hsp_otp.domain.wordings import Wording, Wordings

_SMS: Final = ("text", "template_id", "entity_id")
_EMAIL: Final = ("email", "email_subject")

_IN_TEXTS: Final = ("code", "service", "minutes")
_IN_SUBJECTS: Final = ("service",)

_LONGEST_EMAIL: Final = 2000
_LONGEST_SUBJECT: Final = 100
"""Characters of a subject; a service's name adds 40 at most."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LINK = re.compile(r"\.\S|://|www", re.IGNORECASE)
_LIKE_A_CODE = re.compile(r"[0-9]{4}")
_EMPTY_LINES = re.compile(r"\n\s*\n")


def parse_wordings(
    found: Mapping[str, object],
    languages: Collection[Language],
    purposes: Iterable[Purpose] = Purpose,
) -> Wordings:
    """
    Read a table for each purpose, which contains a table for each language.

    Args:
        found: The content of a TOML file, or of a table in one.
        languages: The available languages.
        purposes: Those that texts may be for.

    Raises:
        ValueError: An entry cannot be used. The message continues a sentence that begins with the
            file.
    """
    named = {purpose.value: purpose for purpose in purposes}
    takes = f"takes tables named {' or '.join(named)}"
    wordings: dict[Purpose, dict[Language, Wording]] = {}
    for word, texts in found.items():
        if word not in named:
            raise ValueError(f"has {word!r}; {takes}")
        of_language = wordings.setdefault(named[word], {})
        for language, members in _table(word, texts, takes).items():
            where = f"{word}.{language}"
            expected = f"takes tables named {', '.join(languages)} in {word}"
            if language not in languages:
                raise ValueError(f"has {where!r}; {expected}")
            wording = _wording(where, _table(where, members, expected), named[word])
            of_language[Language(language)] = wording
    return wordings


def _table(where: str, found: object, takes: str) -> Mapping[str, object]:
    if not isinstance(found, dict):
        raise ValueError(f"has {where!r}, which is not a table; {takes}")  # noqa: TRY004 - as above
    return cast("dict[str, object]", found)


def _wording(where: str, members: Mapping[str, object], purpose: Purpose) -> Wording:
    app_row = APP_PURPOSES.get(purpose)
    kinds = app_row.contacts if app_row else frozenset[ContactKind]()
    is_sms = purpose in PURPOSES or ContactKind.PHONE in kinds
    is_email = ContactKind.EMAIL in kinds
    takes = [*(_SMS if is_sms else ()), *(_EMAIL if is_email else ())]
    if unknown := members.keys() - takes:
        listed = f"{', '.join(takes[:-1])} and {takes[-1]}"
        raise ValueError(f"has {min(unknown)!r} in {where}; takes {listed}")
    if not members.keys() & {"text", *_EMAIL}:
        raise ValueError(f"has no text in {where}")
    if "text" not in members and (lonely := members.keys() & set(_SMS)):
        raise ValueError(f"has {min(lonely)} without a text in {where}")
    return Wording(
        text=_text(where, "text", members.get("text")),
        template_id=_id(where, "template_id", members.get("template_id")),
        entity_id=_id(where, "entity_id", members.get("entity_id")),
        email=_EMPTY_LINES.sub("\n\n", _text(where, "email", members.get("email"))),
        email_subject=_text(where, "email_subject", members.get("email_subject")),
    )


def _text(where: str, name: str, given: object) -> str:
    if given is None:
        return ""
    text = _in_quotes(where, name, given).strip()
    is_subject = name == "email_subject"
    if not text:
        raise ValueError(f"has an empty {name} in {where}")
    if not (text if is_subject else text.replace("\n", " ")).isprintable():
        raise ValueError(f"has an unprintable character in the {name} of {where}")
    most = {"email": _LONGEST_EMAIL, "email_subject": _LONGEST_SUBJECT}.get(name)
    if most and len(text) > most:
        raise ValueError(
            f"has {len(text)} characters in the {name} of {where}; takes {most} at most"
        )
    _check_text(f"the {name} of {where}", text, is_subject=is_subject)
    return text


def _check_text(where: str, text: str, *, is_subject: bool) -> None:
    takes = _IN_SUBJECTS if is_subject else _IN_TEXTS
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        raise ValueError(f"has unmatched braces in {where}") from None
    names = [name for _, name, _, _ in parts if name is not None]
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise ValueError(f"has a placeholder with more than a name in {where}")
    if unknown := set(names) - set(takes):
        shown = " ".join(f"{{{name}}}" for name in takes)
        # A name may contain line breaks.
        raise ValueError(f"has {{{' '.join(min(unknown).split())}}} in {where}; takes {shown}")
    if not is_subject and names.count("code") != 1:
        raise ValueError(
            f"has {{code}} {names.count('code')} times in {where}; takes it exactly once"
        )
    # A value that is harmless by itself must stay harmless next to the literal text.
    if _LINK.search(_filled(parts, "x")):
        raise ValueError(f"has text that looks like a link in {where}")
    if _LIKE_A_CODE.search(_filled(parts, "000")):
        raise ValueError(f"has digits that look like a code in {where}")


def _filled(parts: Sequence[tuple[str, str | None, str | None, str | None]], value: str) -> str:
    return "".join(literal + ("" if name is None else value) for literal, name, _, _ in parts)


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
