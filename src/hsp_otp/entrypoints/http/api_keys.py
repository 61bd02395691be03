"""Authentication of requests by API keys."""

from typing import Final

import attrs

from hsp_otp.domain.api_keys import ApiKey, Scope
from hsp_otp.domain.quota import Limit
from hsp_otp.domain.verification_request import MalformedKeyError, read_key
from hsp_otp.entrypoints.http.problems import UNAVAILABLE, Problem, answers_of, of_key
from hsp_otp.entrypoints.http.requests import AnyRequest, bearer_of, caller_of, services_of
from hsp_otp.flows.app_requests import Backend

KEY_REFUSALS: Final = (*answers_of(of_key, Limit.CLIENT), UNAVAILABLE)
"""What a route answers to requests without a key that opens it."""

_IDEMPOTENCY_KEY: Final = "idempotency-key"


@attrs.frozen
class Credentials:
    """
    What a request presents.

    Attributes:
        key: The text of an API key; None without one that could be a key.
        account_id: The account that it is presented for, if one is named.
    """

    key: str | None = attrs.field(repr=False)
    account_id: str | None = None


async def key_of(
    request: AnyRequest, scope: Scope, credentials: Credentials | None = None
) -> ApiKey | Problem:
    """
    Return the API key of *request*, or the problem of a request that may not use *scope*.

    Comes before anything else of the request is judged: a route that takes a body calls it in its
    `before_request`. A key in the address or in the body is not looked at.

    Args:
        request: The request.
        scope: What its route requires.
        credentials: What it presents, if it is not a bearer.

    Raises:
        Unavailable: A store did not answer.
    """
    journeys = services_of(request).journeys
    shown = credentials or Credentials(bearer_of(request))
    outcome = await journeys.api_keys.authenticate(
        shown.key, scope, caller_of(request), shown.account_id
    )
    return outcome if isinstance(outcome, ApiKey) else of_key(outcome)


async def backend_of(request: AnyRequest, key: ApiKey) -> Backend:
    """
    Return the backend whose key *request* has.

    Raises:
        Unavailable: The database did not answer.
    """
    return Backend(
        api_key_id=key.id,
        apps=await services_of(request).journeys.apps.of_key(key),
        request_id=caller_of(request).request_id,
    )


def idempotency_key_of(request: AnyRequest) -> str | None:
    """
    Return the idempotency key of *request*, if it has one.

    Raises:
        MalformedKeyError: It is malformed, or there are several.
    """
    found = request.headers.getall(_IDEMPOTENCY_KEY, [])
    if not found:
        return None
    if len(found) > 1:
        raise MalformedKeyError("more than one")
    return read_key(found[0].strip(" \t"))
