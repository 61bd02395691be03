"""Outcomes, their answers, and the examples of them in the document: docs/architecture.md."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, get_args

import pytest

from hsp_otp.adapters.messages import GettextMessages
from hsp_otp.domain.challenge_outcomes import Exhausted, Issued, Locked, NoLiveCode, WrongCode
from hsp_otp.domain.passes import UsablePass
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.quota import OF_GUARD, Limit, Refusal
from hsp_otp.domain.refresh_tokens import InvalidToken, PassLapsed, TokenReused
from hsp_otp.domain.signup import AlreadyVerified
from hsp_otp.entrypoints.app import ROUTES
from hsp_otp.entrypoints.http.openapi import document
from hsp_otp.entrypoints.http.pass_login.problems import of_look_up, of_send, of_verify
from hsp_otp.entrypoints.http.problems import Problem
from hsp_otp.entrypoints.http.sessions.problems import of_exchange, of_token
from hsp_otp.entrypoints.http.signup.problems import of_signup_send, of_signup_verify
from hsp_otp.flows.otp import Undelivered, WorkPosed
from hsp_otp.flows.pass_login import LookUpOutcome, SendOutcome, SignedIn, VerifyOutcome
from hsp_otp.flows.sessions import Redeemed, RefusedCode
from hsp_otp.flows.signup import Proved, SignupCodeSent, SignupSendOutcome, SignupVerifyOutcome
from hsp_otp.ports.proof_of_work import Work
from tests.world import PHONE, START

SUCCESSES: Final = (UsablePass, Issued, SignedIn, SignupCodeSent, Proved, Redeemed)

SAMPLES: Final[dict[type, list[Any]]] = {
    Refusal: [
        *(Refusal(limit, START) for limit in Limit),
        *(Refusal(Limit.COOLDOWN, START, live) for live in (False, True)),
    ],
    Locked: [Locked(START), Locked(None)],
    Undelivered: [Undelivered(START), Undelivered(None), Undelivered(START, for_good=True)],
    WrongCode: [WrongCode(2, START)],
    NoLiveCode: [NoLiveCode(START)],
    Exhausted: [Exhausted(START)],
    WorkPosed: [WorkPosed(Work(parameters={}, signature="", seconds=1))],
    AlreadyVerified: [AlreadyVerified(PhoneNumber(PHONE))],
}
"""Of each refusal with facts, every form that it can have."""

LIMITS: Final = {
    "validatePass": {Limit.LOOKUPS},
    "sendOtp": {
        Limit.CONTACT_SENDS,
        Limit.CLIENT,
        Limit.COOLDOWN,
        Limit.LOOKUPS,
        Limit.REGION,
        Limit.SPEND,
    },
    "verifyOtp": {Limit.CLIENT, Limit.LOOKUPS},
    "signupSendOtp": {Limit.CONTACT_SENDS, Limit.CLIENT, Limit.COOLDOWN, *OF_GUARD},
    "signupVerifyOtp": {Limit.CLIENT},
    "refreshTokens": {Limit.CLIENT},
}
"""The limits that each route can run into."""

READ: Final = {
    "validatePass": {(400, "pass_code_required"), (400, "invalid_format")},
    "sendOtp": {(400, "pass_code_required"), (400, "channel_not_available")},
    "verifyOtp": {(400, "missing_fields"), (400, "malformed_otp")},
    "signupSendOtp": {
        (400, "phone_required"),
        (400, "channel_not_available"),
        (400, "invalid_phone"),
        (400, "region_not_allowed"),
        (403, "csrf_failed"),
    },
    "signupVerifyOtp": {
        (400, "missing_fields"),
        (400, "malformed_otp"),
        (403, "csrf_failed"),
    },
    "refreshTokens": {(400, "missing_fields")},
    "exchangeCode": {
        (400, "missing_fields"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (429, "rate_limited"),
    },
}
"""What the routes say of a request by themselves, before there is any outcome."""

EVERYWHERE: Final = {
    (400, "malformed_request"),
    (413, "body_too_large"),
    (415, "unsupported_media_type"),
    (500, "internal_error"),
    (503, "unavailable"),
}

JOURNEYS: Final[dict[str, tuple[Any, list[Callable[[Any], Problem]]]]] = {
    "validatePass": (
        LookUpOutcome,
        [partial(of_look_up, uniform=uniform) for uniform in (False, True)],
    ),
    "sendOtp": (SendOutcome, [partial(of_send, uniform=uniform) for uniform in (False, True)]),
    "verifyOtp": (VerifyOutcome, [of_verify]),
    "signupSendOtp": (SignupSendOutcome, [of_signup_send]),
    "signupVerifyOtp": (SignupVerifyOutcome, [of_signup_verify]),
    "refreshTokens": (InvalidToken | PassLapsed | TokenReused | Refusal, [of_token]),
    "exchangeCode": (Redeemed | RefusedCode, [of_exchange]),
}


def outcomes(of: Any) -> Iterator[type]:  # noqa: ANN401 - a union, or a class
    """The classes of a union, those of unions within it included."""
    parts = get_args(of)
    if not parts:
        yield of
    for part in parts:
        yield from outcomes(part)


def answers(operation: str) -> set[tuple[int, str]]:
    """Status and word of whatever a journey may come to."""
    union, mappings = JOURNEYS[operation]
    found = set()
    for kind in outcomes(union):
        if kind in SUCCESSES:
            continue
        for sample in SAMPLES.get(kind) or [kind()]:
            if isinstance(sample, Refusal) and sample.limit not in LIMITS[operation]:
                continue
            found |= {(told.status, told.error) for told in (of(sample) for of in mappings)}
    return found


def documented(operation: str) -> set[tuple[int, str]]:
    """Status and word of each example in the document."""
    paths = document(ROUTES, GettextMessages({}))["paths"]
    (found,) = (
        one for path in paths.values() for one in path.values() if one["operationId"] == operation
    )
    return {
        (int(status), example["value"]["error"])
        for status, response in found["responses"].items()
        for content in response.get("content", {}).values()
        for example in content["examples"].values()
        if "error" in example["value"]
    }


@pytest.mark.parametrize("operation", JOURNEYS)
def test_the_document_has_an_example_of_every_answer(operation: str) -> None:
    """Of each outcome, of what a route says by itself, and of nothing else."""
    told = documented(operation)
    assert told == answers(operation) | READ[operation] | EVERYWHERE
