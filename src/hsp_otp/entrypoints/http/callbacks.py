"""Where providers report what became of messages."""

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from litestar import Response, post
from litestar.exceptions import ClientException, InternalServerException

from hsp_otp.domain.delivery import UnknownMessage
from hsp_otp.entrypoints.http.bodies import MAX_BODY_BYTES, AnyRequest, house_of
from hsp_otp.entrypoints.http.problems import Problem, answer
from hsp_otp.flows.receipts import take_receipt

_NOT_FOUND = Problem(HTTPStatus.NOT_FOUND, "not_found")
_FORBIDDEN = Problem(HTTPStatus.FORBIDDEN, "forbidden")


@post(
    "/callbacks/twilio/status",
    status_code=200,
    include_in_schema=False,
    request_max_body_size=MAX_BODY_BYTES,
)
async def twilio_status(request: AnyRequest) -> Response[Any]:
    """Take a receipt of Twilio's, whatever order and number they come in."""
    house = house_of(request)
    if house.twilio_receipts is None:
        return answer(request, _NOT_FOUND)
    try:
        body = await request.body()
    except InternalServerException:  # it went away or was too slow: no bug of ours
        raise ClientException from None
    form = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    if not house.twilio_receipts.is_signed(form, request.headers.get("x-twilio-signature", "")):
        return answer(request, _FORBIDDEN)
    told = house.twilio_receipts.read(form)
    # A state that nobody has heard of tells nothing; Twilio is not to think that it failed.
    if told is not None:
        outcome = await take_receipt(house.deliveries, "twilio", *told)
        if isinstance(outcome, UnknownMessage):
            return answer(request, _NOT_FOUND)
    return Response({})
