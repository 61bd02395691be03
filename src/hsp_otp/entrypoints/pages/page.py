"""What all pages share: rendering, headers, forms."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from litestar.exceptions import ClientException, HTTPException
from markupsafe import Markup, escape

from hsp_otp.domain.instant import Instant, seconds_until
from hsp_otp.domain.typed_text import visible
from hsp_otp.entrypoints.http.browser import cookie_values, is_foreign
from hsp_otp.entrypoints.http.csrf import FIELD, FORGED, HEADER, cookie_of, is_genuine, token_for
from hsp_otp.entrypoints.http.languages import language_of
from hsp_otp.entrypoints.http.problems import (
    UNAVAILABLE,
    UNAVAILABLE_RETRY_SECONDS,
    Problem,
    of_status,
)
from hsp_otp.entrypoints.http.requests import AnyRequest, body_of, services_of
from hsp_otp.entrypoints.pages.assets import url_of
from hsp_otp.entrypoints.pages.sealed_cookies import Cookies, dropped, jar, lines, sealed, unsealed
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.ports.failures import Unavailable

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    # With no-referrer browsers would send forms with the origin null.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_MAX_FIELDS: Final = 20
_MAX_TYPED: Final = 64
"""Characters of what was typed that are shown again."""

_NOTICE: Final = "notice"
"""In the names of cookies with news for a page."""

_PROBLEMS: Final = {
    403: FORGED,
    415: Problem(415, "malformed_request"),  # the API's own sentence asks for JSON
}

_STRONG: Final = Markup("<b>{}</b>")

_log = structlog.get_logger()


def templates_of(package: str) -> Environment:
    """The templates of a *package* of pages."""
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
    What a form came to, told once by the page that follows.

    Attributes:
        word: An error word of the API, or the id of another sentence.
        field: Where it stands; empty where it is good news.
        retry_at: When the same may succeed.
        attempts: Guesses left of the code.
        typed: What is put back into the field.
        values: What stands in the sentence.
    """

    word: str
    field: str = ""
    retry_at: int | None = None
    attempts: int | None = None
    typed: str = ""
    region: str = ""
    values: dict[str, str] = {}

    @property
    def good(self) -> bool:
        """Whether it is good news."""
        return not self.field


def refusal(problem: Problem, field: str, typed: str = "", region: str = "") -> Notice:
    """That *problem* came of what stands in *field*."""
    typed = visible(typed)
    return Notice(
        problem.error,
        field,
        retry_at=problem.retry_at,
        attempts=problem.attempts_remaining,
        typed=typed if len(typed) <= _MAX_TYPED and typed.isprintable() else "",
        region=region,
    )


async def form_of(request: AnyRequest) -> Mapping[str, str]:
    """
    The fields of a form that a page of ours sent.

    Raises:
        HTTPException: As `fields_of`, and 403 where the token is missing.
        ClientException: As `fields_of`.
    """
    form = await fields_of(request)
    if not is_genuine(request, token_in(request, form)):
        raise HTTPException(status_code=403)
    return form


def token_in(request: AnyRequest, form: Mapping[str, str]) -> str | None:
    """The CSRF token that came beside the cookies."""
    return request.headers.get(HEADER) or form.get(FIELD)


async def fields_of(request: AnyRequest) -> Mapping[str, str]:
    """
    The fields of a form; of two of a name the last. Its token is still to be looked at.

    Raises:
        HTTPException: 403 where another site's page sent it, 413 where it is too large, 415 where
            it is no form.
        ClientException: 400 where it is a broken one.
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
    service: str,
    status: int = 200,
    cookies: Cookies | None = None,
    **facts: Any,  # noqa: ANN401 - whatever the template shows
) -> Response[str]:
    """
    A page in the language of its reader, with what there is to tell.

    Args:
        path: Its own, with the slash at its end.
        service: Who speaks.
        facts: What the template wants to know beside.
    """
    services = services_of(request)
    news = _news(path)
    notice = unsealed(request, news, Notice)
    gone = jar(dropped(request, news, path)) if cookie_values(request, news) else {}
    language, token = language_of(request), token_for(request)

    def t(word: str, **values: Any) -> Markup:  # noqa: ANN401 - strings, numbers, markup
        # Markup.format escapes what it is given, unless that is markup itself.
        return escape(explain(request, word)).format(**values)

    def wrong(field: str) -> bool:
        return notice is not None and notice.field == field

    told = ""
    if notice is not None:
        try:
            told = t(notice.word, **{k: _STRONG.format(v) for k, v in notice.values.items()})
        except LookupError:  # of another release, which had other sentences
            notice = None
    text = _templates.get_template(template).render(
        language=language,
        languages=services.messages.own_names,
        path=path,
        service=service,
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
        headers=HEADERS | {"Content-Language": language},
        cookies=lines(jar(cookie_of(request, token)) | gone | (cookies or {})),
    )


def see_other(
    request: AnyRequest, path: str, notice: Notice | None = None, cookies: Cookies | None = None
) -> Response[str]:
    """
    Where the answer to a form is: at *path*, so that neither reloading nor going back sends again.

    Args:
        notice: Told there, once.
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


def failures(path: str, service: Callable[[Settings], str]) -> dict[Any, Any]:
    """How the page at *path* tells of what is no answer of its own; for people too."""

    def tell(request: AnyRequest, problem: Problem) -> Response[str]:
        request.scope["state"]["outcome"] = problem.error
        answer = page(
            request,
            "failure.html",
            path=path,
            service=service(services_of(request).settings),
            status=problem.status,
            message=explain(request, problem.error),
        )
        if problem is UNAVAILABLE:
            answer.headers["Retry-After"] = str(UNAVAILABLE_RETRY_SECONDS)
        return answer

    def of_http(request: AnyRequest, failure: HTTPException) -> Response[str]:
        if failure.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise failure
        return tell(request, _PROBLEMS.get(failure.status_code) or of_status(failure.status_code))

    def of_unavailable(request: AnyRequest, failure: Unavailable) -> Response[str]:
        _log.warning("unavailable", exc_info=failure)
        return tell(request, UNAVAILABLE)

    return {HTTPException: of_http, Unavailable: of_unavailable}


def _news(path: str) -> str:
    """The cookie with news for the page at *path* alone: by https all pages get all cookies."""
    return f"{_NOTICE}{path.rstrip('/').replace('/', '_')}"


def seconds_left(at: int | None, now: Instant) -> int | None:
    """Until *at*, an instant that may come out of a cookie; None where there is none."""
    return None if at is None else seconds_until(Instant(at), now)


def explain(request: AnyRequest, word: str) -> str:
    """The sentence *word* for the reader of *request*."""
    return services_of(request).messages.explain(word, language_of(request))


def _minutes(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    if hours:
        return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
    return f"{rest // 60}:{rest % 60:02d}"
