"""The routes by which providers report pressed keys, and learn what their calls say then."""

import re
from http import HTTPStatus
from typing import Any, Final

from litestar import Response, post
from litestar.params import FromPath

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.delivery import DeliveryState, UnknownMessage
from hsp_otp.entrypoints.http.problems import Problem, answer
from hsp_otp.entrypoints.http.requests import MAX_BODY_BYTES, AnyRequest, body_of, services_of
from hsp_otp.entrypoints.senders import SENDERS, calls_path
from hsp_otp.flows.calls import CodeOver, CodeToSay
from hsp_otp.ports.calls import SILENCE

_NOT_FOUND: Final = Problem(HTTPStatus.NOT_FOUND, "not_found")
_FORBIDDEN: Final = Problem(HTTPStatus.FORBIDDEN, "forbidden")

_PATHS: Final = {
    calls_path(name): name
    for name, provider in SENDERS.items()
    if provider.channel is Channel.VOICE and not provider.development_only
}
"""The name of the sender for what each path begins with."""

_SEND_ID: Final = re.compile(r"[A-Za-z0-9_-]{22}")


@post(
    [f"{path}{{send_id:str}}" for path in _PATHS],
    status_code=200,
    include_in_schema=False,
    request_max_body_size=MAX_BODY_BYTES,
)
async def pressed_key(request: AnyRequest, send_id: FromPath[str]) -> Response[Any]:
    """Say the code of a call in which a key was pressed."""
    services = services_of(request)
    path = request.scope["path"].rstrip("/")
    sender = _PATHS[path.removesuffix(send_id)]
    control = services.calls.get(sender)
    if control is None or not _SEND_ID.fullmatch(send_id):
        return answer(request, _NOT_FOUND)
    body = await body_of(request)
    if not control.is_signed(send_id, body, dict(request.headers)):
        return answer(request, _FORBIDDEN)
    call_id = control.pressed(body)
    found = None if call_id is None else await services.journeys.calls.answer(send_id, call_id)
    if isinstance(found, UnknownMessage):
        return answer(request, _NOT_FOUND)
    speech = SILENCE
    if isinstance(found, CodeToSay) and call_id is not None:
        await services.take_receipt(sender, call_id, DeliveryState.DELIVERED)
        speech = services.call_texts.spelled(found.code, found.language)
    elif isinstance(found, CodeOver):
        speech = services.call_texts.over(found.language)
    script = control.script(speech)
    return Response(script.content, media_type=script.media_type)
