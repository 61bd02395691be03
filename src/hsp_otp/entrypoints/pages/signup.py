"""The pages of signup's first step: number, code, and the end of the step."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, cast

import attrs
import phonenumbers
from babel import Locale
from litestar import Response, get, post
from litestar.datastructures import Cookie

from hsp_otp.domain.challenge_outcomes import CodeEnd, Locked
from hsp_otp.domain.code import Code, MalformedCodeError
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import after, seconds_until
from hsp_otp.domain.names import ENGLISH, MalformedSessionIdError, SessionId
from hsp_otp.domain.phone import InvalidPhoneError, PhoneNumber, RegionNotAllowedError
from hsp_otp.domain.policy import PROOF_LIFETIME, SESSION_LIFETIME
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.signup import SessionNotFound, SignupSession
from hsp_otp.entrypoints.http.browser import cookie_values, device_cookie
from hsp_otp.entrypoints.http.languages import language_of
from hsp_otp.entrypoints.http.problems import MALFORMED_OTP, MISSING_FIELDS, Problem
from hsp_otp.entrypoints.http.requests import (
    MAX_BODY_BYTES,
    AnyRequest,
    caller_of,
    given,
    services_of,
)
from hsp_otp.entrypoints.http.signup.problems import (
    INVALID_PHONE,
    PHONE_REQUIRED,
    REGION_NOT_ALLOWED,
    SESSION_NOT_FOUND,
    of_signup_send,
    of_signup_verify,
)
from hsp_otp.entrypoints.http.signup.routes import COOKIE_PATH, SESSION_COOKIE, session_cookie
from hsp_otp.entrypoints.http.visits import count_handed_over, count_opened
from hsp_otp.entrypoints.pages.lead_back import (
    cookie_of,
    kept_state,
    opened,
    state_in,
    way_back,
)
from hsp_otp.entrypoints.pages.page import (
    Notice,
    can_call,
    code_facts,
    end_told,
    explain,
    failures,
    form_of,
    page,
    refusal,
    seconds_left,
    see_other,
    wait_told,
)
from hsp_otp.entrypoints.pages.sealed_cookies import Cookies, dropped, jar
from hsp_otp.entrypoints.settings.readers import EVERY_LANGUAGE
from hsp_otp.flows.signup import Progress, Proved, SignupCodeSent

PATH: Final = "/users/signup/"

_FAILURES: Final = failures(PATH, Flow.SIGNUP)


@attrs.frozen
class _Region:
    """
    A country that the visitor can choose.

    Attributes:
        example: A mobile number as people write it after the calling code; may be empty.
    """

    region: str
    name: str
    calling: int
    example: str


@attrs.frozen
class _Field:
    """
    A field with an error.

    Attributes:
        typed: The user's input.
        region: The region chosen beside it.
    """

    name: str
    typed: str = attrs.field(default="", repr=False)
    region: str = ""


_NEXT_STEPS: Final = (
    "page.next_details",
    "page.next_aadhaar",
    "page.next_pan",
    "page.next_account",
)
"""The ids of the titles of the steps that follow, unless a setting names others."""

_PHONE: Final = _Field("phone")
_CODE: Final = _Field("code")
_RESEND: Final = _Field("send")
_CALL: Final = _Field("call")


@get("/users/signup", include_in_schema=False, exception_handlers=_FAILURES)
async def signup_page(request: AnyRequest) -> Response[str]:
    """Show the page at the current step of the session in the cookie."""
    held = cookie_values(request, SESSION_COOKIE)
    session, progress = await _found(request, held)
    state = state_in(request) if services_of(request).settings.signup_return_url else None
    if state is not None:
        begins = progress is None or progress.session.is_verified
        forgotten = jar(_forgotten(request)) if held and begins else {}
        return see_other(request, PATH, cookies=forgotten | jar(opened(request, PATH, state)))
    if session is None or progress is None:
        if not held:
            count_opened(request, Flow.SIGNUP)
        forgotten = jar(_forgotten(request)) if held else {}
        return _show(request, "number", "page.signup_title", forgotten, session_id="")
    now = services_of(request).clock.now()
    found, standing = progress.session, progress.standing
    facts: dict[str, Any] = {"session_id": session.value, "masked": found.phone.masked}
    if found.is_verified:
        facts |= _next_of(request, session, found)
        return _show(request, "verified", "page.verified_title", {}, **facts)
    step = "ended" if standing.end else "code"
    return _show(
        request,
        step,
        f"page.{step}_title",
        {},
        end=standing.end and end_told(request, standing.end),
        locked=standing.end is CodeEnd.LOCKED,
        undelivered=standing.end is CodeEnd.UNDELIVERED,
        expires_in=seconds_left(standing.expires_at, now),
        resend_in=wait_told(standing.end, standing.resend_at, now),
        **code_facts(request, standing, standing.channel),
        **facts,
    )


@post(
    "/users/signup",
    include_in_schema=False,
    exception_handlers=_FAILURES,
    request_max_body_size=MAX_BODY_BYTES,
)
async def signup_form(request: AnyRequest) -> Response[str]:
    """
    Process a form of the page, and redirect to the page.

    A form names its session, because another window may have started a new one since.
    """
    form = await form_of(request)
    text = given(form.get("session_id"))
    session = _session(text)
    if text is not None and session is None:
        return _refused(request, SESSION_NOT_FOUND, _PHONE, None)
    match form.get("do"):
        case "send":
            return await _send(request, session, form)
        case ("resend" | "call") as do if session and (do == "resend" or can_call(request)):
            return await _resend(request, session, form, _CALL if do == "call" else _RESEND)
        case "verify" if session:
            return await _verify(request, session, form)
        case "restart":
            forgotten = jar(_forgotten(request), dropped(request, cookie_of(PATH), PATH))
            return see_other(request, PATH, cookies=forgotten)
        case _:  # an unknown form, or one from an outdated page
            return see_other(request, PATH)


async def _send(
    request: AnyRequest, session: SessionId | None, form: Mapping[str, str]
) -> Response[str]:
    settings = services_of(request).settings
    text, region = given(form.get("phone")), form.get("region", "")
    if region not in settings.signup_regions:
        region = settings.default_region
    field = _Field("phone", text or "", region)
    if text is None:
        return _refused(request, PHONE_REQUIRED, field, session)
    try:
        phone = PhoneNumber.parse(text, region, settings.signup_regions)
    except InvalidPhoneError:
        return _refused(request, INVALID_PHONE, field, session)
    except RegionNotAllowedError:
        return _refused(request, REGION_NOT_ALLOWED, field, session)
    return await _ask(request, session, phone, field, given(form.get("altcha")))


async def _resend(
    request: AnyRequest, session: SessionId, form: Mapping[str, str], field: _Field
) -> Response[str]:
    progress = await _progress(request, session)
    if progress is None:
        return _refused(request, SESSION_NOT_FOUND, _PHONE, None)
    phone, work = progress.session.phone, given(form.get("altcha"))
    return await _ask(request, session, phone, field, work)


async def _ask(
    request: AnyRequest,
    session: SessionId | None,
    phone: PhoneNumber,
    field: _Field,
    work: str | None,
) -> Response[str]:
    calls = field is _CALL
    outcome = await services_of(request).journeys.signup.send(
        phone,
        session,
        caller_of(request, work=work),
        Channel.VOICE if calls else Channel.SMS,
    )
    if isinstance(outcome, SignupCodeSent):
        cookies = jar(session_cookie(request, outcome.session_id))
        notice = Notice("page.calling_you" if calls else "signup_sent")
        return see_other(request, PATH, notice, cookies)
    problem = of_signup_send(outcome)
    if field in {_RESEND, _CALL}:  # the button shows the wait
        problem = attrs.evolve(problem, retry_at=None)
    return _refused(request, problem, field, session)


async def _verify(
    request: AnyRequest, session: SessionId, form: Mapping[str, str]
) -> Response[str]:
    services = services_of(request)
    text = given(form.get("otp"))
    if text is None:
        return _refused(request, MISSING_FIELDS, _CODE, session)
    try:
        guess = Code.parse(text, services.settings.code_digits)
    except MalformedCodeError:
        return _refused(request, MALFORMED_OTP, _CODE, session)
    outcome = await services.journeys.signup.verify(session, guess, caller_of(request))
    if isinstance(outcome, Proved):
        if services.settings.signup_return_url:
            count_handed_over(request, Flow.SIGNUP, outcome.contact)
        device = device_cookie(request, outcome.device_token, COOKIE_PATH)
        cookies = jar(session_cookie(request, session), device)
        state = kept_state(request, PATH, session.value)
        if state:
            cookies |= jar(opened(request, PATH, state, bound_to=session.value))
        return see_other(request, PATH, Notice("signup_verified"), cookies)
    problem = of_signup_verify(outcome)
    waits = isinstance(outcome, Locked) or problem.resend_at is not None
    if waits:  # the button for a new code shows it
        problem = attrs.evolve(problem, retry_at=None)
    return _refused(request, problem, _CODE, session)


def _next_of(request: AnyRequest, session: SessionId, found: SignupSession) -> dict[str, Any]:
    """Return what a page shows of the way on, and for how long."""
    services = services_of(request)
    return_url, way, lasts = services.settings.signup_return_url, None, SESSION_LIFETIME
    if return_url:
        lasts = PROOF_LIFETIME
        proof = services.journeys.signup.proof_of(session, found)
        if proof is not None:
            state = kept_state(request, PATH, session.value)
            way = way_back(return_url, state, proof=proof, session_id=session.value)
    ends_at = after(found.stepped_at, lasts)
    return {"way": way, "ends_in": seconds_until(ends_at, services.clock.now())}


def _refused(
    request: AnyRequest,
    problem: Problem,
    field: _Field,
    session: SessionId | None,
) -> Response[str]:
    if problem.error == "already_verified":  # the page itself says so
        return see_other(request, PATH, cookies=_back_to(request, session))
    if problem.error == "session_not_found":
        notice = refusal(problem, "phone", field.typed, field.region)
        return see_other(request, PATH, notice, jar(_forgotten(request)))
    notice = refusal(problem, field.name, field.typed, field.region)
    return see_other(request, PATH, notice, _back_to(request, session))


def _back_to(request: AnyRequest, session: SessionId | None) -> Cookies:
    return {} if session is None else jar(session_cookie(request, session))


def _forgotten(request: AnyRequest) -> Cookie:
    return dropped(request, SESSION_COOKIE, COOKIE_PATH)


def _session(text: str | None) -> SessionId | None:
    try:
        return None if text is None else SessionId.parse(text)
    except MalformedSessionIdError:
        return None


async def _found(request: AnyRequest, held: list[str]) -> tuple[SessionId | None, Progress | None]:
    """Return the first session in the cookies that can continue, and its progress."""
    for session in filter(None, map(_session, dict.fromkeys(held))):
        progress = await _progress(request, session)
        if progress is not None:
            return session, progress
    return None, None


async def _progress(request: AnyRequest, session: SessionId | None) -> Progress | None:
    if session is None:
        return None
    progress = await services_of(request).journeys.signup.progress(session, caller_of(request))
    return None if isinstance(progress, SessionNotFound) else progress


def _show(
    request: AnyRequest,
    step: str,
    title: str,
    cookies: Cookies,
    **facts: Any,  # noqa: ANN401 - whatever the template shows
) -> Response[str]:
    settings = services_of(request).settings
    return page(
        request,
        "signup.html",
        path=PATH,
        flow=Flow.SIGNUP,
        cookies=cookies,
        leads_to=settings.signup_return_url,
        leads_back=bool(settings.signup_return_url),
        step=step,
        title=explain(request, title),
        regions=_regions(request),
        usual_region=settings.default_region,
        **_next_steps(request),
        **facts,
    )


def _next_steps(request: AnyRequest) -> dict[str, Any]:
    """Return the titles of the steps that follow, and their language if the page has another."""
    named, language = services_of(request).settings.signup_steps, language_of(request)
    if named is None:
        titles = tuple(explain(request, word) for word in _NEXT_STEPS)
        return {"next_steps": titles, "steps_language": ""}
    spoken = next((one for one in (language, EVERY_LANGUAGE, ENGLISH) if one in named), language)
    return {
        "next_steps": named.get(spoken, ()),
        "steps_language": spoken if spoken != language else "",
    }


def _regions(request: AnyRequest) -> list[_Region]:
    """Return the regions that may sign up, by their names in the language of the page."""
    settings = services_of(request).settings
    locale = Locale.parse(language_of(request), sep="-")
    names = cast("Mapping[str, str]", locale.territories)
    return sorted(
        (
            _Region(
                region,
                names.get(region, region),
                phonenumbers.country_code_for_region(region),
                _example(region),
            )
            for region in settings.signup_regions
        ),
        key=lambda one: one.name,
    )


@cache
def _example(region: str) -> str:
    found = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    if found is None:
        return ""
    written = phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return written.partition(" ")[2]
