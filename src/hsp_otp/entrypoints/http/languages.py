"""Chooses the language of an answer, and translates texts."""

import re
from collections.abc import Iterable
from typing import Any, Final

from litestar import Request

from hsp_otp.domain.names import ENGLISH, Language
from hsp_otp.entrypoints.services import Services

COOKIE: Final = "language"
"""The language chosen on a page, which overrides the browser's preference."""

MAX_HEADER: Final = 1000
"""The most characters of an Accept-Language header; browsers send some fifty."""

_LONGEST_TAG: Final = 35
"""RFC 5646, 4.4.1."""

# RFC 9110, 12.5.4 and 12.4.2. Each text matches in one way only, so matching takes linear time.
_TAG: Final = r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*"
_MEMBER = re.compile(
    rf"(\*|{_TAG})"
    r"(?:[ \t]*;[ \t]*[Qq]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)


def chosen(
    accepted: Iterable[str], cookies: Iterable[str], languages: Iterable[Language]
) -> Language:
    """
    Return the language that a request asks for.

    Args:
        accepted: The values of the request's Accept-Language headers.
        cookies: The values of the request's Cookie headers.
        languages: The available languages.
    """
    there = list(languages)
    for line in cookies:
        for pair in line.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == COOKIE and value in there:
                return Language(value)
    return negotiate(",".join(accepted), there)


def negotiate(header: str, languages: Iterable[Language]) -> Language:
    """
    Return the language that *header* prefers, by RFC 4647's lookup (3.4); else English.

    ``es-MX`` finds ``es``. Entries that are not language ranges by RFC 9110 are ignored, and so is
    a header longer than any browser would send.

    Args:
        header: The value of Accept-Language, with several lines joined.
        languages: The available languages; ``*`` means the first that is not excluded.
    """
    if len(header) > MAX_HEADER:
        return ENGLISH
    ranges = [
        (found[1].lower(), float(found[2] or 1))
        for member in header.split(",")
        if (found := _MEMBER.fullmatch(member.strip(" \t")))
    ]
    refused = [one for one, weight in ranges if not weight]
    there = [
        language
        for language in languages
        if not any(_begins(language.lower(), with_=one) for one in refused)
    ]
    wanted = [one for one, weight in sorted(ranges, key=lambda one: -one[1]) if weight]
    for one in wanted:
        language = _looked_up(one, there)
        if language is not None:
            return language
    return there[0] if "*" in wanted and there else ENGLISH


def look_up(tag: str, languages: Iterable[Language]) -> Language | None:
    """
    Return the language that *tag* finds by RFC 4647's lookup (3.4), if there is one.

    Raises:
        ValueError: *tag* does not have the form of a language tag (RFC 5646).
    """
    if len(tag) > _LONGEST_TAG or not re.fullmatch(_TAG, tag):
        raise ValueError("not a language tag")
    return _looked_up(tag.lower(), languages)


def _looked_up(tag: str, languages: Iterable[Language]) -> Language | None:
    found = [language for language in languages if _begins(tag, with_=language.lower())]
    return max(found, key=len, default=None)


def _begins(tag: str, *, with_: str) -> bool:
    return tag == with_ or tag.startswith(f"{with_}-")


def language_of(request: Request[Any, Any, Any]) -> Language:
    """Return the language for the answer to *request*."""
    language: Language = request.scope["state"]["language"]
    return language


def told(request: Request[Any, Any, Any], word: str) -> tuple[str, dict[str, str]]:
    """Return the sentence for *word* in the language of *request*, and the headers to send."""
    services: Services = request.app.state.services
    language = language_of(request)
    return services.messages.explain(word, language), {"Content-Language": language}
