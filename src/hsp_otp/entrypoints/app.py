"""The HTTP application."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import structlog
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from hsp_otp.entrypoints.http.health import healthz, readyz
from hsp_otp.entrypoints.http.middleware import RequestMiddleware
from hsp_otp.entrypoints.http.openapi import docs_routes
from hsp_otp.entrypoints.http.pass_login.routes import send_otp, validate_pass, verify_otp
from hsp_otp.entrypoints.http.passes.routes import end_pass, get_pass, put_pass
from hsp_otp.entrypoints.http.problems import (
    INTERNAL_ERROR,
    UNAVAILABLE,
    Problem,
    members_of,
    of_status,
)
from hsp_otp.entrypoints.http.receipts import ROUTES as RECEIPTS
from hsp_otp.entrypoints.http.sandbox import ROUTES as SANDBOX
from hsp_otp.entrypoints.http.sessions.routes import (
    exchange_code,
    key_set,
    refresh_tokens,
    revoke_tokens,
    who_am_i,
)
from hsp_otp.entrypoints.http.signup.routes import signup_csrf, signup_send_otp, signup_verify_otp
from hsp_otp.entrypoints.http.verification.routes import ROUTES as VERIFICATIONS
from hsp_otp.entrypoints.pages.app_preview import trial_routes
from hsp_otp.entrypoints.pages.assets import asset
from hsp_otp.entrypoints.pages.branding import brand_asset
from hsp_otp.entrypoints.pages.home import choose_language, front, tell
from hsp_otp.entrypoints.pages.login import login_form, login_page
from hsp_otp.entrypoints.pages.signup import signup_form, signup_page
from hsp_otp.entrypoints.services import Services
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.messages import Sentences

_log = structlog.get_logger()

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]

ROUTES: Final = (
    validate_pass,
    send_otp,
    verify_otp,
    signup_csrf,
    signup_send_otp,
    signup_verify_otp,
    refresh_tokens,
    revoke_tokens,
    exchange_code,
    who_am_i,
    key_set,
    put_pass,
    get_pass,
    end_pass,
    *RECEIPTS,
    healthz,
    readyz,
)

PAGES: Final = (
    front,
    choose_language,
    login_page,
    login_form,
    signup_page,
    signup_form,
    asset,
    brand_asset,
)
"""The pages and files that a browser requests; not part of the API."""


def create_app(
    opening: Callable[[], AbstractAsyncContextManager[Services]],
    docs: Sentences | None = None,
    trial: Path | None = None,
    *,
    ops: bool = False,
    verify: bool = False,
    twilio_verify: bool = False,
    sandbox: bool = False,
) -> RequestMiddleware:
    """
    Create the application, which keeps its services open while it runs.

    Args:
        opening: Opens the services when the server starts, and closes them when it stops.
        docs: The sentences for the API's description; None to leave the description out.
        trial: The folder with the app's screens for a browser; None to leave them out.
        ops: Whether to serve the operators' page.
        verify: Whether to serve the verification API.
        twilio_verify: Whether to serve it to Twilio's clients.
        sandbox: Whether to serve the sandbox of development mode.
    """

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        async with opening() as services:
            app.state.services = services
            yield

    routes = create_routes(
        docs,
        trial,
        ops=ops,
        verify=verify,
        twilio_verify=twilio_verify,
        sandbox=sandbox,
        lifespan=lifespan,
    )
    return RequestMiddleware(routes)


def create_routes(
    docs: Sentences | None = None,
    trial: Path | None = None,
    *,
    ops: bool = False,
    verify: bool = False,
    twilio_verify: bool = False,
    sandbox: bool = False,
    lifespan: Lifespan | None = None,
) -> Litestar:
    """
    Create every route, without the middleware. The services are in the application's state.

    Args:
        docs: As for `create_app`.
        trial: As for `create_app`.
        ops: As for `create_app`.
        verify: As for `create_app`.
        twilio_verify: As for `create_app`.
        sandbox: As for `create_app`.
        lifespan: Keeps the services in the state while the application runs.
    """
    routes = (
        *ROUTES,
        *(VERIFICATIONS if verify else ()),
        *(_twilio_routes() if twilio_verify else ()),
    )
    return Litestar(
        route_handlers=[
            *routes,
            *PAGES,
            *(docs_routes(routes, docs) if docs else ()),
            *(trial_routes(trial) if trial else ()),
            *(_ops_routes() if ops else ()),
            *(SANDBOX if sandbox else ()),
        ],
        state=State({"members": members_of(routes), "tell": _tell_both if twilio_verify else tell}),
        lifespan=[lifespan] if lifespan else [],
        exception_handlers={Exception: _answer_failure},
        openapi_config=None,
        logging_config=None,
    )


def _ops_routes() -> Sequence[Any]:
    # Imported late, so that the page's code is loaded only if the page is served.
    from hsp_otp.entrypoints.dashboard.routes import ROUTES as OPS  # noqa: PLC0415

    return OPS


def _twilio_routes() -> Sequence[Any]:
    # Imported late, as the operators' page is.
    from hsp_otp.entrypoints.http.twilio_verify.routes import ROUTES as TWILIO  # noqa: PLC0415

    return TWILIO


def _tell_both(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    """Answer Twilio's clients as they understand it, and anybody else as the service does."""
    if not f"{request.scope['path']}/".startswith("/v2/"):
        return tell(request, problem)
    from hsp_otp.entrypoints.http.twilio_verify.problems import (  # noqa: PLC0415 - with the routes
        tell as tell_twilio,
    )

    return tell_twilio(request, problem)


def _answer_failure(request: Request[Any, Any, Any], failure: Exception) -> Response[Any]:
    answer_in_kind: Callable[..., Response[Any]] = request.app.state.tell
    match failure:
        case Unavailable():
            _log.warning("unavailable", exc_info=failure)
            return answer_in_kind(request, UNAVAILABLE)
        case HTTPException() if failure.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            response = answer_in_kind(request, of_status(failure.status_code))
            for name, value in (failure.headers or {}).items():
                response.headers[name] = value
            return response
        case _:
            _log.error("bug", exc_info=failure)
            return answer_in_kind(request, INTERNAL_ERROR)
