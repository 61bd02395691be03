"""
Requests that a page of another site made its visitor send: refused by double submit.

A token stands in a cookie and comes back beside it, in a header or a form's field, which another
site can neither read nor set. It is sealed by a key of ours, so that a cookie planted from a
neighbouring host is worth nothing.
"""

import hmac
import secrets
from typing import Final

from litestar import Response
from litestar.datastructures import Cookie

from hsp_otp.entrypoints.http.bodies import AnyRequest, house_of
from hsp_otp.entrypoints.http.problems import Problem, answer

COOKIE: Final = "csrftoken"
HEADER: Final = "x-csrftoken"
FIELD: Final = "csrftoken"
"""Of a form, where there are no scripts to set a header."""

_NONCE_BYTES: Final = 16


def token_for(request: AnyRequest) -> str:
    """The token that *request* brought in its cookie, or a new one where that is none of ours."""
    held = request.cookies.get(COOKIE, "")
    ring = house_of(request).csrf_keys
    return held if ring.unseal(held) is not None else ring.seal(secrets.token_hex(_NONCE_BYTES))


def cookie_of(request: AnyRequest, token: str) -> Cookie:
    """What makes the browser of *request* bring *token* along."""
    return Cookie(COOKIE, value=token, samesite="lax", secure=is_secure(request))


def is_genuine(request: AnyRequest, token: str | None) -> bool:
    """Whether *token* is ours and the one in the cookie of *request*."""
    held = request.cookies.get(COOKIE, "")
    if not token or house_of(request).csrf_keys.unseal(held) is None:
        return False
    return hmac.compare_digest(held.encode(), token.encode())


def refuse_forged(request: AnyRequest) -> Response[object] | None:
    """The refusal of a request whose header does not carry the token; None where it does."""
    if is_genuine(request, request.headers.get(HEADER)):
        return None
    return answer(request, Problem(403, "csrf_failed"))


def is_secure(request: AnyRequest) -> bool:
    """Whether the browser of *request* reaches us by https, be it through a proxy."""
    public = house_of(request).settings.public_url
    return request.url.scheme == "https" or public.startswith("https:")
