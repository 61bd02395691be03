"""A collector of traces, and the witness of what it was sent."""

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
        parent: The id of the span that it is within; empty where there is none.
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
    Takes traces by OTLP over HTTP on a port of its own.

    Attributes:
        bodies: What it was sent, as it came.
        hangs: Whether it takes requests and never answers.
        status: What it answers.
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
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # Overview every 20 ms whether to stop: the usual half a second is added to every test.
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
        """All that arrived, in that order."""
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
