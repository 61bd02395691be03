"""The home page, and the choice of a language."""

from typing import Final

from litestar import Response, get, post
from litestar.datastructures import Cookie

from hsp_otp.entrypoints.http.browser import is_secure
from hsp_otp.entrypoints.http.requests import MAX_BODY_BYTES, AnyRequest, services_of
from hsp_otp.entrypoints.pages.page import failures, form_of, page, see_other
from hsp_otp.entrypoints.pages.sealed_cookies import jar

PATH: Final = "/"
PATHS: Final = frozenset({PATH, "/customer/login/", "/users/signup/"})
"""The paths of all pages."""

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
