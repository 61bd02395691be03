"""
Leads customers to a page of hsp-otp, and takes what that page posts back.

The post comes from another site, so browsers leave out our session cookie (SameSite=Lax), and
nothing shows yet whether the page was opened from this browser. Therefore the post is only kept, in
a cookie of its own, and answered with 303. The browser then gets the same address from us, with
both cookies, and the `state` of the post must be the one in the session. What an attacker lets
somebody's browser post has the attacker's state, and is refused. Nothing of it is in an address.
"""

import secrets
from urllib.parse import urlencode

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.crypto import constant_time_compare

COOKIE = "otp_return"
KEPT_SECONDS = 60
LONGEST_POST = 3000
"""Characters; a cookie has at most 4096 bytes."""


def open_page(request: HttpRequest, path: str) -> HttpResponse:
    """Redirect to the page of hsp-otp at *path*, with a `state` that this browser remembers."""
    state = request.session["otp_state"] = secrets.token_urlsafe(32)
    return HttpResponseRedirect(f"{settings.HSP_OTP_URL}{path}?{urlencode({'state': state})}")


def keep_post(request: HttpRequest) -> HttpResponse:
    """Keep the posted members, and let the browser get the same address."""
    members = request.POST.dict()
    answer = HttpResponse(status=303, headers={"Location": request.path})
    if sum(map(len, members.values())) <= LONGEST_POST:
        answer.set_cookie(
            COOKIE,
            signing.dumps(members, salt=COOKIE),
            max_age=KEPT_SECONDS,
            path=request.path,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return answer


def read_post(request: HttpRequest) -> dict[str, str] | None:
    """Return the members of the post, or None if this browser has not opened the page."""
    try:
        members: dict[str, str] = signing.loads(
            request.COOKIES.get(COOKIE, ""), salt=COOKIE, max_age=KEPT_SECONDS
        )
    except signing.BadSignature:
        return None
    state = request.session.get("otp_state", "")
    return members if state and constant_time_compare(members.get("state", ""), state) else None


def forget_post(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Let the post not be used again, nor its `state` if it was the right one; return *answer*."""
    if read_post(request) is not None:
        del request.session["otp_state"]
    answer.delete_cookie(COOKIE, path=request.path)
    return answer
