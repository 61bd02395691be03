"""Authentication of requests by API keys."""

from typing import Final

from hsp_otp.domain.api_keys import ApiKey, Scope
from hsp_otp.domain.quota import Limit
from hsp_otp.entrypoints.http.problems import UNAVAILABLE, Problem, answers_of, of_key
from hsp_otp.entrypoints.http.requests import AnyRequest, bearer_of, caller_of, services_of

KEY_REFUSALS: Final = (*answers_of(of_key, Limit.CLIENT), UNAVAILABLE)
"""What a route answers to requests without a key that opens it."""


async def key_of(request: AnyRequest, scope: Scope) -> ApiKey | Problem:
    """
    Return the API key of *request*, or the problem of a request that may not use *scope*.

    Comes before anything else of the request is judged: a route that takes a body calls it in its
    `before_request`. A key in the address or in the body is not looked at.

    Raises:
        Unavailable: A store did not answer.
    """
    journeys = services_of(request).journeys
    outcome = await journeys.api_keys.authenticate(bearer_of(request), scope, caller_of(request))
    return outcome if isinstance(outcome, ApiKey) else of_key(outcome)
