"""The routes of pass login."""

from litestar import Response
from litestar.params import JSONBody

from hsp_otp.domain.challenge_outcomes import Issued
from hsp_otp.domain.code import Code, MalformedCodeError
from hsp_otp.domain.instant import SECOND, seconds_until
from hsp_otp.domain.names import MalformedPassCodeError, PassCode
from hsp_otp.domain.passes import UsablePass
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.quota import Limit
from hsp_otp.entrypoints.http.openapi import described
from hsp_otp.entrypoints.http.pass_login.bodies import (
    FoundBody,
    PassRequest,
    RefusedBody,
    SendRequest,
    SentBody,
    SignedInBody,
    VerifyRequest,
)
from hsp_otp.entrypoints.http.pass_login.problems import (
    INVALID_FORMAT,
    INVALID_PASS,
    PASS_CODE_REQUIRED,
    of_look_up,
    of_send,
    of_verify,
)
from hsp_otp.entrypoints.http.problems import (
    CHANNEL_NOT_AVAILABLE,
    MALFORMED_OTP,
    MISSING_FIELDS,
    answer,
    answers_of,
)
from hsp_otp.entrypoints.http.requests import (
    AnyRequest,
    JsonAnswer,
    caller_of,
    channel_given,
    given,
    post_json,
    services_of,
)
from hsp_otp.entrypoints.http.sessions.bodies import DEVICE_TOKEN, TOKENS, USER_AND_PASS
from hsp_otp.entrypoints.http.visits import count_handed_over
from hsp_otp.flows.pass_login import SignedIn


@post_json(
    "/customer/validate-pass",
    operation_id="validatePass",
    tags=["pass login"],
    **described(
        PASS_CODE_REQUIRED,
        INVALID_FORMAT,
        *answers_of(of_look_up, Limit.LOOKUPS),
        request={"pass_code": "HSP-1234-5678"},
        success={"valid": True, "phone_masked": "***-***-3210"},
        member="valid",
    ),
)
async def validate_pass(
    request: AnyRequest, data: JSONBody[PassRequest]
) -> Response[FoundBody | RefusedBody]:
    """Look up a pass, and show the masked number to which a code would be sent."""
    text = given(data.pass_code)
    if text is None:
        return answer(request, PASS_CODE_REQUIRED)
    try:
        code = PassCode.parse(text)
    except MalformedPassCodeError:
        return answer(request, INVALID_FORMAT)
    services = services_of(request)
    outcome = await services.journeys.pass_login.validate(code, caller_of(request))
    if not isinstance(outcome, UsablePass):
        uniform = services.settings.uniform_pass_errors
        return answer(request, of_look_up(outcome, uniform=uniform))
    return JsonAnswer(FoundBody(phone_masked=outcome.contact.masked))


@post_json(
    "/customer/send-otp",
    operation_id="sendOtp",
    tags=["pass login"],
    **described(
        PASS_CODE_REQUIRED,
        CHANNEL_NOT_AVAILABLE,
        INVALID_PASS,
        *answers_of(
            of_send,
            *(Limit.CONTACT_SENDS, Limit.CLIENT, Limit.COOLDOWN, Limit.LOOKUPS),
            *(Limit.REGION, Limit.SPEND),
        ),
        request={"pass_code": "HSP-1234-5678"},
        success={
            "sent": True,
            "phone_masked": "***-***-3210",
            "expires_in": 600,
            "resend_in": 30,
            "challenge_id": "aI7HpmwPr-rSBiYSYhURXQ",
        },
        member="sent",
    ),
)
async def send_otp(request: AnyRequest, data: JSONBody[SendRequest]) -> Response[SentBody]:
    """Send a code to the holder of a pass."""
    text, channel = given(data.pass_code), channel_given(request, data.channel)
    if text is None or channel is None:
        return answer(request, PASS_CODE_REQUIRED if text is None else CHANNEL_NOT_AVAILABLE)
    try:
        code = PassCode.parse(text)
    except MalformedPassCodeError:
        return answer(request, INVALID_PASS)
    services = services_of(request)
    outcome = await services.journeys.pass_login.send(
        code, caller_of(request, given(data.device_token), given(data.work)), channel
    )
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
    return JsonAnswer(body)


@post_json(
    "/customer/verify-otp",
    operation_id="verifyOtp",
    tags=["pass login"],
    **described(
        MISSING_FIELDS,
        INVALID_PASS,
        MALFORMED_OTP,
        *answers_of(of_verify, Limit.CLIENT, Limit.LOOKUPS),
        request={
            "pass_code": "HSP-1234-5678",
            "otp": "758239",
            "challenge_id": "aI7HpmwPr-rSBiYSYhURXQ",
        },
        success={"success": True, **TOKENS, **USER_AND_PASS, "device_token": DEVICE_TOKEN},
        member="success",
    ),
)
async def verify_otp(request: AnyRequest, data: JSONBody[VerifyRequest]) -> Response[SignedInBody]:
    """Check a code, and sign in the holder of the pass."""
    pass_text, code_text = given(data.pass_code), given(data.otp)
    if pass_text is None or code_text is None:
        return answer(request, MISSING_FIELDS)
    services = services_of(request)
    try:
        code = PassCode.parse(pass_text)
        guess = Code.parse(code_text, services.settings.code_digits)
    except MalformedPassCodeError:
        return answer(request, INVALID_PASS)
    except MalformedCodeError:
        return answer(request, MALFORMED_OTP)
    outcome = await services.journeys.pass_login.verify(
        code, guess, given(data.challenge_id), caller_of(request, given(data.device_token))
    )
    if not isinstance(outcome, SignedIn):
        return answer(request, of_verify(outcome))
    count_handed_over(request, Flow.PASS_LOGIN, outcome.contact)
    return JsonAnswer(SignedInBody.of(outcome, device_token=outcome.device_token))
