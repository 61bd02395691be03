"""The host and the path of a request at a started server: docs/contract.md, 5 and 5.5."""

import socket
from collections.abc import Iterator

import pytest

from tests.e2e.server import PATIENCE_SECONDS, Server

pytestmark = pytest.mark.timeout(120)

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With the operators' page and the listener for metrics."""
    folder = tmp_path_factory.mktemp("heads")
    with Server(folder, OPS_PASSWORD=PASSWORD, METRICS_PORT="0") as found:
        yield found
        assert found.stop() == 0
        assert [one for one in found.complaints if "Invalid HTTP request" not in one] == []


def status(port: int, target: str, *lines: str, version: str = "1.1") -> int:
    """What a request with these lines is answered by."""
    head = [f"GET {target} HTTP/{version}", *lines, "Connection: close", "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall("\r\n".join(head).encode("latin-1"))
        with connection.makefile("rb") as answer:
            return int(answer.readline().split()[1])


@pytest.mark.parametrize(
    ("lines", "version", "expected"),
    [
        (["Host: otp.example:8000"], "1.1", 200),
        (["Host: 127.0.0.1"], "1.1", 200),
        (["Host: [::1]:8000"], "1.1", 200),
        ([], "1.0", 200),
        ([], "1.1", 400),
        (["Host: x:99999"], "1.1", 400),
        (["Host: x:99999"], "1.0", 400),
        (["Host: a:b:c"], "1.1", 400),
        (["Host:"], "1.1", 400),
        (["Host: user@x"], "1.1", 400),
        (["Host: x", "Host: x"], "1.1", 400),
    ],
)
def test_hosts(server: Server, lines: list[str], version: str, expected: int) -> None:
    """5.5: what names no host is 400, on pages and elsewhere; HTTP/1.0 needs none."""
    for path in ("/healthz", "/customer/login/", "/users/signup"):
        assert status(server.port, path, *lines, version=version) == expected


@pytest.mark.parametrize(
    "target",
    [
        *("//ops", "/ops//", "/%6fps", "/ops%2f", "/ops%2Flive", "/./ops", "/x/../ops", "/ops;x"),
        *("/ops%00", "/ops\\", "/OPS", "http://otp.example/ops/", "/ops/%2e", "/x/%2e%2e/ops"),
    ],
)
def test_other_spellings_of_a_path(server: Server, target: str) -> None:
    """Section 5: each path has one spelling."""
    assert status(server.port, target, "Host: x") == 404
    assert status(server.port, "/ops", "Host: x") == status(server.port, "/ops/", "Host: x") == 200


def test_a_whole_url_with_a_host_that_cannot_be_read(server: Server) -> None:
    """5.5: a target in absolute form names a host as well."""
    assert status(server.port, "http://x:99999/healthz", "Host: x") == 400


@pytest.mark.parametrize("target", ["//metrics", "/%6detrics", "/metrics%2f", "/metrics//", "/x"])
def test_other_spellings_of_the_metrics(server: Server, target: str) -> None:
    """5.4: the listener for metrics answers one path alone, as spelt."""
    port = server.metrics_port
    assert status(port, "/metrics", "Host: x") == status(port, "/metrics/", "Host: x") == 200
    assert status(port, target, "Host: x") == 404
