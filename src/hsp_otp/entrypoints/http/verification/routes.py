"""The routes by which other backends verify contacts."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, assert_never, cast

import attrs
from litestar import Response, get
from litestar.params import FromPath, FromQuery, JSONBody

from hsp_otp.domain.api_keys import Scope
from hsp_otp.domain.apps import App, AppNotFound, app_named
from hsp_otp.domain.verification_request import MalformedKeyError, Unacceptable
from hsp_otp.entrypoints.client_address import read_client
from hsp_otp.entrypoints.http.api_keys import (
    KEY_REFUSALS,
    backend_of,
    idempotency_key_of,
    key_of,
)
from hsp_otp.entrypoints.http.openapi import described
from hsp_otp.entrypoints.http.problems import (
    MISSING_FIELDS,
    NOT_FOUND,
    REPLAYED,
    Problem,
    answer,
)
from hsp_otp.entrypoints.http.requests import (
    AnyRequest,
    JsonRequest,
    body_of,
    given,
    post_json,
    refuse_malformed,
    services_of,
)
from hsp_otp.entrypoints.http.verification.bodies import (
    APPROVED,
    ASK,
    CANCELED,
    FOUND,
    RESENT,
    SENT,
    STANDING,
    START,
    ApprovedBody,
    CancelBody,
    CheckBody,
    EventBody,
    ResendBody,
    SendBody,
    StandingBody,
    StandingRequestBody,
    StartBody,
    VerificationBody,
    given_by,
)
from hsp_otp.entrypoints.http.verification.problems import (
    CANCEL_REFUSALS,
    CHECK_REFUSALS,
    GET_REFUSALS,
    INVALID_CLIENT_IP,
    INVALID_IDEMPOTENCY_KEY,
    RESEND_REFUSALS,
    STANDING_REFUSALS,
    START_REFUSALS,
    of_app,
    of_cancel,
    of_get,
    of_resend,
    of_standing,
    of_start,
    of_verification_check,
)
from hsp_otp.flows.app_requests import Backend
from hsp_otp.flows.verification_outcomes import Canceled, Found, Prospect, Sent, Success

_ROOT: Final = "/v1/verifications"
_ONE: Final = f"{_ROOT}/{{verification_id:str}}"
_STANDING: Final = "/v1/standing"

_NO_MEMBERS: Final = b"{}"

_ADMITTED: Final = "admitted"

_KEY_NEEDED: Final[Any] = [{"appKey": []}]

_REFUSALS: Final = (*KEY_REFUSALS, NOT_FOUND)
"""Of each route with an id in its path. A path with encoded characters is none."""


@attrs.frozen(kw_only=True)
class _Admitted:
    """
    A request that its API key allows.

    Attributes:
        own_app: The id of the app whose key it is; None for the key of an account.
    """

    backend: Backend
    own_app: str | None
    idempotency_key: str | None = attrs.field(repr=False)

    def app(self, name: str | None) -> App | AppNotFound:
        """Return the app of that id or name."""
        return app_named(self.backend.apps, given(name), self.own_app)


def _admits(scope: Scope) -> Callable[[AnyRequest], Awaitable[Response[Any] | None]]:
    """Create what judges the API key and the idempotency key of a request, and then its body."""

    async def admit(request: AnyRequest) -> Response[Any] | None:
        key = await key_of(request, scope)
        if isinstance(key, Problem):
            return answer(request, key)
        try:
            idempotency_key = idempotency_key_of(request)
        except MalformedKeyError:
            return answer(request, INVALID_IDEMPOTENCY_KEY)
        request.scope["state"][_ADMITTED] = _Admitted(
            backend=await backend_of(request, key),
            own_app=key.app_id,
            idempotency_key=idempotency_key,
        )
        if isinstance(request, JsonRequest) and not await _is_empty(request):
            await refuse_malformed(request)
        return None

    return admit


async def _is_empty(request: JsonRequest) -> bool:
    """Whether the request has no body, and need not have one."""
    may_be = isinstance(request, _OptionalJsonRequest) and "content-type" not in request.headers
    return may_be and await body_of(request) == _NO_MEMBERS


def _admitted(request: AnyRequest) -> _Admitted:
    return cast("_Admitted", request.scope["state"][_ADMITTED])


class _OptionalJsonRequest(JsonRequest):
    """A request that may come without a body, which is as good as an empty object."""

    async def body(self) -> bytes:
        """Return the body."""
        return await super().body() or _NO_MEMBERS


@post_json(
    _ROOT,
    operation_id="startVerification",
    tags=["verifications"],
    security=_KEY_NEEDED,
    before_request=_admits(Scope.START),
    **described(*KEY_REFUSALS, *START_REFUSALS, request=START, success=SENT),
)
async def start_verification(
    request: AnyRequest, data: JSONBody[StartBody]
) -> Response[VerificationBody]:
    """Send a code to a contact: the live one again, or a new one."""
    admitted, services = _admitted(request), services_of(request)
    app = admitted.app(data.app)
    if isinstance(app, AppNotFound):
        return answer(request, of_app(app))
    outcome = await services.journeys.verification_sends.start(
        app,
        given_by(data, services.messages.languages),
        admitted.backend,
        admitted.idempotency_key,
    )
    return _sent(outcome) if isinstance(outcome, Sent) else answer(request, of_start(outcome))


@post_json(
    f"{_ONE}/resend",
    operation_id="resendVerification",
    tags=["verifications"],
    security=_KEY_NEEDED,
    request_class=_OptionalJsonRequest,
    before_request=_admits(Scope.START),
    **described(
        *_REFUSALS, *RESEND_REFUSALS, request={"channel": "sms"}, success=RESENT, needs_body=False
    ),
)
async def resend_verification(
    request: AnyRequest, verification_id: FromPath[str], data: JSONBody[ResendBody]
) -> Response[VerificationBody]:
    """Send the same code again, by the same or another channel."""
    admitted, journeys = _admitted(request), services_of(request).journeys
    outcome = await journeys.verification_sends.resend(
        verification_id, given(data.channel), admitted.backend, admitted.idempotency_key
    )
    return _sent(outcome) if isinstance(outcome, Sent) else answer(request, of_resend(outcome))


@post_json(
    f"{_ONE}/check",
    operation_id="checkVerification",
    tags=["verifications"],
    security=_KEY_NEEDED,
    before_request=_admits(Scope.CHECK),
    **described(
        *_REFUSALS, *CHECK_REFUSALS, request={"code": "758239"}, success=APPROVED, member="valid"
    ),
)
async def check_verification(
    request: AnyRequest, verification_id: FromPath[str], data: JSONBody[CheckBody]
) -> Response[ApprovedBody]:
    """Judge a code that somebody typed; a right one is right once."""
    code, address = given(data.code), given(data.client_ip)
    if code is None:
        return answer(request, MISSING_FIELDS)
    client = None if address is None else read_client(address)
    if address is not None and client is None:
        return answer(request, INVALID_CLIENT_IP)
    admitted, journeys = _admitted(request), services_of(request).journeys
    outcome = await journeys.verification.check(
        verification_id,
        code,
        admitted.backend,
        client=client,
        to=given(data.to),
        bound_elsewhere=data.transaction is not None,
        idempotency_key=admitted.idempotency_key,
    )
    if isinstance(outcome, Success):
        return Response(ApprovedBody.of(outcome), headers=_replayed(yes=outcome.replayed))
    return answer(request, of_verification_check(outcome))


@post_json(
    f"{_ONE}/cancel",
    operation_id="cancelVerification",
    tags=["verifications"],
    security=_KEY_NEEDED,
    request_class=_OptionalJsonRequest,
    before_request=_admits(Scope.START),
    **described(*_REFUSALS, *CANCEL_REFUSALS, request={}, success=CANCELED, needs_body=False),
)
async def cancel_verification(
    request: AnyRequest, verification_id: FromPath[str], data: JSONBody[CancelBody]
) -> Response[VerificationBody]:
    """End a verification, so that its code is right no more; repeating it changes nothing."""
    del data
    journeys = services_of(request).journeys
    outcome = await journeys.verification.cancel(verification_id, _admitted(request).backend)
    if isinstance(outcome, Canceled):
        return Response(VerificationBody.of(outcome.view))
    return answer(request, of_cancel(outcome))


@get(
    _ONE,
    operation_id="getVerification",
    tags=["verifications"],
    security=_KEY_NEEDED,
    before_request=_admits(Scope.READ),
    **described(*_REFUSALS, *GET_REFUSALS, success=FOUND),
)
async def get_verification(
    request: AnyRequest, verification_id: FromPath[str]
) -> Response[VerificationBody]:
    """Return what has become of a verification, with its messages; charges nothing."""
    journeys = services_of(request).journeys
    outcome = await journeys.verification.get(verification_id, _admitted(request).backend)
    if not isinstance(outcome, Found):
        return answer(request, of_get(outcome))
    body = VerificationBody.of(
        outcome.view,
        sends=[SendBody.of(one) for one in outcome.sends],
        events=[EventBody.of(one) for one in outcome.events],
    )
    return Response(body)


@get(
    _STANDING,
    operation_id="getStanding",
    tags=["verifications"],
    security=_KEY_NEEDED,
    before_request=_admits(Scope.READ),
    **described(*KEY_REFUSALS, *STANDING_REFUSALS, success=STANDING),
)
async def get_standing(
    request: AnyRequest,
    *,
    to: FromQuery[str | None] = None,
    purpose: FromQuery[str | None] = None,
    subject: FromQuery[str | None] = None,
    client_ip: FromQuery[str | None] = None,
    app: FromQuery[str | None] = None,
) -> Response[StandingBody]:
    """Return what a start would meet; charges nothing. Proxies may log the contact: better post."""
    asked = StandingRequestBody(
        app=app, to=to, purpose=purpose, subject=subject, client_ip=client_ip
    )
    return await _standing(request, asked)


@post_json(
    _STANDING,
    operation_id="postStanding",
    tags=["verifications"],
    security=_KEY_NEEDED,
    before_request=_admits(Scope.READ),
    **described(*KEY_REFUSALS, *STANDING_REFUSALS, request=ASK, success=STANDING),
)
async def post_standing(
    request: AnyRequest, data: JSONBody[StandingRequestBody]
) -> Response[StandingBody]:
    """Return what a start would meet, without the contact in an address; charges nothing."""
    return await _standing(request, data)


async def _standing(request: AnyRequest, data: StandingRequestBody) -> Response[StandingBody]:
    admitted, services = _admitted(request), services_of(request)
    app = admitted.app(data.app)
    if isinstance(app, AppNotFound):
        return answer(request, of_app(app))
    outcome = await services.journeys.verification_sends.standing(
        app, given_by(data, services.messages.languages), admitted.backend
    )
    match outcome:
        case Unacceptable():
            return answer(request, of_standing(outcome))
        case Prospect():
            return Response(StandingBody.of(outcome, services.clock.now()))
        case _:
            assert_never(outcome)


def _sent(outcome: Sent) -> Response[VerificationBody]:
    body = VerificationBody.of(outcome.view, resent=outcome.resent)
    return Response(body, headers=_replayed(yes=outcome.replayed))


def _replayed(*, yes: bool) -> dict[str, str]:
    return {REPLAYED: "true"} if yes else {}


ROUTES: Final[tuple[Any, ...]] = (
    start_verification,
    check_verification,
    resend_verification,
    cancel_verification,
    get_verification,
    get_standing,
    post_standing,
)
"""Of the verification API."""
