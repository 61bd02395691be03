"""Sealed cookies, in which pages keep state between requests."""

import base64
import binascii
from typing import Any, Final, Literal, TypeVar

import msgspec
from litestar.datastructures import Cookie

from hsp_otp.domain.instant import SECOND, Instant, after
from hsp_otp.entrypoints.http.browser import cookie, cookie_values
from hsp_otp.entrypoints.http.requests import AnyRequest, services_of

S = TypeVar("S", bound=msgspec.Struct)

REMEMBERED_SECONDS: Final = 3600
"""The time for which a page keeps its state."""


class _Sealed(msgspec.Struct, array_like=True):
    """The content of a cookie, with its name and expiry so that neither can be changed."""

    name: str
    until: int
    value: msgspec.Raw


def sealed(request: AnyRequest, name: str, value: msgspec.Struct, page: str) -> Cookie:
    """Make a cookie that holds *value*, which its browser can read but not change."""
    until = after(services_of(request).clock.now(), REMEMBERED_SECONDS * SECOND)
    text = msgspec.json.encode(_Sealed(name, until, msgspec.Raw(msgspec.json.encode(value))))
    ring = services_of(request).page_keys
    encoded = base64.urlsafe_b64encode(text).rstrip(b"=").decode()
    return kept(request, name, ring.seal(encoded), page)


def unsealed(request: AnyRequest, name: str, kind: type[S]) -> S | None:
    """Return the value that `sealed` stored in the cookie *name*; None if missing or expired."""
    found = (_opened(request, name, kind, value) for value in cookie_values(request, name))
    return next((one for one in found if one is not None), None)


def _opened(request: AnyRequest, name: str, kind: type[S], value: str) -> S | None:
    services = services_of(request)
    text = services.page_keys.unseal(value)
    if text is None:
        return None
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(f"{text}=="), type=_Sealed)
        if found.name != name or services.clock.now() >= Instant(found.until):
            return None
        return msgspec.json.decode(found.value, type=kind)
    except (msgspec.MsgspecError, binascii.Error):  # made by another version of the service
        return None


def kept(
    request: AnyRequest,
    name: str,
    value: str,
    page: str,
    samesite: Literal["lax", "strict"] = "lax",
) -> Cookie:
    """Make a cookie for *page* only, hidden from scripts and kept until the browser is closed."""
    return cookie(request, name, value, path=_path(page), samesite=samesite)


def dropped(request: AnyRequest, name: str, page: str) -> Cookie:
    """Make the cookie that deletes the cookie *name* of *page*."""
    return cookie(request, name, "", path=_path(page), max_age=0)


def _path(page: str) -> str:
    """Return the path without the trailing slash, since a page answers without it too."""
    return page.rstrip("/") or "/"


Cookies = dict[str, Cookie]
"""Cookies by name; a later one replaces an earlier one."""


def jar(*cookies: Cookie) -> Cookies:
    """Return *cookies* by name."""
    return {cookie.key: cookie for cookie in cookies}


def lines(cookies: Cookies) -> Any:  # noqa: ANN401 - the HTTP library's own type
    """Convert *cookies* for the HTTP library."""
    return list(cookies.values())
