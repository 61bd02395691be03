"""A collector of traces, which records what it receives."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import attrs
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@attrs.frozen(kw_only=True)
class Received:
    """
    A span as it arrived.

    Attributes:
        parent: The id of the parent span; empty if there is none.
        pid: The process that made it.
    """

    name: str
    span: str
    parent: str
    trace: str
    attributes: dict[str, Any]
    pid: int


class Collector:
    """
    Receives traces by OTLP over HTTP on its own port.

    Attributes:
        bodies: The received bodies.
        hangs: Whether it reads requests but never answers.
        status: The status of its answers.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.hangs = False
        self.status = 200
        self._gone = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.bodies.append(body)
                if collector.hangs:
                    collector._gone.wait()
                    return
                told = f"no room for {body!r}".encode() if collector.status != 200 else b""
                self.send_response(collector.status, "no room" if told else "OK")
                self.send_header("content-length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_: Any) -> None:  # noqa: ANN401
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # Check every 20 ms whether to stop; the default of half a second would delay every test.
        self._serving = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def __enter__(self) -> Self:
        self._serving.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._gone.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def spans(self) -> list[Received]:
        """Return all spans in order of arrival."""
        found: list[Received] = []
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                about = _values(resource.resource.attributes)
                for scope in resource.scope_spans:
                    found += [
                        Received(
                            name=span.name,
                            span=span.span_id.hex(),
                            parent=span.parent_span_id.hex(),
                            trace=span.trace_id.hex(),
                            attributes=_values(span.attributes),
                            pid=about["process.pid"],
                        )
                        for span in scope.spans
                    ]
        return found


def _values(pairs: Any) -> dict[str, Any]:  # noqa: ANN401 - as the message has them
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
