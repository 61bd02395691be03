"""
Protection against cross-site request forgery, by double submit.

A token is set in a cookie and sent back both there and in a header or form field, which another
site can neither read nor set. The service's key seals the token, which makes a cookie planted by
a sibling host worthless. A request is also refused if the browser says that it comes from another
site, unless the settings name its origin.
"""

import hmac
import secrets
from typing import Final

from litestar import Response
from litestar.datastructures import Cookie

from hsp_otp.entrypoints.http.browser import (
    cookie,
    cookie_values,
    cross_site_cookie,
    is_foreign,
    is_secure,
)
from hsp_otp.entrypoints.http.cross_origin import named_origin
from hsp_otp.entrypoints.http.problems import Problem, answer
from hsp_otp.entrypoints.http.requests import AnyRequest, services_of

COOKIE: Final = "csrftoken"
HEADER: Final = "x-csrftoken"
FIELD: Final = "csrftoken"
"""The form field with the token, for browsers without scripts to set a header."""

FORGED: Final = Problem(403, "csrf_failed")

_NONCE_BYTES: Final = 16


def token_for(request: AnyRequest) -> str:
    """Return the genuine token in the cookie of *request*, or a new one."""
    held = _held(request)
    return held[0] if held else services_of(request).csrf_keys.seal(secrets.token_hex(_NONCE_BYTES))


def cookie_of(request: AnyRequest, token: str) -> Cookie:
    """
    Make the cookie that carries *token*.

    Where origins are named, their pages have to send it. The protection does not rest on
    ``SameSite``: another site can neither read nor make a token.
    """
    if is_secure(request) and services_of(request).settings.cors_origins:
        return cross_site_cookie(request, COOKIE, token)
    return cookie(request, COOKIE, token, httponly=False)


def has_token(request: AnyRequest) -> bool:
    """Return whether *request* comes with a genuine token, as a page has set it."""
    return bool(_held(request))


def is_genuine(request: AnyRequest, token: str | None) -> bool:
    """Return whether *token* is genuine and also in a cookie of *request*."""
    given = (token or "").encode()
    return any(hmac.compare_digest(held.encode(), given) for held in _held(request))


def refuse_forged(request: AnyRequest) -> Response[object] | None:
    """
    Return a refusal of a request that another site's page sent or whose header lacks the token;
    None for any other request. Pages of the origins that the settings name are let in.
    """
    origins = request.headers.getall("origin", [])
    is_named = named_origin(origins, services_of(request).settings) is not None
    is_from_a_stranger = is_foreign(request) and not is_named
    if not is_from_a_stranger and is_genuine(request, request.headers.get(HEADER)):
        return None
    return answer(request, FORGED)


def _held(request: AnyRequest) -> list[str]:
    """Return the genuine tokens in the cookies of *request*."""
    ring = services_of(request).csrf_keys
    return [held for held in cookie_values(request, COOKIE) if ring.unseal(held) is not None]
