"""The scheme, origin and cookies of a browser's request."""

import re
from typing import Any, Final, Literal

from litestar.datastructures import Cookie

from hsp_otp.entrypoints.http.request_target import read_authority
from hsp_otp.entrypoints.http.requests import DEVICE_COOKIE, AnyRequest, services_of, values_of

_DEVICE_COOKIE_SECONDS: Final = 365 * 86_400
"""A year; the token in it says itself how long it is good."""

_WEIGHT: Final = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")

_USUAL_PORTS: Final = {"http": 80, "https": 443}


def is_secure(request: AnyRequest) -> bool:
    """Return whether the browser reaches the service by https, directly or through a proxy."""
    public = services_of(request).settings.public_url
    return request.scope["scheme"] == "https" or public.startswith("https:")


def prefers_html(request: AnyRequest) -> bool:
    """
    Return whether *request* asks for HTML rather than JSON (RFC 9110, 12.5.1).

    Browsers do when they show an answer. Programs and scripts that accept anything do not.
    """
    weights: dict[str, float] = {}
    for one in ",".join(request.headers.getall("accept", [])).lower().split(","):
        kind, *parameters = (part.strip() for part in one.split(";"))
        found = [weight[1] for part in parameters if (weight := _WEIGHT.fullmatch(part))]
        weights[kind] = float(found[0]) if found else 1.0
    html = weights.get("text/html", 0.0)
    json = max(weights.get(f"application/{kind}", 0.0) for kind in ("json", "problem+json"))
    return html > json and html >= weights.get("*/*", 0.0)


def is_foreign(request: AnyRequest) -> bool:
    """
    Return whether the browser says that another site's page made it send *request*.

    Old browsers say nothing. A page with a hidden origin (``null``) counts as another site's.
    """
    sites = request.headers.getall("sec-fetch-site", [])
    origins = request.headers.getall("origin", [])
    return "cross-site" in sites or not all(is_own(request, origin) for origin in origins)


def is_own(request: AnyRequest, origin: str) -> bool:
    """
    Return whether *origin* is the service's own: it matches Host or, if a proxy changes Host, the
    setting.

    The request's own scheme proves nothing, because a proxy may have terminated TLS.
    """
    scheme, _, text = origin.partition("://")
    authority, usual_port = read_authority(text), _USUAL_PORTS.get(scheme)
    if authority is None or usual_port is None:
        return False
    own = [request.headers.get("host", "")]
    public_scheme, _, public = services_of(request).settings.public_url.partition("://")
    if public_scheme == scheme:
        own.append(public.partition("/")[0])
    found = [read_authority(one) for one in own]
    return any(one is not None and one.is_same(authority, usual_port) for one in found)


def cookie_name(request: AnyRequest, name: str) -> str:
    """
    Return the full name of the cookie *name* in the browser of *request*.

    With https, the prefix prevents sibling hosts from planting it (RFC 6265bis, 4.1.3.2).
    """
    return f"__Host-{name}" if is_secure(request) else name


def cookie_values(request: AnyRequest, name: str) -> list[str]:
    """
    Return every value of the cookie *name*.

    With http, a sibling host may have set cookies of the same name for the parent domain. They
    cannot be told apart, so callers accept any value that is genuine.
    """
    return values_of(request, cookie_name(request, name))


def cookie(
    request: AnyRequest,
    name: str,
    value: str,
    *,
    path: str = "/",
    max_age: int | None = None,
    samesite: Literal["lax", "strict"] = "lax",
    httponly: bool = True,
) -> Cookie:
    """
    Make a cookie for the browser of *request*.

    Args:
        path: The path without a trailing slash. With https, the prefix requires the whole host.
        max_age: Seconds; None keeps the cookie until the browser is closed.
    """
    secure = is_secure(request)
    return Cookie(
        cookie_name(request, name),
        path="/" if secure else path,
        value=value,
        max_age=max_age,
        httponly=httponly or None,
        samesite=samesite,
        secure=secure,
    )


class _CrossSiteCookie(Cookie):
    """A cookie with an attribute that Python can write from 3.14 on."""

    def to_header(self, **kwargs: Any) -> str:  # noqa: ANN401 - the HTTP library's own
        return f"{super().to_header(**kwargs)}; Partitioned"


def cross_site_cookie(request: AnyRequest, name: str, value: str) -> Cookie:
    """
    Make a cookie that requests of other sites' pages carry as well; https only.

    It is partitioned, so each site's pages have one of their own, and browsers that block the
    cookies of third parties keep it.
    """
    return _CrossSiteCookie(cookie_name(request, name), value=value, samesite="none", secure=True)


def device_cookie(request: AnyRequest, token: str, path: str) -> Cookie:
    """
    A cookie by which the browser of *request* is known as long as its token can be good.

    Args:
        path: Of the flow that the token is for.
    """
    return Cookie(
        DEVICE_COOKIE,
        path=path,
        value=token,
        max_age=_DEVICE_COOKIE_SECONDS,
        httponly=True,
        samesite="strict",
        secure=is_secure(request),
    )
