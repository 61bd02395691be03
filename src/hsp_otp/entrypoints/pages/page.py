"""Functions that all pages share: rendering, headers and forms."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from litestar.exceptions import ClientException, HTTPException
from markupsafe import Markup, escape

from hsp_otp.domain.challenge_outcomes import CodeEnd, Locked, Standing
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import Instant, seconds_until
from hsp_otp.domain.policy import MAX_ATTEMPTS
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.typed_text import visible
from hsp_otp.entrypoints.http.browser import cookie_values, is_foreign
from hsp_otp.entrypoints.http.csrf import FIELD, FORGED, HEADER, cookie_of, is_genuine, token_for
from hsp_otp.entrypoints.http.languages import language_of
from hsp_otp.entrypoints.http.problems import (
    UNAVAILABLE,
    UNAVAILABLE_RETRY_SECONDS,
    Problem,
    of_status,
    work_of,
)
from hsp_otp.entrypoints.http.requests import AnyRequest, body_of, services_of
from hsp_otp.entrypoints.pages.assets import url_of
from hsp_otp.entrypoints.pages.branding import look_of
from hsp_otp.entrypoints.pages.sealed_cookies import Cookies, dropped, jar, lines, sealed, unsealed
from hsp_otp.ports.failures import Unavailable

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    # With no-referrer, browsers would send forms with the origin null.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_MAX_FIELDS: Final = 20
_MAX_TYPED: Final = 64
"""The most characters of the user's input that are shown again."""

_NOTICE: Final = "notice"
"""The prefix of the names of cookies with a notice for a page."""

_PROBLEMS: Final = {
    403: FORGED,
    415: Problem(415, "malformed_request"),  # the API's own sentence asks for JSON
}

_STRONG: Final = Markup("<b>{}</b>")
_EXAMPLE: Final = "HSP-1234-5678"
"""A pass code in sentences of the catalogues; no line breaks inside it."""

_log = structlog.get_logger()


def templates_of(package: str) -> Environment:
    """Load the templates of a *package* of pages."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


_templates: Final = templates_of("hsp_otp.entrypoints.pages")


class Notice(msgspec.Struct, omit_defaults=True):
    """
    The result of a form, shown once by the next page.

    Attributes:
        word: An error word of the API, or the id of another sentence.
        field: The field that it concerns; empty for a success.
        retry_at: When the same request may succeed.
        attempts: Guesses left for the code.
        typed: The text to put back into the field.
        values: The values for the sentence's placeholders.
        sentence: The id of the sentence, if it is not that of *word*.
        work: The work to do before the same request may succeed, as JSON.
        work_seconds: The time that it takes a phone.
        asks_for_support: The address of support belongs to it, if there is one.
    """

    word: str
    field: str = ""
    retry_at: int | None = None
    attempts: int | None = None
    typed: str = ""
    region: str = ""
    values: dict[str, str] = {}
    sentence: str = ""
    work: str = ""
    work_seconds: int = 0
    asks_for_support: bool = False

    @property
    def good(self) -> bool:
        """Whether the notice reports a success."""
        return not self.field


def refusal(
    problem: Problem, field: str, typed: str = "", region: str = "", sentence: str = ""
) -> Notice:
    """
    Create the notice of a *problem* with the input in *field*.

    Args:
        sentence: The id of another sentence than that of the problem.
    """
    typed, work = visible(typed), problem.work
    return Notice(
        problem.error,
        field,
        retry_at=problem.retry_at,
        attempts=problem.attempts_remaining,
        typed=typed if len(typed) <= _MAX_TYPED and typed.isprintable() else "",
        region=region,
        sentence=sentence or problem.sentence,
        work="" if work is None else msgspec.json.encode(work_of(work)).decode(),
        work_seconds=0 if work is None else work.seconds,
        asks_for_support=problem.asks_for_support,
    )


def code_facts(
    request: AnyRequest, standing: Standing | None, channel: Channel | None
) -> dict[str, Any]:
    """
    Return how the page asks for a code, and for a call with another one.

    Args:
        request: The request.
        standing: The state of the code; None if it is not known.
        channel: By which the code went out; None if there is no code.
    """
    call_at = standing.call_at if standing else None
    return {
        "lead": "page.called_lead" if channel is Channel.VOICE else "page.code_lead",
        "calls": can_call(request),
        "call_in": seconds_left(call_at, services_of(request).clock.now()) or 0,
    }


def can_call(request: AnyRequest) -> bool:
    """Return whether the service has senders of calls."""
    return Channel.VOICE in services_of(request).senders


async def form_of(request: AnyRequest) -> Mapping[str, str]:
    """
    Read the fields of a form that one of the pages sent.

    Raises:
        HTTPException: As for `fields_of`, and 403 if the token is missing.
        ClientException: As for `fields_of`.
    """
    form = await fields_of(request)
    if not is_genuine(request, token_in(request, form)):
        raise HTTPException(status_code=403)
    return form


def token_in(request: AnyRequest, form: Mapping[str, str]) -> str | None:
    """Return the CSRF token in the header or the form."""
    return request.headers.get(HEADER) or form.get(FIELD)


async def fields_of(request: AnyRequest) -> Mapping[str, str]:
    """
    Read the fields of a form; of several with one name, the last. Does not check the CSRF token.

    Raises:
        HTTPException: 403 if another site's page sent it, 413 if it is too large, 415 if it is not
            a form.
        ClientException: 400 if the form is malformed.
    """
    if is_foreign(request):
        raise HTTPException(status_code=403)
    media_type, _ = request.content_type
    if media_type != "application/x-www-form-urlencoded":
        raise HTTPException(status_code=415)
    body = await body_of(request)
    try:
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise ClientException from None
    return dict(fields)


def page(
    request: AnyRequest,
    template: str,
    *,
    path: str,
    flow: Flow | None,
    status: int = 200,
    cookies: Cookies | None = None,
    leads_to: str = "",
    **facts: Any,  # noqa: ANN401 - whatever the template shows
) -> Response[str]:
    """
    Render a page in the reader's language, with the notice for it if there is one.

    Args:
        path: The page's path, with the trailing slash.
        flow: The flow whose page it is; None if it is nobody's.
        leads_to: The URL of another site that the page may post a form to.
        facts: Further values for the template.
    """
    services, look = services_of(request), look_of(request, flow)
    news = _news(path)
    notice = unsealed(request, news, Notice)
    gone = jar(dropped(request, news, path)) if cookie_values(request, news) else {}
    language, token = language_of(request), token_for(request)

    def t(word: str, **values: Any) -> Markup:  # noqa: ANN401 - strings, numbers, markup
        # Markup.format escapes its arguments, except for markup.
        sentence = escape(explain(request, word))
        return sentence.replace(_EXAMPLE, _STRONG.format(_EXAMPLE)).format(**values)

    def wrong(field: str) -> bool:
        return notice is not None and notice.field == field

    told = ""
    if notice is not None:
        try:
            values = {name: _STRONG.format(value) for name, value in notice.values.items()}
            told = t(notice.sentence or notice.word, **values)
        except LookupError:  # from another release with other sentences
            notice = None
    text = _templates.get_template(template).render(
        language=language,
        languages=services.messages.own_names,
        path=path,
        look=look,
        service=look.brand.name,
        csrf=token,
        digits=services.settings.code_digits,
        static=url_of,
        minutes=_minutes,
        notice=notice,
        told=told,
        retry_in=seconds_left(notice.retry_at if notice else None, services.clock.now()),
        t=t,
        wrong=wrong,
        **facts,
    )
    return Response(
        text,
        status_code=status,
        media_type="text/html",
        headers=HEADERS | _policy(leads_to) | {"Content-Language": language},
        cookies=lines(jar(cookie_of(request, token)) | gone | (cookies or {})),
    )


def see_other(
    request: AnyRequest, path: str, notice: Notice | None = None, cookies: Cookies | None = None
) -> Response[str]:
    """
    Redirect from a form to *path*, so that neither reloading nor going back sends the form again.

    Args:
        notice: The notice to show there, once.
    """
    told = jar(sealed(request, _news(path), notice, path)) if notice else {}
    if notice and not notice.good:
        request.scope["state"]["outcome"] = notice.word
    return Response(
        "",
        status_code=303,
        media_type="text/html",
        headers={"Location": path, **HEADERS},
        cookies=lines(told | (cookies or {})),
    )


def failures(path: str, flow: Flow | None) -> dict[Any, Any]:
    """Return the exception handlers that render errors of the page at *path* for people."""

    def tell(request: AnyRequest, problem: Problem) -> Response[str]:
        return failure_page(request, problem, path, flow)

    def of_http(request: AnyRequest, failure: HTTPException) -> Response[str]:
        if failure.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise failure
        return tell(request, _PROBLEMS.get(failure.status_code) or of_status(failure.status_code))

    def of_unavailable(request: AnyRequest, failure: Unavailable) -> Response[str]:
        _log.warning("unavailable", exc_info=failure)
        return tell(request, UNAVAILABLE)

    return {HTTPException: of_http, Unavailable: of_unavailable}


def failure_page(
    request: AnyRequest,
    problem: Problem,
    path: str,
    flow: Flow | None,
    way_home: str = "page.go_back",
) -> Response[str]:
    """
    Render *problem* for people.

    Args:
        path: The page that it leads to.
        flow: The flow whose page it is; None if it is nobody's.
        way_home: The id of the words that lead there; empty if nothing does.
    """
    request.scope["state"]["outcome"] = problem.error
    answer = page(
        request,
        "failure.html",
        path=path,
        flow=flow,
        status=problem.status,
        message=explain(request, problem.error),
        way_home=way_home and explain(request, way_home),
    )
    if problem is UNAVAILABLE:
        answer.headers["Retry-After"] = str(UNAVAILABLE_RETRY_SECONDS)
    return answer


def _policy(leads_to: str) -> dict[str, str]:
    """Allow forms for another site, too, if there is one."""
    if not leads_to:
        return {}
    site = urlsplit(leads_to)
    forms = "form-action 'self'"
    allowed = POLICY.replace(forms, f"{forms} {site.scheme}://{site.netloc}")
    return {"Content-Security-Policy": allowed}


def _news(path: str) -> str:
    """Name the notice cookie of the page at *path*; with https, all pages get all cookies."""
    return f"{_NOTICE}{path.rstrip('/').replace('/', '_')}"


def seconds_left(at: int | None, now: Instant) -> int | None:
    """Return the seconds until *at*, an instant possibly from a cookie; None without one."""
    return None if at is None else seconds_until(Instant(at), now)


def explain(request: AnyRequest, word: str) -> str:
    """Return the sentence *word* in the language of *request*."""
    return services_of(request).messages.explain(word, language_of(request))


def end_told(request: AnyRequest, end: CodeEnd) -> str:
    """Return the sentence that says why a code cannot be right any more."""
    guesses = services_of(request).settings.max_attempts
    if end is CodeEnd.LOCKED:
        return explain(request, Locked.word)
    if end is CodeEnd.EXHAUSTED and guesses == MAX_ATTEMPTS:
        return explain(request, "page.end_three_wrong")
    return explain(request, f"page.end_{end.value}")


def wait_told(end: CodeEnd | None, resend_at: Instant | int | None, now: Instant) -> int | None:
    """Return the seconds until a new code may be asked for; None if no wait helps."""
    wait = seconds_left(resend_at, now)
    return wait if end is CodeEnd.LOCKED else wait or 0


def _minutes(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    if hours:
        return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
    return f"{rest // 60}:{rest % 60:02d}"
