"""The home page, the choice of a language, and what a browser sees where there is no page."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import Cookie

from hsp_otp.entrypoints.http.browser import is_secure, prefers_html
from hsp_otp.entrypoints.http.problems import Problem, answer
from hsp_otp.entrypoints.http.requests import MAX_BODY_BYTES, AnyRequest, services_of
from hsp_otp.entrypoints.pages.page import failure_page, failures, form_of, page, see_other
from hsp_otp.entrypoints.pages.sealed_cookies import jar

PATH: Final = "/"
PATHS: Final = frozenset({PATH, "/customer/login/", "/users/signup/"})
"""The paths of all pages."""

_TOLD_BY_PAGES: Final = frozenset({404, 405, 500, 503})
"""The statuses of problems with a path rather than with what was sent there."""

_LANGUAGE: Final = "language"
_YEAR_SECONDS: Final = 365 * 86_400
_FAILURES: Final = failures(PATH, lambda _: "hsp-otp")


@get(PATH, include_in_schema=False, exception_handlers=_FAILURES, sync_to_thread=False)
def front(request: AnyRequest) -> Response[str]:
    """Show the home page, with links to the flows."""
    settings = services_of(request).settings
    return page(
        request,
        "front.html",
        path=PATH,
        service="hsp-otp",
        login_service=settings.service_name,
        signup_service=settings.signup_service_name,
        docs=settings.shows_docs,
    )


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
    return see_other(request, path if path in PATHS else PATH, cookies=cookies)


def tell(request: AnyRequest, problem: Problem) -> Response[Any]:
    """Answer a browser with a page that leads home, and anybody else as the API does."""
    if problem.status not in _TOLD_BY_PAGES or not prefers_html(request):
        return answer(request, problem)
    settings, asked = services_of(request).settings, request.scope["path"]
    homes = {
        "/customer": ("/customer/login/", settings.service_name),
        "/users": ("/users/signup/", settings.signup_service_name),
    }
    path, service = homes.get(f"/{asked.strip('/').partition('/')[0]}", (PATH, "hsp-otp"))
    return failure_page(request, problem, path, service, "page.to_start")
