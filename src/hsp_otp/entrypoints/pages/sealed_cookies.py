"""Sealed cookies, in which pages remember state between two requests."""

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
"""For as long a page comes back where it was left."""


class _Sealed(msgspec.Struct, array_like=True):
    """What stands in a cookie: its name and its end too, so that neither can be exchanged."""

    name: str
    until: int
    value: msgspec.Raw


def sealed(request: AnyRequest, name: str, value: msgspec.Struct, page: str) -> Cookie:
    """A cookie of *name* that brings *value* back: it can be read by its browser, not changed."""
    until = after(services_of(request).clock.now(), REMEMBERED_SECONDS * SECOND)
    text = msgspec.json.encode(_Sealed(name, until, msgspec.Raw(msgspec.json.encode(value))))
    ring = services_of(request).page_keys
    encoded = base64.urlsafe_b64encode(text).rstrip(b"=").decode()
    return kept(request, name, ring.seal(encoded), page)


def unsealed(request: AnyRequest, name: str, kind: type[S]) -> S | None:
    """What `sealed` put into the cookie *name*; None where there is none, or its time is up."""
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
    except (msgspec.MsgspecError, binascii.Error):  # made by another version of ours
        return None


def kept(
    request: AnyRequest,
    name: str,
    value: str,
    page: str,
    samesite: Literal["lax", "strict"] = "lax",
) -> Cookie:
    """A cookie for *page* alone, out of reach of scripts, for as long as the browser is open."""
    return cookie(request, name, value, path=_path(page), samesite=samesite)


def dropped(request: AnyRequest, name: str, page: str) -> Cookie:
    """What makes the browser forget a cookie of *page*."""
    return cookie(request, name, "", path=_path(page), max_age=0)


def _path(page: str) -> str:
    """A page answers without the slash at its end, too."""
    return page.rstrip("/") or "/"


Cookies = dict[str, Cookie]
"""By their names, so that the last word about one stands."""


def jar(*cookies: Cookie) -> Cookies:
    """*cookies* by their names."""
    return {cookie.key: cookie for cookie in cookies}


def lines(cookies: Cookies) -> Any:  # noqa: ANN401 - the HTTP library's own type
    """For the HTTP library."""
    return list(cookies.values())
