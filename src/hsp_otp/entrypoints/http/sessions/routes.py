"""The routes for signed-in users, and the key set with which other backends check tokens."""

from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.params import JSONBody

from hsp_otp.domain.api_keys import Scope
from hsp_otp.domain.quota import Limit
from hsp_otp.domain.refresh_tokens import InvalidToken
from hsp_otp.entrypoints.http.api_keys import KEY_REFUSALS, key_of
from hsp_otp.entrypoints.http.openapi import described
from hsp_otp.entrypoints.http.problems import (
    MISSING_FIELDS,
    UNAVAILABLE,
    Problem,
    answer,
    answers_of,
    of_refusal,
)
from hsp_otp.entrypoints.http.requests import (
    AnyRequest,
    JsonAnswer,
    bearer_of,
    caller_of,
    given,
    post_json,
    refuse_malformed,
    services_of,
)
from hsp_otp.entrypoints.http.sessions.bodies import (
    EXCHANGE_CODE,
    KEY_SET,
    TOKENS,
    USER_AND_PASS,
    ExchangeRequest,
    KeySetBody,
    MeBody,
    RedeemedBody,
    RefreshRequest,
    RevokedBody,
    TokenRequest,
    TokensBody,
)
from hsp_otp.entrypoints.http.sessions.problems import of_exchange, of_token
from hsp_otp.flows.sessions import Grant, Redeemed

_KEY_SET_SECONDS = 300

_API_KEY: Final = "api_key_id"

_REQUEST: Final = {"refresh_token": TOKENS["refresh_token"]}


@post_json(
    "/token/refresh",
    operation_id="refreshTokens",
    tags=["tokens"],
    **described(
        MISSING_FIELDS,
        *answers_of(of_token, Limit.CLIENT),
        request=_REQUEST,
        success=TOKENS,
    ),
)
async def refresh_tokens(
    request: AnyRequest, data: JSONBody[RefreshRequest]
) -> Response[TokensBody]:
    """
    Exchange a refresh token for a new pair of tokens; the old token becomes invalid.

    The token may come as `refresh`, the name that clients of djangorestframework-simplejwt give
    it. Then the answer names the new tokens `access` and `refresh` as well.
    """
    own = given(data.refresh_token)
    token = own or given(data.refresh)
    if token is None:
        return answer(request, MISSING_FIELDS)
    outcome = await services_of(request).journeys.sessions.refresh(token, caller_of(request))
    if not isinstance(outcome, Grant):
        return answer(request, of_token(outcome))
    body = TokensBody.of(outcome)
    if own is None:
        body.access, body.refresh = body.access_token, body.refresh_token
    return JsonAnswer(body)


@post_json(
    "/token/revoke",
    operation_id="revokeTokens",
    tags=["tokens"],
    **described(
        MISSING_FIELDS,
        *answers_of(of_refusal, Limit.CLIENT),
        request=_REQUEST,
        success={"success": True},
    ),
)
async def revoke_tokens(request: AnyRequest, data: JSONBody[TokenRequest]) -> Response[RevokedBody]:
    """Sign out. The answer reveals nothing about the token (RFC 7009)."""
    if data.refresh_token is None:
        return answer(request, MISSING_FIELDS)
    sessions = services_of(request).journeys.sessions
    refusal = await sessions.revoke(data.refresh_token.strip(), caller_of(request))
    if refusal is not None:
        return answer(request, of_token(refusal))
    return JsonAnswer(RevokedBody())


async def _authenticate(request: AnyRequest) -> Response[Any] | None:
    """Judge the API key before the body, and remember its id for the route."""
    key = await key_of(request, Scope.EXCHANGE)
    if isinstance(key, Problem):
        return answer(request, key)
    request.state[_API_KEY] = key.id
    await refuse_malformed(request)
    return None


@post_json(
    "/token/exchange",
    operation_id="exchangeCode",
    tags=["tokens"],
    security=[{"apiKey": []}],
    before_request=_authenticate,
    **described(
        MISSING_FIELDS,
        *answers_of(of_exchange),
        *KEY_REFUSALS,
        request={"code": EXCHANGE_CODE},
        success={"success": True, **TOKENS, **USER_AND_PASS},
        member="success",
    ),
)
async def exchange_code(
    request: AnyRequest, data: JSONBody[ExchangeRequest]
) -> Response[RedeemedBody]:
    """Give the tokens of a sign-in for the code that the page of pass login has posted, once."""
    code = given(data.code)
    if code is None:
        return answer(request, MISSING_FIELDS)
    services = services_of(request)
    outcome = await services.journeys.sessions.exchange(
        code, services.settings.login_return_url, caller_of(request), request.state[_API_KEY]
    )
    if not isinstance(outcome, Redeemed):
        return answer(request, of_exchange(outcome))
    return JsonAnswer(RedeemedBody.of(outcome))


@get(
    "/customer/me",
    operation_id="me",
    tags=["tokens"],
    security=[{"bearer": []}],
    **described(of_token(InvalidToken()), UNAVAILABLE, success=USER_AND_PASS),
)
async def who_am_i(request: AnyRequest) -> Response[MeBody]:
    """Return the user and the pass of a bearer access token."""
    token = bearer_of(request)
    if token is None:
        return answer(request, of_token(InvalidToken()))
    outcome = await services_of(request).journeys.sessions.me(token)
    if isinstance(outcome, InvalidToken):
        return answer(request, of_token(outcome))
    return JsonAnswer(MeBody.of(outcome.signed_in, outcome.at))


@get(
    "/.well-known/jwks.json",
    operation_id="keySet",
    tags=["tokens"],
    **described(success=KEY_SET),
)
async def key_set(request: AnyRequest) -> Response[KeySetBody]:
    """Return the public keys of access tokens (RFC 7517); the first one signs."""
    return Response(
        msgspec.convert(services_of(request).key_set, KeySetBody),
        headers={"Cache-Control": f"public, max-age={_KEY_SET_SECONDS}"},
    )
