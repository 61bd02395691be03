"""The middleware around every request and every answer."""

import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import attrs
import structlog
from litestar import Litestar, Request
from litestar.enums import ScopeType
from litestar.types import Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars
from structlog.typing import FilteringBoundLogger

from hsp_otp.adapters.instrumentation.port_times import PortTimes
from hsp_otp.domain.instant import HOUR, Instant
from hsp_otp.domain.names import ClientAddress
from hsp_otp.entrypoints.client_address import HEADERS, FoundClient, find_client
from hsp_otp.entrypoints.http.cross_origin import (
    ORIGIN,
    REQUESTED_METHOD,
    answer_preflight,
    cross_origin_headers,
    is_preflight,
)
from hsp_otp.entrypoints.http.languages import chosen
from hsp_otp.entrypoints.http.malformed import count_malformed
from hsp_otp.entrypoints.http.problems import MALFORMED, NOT_FOUND, Problem
from hsp_otp.entrypoints.http.request_target import canonical_path, names_a_host
from hsp_otp.entrypoints.services import Services
from hsp_otp.entrypoints.settings.model import Settings

if TYPE_CHECKING:
    from hsp_otp.adapters.opentelemetry.spans import RequestSpan

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_WARN_EVERY: Final = HOUR

_log = structlog.get_logger()


@attrs.frozen(kw_only=True)
class _Told:
    """The facts about a request that may be logged."""

    route: str
    method: str
    status: int
    outcome: str


class RequestMiddleware:
    """
    Wraps the application. It adds request ids, the client's address, the headers of every answer
    and one log line per request.
    """

    def __init__(self, app: Litestar) -> None:
        self._app = app
        self._warned_at: dict[str, Instant] = {}
        self._allowed = [
            (_pattern(route.path_format), _allow(route.methods)) for route in app.routes
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] == ScopeType.HTTP:
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, outer: Any, receive: Receive, send: Send) -> None:  # noqa: ANN401
        began = time.perf_counter()
        services: Services = self._app.state.services
        lines = _lines(outer["headers"])
        found = _client(outer, lines, services.settings)
        state: dict[str, Any] = {
            **outer.get("state", {}),
            "request_id": _request_id(lines[b"x-request-id"]),
            "client": found.address,
            "is_head": outer["method"] == "HEAD",
            "is_time_to": self._is_time_to,
            "language": chosen(
                lines[b"accept-language"], lines[b"cookie"], services.messages.languages
            ),
        }
        # The HTTP library would answer OPTIONS itself, and does not support HEAD; the server
        # omits the body of an answer to HEAD.
        method = {"HEAD": "GET", "OPTIONS": "NONE"}.get(outer["method"], outer["method"])
        # The HTTP library would also accept other spellings of a path.
        canonical = canonical_path(outer)
        path = outer["path"] if canonical is None else canonical
        scope: Any = {**outer, "state": state, "method": method, "path": path}
        refused = _refused(outer, canonical)
        readable = cross_origin_headers(path, lines[ORIGIN], services.settings)
        status = 500

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = self._headers(message, path, state["request_id"])
                message["headers"] = [*headers, *readable]
            await send(message)

        probed = path in _PROBES
        if not probed:
            self._warn_of_proxies(found, lines, services)
        parents = lines[b"traceparent"] if found.is_peer_trusted else ()
        with _span(services, parents, wanted=not probed) as span, PortTimes() as waited:
            # Faster than the library's block for it, which reads the whole context first.
            bound = bind_contextvars(**_names(state["request_id"], span))
            try:
                if refused is not None:
                    await self._answer(refused, scope, receive, finish)
                elif is_preflight(outer["method"], path, lines, services.settings):
                    await answer_preflight(finish)
                else:
                    await self._app(scope, receive, finish)
            finally:
                took = time.perf_counter() - began
                told = _Told(
                    # Never the path itself, because it may contain anything.
                    route=scope.get("path_template", "none"),
                    method=outer["method"] if outer["method"] in _METHODS else "other",
                    status=status,
                    outcome=state.get("outcome", "ok"),
                )
                count_malformed(services, told.route, told.outcome, state["language"])
                if services.answered is not None:
                    services.answered(told.route, told.method, status, took)
                if span is not None:
                    span.answered(
                        *(told.route, told.method, status),
                        outcome=told.outcome,
                        request_id=state["request_id"],
                    )
                if not probed or status >= HTTPStatus.BAD_REQUEST:
                    _log_request(self._bound_log, told, state["client"], took, waited)
                reset_contextvars(**bound)

    @cached_property
    def _bound_log(self) -> FilteringBoundLogger:
        """The log, bound with the first request: binding it takes a third as long as a line."""
        bound: FilteringBoundLogger = _log.bind()
        return bound

    def _headers(
        self,
        message: Any,  # noqa: ANN401 - ASGI
        path: str,
        request_id: str,
    ) -> list[tuple[bytes, bytes]]:
        """Return the headers of an answer, including those that every answer has."""
        headers = list(message["headers"])
        headers.append((b"x-request-id", request_id.encode()))
        headers.append((b"x-content-type-options", b"nosniff"))
        if not any(name.lower() == b"cache-control" for name, _ in headers):
            headers.append((b"cache-control", b"no-store"))
        if message["status"] == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = [one for one in headers if one[0].lower() != b"allow"]
            headers.append((b"allow", self._allow(path).encode()))
        return headers

    def _allow(self, path: str) -> str:
        """Return the methods of the first route that has *path*."""
        found = (methods for pattern, methods in self._allowed if pattern.fullmatch(path))
        return next(found, "")

    async def _answer(self, problem: Problem, scope: Any, receive: Receive, send: Send) -> None:  # noqa: ANN401 - ASGI
        """Answer before the application sees the request."""
        seen: Any = {**scope, "litestar_app": self._app}
        request: Request[Any, Any, Any] = Request(seen)
        refusal: Any = self._app.state.tell(request, problem)
        await refusal.to_asgi_response(app=None, request=request)(scope, receive, send)

    def _warn_of_proxies(
        self, found: FoundClient, lines: Mapping[bytes, Sequence[str]], services: Services
    ) -> None:
        """Log a warning, at most once an hour, about callers that share one address."""
        if found.is_peer_trusted and not found.is_proxy:
            return
        sent = [name for name in HEADERS if lines[name.encode()]]
        now = services.clock.now()
        if sent and not found.is_peer_trusted and self._is_time_to("untrusted", now):
            _log.warning(
                "forwarded_header_from_untrusted_peer",
                hint="all callers behind a proxy share one address unless "
                "HSP_OTP_TRUSTED_PROXIES names the proxy",
            )
        if found.is_proxy and self._is_time_to("silent", now):
            _log.warning(
                "trusted_proxy_names_no_client",
                proxy=str(found.address),
                sent=sent,
                reads=services.settings.forwarded_header,
                hint="all callers of this proxy share one address; configure it to name them in "
                "the header that HSP_OTP_FORWARDED_HEADER names",
            )

    def _is_time_to(self, warn: str, now: Instant) -> bool:
        before = self._warned_at.get(warn)
        if before is not None and now - before < _WARN_EVERY:
            return False
        self._warned_at[warn] = now
        return True


def _log_request(
    log: FilteringBoundLogger, told: _Told, client: ClientAddress, took: float, waited: PortTimes
) -> None:
    log.info(
        "request",
        route=told.route,
        method=told.method,
        status=told.status,
        outcome=told.outcome,
        client=str(client),
        milliseconds=_milliseconds(took),
        ports={port: _milliseconds(seconds) for port, seconds in waited.seconds.items()},
        **_repeated(waited.calls),
    )


def _client(scope: Any, lines: Mapping[bytes, Sequence[str]], settings: Settings) -> FoundClient:  # noqa: ANN401 - ASGI
    return find_client(
        scope["client"][0] if scope["client"] else None,
        lines[settings.forwarded_header.encode()],
        settings.trusted_proxies,
        settings.forwarded_header,
    )


def _refused(scope: Mapping[str, Any], path: str | None) -> Problem | None:
    if not names_a_host(scope):
        return MALFORMED
    return NOT_FOUND if path is None else None


_PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Paths that machines request every few seconds; successes are neither logged nor traced."""

_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


def _span(
    services: Services, parents: Sequence[str], *, wanted: bool
) -> "AbstractContextManager[RequestSpan | None]":
    if services.spans is None or not wanted:
        return nullcontext()
    return services.spans.request(parents[0] if len(parents) == 1 else None)


def _names(request_id: str, span: "RequestSpan | None") -> dict[str, str]:
    """Return the ids that connect one request's log lines, audit rows and traces."""
    trace_id = None if span is None else span.trace_id
    return {"request_id": request_id, **({} if trace_id is None else {"trace_id": trace_id})}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _repeated(calls: Mapping[str, int]) -> dict[str, dict[str, int]]:
    several = {port: count for port, count in calls.items() if count > 1}
    return {"calls": several} if several else {}


def _pattern(template: str) -> re.Pattern[str]:
    """Return the pattern of the paths of a route."""
    parts = _PARAMETER.split(template)
    return re.compile("[^/]+".join(map(re.escape, parts)))


def _allow(methods: Iterable[str]) -> str:
    offered = set(methods) - {"OPTIONS"}
    return ", ".join(sorted(offered | {"HEAD"} if "GET" in offered else offered))


_READ: Final = frozenset(
    {
        *(name.encode() for name in HEADERS),
        *(b"accept-language", b"cookie", b"traceparent", b"x-request-id"),
        *(ORIGIN, REQUESTED_METHOD),
    }
)


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[bytes, Sequence[str]]:
    """Return the values of each header that the middleware reads."""
    found: dict[bytes, Sequence[str]] = dict.fromkeys(_READ, ())
    for name, value in headers:
        if name in _READ:
            found[name] = (*found[name], value.decode("latin-1"))
    return found


def _request_id(given: Sequence[str]) -> str:
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0]
    return secrets.token_hex(16)
