"""The routes by which the house's backend keeps passes and users."""

from typing import Any, Final, cast

from litestar import Response, delete, get, put
from litestar.params import FromPath, JSONBody

from hsp_otp.domain.api_keys import ApiKey, Scope
from hsp_otp.domain.listed_passes import BadFieldError, read_code, read_listed
from hsp_otp.domain.pass_changes import Change, UserIdTaken
from hsp_otp.domain.passes import PassNotFound
from hsp_otp.entrypoints.http.api_keys import KEY_REFUSALS, key_of
from hsp_otp.entrypoints.http.openapi import described
from hsp_otp.entrypoints.http.passes.bodies import (
    KEPT_PASS,
    PASS,
    ChangeBody,
    KeptPassBody,
    ListedPassBody,
)
from hsp_otp.entrypoints.http.passes.problems import (
    INVALID_MEMBERS,
    INVALID_PASS_CODE,
    of_field,
    of_find,
    of_put,
    of_type,
)
from hsp_otp.entrypoints.http.problems import NOT_FOUND, Problem, answer, answers_of
from hsp_otp.entrypoints.http.requests import (
    MAX_BODY_BYTES,
    AnyRequest,
    JsonRequest,
    WrongTypeError,
    caller_of,
    refuse_malformed,
    services_of,
)

_PATH: Final = "/v1/passes/{pass_code:str}"
_KEY: Final = "api_key"

_REFUSALS: Final = (*KEY_REFUSALS, NOT_FOUND)
"""Of each route. A path with encoded characters is none."""


async def _admit(request: AnyRequest) -> Response[Any] | None:
    """Keep the request's API key; return the answer to a request without one."""
    key = await key_of(request, Scope.PASSES)
    if isinstance(key, Problem):
        return answer(request, key)
    request.scope["state"][_KEY] = key
    return None


async def _admit_json(request: AnyRequest) -> Response[Any] | None:
    """Judge the API key, and only then the form of the body."""
    refused = await _admit(request)
    if refused is not None:
        return refused
    try:
        await refuse_malformed(request)
    except WrongTypeError as error:
        return answer(request, of_type(error.member))
    return None


def _key_of(request: AnyRequest) -> ApiKey:
    return cast("ApiKey", request.scope["state"][_KEY])


@put(
    _PATH,
    operation_id="putPass",
    tags=["passes"],
    security=[{"apiKey": []}],
    before_request=_admit_json,
    request_class=JsonRequest,
    request_max_body_size=MAX_BODY_BYTES,
    **described(
        *_REFUSALS,
        *INVALID_MEMBERS,
        *answers_of(of_put),
        request=PASS,
        success={"pass_code": "HSP-1234-5678", "change": Change.ADDED.value},
    ),
)
async def put_pass(
    request: AnyRequest, pass_code: FromPath[str], data: JSONBody[ListedPassBody]
) -> Response[ChangeBody]:
    """Store a pass and its holder; repeating it changes nothing."""
    services = services_of(request)
    try:
        listed = read_listed(data.fields(pass_code), services.settings.default_region)
    except BadFieldError as error:
        return answer(request, of_field(error))
    outcome = await services.journeys.house_passes.put(listed, _key_of(request), caller_of(request))
    if isinstance(outcome, UserIdTaken):
        return answer(request, of_put(outcome))
    return Response(ChangeBody(listed.code.value, outcome.change.value))


@get(
    _PATH,
    operation_id="getPass",
    tags=["passes"],
    security=[{"apiKey": []}],
    before_request=_admit,
    **described(*_REFUSALS, INVALID_PASS_CODE, *answers_of(of_find), success=KEPT_PASS),
)
async def get_pass(request: AnyRequest, pass_code: FromPath[str]) -> Response[KeptPassBody]:
    """Return a pass and its holder, with the number masked."""
    services = services_of(request)
    try:
        code = read_code(pass_code)
    except BadFieldError as error:
        return answer(request, of_field(error))
    outcome = await services.journeys.house_passes.find(code)
    if isinstance(outcome, PassNotFound):
        return answer(request, of_find(outcome))
    return Response(KeptPassBody.of(outcome, services.clock.now()))


@delete(
    _PATH,
    status_code=200,
    operation_id="endPass",
    tags=["passes"],
    security=[{"apiKey": []}],
    before_request=_admit,
    **described(
        *_REFUSALS,
        INVALID_PASS_CODE,
        success={"pass_code": "HSP-1234-5678", "change": Change.ENDED.value},
    ),
)
async def end_pass(request: AnyRequest, pass_code: FromPath[str]) -> Response[ChangeBody]:
    """End a pass; its holder stays, and is signed out at the next refresh."""
    services = services_of(request)
    try:
        code = read_code(pass_code)
    except BadFieldError as error:
        return answer(request, of_field(error))
    change = await services.journeys.house_passes.end(code, _key_of(request), caller_of(request))
    return Response(ChangeBody(code.value, change.value))
