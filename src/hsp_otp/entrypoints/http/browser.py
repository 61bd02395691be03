"""What is known of a browser's request: https or not, its origin, its cookies."""

from typing import Final, Literal

from litestar.datastructures import Cookie

from hsp_otp.entrypoints.http.request_target import read_authority
from hsp_otp.entrypoints.http.requests import AnyRequest, services_of

_MOST_VALUES: Final = 20
"""Of one cookie that are looked at: more than a neighbouring host can plant for one path."""

_USUAL_PORTS: Final = {"http": 80, "https": 443}


def is_secure(request: AnyRequest) -> bool:
    """Whether the browser of *request* reaches the service by https, be it through a proxy."""
    public = services_of(request).settings.public_url
    return request.scope["scheme"] == "https" or public.startswith("https:")


def is_foreign(request: AnyRequest) -> bool:
    """
    Whether a page of another site made the browser send *request*, as far as the browser tells.

    Old browsers tell nothing; a page whose origin is kept secret (``null``) is another site's.
    """
    sites = request.headers.getall("sec-fetch-site", [])
    origins = request.headers.getall("origin", [])
    return "cross-site" in sites or not all(_is_own(request, origin) for origin in origins)


def _is_own(request: AnyRequest, origin: str) -> bool:
    """
    Whether *origin* is where the browser reaches the service: as it says itself in Host, or as the
    setting says where a proxy passes another Host on.

    A proxy may have ended TLS, so that the scheme of the request says nothing.
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
    What the cookie *name* is called in the browser of *request*.

    By https the prefix keeps neighbouring hosts from planting one (RFC 6265bis, 4.1.3.2).
    """
    return f"__Host-{name}" if is_secure(request) else name


def cookie_values(request: AnyRequest, name: str) -> list[str]:
    """
    Every value of the cookie *name*.

    By http a neighbour on the parent domain may have set others of that name, and nothing tells
    which is which: whoever reads them takes any that is genuine.
    """
    wanted = cookie_name(request, name)
    pairs = (
        pair.strip(" \t").partition("=")
        for line in request.headers.getall("cookie", [])
        for pair in line.split(";")
    )
    values = [value.strip('" \t') for key, _, value in pairs if key.rstrip(" \t") == wanted]
    return values[:_MOST_VALUES]


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
    A cookie for the browser of *request*.

    Args:
        path: Without a slash at its end. By https it is the whole host, as the prefix wants it.
        max_age: Seconds; for as long as the browser is open where it is None.
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
