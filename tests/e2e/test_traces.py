"""A server that sends traces: docs/contract.md, 5.4, and docs/traces.md."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.collector import Collector
from tests.e2e.server import Server, environment, until
from tests.e2e.sessions import DEMO, NO_LIMITS, NUMBER, sign_in
from tests.integration.behind import LATE

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that takes everything."""
    with Collector() as opened:
        yield opened


def lines(server: Server, event: str) -> list[str]:
    """Its lines of that event."""
    return [line for line in server.errors.splitlines() if f" {event} " in f"{line} "]


def test_spans_of_all_workers_arrive(tmp_path: Path, collector: Collector) -> None:
    """Every worker sends what it did; the tree is whole, and the log leads to it."""
    with Server(tmp_path, WORKERS="2", TRACES_URL=collector.url, **NO_LIMITS) as server:
        asked = 0

        def both_answered() -> bool:
            nonlocal asked
            assert server.validate(DEMO).status == 200  # a connection each, which they share out
            asked += 1
            return len({span.pid for span in collector.spans}) == 2

        until(both_answered)
        sign_in(server)
        assert server.stop() == 0  # what is left is sent at the end
        told = lines(server, "request")
    spans = collector.spans
    assert [span.name for span in spans].count("POST /customer/validate-pass") == asked
    (request,) = [span for span in spans if span.name == "POST /customer/verify-otp"]
    (journey,) = [span for span in spans if span.parent == request.span]
    calls = [span.name for span in spans if span.parent == journey.span]
    assert (journey.name, journey.attributes) == (
        "pass_login.verify",
        {"hsp_otp.outcome": "verified"},
    )
    assert calls == ["passes", "usage", "slots", "families"]
    (sent,) = [span for span in spans if span.name == "sender"]
    assert sent.attributes["hsp_otp.sender"] == "console"
    # There is one tree for each line of the log, and no other.
    assert len(told) == len({span.trace for span in spans}) == asked + 2
    assert request.trace in next(line for line in told if "verify-otp" in line)
    assert not [span for span in spans if "healthz" in span.name]


@pytest.mark.parametrize("fault", ["hangs", "refuses", "away"])
def test_a_collector_holds_nobody_up(tmp_path: Path, collector: Collector, fault: str) -> None:
    """Whatever the collector does, requests are answered at once and the server stops in time."""
    url = collector.url
    if fault == "hangs":
        collector.hangs = True
    elif fault == "refuses":
        collector.status = 503
    else:
        with closing(socket.create_server(("127.0.0.1", 0))) as unused:
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1/traces"
    with Server(tmp_path, WORKERS="2", TRACES_URL=url, **NO_LIMITS) as server:
        took: list[float] = []
        for _ in range(3):
            for _ in range(20):
                began = time.monotonic()
                assert server.validate(DEMO).status == 200
                took.append(time.monotonic() - began)
            time.sleep(1.2)  # a batch is on its way
        # A batch has three seconds; two of sixty may wait for others on this machine.
        assert sorted(took)[-3] < 2
        until(lambda: lines(server, "traces_not_taken"))
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10 + LATE
        # One line a worker, which repeats nothing that the collector said.
        assert 1 <= len(lines(server, "traces_not_taken")) <= 2
        assert [line for line in server.complaints if "traces_not_taken" not in line] == []
        for said in ("no room", "v1/traces", "opentelemetry", "urllib3", NUMBER[-10:]):
            assert said not in server.errors


ABSENT = """
import sys
sys.modules["opentelemetry.exporter"] = None
from hsp_otp.entrypoints.cli.main import main
sys.argv = ["hsp-otp", "serve"]
main()
"""


def test_the_extra_is_asked_for_where_it_is_missing(tmp_path: Path) -> None:
    """Traces without what they need are refused in one line, before anything is opened."""
    settings = {"MODE": "development", "TRACES_URL": "http://127.0.0.1:9/v1/traces"}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", ABSENT],
        cwd=tmp_path,
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        2,
        "hsp-otp: HSP_OTP_TRACES_URL: needs hsp-otp[traces], which is not installed\n",
    )


OFF = """
import sys
from hsp_otp.entrypoints import wiring
import hsp_otp.entrypoints.cli.main, hsp_otp.entrypoints.server.run
from hsp_otp.entrypoints.development import with_generated_keys
from hsp_otp.entrypoints.settings.load import load
import asyncio

async def look():
    async with wiring.open_services(with_generated_keys(load())) as services:
        print(services.spans, type(services.journeys.pass_login).__name__)

asyncio.run(look())
# Redis' client loads the API by itself where it is installed, and does nothing with it.
parts = ("opentelemetry.exporter", "opentelemetry.sdk.trace.export")
print(any(part in sys.modules for part in parts))
"""


def test_off_nobody_loads_the_libraries(tmp_path: Path) -> None:
    """Without an address there is no span, and OpenTelemetry's own variables make none."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", OFF],
        cwd=tmp_path,
        env=environment({"MODE": "development"})
        | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["None", "PassLogin", "False"], done.stderr
