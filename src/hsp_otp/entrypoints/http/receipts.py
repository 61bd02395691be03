"""The routes by which providers report delivery receipts."""

from http import HTTPStatus
from typing import Any

from litestar import Response, post

from hsp_otp.domain.delivery import UnknownMessage
from hsp_otp.entrypoints.http.problems import Problem, answer
from hsp_otp.entrypoints.http.requests import MAX_BODY_BYTES, AnyRequest, body_of, services_of
from hsp_otp.entrypoints.senders import SENDERS, receipts_path

_NOT_FOUND = Problem(HTTPStatus.NOT_FOUND, "not_found")
_FORBIDDEN = Problem(HTTPStatus.FORBIDDEN, "forbidden")


_SENDERS = {receipts_path(name).rstrip("/"): name for name in SENDERS}
"""The name of the sender for each path."""


@post(
    list(_SENDERS),
    status_code=200,
    include_in_schema=False,
    request_max_body_size=MAX_BODY_BYTES,
)
async def delivery_status(request: AnyRequest) -> Response[Any]:
    """Record a provider's report; reports may come repeatedly and in any order."""
    services = services_of(request)
    sender = _SENDERS[request.scope["path"].rstrip("/")]
    receipts = services.receipts.get(sender)
    if receipts is None:
        return answer(request, _NOT_FOUND)
    body = await body_of(request)
    if not receipts.is_signed(body, dict(request.headers)):
        return answer(request, _FORBIDDEN)
    told = receipts.read(body)
    # Ignore an unknown state, but answer with success so that the provider sees no failure.
    if told is not None:
        outcome = await services.take_receipt(sender, *told)
        if isinstance(outcome, UnknownMessage):
            return answer(request, _NOT_FOUND)
    return Response({})
