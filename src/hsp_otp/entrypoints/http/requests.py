"""Reads request bodies within their limits, and finds the services and the caller."""

from functools import partial
from typing import Any, Final, TypeAlias, TypeVar, cast

import msgspec
from litestar import Request, Response, post
from litestar.exceptions import ClientException, HTTPException, InternalServerException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import Receive, Scope, Send

from hsp_otp.domain.contact import CHANNELS, Channel, ContactKind
from hsp_otp.domain.typed_text import plain
from hsp_otp.entrypoints.http.languages import language_of
from hsp_otp.entrypoints.http.strict_json import MemberTypeError, read_members
from hsp_otp.entrypoints.services import Services
from hsp_otp.flows.caller import Caller

B = TypeVar("B")

AnyRequest: TypeAlias = Request[Any, Any, Any]

MAX_BODY_BYTES: Final = 16 * 1024


DEVICE_COOKIE: Final = "otp_device"
"""Holds the device token in browsers. It needs no prefix: nobody gains by planting one."""

_MOST_VALUES: Final = 20
"""Of one cookie that are looked at: more than a neighbouring host can plant for one path."""

_JSON: Final = "application/json"


def channel_given(request: AnyRequest, text: str | None) -> Channel | None:
    """Return the channel of that name, or that of text messages; None if no number is reached."""
    if given(text) is None:
        return Channel.SMS
    usable = (one for one in CHANNELS[ContactKind.PHONE] if one in services_of(request).senders)
    return next((one for one in usable if one.value == given(text)), None)


def given(member: str | None) -> str | None:
    """Return *member* without outer white space, or None if nothing visible is left."""
    text = (member or "").strip()
    return text if plain(text) else None


async def body_of(request: AnyRequest) -> bytes:
    """
    Return the whole body of *request*.

    Raises:
        ClientException: The client disconnected or was too slow.
    """
    try:
        return await request.body()
    except InternalServerException:
        raise ClientException from None


async def refuse_malformed(request: AnyRequest) -> None:
    """
    Reject a request whose body is not a well-formed JSON object in UTF-8.

    Raises:
        HTTPException: 415 for any other content type.
        ClientException: 400 for any other body.
    """
    # Parsing it takes longer than all the rest.
    if next(iter(lines_of(request, b"content-type")), None) != _JSON:
        media_type, parameters = request.content_type
        charset = parameters.get("charset", "utf-8").lower()
        if media_type != _JSON or charset not in {"utf-8", "utf8"}:
            raise HTTPException(status_code=415)
    await request.json()


class WrongTypeError(ClientException):
    """
    A member of the body has the wrong type.

    Attributes:
        member: Its bare name.
    """

    def __init__(self, member: str) -> None:
        super().__init__()
        self.member = member


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body is parsed once and strictly, into only the members its route takes."""

    _whole: bytes | None = None
    _members: object = None

    async def body(self) -> bytes:
        """
        Return the whole body, in fewer steps than the library, which also decodes all headers.

        Raises:
            RequestEntityTooLarge: 413, as soon as it is announced or read to be too large.
            ClientException: 400 if the client disconnected or was too slow.
        """
        if self._whole is None:
            announced = next(iter(lines_of(self, b"content-length")), "0")
            self._whole = await self._received(int(announced))
        return self._whole

    async def _received(self, announced: int) -> bytes:
        body, is_whole = b"", False
        while max(announced, len(body)) <= MAX_BODY_BYTES:
            if is_whole:
                return body
            event = await self.receive()
            if event["type"] != "http.request":
                raise ClientException
            body += event["body"]
            is_whole = not event.get("more_body", False)
        raise RequestEntityTooLarge

    async def json(self) -> object:
        """
        Return the members that the route takes.

        Raises:
            WrongTypeError: A member has the wrong type; 400 unless the route has its own answer.
            ClientException: 400 if the body is malformed.
        """
        if self._members is None:
            taken = self.route_handler.parsed_data_field
            try:
                self._members = read_members(await body_of(self), cast("Any", taken).annotation)
            except MemberTypeError as error:
                raise WrongTypeError(error.member) from None
            except ValueError:
                raise ClientException from None
        return self._members


post_json = partial(
    post,
    status_code=200,
    request_class=JsonRequest,
    before_request=refuse_malformed,
    request_max_body_size=MAX_BODY_BYTES,
)
"""The decorator of a route that takes a JSON object."""


def lines_of(request: AnyRequest, name: bytes) -> list[str]:
    """
    Return the values of a header, without decoding all the others.

    Args:
        name: In lower case.
    """
    headers = request.scope["headers"]
    return [value.decode("latin-1") for key, value in headers if key == name]


class JsonAnswer(Response[B]):
    """
    A JSON body with status 200 and no headers of its own.

    The library would send it through several layers for headers, cookies and other kinds of
    content, and takes four times as long.
    """

    def __init__(self, content: B) -> None:
        self.content = content

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - as the library calls it
        """Return the application that sends it."""
        return self._send

    async def _send(self, _: Scope, __: Receive, send: Send) -> None:
        body = msgspec.json.encode(self.content)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def services_of(request: AnyRequest) -> Services:
    """Return the services that answer *request*."""
    services: Services = request.app.state.services
    return services


def bearer_of(request: AnyRequest) -> str | None:
    """Return the token or key that *request* presents as a bearer; None if it presents none."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def caller_of(
    request: AnyRequest, device_token: str | None = None, work: str | None = None
) -> Caller:
    """
    Return the caller of *request*.

    Args:
        device_token: The one in its body; one in a cookie counts as well.
        work: What solves the work that was asked for.
    """
    state = request.scope["state"]
    tokens = () if device_token is None else (device_token,)
    return Caller(
        state["client"],
        state["request_id"],
        language_of(request),
        devices=(*tokens, *values_of(request, DEVICE_COOKIE)),
        work=work,
    )


def values_of(request: AnyRequest, name: str) -> list[str]:
    """Every value of the cookie that is called *name*, up to some number."""
    pairs = (
        pair.strip(" \t").partition("=")
        for line in lines_of(request, b"cookie")
        for pair in line.split(";")
    )
    values = [value.strip('" \t') for key, _, value in pairs if key.rstrip(" \t") == name]
    return values[:_MOST_VALUES]
