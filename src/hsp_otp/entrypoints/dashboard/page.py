"""Renders the dashboard's pages."""

from typing import Any, Final

from litestar import Response
from litestar.datastructures import Cookie

from hsp_otp.domain.operator_sessions import OperatorSession
from hsp_otp.entrypoints.dashboard.session_cookie import token_of
from hsp_otp.entrypoints.http.csrf import cookie_of as csrf_cookie
from hsp_otp.entrypoints.http.csrf import token_for
from hsp_otp.entrypoints.http.requests import AnyRequest, services_of
from hsp_otp.entrypoints.pages.assets import Shelf, read_static, url_of
from hsp_otp.entrypoints.pages.page import HEADERS, templates_of
from hsp_otp.entrypoints.pages.sealed_cookies import jar, lines

SHELF: Final = Shelf(
    "/ops/static/", read_static("hsp_otp.entrypoints.dashboard", ("ops.css", "ops.js"))
)

_templates: Final = templates_of("hsp_otp.entrypoints.dashboard")


def ops_page(
    request: AnyRequest,
    template: str,
    *cookies: Cookie,
    status: int = 200,
    headers: dict[str, str] | None = None,
    session: OperatorSession | None = None,
    **facts: Any,  # noqa: ANN401 - whatever the template shows
) -> Response[str]:
    """
    Render a page in English, with a CSRF token.

    Args:
        session: The operator's session; None for the sign-in page.
    """
    settings = services_of(request).settings
    token = token_for(request) if session is None else token_of(request, session)
    visitors = (csrf_cookie(request, token),) if session is None else ()
    text = _templates.get_template(template).render(
        csrf=token,
        static=SHELF.url_of,
        shared=url_of,
        operator=session.operator if session else None,
        has_names=settings.ops_users is not None,
        has_shared_password=bool(settings.ops_password),
        **facts,
    )
    return Response(
        text,
        status_code=status,
        media_type="text/html",
        headers=HEADERS | {"Content-Language": "en"} | (headers or {}),
        cookies=lines(jar(*visitors, *cookies)),
    )
