"""The routes by which providers report delivery receipts."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from litestar import Response, get, post

from hsp_otp.domain.delivery import UnknownMessage
from hsp_otp.entrypoints.http.problems import Problem, answer
from hsp_otp.entrypoints.http.requests import AnyRequest, body_of, services_of
from hsp_otp.entrypoints.senders import SENDERS, receipts_path

_NOT_FOUND = Problem(HTTPStatus.NOT_FOUND, "not_found")
_FORBIDDEN = Problem(HTTPStatus.FORBIDDEN, "forbidden")


_SENDERS = {receipts_path(name).rstrip("/"): name for name in SENDERS}
"""The name of the sender for each path."""


async def delivery_status(request: AnyRequest) -> Response[Any]:
    """Record a provider's report; reports may come repeatedly and in any order."""
    services = services_of(request)
    sender = _sender_of(request)
    receipts = services.receipts.get(sender)
    if receipts is None:
        return answer(request, _NOT_FOUND)
    body = await body_of(request)
    if not receipts.is_signed(body, dict(request.headers)):
        return answer(request, _FORBIDDEN)
    # Ignore an unknown state, but answer with success so that the provider sees no failure.
    outcomes = [await services.take_receipt(sender, *one) for one in receipts.read(body)]
    if outcomes and all(isinstance(one, UnknownMessage) for one in outcomes):
        return answer(request, _NOT_FOUND)
    return Response({})


_HANDSHAKES = {
    receipts_path(name).rstrip("/"): provider.handshake
    for name, provider in SENDERS.items()
    if provider.handshake
}
"""The answers of those providers that confirm their path, by path."""


@get(list(_HANDSHAKES), include_in_schema=False)
async def delivery_address(request: AnyRequest) -> Response[Any]:
    """Confirm to a provider that the address for its reports is this service's."""
    services = services_of(request)
    sender = _sender_of(request)
    if sender not in services.receipts:
        return answer(request, _NOT_FOUND)
    account = services.settings.accounts[sender]
    told = _HANDSHAKES[request.scope["path"].rstrip("/")](account, request.query_params)
    if told is None:
        return answer(request, _FORBIDDEN)
    return Response(told, media_type="text/plain")


def _sender_of(request: AnyRequest) -> str:
    return _SENDERS[request.scope["path"].rstrip("/")]


def _paths_by_size() -> Mapping[int, list[str]]:
    """The paths of the senders, by the size up to which their reports are read."""
    found: dict[int, list[str]] = {}
    for path, name in _SENDERS.items():
        found.setdefault(SENDERS[name].most_report_bytes, []).append(path)
    return found


ROUTES: Final = (
    *(
        post(paths, status_code=200, include_in_schema=False, request_max_body_size=size)(
            delivery_status
        )
        for size, paths in _paths_by_size().items()
    ),
    delivery_address,
)
