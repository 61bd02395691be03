"""Negotiates the language of an answer, and translates texts."""

import re
from collections.abc import Iterable
from typing import Any, Final

from litestar import Request

from hsp_otp.domain.names import ENGLISH, Language
from hsp_otp.entrypoints.services import Services

COOKIE: Final = "language"
"""What somebody chose on a page; it goes before what the browser says."""

MAX_HEADER: Final = 1000
"""Characters of an Accept-Language; browsers send some fifty."""

# RFC 9110, 12.5.4 and 12.4.2. No text is matched in two ways, so the time is linear.
_MEMBER = re.compile(
    r"(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)"
    r"(?:[ \t]*;[ \t]*[Qq]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)


def chosen(
    accepted: Iterable[str], cookies: Iterable[str], languages: Iterable[Language]
) -> Language:
    """
    The language that a request asks for.

    Args:
        accepted: Its Accept-Language lines.
        cookies: Its Cookie lines.
        languages: Those there are.
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
    The first of *languages* that *header* prefers, by RFC 4647's lookup (3.4); else English.

    ``es-MX`` finds ``es``. What is no language range of RFC 9110 is passed over, and of a header
    that no browser would send nothing is read.

    Args:
        header: An Accept-Language, its lines joined.
        languages: Those there are; ``*`` is the first of them that is not excluded.
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
        found_in = [language for language in there if _begins(one, with_=language.lower())]
        if found_in:
            return max(found_in, key=len)
    return there[0] if "*" in wanted and there else ENGLISH


def _begins(tag: str, *, with_: str) -> bool:
    return tag == with_ or tag.startswith(f"{with_}-")


def language_of(request: Request[Any, Any, Any]) -> Language:
    """The language of whoever sent *request*."""
    language: Language = request.scope["state"]["language"]
    return language


def told(request: Request[Any, Any, Any], word: str) -> tuple[str, dict[str, str]]:
    """The sentence about *word* for whoever sent *request*, and the headers that go with it."""
    services: Services = request.app.state.services
    language = language_of(request)
    return services.messages.explain(word, language), {"Content-Language": language}
