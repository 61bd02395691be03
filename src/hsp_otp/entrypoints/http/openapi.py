"""The OpenAPI document, with an example of every answer, and the page that shows it."""

import copy
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec
from litestar import Litestar, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.spec import Components, Example, SecurityScheme, Tag
from litestar.router import Router
from litestar.static_files import (
    create_static_files_router,  # pyright: ignore[reportUnknownVariableType]
)

from hsp_otp.domain.names import ENGLISH
from hsp_otp.entrypoints.http import csrf
from hsp_otp.entrypoints.http.problems import (
    INTERNAL_ERROR,
    MEMBER,
    UNAVAILABLE,
    Problem,
    ProblemBody,
    of_status,
)
from hsp_otp.ports.messages import Sentences

_FILES: Final = Path(__file__).with_name("swagger_ui")
_PROBLEM: Final = "application/problem+json"
FORM: Final = "application/x-www-form-urlencoded"

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_ABOUT_TOKENS: Final = (
    "Every request that sends or verifies a code carries a CSRF token twice: in the cookie "
    f"`{csrf.COOKIE}` (with https, `__Host-{csrf.COOKIE}`), which the browser sends, and in the "
    f"header `{csrf.HEADER}`, which a script sets. `GET /users/api/csrf/` returns the token and "
    "sets the cookie; so does each page of the service. *Try it out*, on the page `/docs`, does "
    "all this by itself."
)

EVERYWHERE: Final = (INTERNAL_ERROR,)
WITH_BODY: Final = (
    *(of_status(status) for status in (400, 413, 415)),
    UNAVAILABLE,  # each of them asks the database
)

REQUEST_ID: Final = "f0aaac12786b19105ce557134d02c2da"

EXAMPLES: Final = "examples"


@attrs.frozen
class Examples:
    """
    What the document shows of a route.

    Attributes:
        request: A body that it takes, if it takes one.
        successes: What it answers with 200.
        needs_body: Whether a request has to have a body.
        form: The schema of a body that is a form.
    """

    request: dict[str, Any] | None
    successes: list[dict[str, Any]]
    needs_body: bool = True
    form: dict[str, Any] | None = None


_WAITS: Final = {429: {"retry_after_seconds": 1800}}
_MEMBERS: Final[dict[str, dict[str, Any]]] = {
    "invalid_otp": {"resend_in": 12, "attempts_remaining": 2},
    "otp_expired": {"resend_in": 0},
    "delivery_failed": {"resend_in": 0},
    "named_limit": {"limit": "user"},
    "too_many_attempts": {"resend_in": 12},
    "sms_failed": {"resend_in": 0},
    "resend_too_soon": {"retry_after_seconds": 12, "live": True},
    "already_verified": {"next_step": 2},
    "work_required": {
        "work": {
            "parameters": {
                "algorithm": "PBKDF2/SHA-256",
                "cost": 2000,
                "data": {"level": 1},
                "expiresAt": 1793001900,
                "keyLength": 32,
                "keyPrefix": "5d41402abc4b2a76b9719d911017c592",
                "keySignature": 4 * "9f86d081884c7d65",
                "nonce": "c3ab8ff13720e8ad9047dd39466b3c89",
                "salt": "74e592c2fa383d4a3960714caef0c4f2",
            },
            "signature": 4 * "2c26b46b68ffc68f",
        },
        "work_seconds": 1,
    },
}


def described(
    *refusals: Problem,
    success: dict[str, Any],
    request: dict[str, Any] | None = None,
    member: str | None = None,
    needs_body: bool = True,
) -> dict[str, Any]:
    """
    The arguments of a route's decorator that describe its answers, each with an example.

    Args:
        refusals: The route's own; those of every route come on top.
        success: What it answers otherwise.
        request: A body that it takes, if it takes one.
        member: The member of its answers that says false in every refusal.
        needs_body: Whether a request has to have a body.
    """
    told: dict[int, dict[str, Problem]] = {}
    for one in (*refusals, *EVERYWHERE, *(() if request is None else WITH_BODY)):
        told.setdefault(one.status, {}).setdefault(one.error, one)
    refused = [_refused(one, member) for one in told.pop(HTTPStatus.OK, {}).values()]
    return {
        "responses": {
            status: ResponseSpec(
                ProblemBody,
                generate_examples=False,
                description=f"{HTTPStatus(status).phrase}: {', '.join(words)}",
                media_type=_PROBLEM,
                examples=[_example(one, member) for one in words.values()],
            )
            for status, words in sorted(told.items())
        },
        "opt": {MEMBER: member, EXAMPLES: Examples(request, [success, *refused], needs_body)},
    }


def document(handlers: Sequence[HTTPRouteHandler], messages: Sentences) -> dict[str, Any]:
    """
    Create the OpenAPI document of *handlers*.

    Args:
        messages: The sentences for the examples.
    """
    # An application of its own, never served: the library's routes for documents bring pages
    # along that answer in their own way.
    told = Litestar(
        route_handlers=handlers,
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="hsp-otp",
            version=version("hsp-otp"),
            description="Proves, with a one-time code, that somebody holds a phone number right "
            "now.",
            use_handler_docstrings=True,
            # All of them, because the page shows those that are listed here first.
            tags=[
                Tag(name=tag, description=_ABOUT_TOKENS if tag == "signup" else None)
                for tag in dict.fromkeys(tag for one in handlers for tag in one.tags or ())
            ],
            components=Components(
                security_schemes={
                    "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
                    "apiKey": SecurityScheme(
                        type="http",
                        scheme="bearer",
                        description="An API key of the service, as `hsp-otp api-keys new` prints "
                        "it.",
                    ),
                    "appKey": SecurityScheme(
                        type="http",
                        scheme="bearer",
                        description="An API key of an app or an account, as `hsp-otp api-keys new "
                        "--app` or `--account` prints it.",
                    ),
                    "appBasic": SecurityScheme(
                        type="http",
                        scheme="basic",
                        description="The id of an account, AC…, and an API key of it or of one of "
                        "its apps.",
                    ),
                    "csrfCookie": SecurityScheme(
                        type="apiKey",
                        name=csrf.COOKIE,
                        security_scheme_in="cookie",
                        description="A token that a page of the service or signupCsrf set. With "
                        "https, its name begins with __Host-.",
                    ),
                    "csrfHeader": SecurityScheme(
                        type="apiKey",
                        name=csrf.HEADER,
                        security_scheme_in="header",
                        description="The same token, read by a script of that page, or from the "
                        "answer of signupCsrf.",
                    ),
                }
            ),
        ),
    ).openapi_schema.to_schema()
    told["paths"] = {
        # As the contract spells them; the routes answer without the slash too.
        f"{path}/" if path.startswith(("/customer", "/token", "/users")) else path: operations
        for path, operations in told["paths"].items()
    }
    examples: dict[Any, Examples] = {
        handler.operation_id: handler.opt[EXAMPLES]
        for handler in handlers
        if EXAMPLES in handler.opt
    }
    for path in told["paths"].values():
        for operation in path.values():
            shown = examples[operation["operationId"]]
            operation["summary"] = operation["description"].splitlines()[0].rstrip(".")
            if shown.form is not None:
                content = {"schema": shown.form, "example": shown.request}
                operation["requestBody"] = {"required": True, "content": {FORM: content}}
            elif "requestBody" in operation:
                content = operation["requestBody"]["content"]["application/json"]
                content["example"] = shown.request
                operation["requestBody"]["required"] = shown.needs_body
            for status, response in operation["responses"].items():
                _finish(shown, int(status), response, messages)
    return told


def docs_routes(handlers: Sequence[HTTPRouteHandler], messages: Sentences) -> list[Any]:
    """
    Create the routes of the document and its page.

    The document is made when somebody first asks for it: it takes longer than all other routes
    together. It is made in a thread, so that other requests go on meanwhile.
    """
    page = (_FILES / "index.html").read_bytes()

    @cache
    def text() -> bytes:
        return msgspec.json.encode(document(handlers, messages))

    @get("/docs/openapi.json", include_in_schema=False, sync_to_thread=True)
    def openapi() -> Response[bytes]:
        return Response(text(), media_type="application/json")

    @get("/docs", include_in_schema=False, sync_to_thread=False)
    def docs() -> Response[bytes]:
        headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
        return Response(page, media_type="text/html", headers=headers)

    files: Router = create_static_files_router(
        path="/docs/static", directories=[_FILES], include_in_schema=False
    )
    return [openapi, docs, files]


def _refused(problem: Problem, member: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {} if member is None else {member: False}
    message = problem.reason or ""
    return told | {"error": problem.error, "message": message, "request_id": REQUEST_ID}


def _example(problem: Problem, member: str | None) -> Example:
    """Return the answer of `problems.answer` to *problem*; the word's sentence is added later."""
    status, word = problem.status, problem.error
    value: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "",
    }
    value |= _refused(problem, member)
    members = _MEMBERS.get(word, {})
    value |= members if "work" in members else _WAITS.get(status, {}) | members
    if status == HTTPStatus.TOO_MANY_REQUESTS and "resend_in" in members:
        value["retry_after_seconds"] = members["resend_in"]  # only a new code helps
    if problem.next is not None:
        value["next"] = {"sms": value["retry_after_seconds"]}
    if problem.verification_status is not None:
        value["verification_status"] = problem.verification_status
    return Example(summary=word, value=value)


def _finish(shown: Examples, status: int, response: dict[str, Any], messages: Sentences) -> None:
    """Put the sentences into the examples, and what a success looks like beside its schema."""
    for content in response.get("content", {}).values():
        if status < HTTPStatus.MULTIPLE_CHOICES:
            values = copy.deepcopy(shown.successes)
            content["examples"] = {str(at): {"value": value} for at, value in enumerate(values)}
        named = {}
        for example in content["examples"].values():
            value = example["value"]
            # What a start would meet is no refusal of the request that asked.
            word = value.get("details", value).get("error") if "message" in value else None
            if word and value["message"][:1] in {"", " "}:  # the word's sentence comes first
                value["message"] = messages.explain(word, ENGLISH) + value["message"]
            if word and "detail" in value:
                value["detail"] = value["message"]
            named[example.get("summary") or word or "success"] = example
        content["examples"] = named
    if status < HTTPStatus.MULTIPLE_CHOICES:
        response["description"] = "Success"
