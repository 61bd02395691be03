"""Counts the steps of visitors that no journey audits, from what their browsers send anyway."""

from typing import Final

from hsp_otp.domain.contact import Contact
from hsp_otp.domain.purposes import Flow
from hsp_otp.entrypoints.http.browser import is_own
from hsp_otp.entrypoints.http.csrf import has_token
from hsp_otp.entrypoints.http.languages import language_of
from hsp_otp.entrypoints.http.requests import AnyRequest, services_of

_RELOADS: Final = frozenset({"max-age=0", "no-cache"})


def count_opened(request: AnyRequest, flow: Flow) -> None:
    """
    Count a page that is shown at its first step, unless the browser has had it before.

    A browser that has had a page holds its CSRF token. If that was another page, a link from there
    opens this one.
    """
    headers = request.headers
    if request.scope["state"]["is_head"] or "prefetch" in headers.get("sec-purpose", ""):
        return
    linked = _page_before(request) not in {None, _bare(request.scope["path"])}
    reloads = headers.get("cache-control", "") in _RELOADS
    if not has_token(request) or (linked and not reloads):
        services_of(request).journeys.visits.opened(flow, language_of(request))


def count_handed_over(
    request: AnyRequest, flow: Flow, contact: Contact, page: str | None = None
) -> None:
    """
    Count a proof or sign-in that this answer gives to the one who goes on with it.

    Args:
        page: The flow's own page, whose script goes nowhere with it.
    """
    if page is None or _page_before(request) != _bare(page):
        visits = services_of(request).journeys.visits
        visits.handed_over(flow, contact, language_of(request))


def _page_before(request: AnyRequest) -> str | None:
    """The path of the page of this service that *request* comes from, if any."""
    scheme, _, rest = request.headers.get("referer", "").partition("://")
    authority, _, path = rest.partition("/")
    return _bare(path) if is_own(request, f"{scheme}://{authority}") else None


def _bare(path: str) -> str:
    return path.partition("?")[0].strip("/")
