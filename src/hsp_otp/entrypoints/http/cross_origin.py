"""
Requests of pages on other origins (CORS), for the origins that the settings name.

The headers are those of the Fetch standard, 3.2. They let a page read answers; what a request may
do does not depend on them.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from litestar.types import Send

from hsp_otp.entrypoints.settings.model import Settings

ORIGIN: Final = b"origin"
REQUESTED_METHOD: Final = b"access-control-request-method"

_OPENED: Final = ("/customer/", "/token/", "/users/api/")
_PAGE: Final = "/customer/login"

_METHODS: Final = "GET, HEAD, POST"
_REQUEST_HEADERS: Final = (
    "accept-language, authorization, content-type, traceparent, x-csrftoken, x-request-id"
)
_ANSWER_HEADERS: Final = "retry-after, www-authenticate, x-request-id"
_PREFLIGHT_SECONDS: Final = 600
"""How long a browser may remember the answer to a preflight; some remember it for less."""

Headers = list[tuple[bytes, bytes]]


def named_origin(origins: Sequence[str], settings: Settings) -> str | None:
    """
    Return the origin of a request if the settings name it.

    Args:
        origins: The values of its Origin headers.
    """
    if len(origins) == 1 and origins[0] in settings.cors_origins:
        return origins[0]
    return None


def cross_origin_headers(path: str, origins: Sequence[str], settings: Settings) -> Headers:
    """
    Return the headers that let the page of a named origin read an answer, errors included.

    Args:
        path: The path of the request, whether or not there is such a route.
        origins: The values of its Origin headers.
    """
    if not settings.cors_origins or not _is_opened(path):
        return []
    # For all origins, because a cache must not give one the answer to another.
    headers: Headers = [(b"vary", b"Origin")]
    origin = named_origin(origins, settings)
    if origin is not None:
        headers.append((b"access-control-allow-origin", origin.encode()))
        headers.append((b"access-control-allow-credentials", b"true"))
        headers.append((b"access-control-expose-headers", _ANSWER_HEADERS.encode()))
    return headers


def is_preflight(
    method: str, path: str, lines: Mapping[bytes, Sequence[str]], settings: Settings
) -> bool:
    """
    Return whether a browser asks if the page of a named origin may make a request.

    Args:
        lines: The values of the request's headers.
    """
    return (
        method == "OPTIONS"
        and bool(lines[REQUESTED_METHOD])
        and _is_opened(path)
        and named_origin(lines[ORIGIN], settings) is not None
    )


async def answer_preflight(send: Send) -> None:
    """Answer a preflight; `cross_origin_headers` are added as to every answer."""
    headers = [
        (b"access-control-allow-methods", _METHODS.encode()),
        (b"access-control-allow-headers", _REQUEST_HEADERS.encode()),
        (b"access-control-max-age", str(_PREFLIGHT_SECONDS).encode()),
    ]
    await send(
        {"type": "http.response.start", "status": HTTPStatus.NO_CONTENT.value, "headers": headers}
    )
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _is_opened(path: str) -> bool:
    return f"{path}/".startswith(_OPENED) and path != _PAGE
