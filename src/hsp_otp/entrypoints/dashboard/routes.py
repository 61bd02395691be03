"""The routes of the dashboard: sign in, view, search, sign out."""

from http import HTTPStatus
from typing import Any, Final, assert_never

import attrs
from litestar import Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.exceptions import HTTPException

from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.email_address import EmailAddress, InvalidEmailError
from hsp_otp.domain.instant import seconds_until
from hsp_otp.domain.operator_sessions import OperatorSession, WrongPassword
from hsp_otp.domain.phone import InvalidPhoneError, PhoneNumber
from hsp_otp.domain.quota import Refusal
from hsp_otp.entrypoints.audit_timeline import in_words
from hsp_otp.entrypoints.dashboard.formatting import seconds
from hsp_otp.entrypoints.dashboard.page import SHELF, ops_page
from hsp_otp.entrypoints.dashboard.session_cookie import (
    PATH,
    cookie_of,
    desk_of,
    dropped,
    is_token_of,
    session_of,
    sessions_in,
)
from hsp_otp.entrypoints.dashboard.time_series import Chosen
from hsp_otp.entrypoints.dashboard.view_model import TITLES, facts_of, latency_of
from hsp_otp.entrypoints.http.problems import UNAVAILABLE, UNAVAILABLE_RETRY_SECONDS
from hsp_otp.entrypoints.http.requests import (
    MAX_BODY_BYTES,
    AnyRequest,
    caller_of,
    given,
    services_of,
)
from hsp_otp.entrypoints.pages.page import HEADERS, failures, fields_of, form_of, token_in
from hsp_otp.entrypoints.pages.sealed_cookies import jar, lines
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.flows.overview import A_DAY, STRETCHES, Stretch
from hsp_otp.ports.failures import Unavailable

_FAILURES: Final = failures(PATH, None)
_ACTIVE: Final = "x-ops-active"
"""The header that the page sends if its reader has been active since its last request."""

_WRONG: Final = "This password is wrong."
_WRONG_WITH_NAME: Final = "This name or password is wrong."
_KINDS: Final = {ContactKind.PHONE: "number", ContactKind.EMAIL: "e-mail address"}
_NO_NUMBER: Final = "This is not a phone number. Enter it in full, with the country code."
_NO_ADDRESS: Final = "This is not an e-mail address that codes can be sent to."
_UNWRITTEN: Final = (
    "The database is not answering. Your session has ended on this machine; on other machines it "
    "ends as soon as the database answers."
)


@get("/ops")
async def ops_look(request: AnyRequest) -> Response[str]:
    """Show the dashboard, or the sign-in page."""
    session = await session_of(request)
    if session is None:
        return ops_page(request, "sign_in.html", dropped(request), error="")
    facts = await _facts(request)
    return ops_page(request, "page.html", _used(request, session), session=session, **facts)


@post("/ops")
async def ops_sign_in(request: AnyRequest) -> Response[str]:
    """Sign in an operator."""
    form = await form_of(request)
    outcome = await desk_of(request).operators.sign_in(
        form.get("username", ""), form.get("password", ""), caller_of(request)
    )
    match outcome:
        case OperatorSession():
            return _see_other(cookie_of(request, outcome))
        case Refusal():
            wait = seconds_until(outcome.retry_at, services_of(request).clock.now())
            told = f"Too many wrong passwords. Try again in {_minutes(wait)}."
            request.scope["state"]["outcome"] = outcome.word
            return ops_page(
                request,
                "sign_in.html",
                status=HTTPStatus.TOO_MANY_REQUESTS,
                headers={"Retry-After": str(wait)},
                error=told,
            )
        case WrongPassword():
            request.scope["state"]["outcome"] = outcome.word
            told = _WRONG_WITH_NAME if services_of(request).settings.ops_users else _WRONG
            return ops_page(request, "sign_in.html", status=HTTPStatus.FORBIDDEN, error=told)
        case _:
            assert_never(outcome)


@get("/ops/live")
async def ops_live(request: AnyRequest) -> Response[str]:
    """Return the parts of the page that change, for its script."""
    session = await session_of(request)
    if session is None:
        return _see_other(dropped(request))
    facts = await _facts(request)
    # An open page that nobody touches does not count as use of the session.
    used = (_used(request, session),) if _ACTIVE in request.headers else ()
    return ops_page(request, "live.html", *used, session=session, **facts)


@post("/ops/story")
async def ops_story(request: AnyRequest) -> Response[str]:
    """Show what happened to one contact, which is sent in a form so that no URL contains it."""
    form = await fields_of(request)
    session = await session_of(request)
    if session is None:
        return _see_other(dropped(request))
    if not is_token_of(request, session, token_in(request, form)):
        raise HTTPException(status_code=HTTPStatus.FORBIDDEN)
    desk, settings = desk_of(request), services_of(request).settings
    used = _used(request, session)
    typed = given(form.get("contact")) or ""
    try:
        contact = _contact(typed, settings.default_region)
    except (InvalidPhoneError, InvalidEmailError):
        return ops_page(
            request,
            "story.html",
            used,
            session=session,
            status=HTTPStatus.BAD_REQUEST,
            error=_NO_ADDRESS if "@" in typed else _NO_NUMBER,
        )
    found = await desk.operators.search(contact, session, caller_of(request))
    entries = await desk.story(found)
    return ops_page(
        request,
        "story.html",
        used,
        session=session,
        error="",
        masked=contact.masked,
        region=contact.region,
        kind=_KINDS[contact.kind],
        told=[(in_short(entry.at), in_words(entry), entry.request_id) for entry in entries],
    )


def _contact(text: str, default_region: str | None) -> Contact:
    if "@" in text:
        return Contact.of_email(EmailAddress.parse(text))
    return Contact.of_phone(PhoneNumber.parse(text, default_region))


@post("/ops/sign-out")
async def ops_sign_out(request: AnyRequest) -> Response[str]:
    """
    End the session, also for anybody else who has its cookie.

    Does not check whether the session is over, because the database may not answer.
    """
    form = await fields_of(request)
    now, token = services_of(request).clock.now(), token_in(request, form)
    sessions = [one for one in sessions_in(request) if one.lives(now)]
    own = [one for one in sessions if is_token_of(request, one, token)]
    if sessions and not own:
        raise HTTPException(status_code=HTTPStatus.FORBIDDEN)
    try:
        for session in own:
            await desk_of(request).operators.sign_out(session)
    except Unavailable:
        return _not_written_down(request)
    return _see_other(dropped(request))


def _not_written_down(request: AnyRequest) -> Response[str]:
    request.scope["state"]["outcome"] = UNAVAILABLE.error
    return ops_page(
        request,
        "sign_in.html",
        dropped(request),
        status=UNAVAILABLE.status,
        headers={"Retry-After": str(UNAVAILABLE_RETRY_SECONDS)},
        error="",
        told=_UNWRITTEN,
    )


@get(SHELF.paths, include_in_schema=False, sync_to_thread=False)
def ops_asset(request: AnyRequest) -> Response[bytes]:
    """Return the style sheet or the script."""
    return SHELF.answer(request)


ROUTES: Final = (
    Router(
        "/",
        route_handlers=[ops_look, ops_sign_in, ops_live, ops_story, ops_sign_out],
        include_in_schema=False,
        exception_handlers=_FAILURES,
        request_max_body_size=MAX_BODY_BYTES,
    ),
    ops_asset,
)


async def _facts(request: AnyRequest) -> dict[str, Any]:
    desk, asked = desk_of(request), request.query_params
    stretch = STRETCHES.get(asked.get("range", ""), A_DAY)
    look = await desk.look(stretch)
    wanted = Chosen(
        flow=asked.get("flow"), country=asked.get("country"), sender=asked.get("sender")
    )
    reporting = services_of(request).receipts.keys()
    facts = facts_of(look.seen, wanted, reporting) if look.seen else None
    return {
        "answered": look.answered,
        "facts": facts,
        "senders": desk.senders(),
        "stretches": STRETCHES.values(),
        "stretch": stretch,
        "flows": TITLES,
        "now": in_short(services_of(request).clock.now()),
        "seen_at": in_short(look.seen.at) if look.seen else "",
        "latency": seconds,
        "drawn": latency_of,
        "link": _links(stretch, facts.chosen if facts else Chosen()),
    }


def _links(stretch: Stretch, chosen: Chosen) -> Any:  # noqa: ANN401 - for templates
    def link(**changes: str | None) -> str:
        asked = {"range": stretch.word, **attrs.asdict(chosen), **changes}
        given_ = [f"{name}={value}" for name, value in asked.items() if value]
        return f"{PATH}?{'&'.join(given_)}"

    return link


def _used(request: AnyRequest, session: OperatorSession) -> Cookie:
    return cookie_of(request, attrs.evolve(session, used=services_of(request).clock.now()))


def _see_other(*cookies: Cookie) -> Response[str]:
    return Response(
        "",
        status_code=HTTPStatus.SEE_OTHER,
        media_type="text/html",
        headers={"Location": PATH, **HEADERS},
        cookies=lines(jar(*cookies)),
    )


def _minutes(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
