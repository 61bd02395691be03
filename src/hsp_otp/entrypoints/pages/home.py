"""The home page, the choice of a language, and what a browser sees where there is no page."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import Cookie

from hsp_otp.domain.purposes import Flow
from hsp_otp.entrypoints.http.browser import is_secure, prefers_html
from hsp_otp.entrypoints.http.problems import NOT_FOUND, Problem, answer
from hsp_otp.entrypoints.http.requests import MAX_BODY_BYTES, AnyRequest, services_of
from hsp_otp.entrypoints.pages.page import failure_page, failures, form_of, page, see_other
from hsp_otp.entrypoints.pages.sealed_cookies import jar

PATH: Final = "/"

_PAGES: Final = {Flow.PASS_LOGIN: "/customer/login/", Flow.SIGNUP: "/users/signup/"}
_FLOWS: Final = {"/customer": Flow.PASS_LOGIN, "/users": Flow.SIGNUP}
"""The flows by the first part of their paths."""

_TOLD_BY_PAGES: Final = frozenset({404, 405, 500, 503})
"""The statuses of problems with a path rather than with what was sent there."""

_LANGUAGE: Final = "language"
_YEAR_SECONDS: Final = 365 * 86_400
_FAILURES: Final = failures(PATH, None)


@get(PATH, include_in_schema=False, exception_handlers=_FAILURES, sync_to_thread=False)
def front(request: AnyRequest) -> Response[Any]:
    """
    Show the home page, with links to the flows, in development mode.

    In production it would show each brand's customers the other one. So it leads to the flow that
    this service is there for; if there is no such flow, there is nothing.
    """
    settings = services_of(request).settings
    if settings.in_development:
        return page(
            request,
            "front.html",
            path=PATH,
            flow=None,
            login_service=settings.brand(Flow.PASS_LOGIN).name,
            signup_service=settings.brand(Flow.SIGNUP).name,
            docs=settings.shows_docs,
        )
    if settings.only_flow is not None:
        return see_other(request, _PAGES[settings.only_flow])
    return tell(request, NOT_FOUND)


@post(
    "/language",
    include_in_schema=False,
    exception_handlers=_FAILURES,
    request_max_body_size=MAX_BODY_BYTES,
)
async def choose_language(request: AnyRequest) -> Response[str]:
    """Store the chosen language, and redirect to the page."""
    form = await form_of(request)
    path = form.get("page", "")
    language = form.get("language", "")
    cookies = {}
    if language in services_of(request).messages.languages:
        cookies = jar(
            Cookie(
                _LANGUAGE,
                value=language,
                max_age=_YEAR_SECONDS,
                samesite="lax",
                httponly=True,
                secure=is_secure(request),
            )
        )
    return see_other(request, path if path in _PAGES.values() else PATH, cookies=cookies)


def tell(request: AnyRequest, problem: Problem) -> Response[Any]:
    """Answer a browser with a page that leads home, and anybody else as the API does."""
    if problem.status not in _TOLD_BY_PAGES or not prefers_html(request):
        return answer(request, problem)
    settings, asked = services_of(request).settings, request.scope["path"]
    everywhere = None if settings.in_development else settings.only_flow
    flow = _FLOWS.get(f"/{asked.strip('/').partition('/')[0]}", everywhere)
    path = PATH if flow is None else _PAGES[flow]
    is_there = flow is not None or settings.in_development
    return failure_page(request, problem, path, flow, "page.to_start" if is_there else "")
