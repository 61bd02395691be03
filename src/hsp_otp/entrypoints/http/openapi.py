"""The OpenAPI document, with an example of every answer, and the page that shows it."""

import copy
from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Litestar, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.spec import Components, Example, SecurityScheme
from litestar.router import Router
from litestar.static_files import (
    create_static_files_router,  # pyright: ignore[reportUnknownVariableType]
)

from hsp_otp.domain.names import ENGLISH
from hsp_otp.entrypoints.http import csrf
from hsp_otp.entrypoints.http.problems import ProblemBody
from hsp_otp.ports.messages import Sentences

_FILES: Final = Path(__file__).with_name("swagger_ui")
_PROBLEM: Final = "application/problem+json"

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_EVERYWHERE: Final = {500: ["internal_error"]}
_WITH_BODY: Final = {
    400: ["malformed_request"],
    413: ["body_too_large"],
    415: ["unsupported_media_type"],
    503: ["unavailable"],  # every route queries the database
}

_REQUEST_ID: Final = "f0aaac12786b19105ce557134d02c2da"
_TOKENS: Final[dict[str, Any]] = {
    "access_token": "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiYXQrand0In0.e30.c2lnbmF0dXJl",
    "refresh_token": "k1.aI7HpmwPr-rSBiYSYhURXQ.4Cn6WgL-0JRSspBhpfzEFA.X9QnOH0FXgQCCGoxAl_sfA",
    "token_type": "Bearer",
    "expires_in": 900,
}
_USER_AND_PASS: Final = {
    "user": {
        "id": "83NCwFdVFuCnoKygm8IHbw",
        "email": "asha@example.com",
        "first_name": "Asha",
        "last_name": "Rao",
        "phone_number": "+919876543210",
    },
    "pass": {
        "pass_code": "HSP-1234-5678",
        "status": "active",
        "plan_name": "Gold",
        "expires_at": "2099-12-31T00:00:00Z",
        "days_until_expiry": 26702,
        "is_expired": False,
    },
}
_REQUESTS: Final[dict[str, dict[str, str]]] = {
    "validatePass": {"pass_code": "HSP-1234-5678"},
    "sendOtp": {"pass_code": "HSP-1234-5678"},
    "verifyOtp": {
        "pass_code": "HSP-1234-5678",
        "otp": "758239",
        "challenge_id": "aI7HpmwPr-rSBiYSYhURXQ",
    },
    "signupSendOtp": {"phone": "+91 98765 43210"},
    "signupVerifyOtp": {"session_id": "K8mYJ0V3qk6p7cQn2sTtWw", "otp_code": "048213"},
    "refreshTokens": {"refresh_token": _TOKENS["refresh_token"]},
    "revokeTokens": {"refresh_token": _TOKENS["refresh_token"]},
}
SUCCESSES: Final[dict[str, list[dict[str, Any]]]] = {
    "validatePass": [
        {"valid": True, "phone_masked": "***-***-3210"},
        {"valid": False, "error": "pass_not_found", "message": "", "request_id": _REQUEST_ID},
        {"valid": False, "error": "pass_not_paid", "message": "", "request_id": _REQUEST_ID},
    ],
    "sendOtp": [
        {
            "sent": True,
            "phone_masked": "***-***-3210",
            "expires_in": 600,
            "resend_in": 30,
            "challenge_id": "aI7HpmwPr-rSBiYSYhURXQ",
        }
    ],
    "verifyOtp": [{"success": True, **_TOKENS, **_USER_AND_PASS}],
    "signupSendOtp": [
        {
            "success": True,
            "message": "We have sent a code to your phone.",
            "session_id": "K8mYJ0V3qk6p7cQn2sTtWw",
            "phone_masked": "***-***-3210",
            "expires_in": 300,
            "resend_in": 30,
        }
    ],
    "signupVerifyOtp": [
        {
            "success": True,
            "message": "Your phone number is confirmed.",
            "next_step": 2,
            "proof": "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIiwidHlwIjoicHJvb2Yrand0In0.e30.c2lnbmF0dXJl",
        }
    ],
    "refreshTokens": [_TOKENS],
    "revokeTokens": [{"success": True}],
    "me": [_USER_AND_PASS],
    "keySet": [
        {
            "keys": [
                {
                    "kty": "EC",
                    "crv": "P-256",
                    "x": "6WKBBpCevds1vkfQSj7cyZspjBSGS5ubLR6aEuJgZZQ",
                    "y": "S9yn7q2euREf8ThFepP9VznjCVHnAGyDwAtVqijb_EY",
                    "kid": "k1",
                    "use": "sig",
                    "alg": "ES256",
                }
            ]
        }
    ],
    "healthz": [{"status": "ok"}],
    "readyz": [
        {
            "status": "ready",
            "checks": {"database": "ok", "redis": "not configured", "senders": "ok"},
        }
    ],
}
"""The successful answer of each operation."""

_WAITS: Final = {429: {"retry_after_seconds": 1800}}
_MEMBERS: Final[dict[str, dict[str, int]]] = {
    "invalid_otp": {"resend_in": 12, "attempts_remaining": 2},
    "otp_expired": {"resend_in": 0},
    "too_many_attempts": {"resend_in": 12},
    "sms_failed": {"resend_in": 30},
    "resend_too_soon": {"retry_after_seconds": 12},
    "already_verified": {"next_step": 2},
}


def refusals(
    answers: dict[int, list[str]], *, member: str | None = None, has_body: bool = True
) -> dict[int, ResponseSpec]:
    """
    Describe the error answers of a route: for each status its error words, each with an example.

    Args:
        answers: The route's own error words by status; the common ones are added.
        member: The flow's member that is false in an error answer.
        has_body: Whether requests to the route carry JSON.
    """
    told: dict[int, list[str]] = {}
    for some in (answers, _EVERYWHERE, _WITH_BODY if has_body else {}):
        for status, words in some.items():
            told.setdefault(status, []).extend(words)
    return {
        status: ResponseSpec(
            ProblemBody,
            generate_examples=False,
            description=f"{HTTPStatus(status).phrase}: {', '.join(words)}",
            media_type=_PROBLEM,
            examples=[_example(status, word, member) for word in words],
        )
        for status, words in sorted(told.items())
    }


def document(handlers: Sequence[HTTPRouteHandler], messages: Sentences) -> dict[str, Any]:
    """
    Create the OpenAPI document of *handlers*.

    Args:
        messages: The sentences for the examples.
    """
    # A separate application that is never served, because the library's routes for documents
    # include pages with answers of their own kind.
    described = Litestar(
        route_handlers=handlers,
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="hsp-otp",
            version=version("hsp-otp"),
            description="Proves, with a one-time code, that somebody holds a phone number right "
            "now.",
            use_handler_docstrings=True,
            components=Components(
                security_schemes={
                    "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
                    "csrfCookie": SecurityScheme(
                        type="apiKey",
                        name=csrf.COOKIE,
                        security_scheme_in="cookie",
                        description="A token that a page of the service set. With https, its name "
                        "begins with __Host-.",
                    ),
                    "csrfHeader": SecurityScheme(
                        type="apiKey",
                        name=csrf.HEADER,
                        security_scheme_in="header",
                        description="The same token, read by a script of that page.",
                    ),
                }
            ),
        ),
    ).openapi_schema.to_schema()
    described["paths"] = {
        # Spelled as in the contract; the routes also answer without the slash.
        f"{path}/" if path.startswith(("/customer", "/token", "/users")) else path: operations
        for path, operations in described["paths"].items()
    }
    for path in described["paths"].values():
        for operation in path.values():
            operation["summary"] = operation["description"].splitlines()[0].rstrip(".")
            if "requestBody" in operation:
                content = operation["requestBody"]["content"]["application/json"]
                content["example"] = _REQUESTS[operation["operationId"]]
            for status, response in operation["responses"].items():
                _finish(operation, int(status), response, messages)
    return described


def docs_routes(handlers: Sequence[HTTPRouteHandler], messages: Sentences) -> list[Any]:
    """Create the routes of the document and its page; both are rendered once."""
    text = msgspec.json.encode(document(handlers, messages))
    page = (_FILES / "index.html").read_bytes()

    @get("/docs/openapi.json", include_in_schema=False, sync_to_thread=False)
    def openapi() -> Response[bytes]:
        return Response(text, media_type="application/json")

    @get("/docs", include_in_schema=False, sync_to_thread=False)
    def docs() -> Response[bytes]:
        headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
        return Response(page, media_type="text/html", headers=headers)

    files: Router = create_static_files_router(
        path="/docs/static", directories=[_FILES], include_in_schema=False
    )
    return [openapi, docs, files]


def _example(status: int, word: str, member: str | None) -> Example:
    """Return the answer of `problems.answer` to *word*; its sentences are added later."""
    value: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "",
    }
    if member:
        value[member] = False
    value |= {"error": word, "message": "", "request_id": _REQUEST_ID}
    members = _MEMBERS.get(word, {})
    value |= _WAITS.get(status, {}) | members
    if status == HTTPStatus.TOO_MANY_REQUESTS and "resend_in" in members:
        value["retry_after_seconds"] = members["resend_in"]  # only a new code helps
    return Example(summary=word, value=value)


def _finish(
    operation: dict[str, Any], status: int, response: dict[str, Any], messages: Sentences
) -> None:
    """Add the sentences to the examples, and an example of success to its schema."""
    for content in response.get("content", {}).values():
        if status == HTTPStatus.OK:
            values = copy.deepcopy(SUCCESSES[operation["operationId"]])
            content["examples"] = {str(at): {"value": value} for at, value in enumerate(values)}
        named = {}
        for example in content["examples"].values():
            value = example["value"]
            word = value.get("error")
            if word:
                value["message"] = messages.explain(word, ENGLISH)
                if "detail" in value:
                    value["detail"] = value["message"]
            named[example.get("summary") or word or "success"] = example
        content["examples"] = named
    if status == HTTPStatus.OK:
        response["description"] = "Success"
