"""
All spans, as described in docs/traces.md.

Attributes contain only the service's own words and numbers, a route's template and the request's
id. For an exception, a span has only its type, because its text may contain the data that caused
it.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final, ParamSpec, TypeVar, cast

import attrs
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)

from hsp_otp.domain.instant import SECOND
from hsp_otp.ports.clock import Clock

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""The only version of W3C Trace Context."""

_NANOSECONDS: Final = 1_000
"""Nanoseconds in a microsecond."""

F = TypeVar("F")
P = ParamSpec("P")
T = TypeVar("T")


@attrs.frozen
class RequestSpan:
    """The span of a request that is being served."""

    _span: Span

    @property
    def trace_id(self) -> str | None:
        """The id to find the trace by; None if the trace is not kept."""
        if not self._span.is_recording():
            return None
        return format_trace_id(self._span.get_span_context().trace_id)

    def answered(
        self, route: str, method: str, status: int, *, outcome: str, request_id: str
    ) -> None:
        """Record the answer; *route* is the template of the route."""
        self._span.update_name(f"{method} {route}")
        self._span.set_attributes(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                "hsp_otp.outcome": outcome,
                "hsp_otp.request_id": request_id,
            }
        )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._span.set_status(Status(StatusCode.ERROR))


@attrs.frozen
class Spans:
    """Makes nested spans for requests, journeys and calls of ports."""

    tracer: Tracer
    clock: Clock

    @contextmanager
    def request(self, traceparent: str | None) -> Generator[RequestSpan]:
        """
        The span of the work within the block.

        Args:
            traceparent: The parent span, from a trusted caller. If it is not valid, a new trace
                begins.
        """
        span = self.tracer.start_span(
            "request", context=_remote(traceparent), kind=SpanKind.SERVER, start_time=self._now()
        )
        with self._within(span):
            yield RequestSpan(span)

    def journeys(self, name: str, flow: F) -> F:
        """*flow*, with a span around each of its journeys."""
        return cast("F", _Journeys(name, flow, self))

    def journey(self, name: str, walk: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """*walk*, with a span around it."""

        async def walked(*args: P.args, **kwargs: P.kwargs) -> T:
            if not get_current_span().is_recording():
                return await walk(*args, **kwargs)
            span = self.tracer.start_span(name, start_time=self._now())
            with self._within(span):
                outcome = await walk(*args, **kwargs)
                span.set_attribute("hsp_otp.outcome", getattr(outcome, "word", "ok"))
                return outcome

        return walked

    def called(self, port: str, store: str, seconds: float, failure: BaseException | None) -> None:
        """Make the span of a call that has ended."""
        attributes = {"hsp_otp.port": port, "hsp_otp.store": store}
        self._past(port, seconds, attributes, failure)

    def attempted(self, sender: str, result: str, seconds: float) -> None:
        """Make the span of a message that was offered to *sender*."""
        attributes = {"hsp_otp.port": "sender", "hsp_otp.sender": sender, "hsp_otp.result": result}
        self._past("sender", seconds, attributes)

    def _past(
        self,
        name: str,
        seconds: float,
        attributes: dict[str, str],
        failure: BaseException | None = None,
    ) -> None:
        # These spans contain no others, so they can be made afterwards.
        if not get_current_span().is_recording():
            return
        now = self._now()
        span = self.tracer.start_span(
            name, attributes=attributes, start_time=now - round(seconds * SECOND) * _NANOSECONDS
        )
        if failure is not None:
            _fail(span, failure)
        span.end(now)

    @contextmanager
    def _within(self, span: Span) -> Generator[None]:
        # Not the library's own block, which records the texts of exceptions.
        token = attach(set_span_in_context(span))
        try:
            yield
        except BaseException as failure:
            _fail(span, failure)
            raise
        finally:
            detach(token)
            span.end(self._now())

    def _now(self) -> int:
        return self.clock.now() * _NANOSECONDS


class _Journeys:
    """Wraps a flow."""

    def __init__(self, name: str, flow: object, spans: Spans) -> None:
        self._name = name
        self._flow = flow
        self._spans = spans

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the flow
        found = getattr(self._flow, name)
        if inspect.iscoroutinefunction(found):
            return self._spans.journey(f"{self._name}.{name}", found)
        return found


def _fail(span: Span, failure: BaseException) -> None:
    span.set_attribute("error.type", type(failure).__name__)
    span.set_status(Status(StatusCode.ERROR))


def _remote(traceparent: str | None) -> Context:
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found is None:
        return Context()
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    parent = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return set_span_in_context(NonRecordingSpan(parent), Context())
