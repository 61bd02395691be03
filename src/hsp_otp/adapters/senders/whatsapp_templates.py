"""The approved templates of WhatsApp messages, by language."""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from hsp_otp.domain.names import ENGLISH, Language

Templates: TypeAlias = tuple[tuple[Language, str], ...]
"""Each language with its template, in the order in which they are given."""

_LANGUAGE: Final = re.compile("[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def templates(form: str) -> Callable[[str], Templates]:
    """A reader of ``language:template,…`` whose templates have the *form*, a regular expression."""
    pattern = re.compile(form)

    def read(given: str) -> Templates:
        found = dict[Language, str]()
        for one in given.split(","):
            language, _, template = one.strip().partition(":")
            if not _LANGUAGE.fullmatch(language) or not pattern.fullmatch(template):
                raise ValueError
            if language in found:
                raise ValueError(f"{language} has two")
            found[Language(language)] = template
        return tuple(found.items())

    return read


def template_in(language: Language, found: Templates) -> tuple[Language, str]:
    """The template of *language*, otherwise that of English, otherwise the first."""
    by_language = dict(found)
    chosen = next((one for one in (language, ENGLISH) if one in by_language), found[0][0])
    return chosen, by_language[chosen]
