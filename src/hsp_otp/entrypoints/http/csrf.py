"""
Requests that a page of another site made its visitor send: refused by double submit.

A token stands in a cookie and comes back beside it, in a header or a form's field, which another
site can neither read nor set. It is sealed by a key of ours, so that a cookie planted from a
neighbouring host is worth nothing. Beside that, a request is refused whose browser says that it
comes from elsewhere.
"""

import hmac
import secrets
from typing import Final

from litestar import Response
from litestar.datastructures import Cookie

from hsp_otp.entrypoints.http.browser import cookie, cookie_values, is_foreign
from hsp_otp.entrypoints.http.problems import Problem, answer
from hsp_otp.entrypoints.http.requests import AnyRequest, services_of

COOKIE: Final = "csrftoken"
HEADER: Final = "x-csrftoken"
FIELD: Final = "csrftoken"
"""Of a form, where there are no scripts to set a header."""

FORGED: Final = Problem(403, "csrf_failed")

_NONCE_BYTES: Final = 16


def token_for(request: AnyRequest) -> str:
    """The token that *request* brought in its cookie, or a new one where that is none of ours."""
    held = _held(request)
    return held[0] if held else services_of(request).csrf_keys.seal(secrets.token_hex(_NONCE_BYTES))


def cookie_of(request: AnyRequest, token: str) -> Cookie:
    """What makes the browser of *request* bring *token* along."""
    return cookie(request, COOKIE, token, httponly=False)


def is_genuine(request: AnyRequest, token: str | None) -> bool:
    """Whether *token* is ours and one of those in the cookies of *request*."""
    given = (token or "").encode()
    return any(hmac.compare_digest(held.encode(), given) for held in _held(request))


def refuse_forged(request: AnyRequest) -> Response[object] | None:
    """
    The refusal of a request that another site's page sent, or whose header does not carry the
    token; None where neither is so.
    """
    if not is_foreign(request) and is_genuine(request, request.headers.get(HEADER)):
        return None
    return answer(request, FORGED)


def _held(request: AnyRequest) -> list[str]:
    """The genuine tokens in its cookies."""
    ring = services_of(request).csrf_keys
    return [held for held in cookie_values(request, COOKIE) if ring.unseal(held) is not None]
