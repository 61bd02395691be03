"""The way from a success on a page back to another site, and the state that it takes there."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import attrs
import msgspec
from litestar.datastructures import Cookie

from hsp_otp.entrypoints.http.requests import AnyRequest
from hsp_otp.entrypoints.pages.sealed_cookies import sealed, unsealed

_STATE: Final = re.compile(r"[!-~]{1,256}")


class Opened(msgspec.Struct, omit_defaults=True, frozen=True):
    """
    How another site has opened a page.

    Attributes:
        state: What the site gets back with the result.
        bound_to: What the state goes back with, once that is known.
    """

    state: str
    bound_to: str = ""

    def __repr__(self) -> str:
        return "Opened()"


@attrs.frozen
class WayBack:
    """
    A form for another site.

    Attributes:
        site: The host of *url*, and its port if there is one.
    """

    url: str
    site: str
    fields: Mapping[str, str] = attrs.field(repr=False)


def way_back(url: str, state: str, **fields: str) -> WayBack:
    """Make the form that posts *fields* to *url*, with *state* if there is one."""
    return WayBack(url, urlsplit(url).netloc, fields | ({"state": state} if state else {}))


def state_in(request: AnyRequest) -> str | None:
    """Return the `state` in the address; None if there is none, several or a malformed one."""
    found = [value for name, value in request.query_params.multi_items() if name == "state"]
    return found[0] if len(found) == 1 and _STATE.fullmatch(found[0]) else None


def opened(request: AnyRequest, page: str, state: str, bound_to: str = "") -> Cookie:
    """Make the cookie that keeps *state* for *page*."""
    return sealed(request, cookie_of(page), Opened(state, bound_to), page)


def kept_state(request: AnyRequest, page: str, bound_to: str = "") -> str:
    """Return the state that *page* was opened with, unless it went back with something else."""
    found = unsealed(request, cookie_of(page), Opened)
    return found.state if found is not None and found.bound_to in {"", bound_to} else ""


def cookie_of(page: str) -> str:
    """Name the cookie with the state of *page*; with https, all pages get all cookies."""
    return f"opened{page.rstrip('/').replace('/', '_')}"
