"""The routes of pass login."""

from typing import Any

from litestar import Request, Response, post
from litestar.params import JSONBody

from hsp_otp.domain.code import Code, MalformedCodeError
from hsp_otp.domain.instant import SECOND, Instant, seconds_until, to_iso
from hsp_otp.domain.names import MalformedPassCodeError, PassCode
from hsp_otp.domain.passes import Pass, UsablePass
from hsp_otp.entrypoints.http.bodies import (
    MAX_BODY_BYTES,
    PassBody,
    VerifyBody,
    given,
    refuse_malformed,
)
from hsp_otp.entrypoints.http.problems import Problem, answer, of_look_up, of_send, of_verify
from hsp_otp.entrypoints.wiring import House
from hsp_otp.flows.pass_login import Caller, CodeSent, SignedIn

AnyRequest = Request[Any, Any, Any]
Answer = Response[dict[str, Any]]


@post(
    "/customer/validate-pass",
    status_code=200,
    before_request=refuse_malformed,
    request_max_body_size=MAX_BODY_BYTES,
)
async def validate_pass(request: AnyRequest, data: JSONBody[PassBody]) -> Answer:
    """Look a pass up, and show where its code would go."""
    text = given(data.pass_code)
    if text is None:
        return answer(request, Problem(400, "pass_code_required"))
    try:
        code = PassCode.parse(text)
    except MalformedPassCodeError:
        return answer(request, Problem(400, "invalid_format"))
    house = _house(request)
    outcome = await house.pass_login.validate(code, _caller(request))
    if not isinstance(outcome, UsablePass):
        uniform = house.settings.uniform_pass_errors
        return answer(request, of_look_up(outcome, uniform=uniform))
    return Response({"valid": True, "phone_masked": outcome.phone.masked})


@post(
    "/customer/send-otp",
    status_code=200,
    before_request=refuse_malformed,
    request_max_body_size=MAX_BODY_BYTES,
)
async def send_otp(request: AnyRequest, data: JSONBody[PassBody]) -> Answer:
    """Send a code to the holder of a pass."""
    text = given(data.pass_code)
    if text is None:
        return answer(request, Problem(400, "pass_code_required"))
    try:
        code = PassCode.parse(text)
    except MalformedPassCodeError:
        return answer(request, Problem(400, "invalid_pass"))
    house = _house(request)
    outcome = await house.pass_login.send(code, _caller(request))
    if not isinstance(outcome, CodeSent):
        return answer(request, of_send(outcome, uniform=house.settings.uniform_pass_errors))
    body = {
        "sent": True,
        "phone_masked": outcome.challenge.phone.masked,
        "expires_in": house.settings.login_code_seconds,
        "challenge_id": outcome.challenge.id,
    }
    if outcome.resend_at is not None:
        body["resend_in"] = seconds_until(outcome.resend_at, house.clock.now())
    return Response(body)


@post(
    "/customer/verify-otp",
    status_code=200,
    before_request=refuse_malformed,
    request_max_body_size=MAX_BODY_BYTES,
)
async def verify_otp(request: AnyRequest, data: JSONBody[VerifyBody]) -> Answer:
    """Check a code, and sign the holder of the pass in."""
    pass_text, code_text = given(data.pass_code), given(data.otp)
    if pass_text is None or code_text is None:
        return answer(request, Problem(400, "missing_fields"))
    house = _house(request)
    try:
        code = PassCode.parse(pass_text)
        guess = Code.parse(code_text, house.settings.code_digits)
    except MalformedPassCodeError:
        return answer(request, Problem(400, "invalid_pass"))
    except MalformedCodeError:
        return answer(request, Problem(400, "malformed_otp"))
    outcome = await house.pass_login.verify(code, guess, given(data.challenge_id), _caller(request))
    if not isinstance(outcome, SignedIn):
        return answer(request, of_verify(outcome))
    return Response(
        {
            "success": True,
            "access_token": outcome.access_token,
            "refresh_token": outcome.refresh_token,
            "token_type": "Bearer",
            "expires_in": outcome.expires_in // SECOND,
            "user": _user(outcome.signed_in),
            "pass": _pass(outcome.signed_in, outcome.at),
        }
    )


def _house(request: AnyRequest) -> House:
    house: House = request.app.state.house
    return house


def _caller(request: AnyRequest) -> Caller:
    state = request.scope["state"]
    return Caller(state["client"], state["request_id"])


def _user(found: Pass) -> dict[str, str | None]:
    """The user, the number in full: its holder has just proved it."""
    user = found.user
    return {
        "id": user.id,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "phone_number": user.phone.e164 if user.phone else None,
    }


def _pass(found: Pass, now: Instant) -> dict[str, Any]:
    expired = found.is_expired(now)
    return {
        "pass_code": found.code.value,
        "status": "expired" if expired else "active",
        "plan_name": found.plan_name,
        "expires_at": None if found.expires_at is None else to_iso(found.expires_at),
        "days_until_expiry": found.days_until_expiry(now),
        "is_expired": expired,
    }
