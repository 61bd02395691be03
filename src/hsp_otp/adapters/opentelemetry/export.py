"""
The export of spans to a collector, by OTLP over HTTP, from a separate thread.

No request waits for it. Spans that the collector does not take are lost, which is logged from time
to time.
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
"""Spans that wait to be sent, about 10 MB; beyond that, the oldest are dropped."""

_BATCH: Final = 512

_SEND_EVERY_MILLISECONDS: Final = 1000

_TAKE_WITHIN_SECONDS: Final = 3
"""Time for the collector to take a batch."""

_LAST_WITHIN_SECONDS: Final = 1.0
"""Time for the remaining spans when the service stops, while other parts stop too."""

_TELL_EVERY: Final = 10 * MINUTE

_log = structlog.get_logger()


class Telling(SpanExporter):
    """Passes spans on, and logs the number of lost ones at most once every ten minutes."""

    def __init__(self, exporter: SpanExporter, clock: Clock) -> None:
        self._exporter = exporter
        self._clock = clock
        self._lost = 0
        self._told_at: Instant | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Pass *spans* on."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            now = self._clock.now()
            if self._told_at is None or now - self._told_at >= _TELL_EVERY:
                _log.warning("traces_not_taken", spans=self._lost)
                self._told_at, self._lost = now, 0
        return result

    def shutdown(self) -> None:
        """Accept no more spans."""
        self._exporter.shutdown()


class Export:
    """Sends its spans until it is ended."""

    def __init__(self, url: str, percent: int, version: str, clock: Clock) -> None:
        """
        Start the export.

        Args:
            url: The URL where the collector takes traces.
            percent: The share of traces begun here that are kept.
            version: The service's version.
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
        # The library's own shutdown waits for half a minute.
        self._ending = threading.Thread(
            target=self._provider.shutdown, name="traces-end", daemon=True
        )

    def end(self) -> None:
        """Start to send the remaining spans; no more may follow."""
        self._ending.start()

    def wait(self) -> None:
        """Wait for the remaining spans to be sent, for at most a second."""
        if self._ending.ident is None:
            self.end()
        self._ending.join(_LAST_WITHIN_SECONDS)


def provider(percent: int, version: str) -> TracerProvider:
    """Makes spans for that share of the traces begun here, and for kept parents."""
    own = Resource({SERVICE_NAME: _NAME, "service.version": version, "process.pid": os.getpid()})
    return TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(percent / 100)),
        # The environment's description of the service (OTEL_SERVICE_NAME) has precedence.
        resource=own.merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,
    )
