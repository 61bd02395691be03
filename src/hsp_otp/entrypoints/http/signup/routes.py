"""The routes of signup."""

from functools import partial
from typing import Any, Final

from litestar import Response
from litestar.datastructures import Cookie
from litestar.params import JSONBody

from hsp_otp.domain.code import Code, MalformedCodeError
from hsp_otp.domain.instant import SECOND, seconds_until
from hsp_otp.domain.names import MalformedSessionIdError, SessionId
from hsp_otp.domain.phone import InvalidPhoneError, PhoneNumber, RegionNotAllowedError
from hsp_otp.domain.policy import SESSION_LIFETIME
from hsp_otp.entrypoints.http.browser import cookie
from hsp_otp.entrypoints.http.csrf import refuse_forged
from hsp_otp.entrypoints.http.languages import told
from hsp_otp.entrypoints.http.openapi import refusals
from hsp_otp.entrypoints.http.problems import FLOW_MEMBERS, Problem, answer
from hsp_otp.entrypoints.http.requests import (
    AnyRequest,
    caller_of,
    given,
    post_json,
    refuse_malformed,
    services_of,
)
from hsp_otp.entrypoints.http.signup.bodies import (
    ProvedBody,
    SignupSendRequest,
    SignupSentBody,
    SignupVerifyRequest,
)
from hsp_otp.entrypoints.http.signup.problems import of_signup_send, of_signup_verify
from hsp_otp.flows.signup import Proved, SignupCodeSent

SESSION_COOKIE: Final = "signup_session"
"""Returns a visitor to the session's current step; only the page reads it, never this API."""


async def _refuse(request: AnyRequest) -> Response[Any] | None:
    refusal = refuse_forged(request)
    if refusal is None:
        await refuse_malformed(request)
    return refusal


_post = partial(post_json, before_request=_refuse, security=[{"csrfCookie": [], "csrfHeader": []}])


@_post(
    "/users/api/send-otp",
    operation_id="signupSendOtp",
    tags=["signup"],
    responses=refusals(
        {
            400: [
                "phone_required",
                "invalid_phone",
                "region_not_allowed",
                "session_not_found",
                "already_verified",
                "sms_failed",
            ],
            403: ["csrf_failed"],
            429: ["phone_rate_limited", "rate_limited", "resend_too_soon", "locked_out"],
        },
        member=FLOW_MEMBERS["/users/api/send-otp"],
    ),
)
async def signup_send_otp(
    request: AnyRequest, data: JSONBody[SignupSendRequest]
) -> Response[SignupSentBody]:
    """Send a code to a new number, again to the same number, or to a corrected number."""
    text, session_text = given(data.phone), given(data.session_id)
    if text is None:
        return answer(request, Problem(400, "phone_required"))
    services = services_of(request)
    settings = services.settings
    try:
        phone = PhoneNumber.parse(text, settings.default_region, settings.signup_regions)
        session = None if session_text is None else SessionId.parse(session_text)
    except InvalidPhoneError:
        return answer(request, Problem(400, "invalid_phone"))
    except RegionNotAllowedError:
        return answer(request, Problem(400, "region_not_allowed"))
    except MalformedSessionIdError:
        return answer(request, Problem(400, "session_not_found"))
    outcome = await services.signup.send(phone, session, caller_of(request))
    if not isinstance(outcome, SignupCodeSent):
        return answer(request, of_signup_send(outcome))
    message, headers = told(request, "signup_sent")
    body = SignupSentBody(
        message=message,
        session_id=outcome.session_id.value,
        phone_masked=phone.masked,
        expires_in=outcome.issued.challenge.lifetime // SECOND,
    )
    if outcome.issued.resend_at is not None:
        body.resend_in = seconds_until(outcome.issued.resend_at, services.clock.now())
    cookies = [session_cookie(request, outcome.session_id)]
    return Response(body, headers=headers, cookies=cookies)


@_post(
    "/users/api/verify-otp",
    operation_id="signupVerifyOtp",
    tags=["signup"],
    responses=refusals(
        {
            400: [
                "missing_fields",
                "session_not_found",
                "malformed_otp",
                "invalid_otp",
                "otp_expired",
                "already_verified",
            ],
            403: ["csrf_failed"],
            429: ["too_many_attempts", "locked_out", "rate_limited"],
        },
        member=FLOW_MEMBERS["/users/api/verify-otp"],
    ),
)
async def signup_verify_otp(
    request: AnyRequest, data: JSONBody[SignupVerifyRequest]
) -> Response[ProvedBody]:
    """Check a code, and return a proof of the number for the next steps."""
    session_text, code_text = given(data.session_id), given(data.otp_code)
    if session_text is None or code_text is None:
        return answer(request, Problem(400, "missing_fields"))
    services = services_of(request)
    try:
        session = SessionId.parse(session_text)
        guess = Code.parse(code_text, services.settings.code_digits)
    except MalformedSessionIdError:
        return answer(request, Problem(400, "session_not_found"))
    except MalformedCodeError:
        return answer(request, Problem(400, "malformed_otp"))
    outcome = await services.signup.verify(session, guess, caller_of(request))
    if not isinstance(outcome, Proved):
        return answer(request, of_signup_verify(outcome))
    message, headers = told(request, "signup_verified")
    body = ProvedBody(message=message, proof=outcome.proof)
    # If two windows have a session each, the browser returns to the one that advanced.
    return Response(body, headers=headers, cookies=[session_cookie(request, session)])


def session_cookie(request: AnyRequest, session_id: SessionId) -> Cookie:
    """Make the cookie that returns the browser of *request* to its session on the page."""
    return cookie(
        request,
        SESSION_COOKIE,
        session_id.value,
        path="/users",
        max_age=SESSION_LIFETIME // SECOND,
    )
