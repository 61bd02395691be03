"""The pages of pass login: pass code, masked number, code, signed in."""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import attrs
import msgspec
from babel.dates import format_date
from litestar import Response, get, post

from hsp_otp.domain.challenge_outcomes import (
    CodeEnd,
    Exhausted,
    Issued,
    Locked,
    NoLiveCode,
    Standing,
    WrongCode,
)
from hsp_otp.domain.code import Code, MalformedCodeError
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.names import MalformedPassCodeError, PassCode
from hsp_otp.domain.passes import UsablePass
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.quota import Limit, Refusal
from hsp_otp.entrypoints.http.browser import cookie_values, device_cookie
from hsp_otp.entrypoints.http.languages import language_of
from hsp_otp.entrypoints.http.pass_login.problems import (
    INVALID_FORMAT,
    PASS_CODE_REQUIRED,
    of_look_up,
    of_send,
    of_verify,
)
from hsp_otp.entrypoints.http.problems import MALFORMED_OTP, MISSING_FIELDS, Problem
from hsp_otp.entrypoints.http.requests import (
    MAX_BODY_BYTES,
    AnyRequest,
    caller_of,
    given,
    services_of,
)
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
from hsp_otp.entrypoints.pages.sealed_cookies import Cookies, dropped, jar, kept, sealed, unsealed
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.otp import Undelivered
from hsp_otp.flows.pass_login import LedBack, SignedIn, UnverifiedOutcome
from hsp_otp.flows.sessions import Grant, Handed, Me
from hsp_otp.ports.failures import Unavailable

PATH: Final = "/customer/login/"

_STATE: Final = "login"
_HANDED: Final = "login_handed"
_DEVICE_PATH: Final = "/customer"
_ACCESS: Final = "login_access"
_REFRESH: Final = "login_refresh"
_FAILURES: Final = failures(PATH, Flow.PASS_LOGIN)
_BROWSER_BYTES: Final = 16


class State(msgspec.Struct, omit_defaults=True, frozen=True):
    """
    The progress of a visitor.

    Attributes:
        pass_code: The full pass code; the cookie is the customer's own and hidden from scripts.
        asked: Whether a code has been sent.
        challenge_id: The challenge of that code, if this browser asked for it.
        channel: By which that code went out.
        expires_at: When the code expires, if known.
        resend_at: When another code may be requested.
        end: Why the code cannot be right any more, unless only its time is over.
        browser: A random id of this browser, so that a form sent twice signs in once.
    """

    pass_code: str
    masked: str
    asked: bool = False
    challenge_id: str = ""
    channel: Channel = Channel.SMS
    expires_at: int | None = None
    resend_at: int | None = None
    end: CodeEnd | None = None
    browser: str = ""

    def __repr__(self) -> str:
        return f"State({self.masked})"


class HandedOver(msgspec.Struct, frozen=True):
    """
    What the browser takes back to another site.

    Attributes:
        code: For that site's backend.
        until: The end of the code's life.
        state: The state that the site has opened the page with, if any.
    """

    code: str
    until: int
    state: str

    def __repr__(self) -> str:
        return "HandedOver()"


@get("/customer/login", include_in_schema=False, exception_handlers=_FAILURES)
async def login_page(request: AnyRequest) -> Response[str]:
    """Show the page at the visitor's current step."""
    if services_of(request).settings.login_return_url:
        return await _page_that_leads_back(request)
    me, cookies = await _who(request)
    if me is not None:
        return _show(request, "in", _welcome(request, me), cookies, **_facts_of(request, me))
    return await _at_step(request, cookies)


async def _page_that_leads_back(request: AnyRequest) -> Response[str]:
    """
    Show the page of a sign-in that another site completes.

    Its own cookies sign nobody in: who comes from that site wants to sign in there.
    """
    services = services_of(request)
    return_url = services.settings.login_return_url
    wanted = state_in(request)
    handed = unsealed(request, _HANDED, HandedOver)
    gone = jar(dropped(request, _HANDED, PATH)) if cookie_values(request, _HANDED) else {}
    if wanted is not None:
        return see_other(request, PATH, cookies=gone | jar(opened(request, PATH, wanted)))
    if handed is None:
        return await _at_step(request, gone)
    if not await services.journeys.sessions.is_exchangeable(handed.code, return_url):
        return await _at_step(request, gone, was_handed=True)
    return _show(
        request,
        "return",
        explain(request, "page.return_title"),
        {},
        way=way_back(return_url, handed.state, code=handed.code),
        ends_in=seconds_left(handed.until, services.clock.now()),
    )


async def _at_step(
    request: AnyRequest, cookies: Cookies, *, was_handed: bool = False
) -> Response[str]:
    """
    Show the page at the step of the cookie with the visitor's progress.

    Args:
        was_handed: The visitor returns after a sign-in that another site has completed, or could
            have completed.
    """
    state = unsealed(request, _STATE, State)
    if state is None:
        if not (cookies or was_handed or cookie_values(request, _STATE)):
            count_opened(request, Flow.PASS_LOGIN)
        title = explain(request, "page.login_title")
        return _show(request, "start", title, cookies, was_handed=was_handed)
    if not state.asked:
        title = explain(request, "page.found_title")
        return _show(request, "found", title, cookies, masked=state.masked)
    now = services_of(request).clock.now()
    end, resend_at = state.end, state.resend_at
    if end is CodeEnd.LOCKED and resend_at is not None and now >= resend_at:
        end = CodeEnd.OTHER
    if state.expires_at is not None and now >= state.expires_at and end in {None, CodeEnd.OTHER}:
        end = CodeEnd.EXPIRED
    step = "ended" if end else "code"
    standing = None
    if can_call(request):
        with suppress(Unavailable):  # only the button for a call would count down
            standing = await _standing(request, state, caller_of(request))
    return _show(
        request,
        step,
        explain(request, f"page.{step}_title"),
        cookies,
        masked=state.masked,
        end=end and end_told(request, end),
        locked=end is CodeEnd.LOCKED,
        challenge_id=state.challenge_id,
        expires_in=seconds_left(state.expires_at, now),
        resend_in=wait_told(end, resend_at, now),
        **code_facts(request, standing, state.channel),
    )


@post(
    "/customer/login",
    include_in_schema=False,
    exception_handlers=_FAILURES,
    request_max_body_size=MAX_BODY_BYTES,
)
async def login_form(request: AnyRequest) -> Response[str]:
    """Process a form of the page, and redirect to the page."""
    form = await form_of(request)
    state = unsealed(request, _STATE, State)
    match form.get("do"):
        case "find":
            return await _find(request, form.get("pass_code"))
        case ("send" | "call") as do if state and (do == "send" or can_call(request)):
            channel = Channel.VOICE if do == "call" else Channel.SMS
            return await _send(request, state, given(form.get("altcha")), channel)
        case "verify" if state:
            return await _verify(request, state, form)
        case "sign_out":
            return await _sign_out(request)
        case "restart":
            return see_other(request, PATH, cookies=jar(dropped(request, _STATE, PATH)))
        case _:  # an unknown form, or one from an outdated page
            return see_other(request, PATH)


async def _find(request: AnyRequest, typed: str | None) -> Response[str]:
    services = services_of(request)
    text = given(typed)
    if text is None:
        return _refused(request, PASS_CODE_REQUIRED, "pass_code")
    try:
        code = PassCode.typed(text)
    except MalformedPassCodeError:
        return _refused(request, INVALID_FORMAT, "pass_code", text)
    outcome = await services.journeys.pass_login.validate(code, caller_of(request))
    if not isinstance(outcome, UsablePass):
        problem = of_look_up(outcome, uniform=services.settings.uniform_pass_errors)
        return _refused(request, problem, "pass_code", code.value)
    return await _send(request, State(code.value, outcome.contact.masked), None)


async def _send(
    request: AnyRequest, state: State, work: str | None, channel: Channel = Channel.SMS
) -> Response[str]:
    services = services_of(request)
    browser = state.browser or secrets.token_urlsafe(_BROWSER_BYTES)
    caller = caller_of(request, work=work)
    calls = channel is Channel.VOICE
    outcome = await services.journeys.pass_login.send(PassCode(state.pass_code), caller, channel)
    if isinstance(outcome, Issued):
        challenge = outcome.challenge
        sent = State(
            state.pass_code,
            challenge.contact.masked,
            asked=True,
            challenge_id=challenge.id,
            channel=challenge.channel,
            expires_at=challenge.expires_at,
            resend_at=outcome.resend_at,
            browser=browser,
        )
        notice = Notice("page.code_sent", values={"masked": sent.masked})
        if calls:
            notice = Notice("page.calling_you")
        return see_other(request, PATH, notice, _at(request, sent))
    problem = of_send(outcome, uniform=services.settings.uniform_pass_errors)
    sentence = ""
    match outcome:
        case Refusal(limit=Limit.COOLDOWN):
            standing = await _standing(request, state, caller)
            if standing is not None and standing.expires_at is not None:
                # A code that is on its way works like one that this browser asked for.
                state = msgspec.structs.replace(
                    state,
                    asked=True,
                    channel=standing.channel or state.channel,
                    browser=browser,
                )
            else:
                state = _over(state, CodeEnd.OTHER)
                # Nobody may type a code here that another network asked for.
                sentence = "page.code_not_here" if outcome.live else ""
        case Undelivered() if outcome.resend_at is not None:  # it has ended the older code
            state = _over(state, CodeEnd.UNDELIVERED)
        case _:
            pass
    if isinstance(outcome, Locked) and state.asked:
        state = msgspec.structs.replace(state, end=CodeEnd.LOCKED, resend_at=outcome.retry_at)
        problem = attrs.evolve(problem, retry_at=None)
    elif state.asked and state.end is not CodeEnd.LOCKED:  # the button shows the wait
        wait = problem.resend_at or (None if calls else problem.retry_at)
        state = msgspec.structs.replace(state, resend_at=wait or state.resend_at)
        problem = attrs.evolve(problem, retry_at=None)
    notice = refusal(problem, "call" if calls and state.asked else "send", sentence=sentence)
    return see_other(request, PATH, notice, _at(request, state))


async def _standing(request: AnyRequest, state: State, caller: Caller) -> Standing | None:
    login = services_of(request).journeys.pass_login
    return await login.standing(PassCode(state.pass_code), state.challenge_id or None, caller)


def _over(state: State, end: CodeEnd) -> State:
    """Note why the code is over, if there was one and it was not before."""
    return msgspec.structs.replace(state, end=state.end or end) if state.asked else state


async def _verify(request: AnyRequest, state: State, form: Mapping[str, str]) -> Response[str]:
    services = services_of(request)
    text = given(form.get("otp"))
    if text is None:
        return _refused(request, MISSING_FIELDS, "code")
    try:
        guess = Code.parse(text, services.settings.code_digits)
    except MalformedCodeError:
        return _refused(request, MALFORMED_OTP, "code")
    outcome = await _judged(request, state, guess, given(form.get("challenge_id")))
    if isinstance(outcome, SignedIn | LedBack):
        return _led_on(request, outcome)
    # A page about an older code says nothing about a code that this browser asked for later.
    if form.get("challenge_id", "") == state.challenge_id:
        match outcome:
            case WrongCode(attempts_remaining=0) | Exhausted():
                state = _over(state, CodeEnd.EXHAUSTED)
            case NoLiveCode():
                state = _over(state, CodeEnd.OTHER)
            case _:
                pass
    if isinstance(outcome, Locked | WrongCode | NoLiveCode | Exhausted):
        state = await _until_next(request, state)
    problem = of_verify(outcome)
    if isinstance(outcome, Locked):  # the button shows the wait
        problem = attrs.evolve(problem, retry_at=None)
    return _refused(request, problem, "code", cookies=_at(request, state))


def _led_on(request: AnyRequest, outcome: SignedIn | LedBack) -> Response[str]:
    device = device_cookie(request, outcome.device_token, _DEVICE_PATH)
    cookies = jar(dropped(request, _STATE, PATH), device)
    if isinstance(outcome, SignedIn):
        cookies |= _tokens(request, outcome.grant)
        return see_other(request, PATH, Notice("page.signed_in"), cookies)
    if not outcome.again:
        count_handed_over(request, Flow.PASS_LOGIN, outcome.contact)
    cookies |= _handed(request, outcome.handed)
    return see_other(request, PATH, Notice("page.return_title"), cookies)


async def _until_next(request: AnyRequest, state: State) -> State:
    """Note when the next code may be asked for, and whether a lock stands in its way."""
    standing = await _standing(request, state, caller_of(request))
    if standing is None or not state.asked:
        return state
    end = standing.end if standing.end is CodeEnd.LOCKED else state.end
    return msgspec.structs.replace(state, end=end, resend_at=standing.resend_at)


async def _judged(
    request: AnyRequest, state: State, guess: Code, challenge_id: str | None
) -> SignedIn | LedBack | UnverifiedOutcome:
    services = services_of(request)
    login, code = services.journeys.pass_login, PassCode(state.pass_code)
    caller, browser = caller_of(request), state.browser or None
    return_url = services.settings.login_return_url
    if not return_url:
        return await login.verify(code, guess, challenge_id, caller, browser)
    return await login.verify_and_lead_back(
        code, guess, challenge_id, caller, browser=browser, return_url=return_url
    )


def _handed(request: AnyRequest, handed: Handed) -> Cookies:
    """Make the cookie for the way back; the state has served its purpose with it."""
    taken = HandedOver(handed.code, handed.until, kept_state(request, PATH))
    return jar(sealed(request, _HANDED, taken, PATH), dropped(request, cookie_of(PATH), PATH))


async def _sign_out(request: AnyRequest) -> Response[str]:
    for token in cookie_values(request, _REFRESH):
        if token:
            await services_of(request).journeys.sessions.revoke(token, caller_of(request))
    return see_other(request, PATH, Notice("page.signed_out"), _signed_out(request))


async def _who(request: AnyRequest) -> tuple[Me | None, Cookies]:
    """Return who is signed in in this browser, and the cookies to set."""
    accesses = [value for value in cookie_values(request, _ACCESS) if value]
    tokens = [value for value in cookie_values(request, _REFRESH) if value]
    if not accesses and not tokens:
        return None, {}
    sessions = services_of(request).journeys.sessions
    for access in accesses:
        me = await sessions.me(access)
        if isinstance(me, Me):
            return me, {}
    for token in tokens:
        grant = await sessions.refresh(token, caller_of(request))
        if isinstance(grant, Grant):
            me = await sessions.me(grant.access_token)
            if isinstance(me, Me):
                return me, _tokens(request, grant)
    return None, _signed_out(request)


def _refused(
    request: AnyRequest,
    problem: Problem,
    field: str,
    typed: str = "",
    cookies: Cookies | None = None,
) -> Response[str]:
    return see_other(request, PATH, refusal(problem, field, typed), cookies)


def _at(request: AnyRequest, state: State) -> Cookies:
    return jar(sealed(request, _STATE, state, PATH))


def _tokens(request: AnyRequest, grant: Grant) -> Cookies:
    """Make the cookies with the tokens, hidden from scripts and from other sites."""
    return jar(
        kept(request, _ACCESS, grant.access_token, PATH, "strict"),
        kept(request, _REFRESH, grant.refresh_token, PATH, "strict"),
    )


def _signed_out(request: AnyRequest) -> Cookies:
    return jar(dropped(request, _ACCESS, PATH), dropped(request, _REFRESH, PATH))


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
        "login.html",
        path=PATH,
        flow=Flow.PASS_LOGIN,
        cookies=cookies,
        leads_to=settings.login_return_url,
        step=step,
        title=title,
        **facts,
    )


def _welcome(request: AnyRequest, me: Me) -> str:
    user = me.signed_in.user
    name = f"{user.first_name} {user.last_name}".strip() or user.email
    return explain(request, "page.welcome").format(name=name)


def _facts_of(request: AnyRequest, me: Me) -> dict[str, Any]:
    found = me.signed_in
    valid_until = None
    if found.last_day is not None:
        valid_until = format_date(found.last_day, "long", language_of(request).replace("-", "_"))
    return {
        "signed_in": found,
        "expired": found.is_expired(me.at),
        "valid_until": valid_until,
    }
