"""The routes of signup."""

from functools import partial
from typing import Any, Final

from litestar import Response, get
from litestar.datastructures import Cookie
from litestar.params import JSONBody

from hsp_otp.domain.code import Code, MalformedCodeError
from hsp_otp.domain.instant import SECOND, seconds_until
from hsp_otp.domain.names import MalformedSessionIdError, SessionId
from hsp_otp.domain.phone import InvalidPhoneError, PhoneNumber, RegionNotAllowedError
from hsp_otp.domain.policy import SESSION_LIFETIME
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.quota import Limit
from hsp_otp.entrypoints.http.browser import cookie, device_cookie
from hsp_otp.entrypoints.http.csrf import FORGED, cookie_of, refuse_forged, token_for
from hsp_otp.entrypoints.http.languages import told
from hsp_otp.entrypoints.http.openapi import described
from hsp_otp.entrypoints.http.problems import (
    CHANNEL_NOT_AVAILABLE,
    MALFORMED_OTP,
    MISSING_FIELDS,
    answer,
    answers_of,
)
from hsp_otp.entrypoints.http.requests import (
    AnyRequest,
    caller_of,
    channel_given,
    given,
    post_json,
    refuse_malformed,
    services_of,
)
from hsp_otp.entrypoints.http.sessions.bodies import DEVICE_TOKEN
from hsp_otp.entrypoints.http.signup.bodies import (
    CsrfBody,
    ProvedBody,
    SignupSendRequest,
    SignupSentBody,
    SignupVerifyRequest,
)
from hsp_otp.entrypoints.http.signup.problems import (
    INVALID_PHONE,
    PHONE_REQUIRED,
    REGION_NOT_ALLOWED,
    SESSION_NOT_FOUND,
    of_signup_send,
    of_signup_verify,
)
from hsp_otp.entrypoints.http.visits import count_handed_over
from hsp_otp.flows.signup import Proved, SignupCodeSent

SESSION_COOKIE: Final = "signup_session"
"""Returns a visitor to the session's current step; only the page reads it, never this API."""

COOKIE_PATH: Final = "/users"
"""The path of the page and of the API."""


async def _refuse(request: AnyRequest) -> Response[Any] | None:
    refusal = refuse_forged(request)
    if refusal is None:
        await refuse_malformed(request)
    return refusal


_post = partial(post_json, before_request=_refuse, security=[{"csrfCookie": [], "csrfHeader": []}])


@get(
    "/users/api/csrf",
    operation_id="signupCsrf",
    tags=["signup"],
    **described(
        success={"csrf_token": f"k1.c3ab8ff13720e8ad9047dd39466b3c89.{4 * '9f86d081884c7d65'}"}
    ),
)
async def signup_csrf(request: AnyRequest) -> Response[CsrfBody]:
    """Return the CSRF token for a page that is not the service's own, and set its cookie."""
    token = token_for(request)
    return Response(CsrfBody(token), cookies=[cookie_of(request, token)])


@_post(
    "/users/api/send-otp",
    operation_id="signupSendOtp",
    tags=["signup"],
    **described(
        PHONE_REQUIRED,
        CHANNEL_NOT_AVAILABLE,
        INVALID_PHONE,
        REGION_NOT_ALLOWED,
        FORGED,
        *answers_of(
            of_signup_send,
            Limit.CONTACT_SENDS,
            Limit.CLIENT,
            Limit.COOLDOWN,
            *(Limit.RANGE, Limit.REGION, Limit.SPEND),
        ),
        request={"phone": "+91 98765 43210"},
        success={
            "success": True,
            "message": "We sent a code to your phone.",
            "session_id": "K8mYJ0V3qk6p7cQn2sTtWw",
            "phone_masked": "***-***-3210",
            "expires_in": 300,
            "resend_in": 30,
        },
        member="success",
    ),
)
async def signup_send_otp(
    request: AnyRequest, data: JSONBody[SignupSendRequest]
) -> Response[SignupSentBody]:
    """Send a code to a new number, again to the same number, or to a corrected number."""
    text, session_text = given(data.phone), given(data.session_id)
    channel = channel_given(request, data.channel)
    if text is None or channel is None:
        return answer(request, PHONE_REQUIRED if text is None else CHANNEL_NOT_AVAILABLE)
    services = services_of(request)
    settings = services.settings
    try:
        phone = PhoneNumber.parse(text, settings.default_region, settings.signup_regions)
        session = None if session_text is None else SessionId.parse(session_text)
    except InvalidPhoneError:
        return answer(request, INVALID_PHONE)
    except RegionNotAllowedError:
        return answer(request, REGION_NOT_ALLOWED)
    except MalformedSessionIdError:
        return answer(request, SESSION_NOT_FOUND)
    outcome = await services.journeys.signup.send(
        phone, session, caller_of(request, given(data.device_token), given(data.work)), channel
    )
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
    **described(
        MISSING_FIELDS,
        SESSION_NOT_FOUND,
        MALFORMED_OTP,
        FORGED,
        *answers_of(of_signup_verify, Limit.CLIENT),
        request={"session_id": "K8mYJ0V3qk6p7cQn2sTtWw", "otp_code": "048213"},
        success={
            "success": True,
            "message": "Your mobile number is verified.",
            "next_step": 2,
            "proof": "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIiwidHlwIjoicHJvb2Yrand0In0.e30.c2lnbmF0dXJl",
            "device_token": DEVICE_TOKEN,
        },
        member="success",
    ),
)
async def signup_verify_otp(
    request: AnyRequest, data: JSONBody[SignupVerifyRequest]
) -> Response[ProvedBody]:
    """Check a code, and return a proof of the number for the next steps."""
    session_text, code_text = given(data.session_id), given(data.otp_code)
    if session_text is None or code_text is None:
        return answer(request, MISSING_FIELDS)
    services = services_of(request)
    try:
        session = SessionId.parse(session_text)
        guess = Code.parse(code_text, services.settings.code_digits)
    except MalformedSessionIdError:
        return answer(request, SESSION_NOT_FOUND)
    except MalformedCodeError:
        return answer(request, MALFORMED_OTP)
    outcome = await services.journeys.signup.verify(
        session, guess, caller_of(request, given(data.device_token))
    )
    if not isinstance(outcome, Proved):
        return answer(request, of_signup_verify(outcome))
    count_handed_over(request, Flow.SIGNUP, outcome.contact, page="/users/signup/")
    message, headers = told(request, "signup_verified")
    body = ProvedBody(message=message, proof=outcome.proof, device_token=outcome.device_token)
    # If two windows have a session each, the browser returns to the one that advanced.
    cookies = [
        session_cookie(request, session),
        device_cookie(request, outcome.device_token, COOKIE_PATH),
    ]
    return Response(body, headers=headers, cookies=cookies)


def session_cookie(request: AnyRequest, session_id: SessionId) -> Cookie:
    """Make the cookie that returns the browser of *request* to its session on the page."""
    return cookie(
        request,
        SESSION_COOKIE,
        session_id.value,
        path=COOKIE_PATH,
        max_age=SESSION_LIFETIME // SECOND,
    )
