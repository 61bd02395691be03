"""The routes of pass login."""

from litestar import Response
from litestar.params import JSONBody

from hsp_otp.domain.challenge import Issued
from hsp_otp.domain.code import Code, MalformedCodeError
from hsp_otp.domain.instant import SECOND, seconds_until
from hsp_otp.domain.names import MalformedPassCodeError, PassCode
from hsp_otp.domain.passes import UsablePass
from hsp_otp.entrypoints.http.openapi import refusals
from hsp_otp.entrypoints.http.pass_login.bodies import (
    FoundBody,
    PassRequest,
    RefusedBody,
    SentBody,
    SignedInBody,
    VerifyRequest,
)
from hsp_otp.entrypoints.http.pass_login.problems import of_look_up, of_send, of_verify
from hsp_otp.entrypoints.http.problems import FLOW_MEMBERS, Problem, answer
from hsp_otp.entrypoints.http.requests import AnyRequest, caller_of, given, post_json, services_of
from hsp_otp.flows.pass_login import SignedIn


@post_json(
    "/customer/validate-pass",
    operation_id="validatePass",
    tags=["pass login"],
    responses=refusals(
        {
            400: ["pass_code_required", "invalid_format", "no_phone"],
            429: ["lookup_rate_limited"],
        },
        member=FLOW_MEMBERS["/customer/validate-pass"],
    ),
)
async def validate_pass(
    request: AnyRequest, data: JSONBody[PassRequest]
) -> Response[FoundBody | RefusedBody]:
    """Look up a pass, and show the masked number to which a code would be sent."""
    text = given(data.pass_code)
    if text is None:
        return answer(request, Problem(400, "pass_code_required"))
    try:
        code = PassCode.parse(text)
    except MalformedPassCodeError:
        return answer(request, Problem(400, "invalid_format"))
    services = services_of(request)
    outcome = await services.pass_login.validate(code, caller_of(request))
    if not isinstance(outcome, UsablePass):
        uniform = services.settings.uniform_pass_errors
        return answer(request, of_look_up(outcome, uniform=uniform))
    return Response(FoundBody(phone_masked=outcome.contact.masked))


@post_json(
    "/customer/send-otp",
    operation_id="sendOtp",
    tags=["pass login"],
    responses=refusals(
        {
            400: ["pass_code_required", "invalid_pass", "no_phone_number", "sms_failed"],
            429: [
                "phone_rate_limited",
                "rate_limited",
                "resend_too_soon",
                "lookup_rate_limited",
                "locked_out",
            ],
        },
        member=FLOW_MEMBERS["/customer/send-otp"],
    ),
)
async def send_otp(request: AnyRequest, data: JSONBody[PassRequest]) -> Response[SentBody]:
    """Send a code to the holder of a pass."""
    text = given(data.pass_code)
    if text is None:
        return answer(request, Problem(400, "pass_code_required"))
    try:
        code = PassCode.parse(text)
    except MalformedPassCodeError:
        return answer(request, Problem(400, "invalid_pass"))
    services = services_of(request)
    outcome = await services.pass_login.send(code, caller_of(request))
    if not isinstance(outcome, Issued):
        return answer(request, of_send(outcome, uniform=services.settings.uniform_pass_errors))
    challenge = outcome.challenge
    body = SentBody(
        phone_masked=challenge.contact.masked,
        expires_in=challenge.lifetime // SECOND,
        challenge_id=challenge.id,
    )
    if outcome.resend_at is not None:
        body.resend_in = seconds_until(outcome.resend_at, services.clock.now())
    return Response(body)


@post_json(
    "/customer/verify-otp",
    operation_id="verifyOtp",
    tags=["pass login"],
    responses=refusals(
        {
            400: [
                "missing_fields",
                "invalid_pass",
                "malformed_otp",
                "invalid_otp",
                "otp_expired",
                "too_many_attempts",
            ],
            429: ["locked_out", "rate_limited", "lookup_rate_limited"],
        },
        member=FLOW_MEMBERS["/customer/verify-otp"],
    ),
)
async def verify_otp(request: AnyRequest, data: JSONBody[VerifyRequest]) -> Response[SignedInBody]:
    """Check a code, and sign in the holder of the pass."""
    pass_text, code_text = given(data.pass_code), given(data.otp)
    if pass_text is None or code_text is None:
        return answer(request, Problem(400, "missing_fields"))
    services = services_of(request)
    try:
        code = PassCode.parse(pass_text)
        guess = Code.parse(code_text, services.settings.code_digits)
    except MalformedPassCodeError:
        return answer(request, Problem(400, "invalid_pass"))
    except MalformedCodeError:
        return answer(request, Problem(400, "malformed_otp"))
    outcome = await services.pass_login.verify(
        code, guess, given(data.challenge_id), caller_of(request)
    )
    if not isinstance(outcome, SignedIn):
        return answer(request, of_verify(outcome))
    return Response(SignedInBody.of_sign_in(outcome))
