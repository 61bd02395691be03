"""What requests carry, and what is refused before anybody looks at it."""

import json
from collections.abc import Iterable
from typing import Any, Final, NoReturn, cast

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, HTTPException

MAX_BODY_BYTES: Final = 16 * 1024
_DEEPEST: Final = 64


class PassBody(msgspec.Struct):
    """A pass code, of the form HSP-1234-5678."""

    pass_code: str | None = None


class VerifyBody(msgspec.Struct):
    """A pass code with the code that was sent, and the challenge that it belongs to."""

    pass_code: str | None = None
    otp: str | None = None
    challenge_id: str | None = None


def given(member: str | None) -> str | None:
    """*member* without outer white space; None where nothing is left."""
    return (member or "").strip() or None


async def refuse_malformed(request: Request[Any, Any, Any]) -> None:
    """
    Let only well-formed JSON objects in UTF-8 through to a route.

    Raises:
        HTTPException: 415 where the content type is another.
        ClientException: 400 where the body is anything else.
    """
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != "application/json" or charset not in {"", "utf-8", "utf8"}:
        raise HTTPException(status_code=415)
    body = await request.body()
    try:
        # The decoder of the routes skips over what it does not need; this one reads it all.
        found = json.loads(body.decode(), parse_int=float, parse_constant=_refuse)
        json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError):
        raise ClientException from None
    if not isinstance(found, dict) or _is_deep(found):
        raise ClientException


def _refuse(_: str) -> NoReturn:
    raise ValueError


def _is_deep(found: Any) -> bool:  # noqa: ANN401 - any JSON
    level: list[Any] = [found]
    for _ in range(_DEEPEST):
        level = [child for value in level for child in _children(value)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()
