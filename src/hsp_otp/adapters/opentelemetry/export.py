"""
Where spans go: to a collector, by OTLP over HTTP, from a thread of its own.

No request waits for it. What the collector does not take is lost, and told of now and then.
"""

import os
import threading
from collections.abc import Sequence
from typing import Final

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from hsp_otp.adapters.opentelemetry.spans import Spans
from hsp_otp.domain.instant import MINUTE, Instant
from hsp_otp.ports.clock import Clock

_NAME: Final = "hsp-otp"

_MOST_WAITING: Final = 4096
"""Spans that wait to be sent, some 10 MB; the oldest go first where there are more."""

_BATCH: Final = 512

_SEND_EVERY_MILLISECONDS: Final = 1000

_TAKE_WITHIN_SECONDS: Final = 3
"""For the collector to take a batch."""

_LAST_WITHIN_SECONDS: Final = 1.0
"""For what is left when the service stops, beside what else there is to end."""

_TELL_EVERY: Final = 10 * MINUTE

_log = structlog.get_logger()


class Telling(SpanExporter):
    """Hands spans on, and tells how many were not taken, once in ten minutes at most."""

    def __init__(self, exporter: SpanExporter, clock: Clock) -> None:
        self._exporter = exporter
        self._clock = clock
        self._lost = 0
        self._told_at: Instant | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand *spans* on."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            now = self._clock.now()
            if self._told_at is None or now - self._told_at >= _TELL_EVERY:
                _log.warning("traces_not_taken", spans=self._lost)
                self._told_at, self._lost = now, 0
        return result

    def shutdown(self) -> None:
        """Take no more."""
        self._exporter.shutdown()


class Export:
    """Sends the spans that it makes, until it is ended."""

    def __init__(self, url: str, percent: int, version: str, clock: Clock) -> None:
        """
        Begin.

        Args:
            url: Where the collector takes traces.
            percent: How many of the traces that begin here are kept.
            version: Of the service.
        """
        exporter = OTLPSpanExporter(endpoint=url, timeout=_TAKE_WITHIN_SECONDS)
        self._provider = provider(percent, version)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                Telling(exporter, clock),
                max_queue_size=_MOST_WAITING,
                max_export_batch_size=_BATCH,
                schedule_delay_millis=_SEND_EVERY_MILLISECONDS,
            )
        )
        self.spans = Spans(self._provider.get_tracer(_NAME, version), clock)
        # The library's own end waits for half a minute.
        self._ending = threading.Thread(
            target=self._provider.shutdown, name="traces-end", daemon=True
        )

    def end(self) -> None:
        """Begin to send what is left; there are to be no more spans."""
        self._ending.start()

    def wait(self) -> None:
        """Let what is left be sent, for a second at most."""
        if self._ending.ident is None:
            self.end()
        self._ending.join(_LAST_WITHIN_SECONDS)


def provider(percent: int, version: str) -> TracerProvider:
    """What makes spans, of so many of the traces that begin here, and of whose parent is kept."""
    own = Resource({SERVICE_NAME: _NAME, "service.version": version, "process.pid": os.getpid()})
    return TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(percent / 100)),
        # What the environment says of the service (OTEL_SERVICE_NAME) goes before.
        resource=own.merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,
    )
