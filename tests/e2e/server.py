"""A server started by its real command, with actions of clients and operators."""

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import attrs
from prometheus_client.parser import text_string_to_metric_families

from hsp_otp.domain import policy
from tests.e2e import preloaded

T = TypeVar("T")

OPEN: Final = {
    "KNOWN_SENDS_PER_DAY": "0",
    "OTHERS_PER_NETWORK_DAY": "0",
    "WORK_SECONDS": "0",
    "FRESH_CODE_SECONDS": "0",
    "BIND_GUESSES": "false",
}
"""Settings without what holds strangers back from each other and from known devices."""

STRICT: Final = {
    "KNOWN_SENDS_PER_DAY": str(policy.SENDS_KEPT_FOR_KNOWN),
    "OTHERS_PER_NETWORK_DAY": str(policy.SENDS_OF_ONE_NETWORK),
    "WORK_SECONDS": str(policy.WORK_SECONDS),
    "FRESH_CODE_SECONDS": str(policy.FRESH_CODE_SECONDS),
    "BIND_GUESSES": "true",
}
"""The defaults of these settings."""

COMMAND = Path(sys.executable).with_name("hsp-otp")
PATIENCE_SECONDS = 60

_LISTENING = re.compile(r"^(?=.*\blistening\b).*?\bport\W+(\d+)", re.MULTILINE)
_SHOWING = re.compile(r"^(?=.*\bmetrics_listening\b).*?\bport\W+(\d+)", re.MULTILINE)
_BOX = re.compile(r"\| SMS to (\+\d+) +\|\n\| +\|\n\| (\d{4,10}) (?:is your|resets) ")
_EXPECTED = re.compile(
    "sender_skipped|sender_works_again|trusted_proxy_names_no_client|test_contact_used|spend_cap"
)
_COMPLAINT = re.compile(
    r"Traceback|\[(warning|error|critical)|\"level\": \"(warn|err|crit)|database is locked"
)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without settings, plus *settings*, named without prefix."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HSP_OTP_")}
    return ours | {f"HSP_OTP_{name}": value for name, value in settings.items()}


def command(
    folder: Path, *arguments: str | Path, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in *folder* until it ends."""
    return preloaded.run(
        [str(argument) for argument in arguments], folder, environment(settings), PATIENCE_SECONDS
    )


def until(found: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T:
    """
    Wait until *found* returns something, and return it.

    Raises:
        AssertionError: It returned nothing in time.
    """
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        value = found()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


@attrs.frozen
class Answer:
    """An answer with a JSON body."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    def __getitem__(self, member: str) -> Any:  # noqa: ANN401 - any JSON
        return self.body[member]


@attrs.frozen(kw_only=True)
class Message:
    """A message on the console."""

    to: str
    code: str


class Server:
    """
    A server process, possibly with workers; its output is in files in its folder.

    Unless its settings say otherwise, strangers do not hold each other back, because most tests
    ask for many codes from one address.
    """

    def __init__(self, folder: Path, name: str = "dev", **settings: str) -> None:
        self.folder = folder
        self._out = folder / "stdout.txt"
        self._err = folder / "stderr.txt"
        self._err.write_bytes(b"")
        self.process = self.start(name, environment({"PORT": "0", **OPEN, **settings}))
        try:
            self.port = int(until(self._listening)[1])
            until(self._answers)
        except BaseException:
            self.kill()
            raise

    def start(
        self, name: str, environ: Mapping[str, str]
    ) -> "subprocess.Popen[bytes] | preloaded.Preloaded":
        """Start the command of that name."""
        return preloaded.Preloaded([name], self.folder, environ, self._out, self._err)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Stop, and check that it ended without complaints."""
        try:
            if self.process.poll() is None:
                status = self.stop()
                if kind is None:
                    assert status == 0, self.errors
                    assert self.complaints == []
        finally:
            self.kill()

    def stop(self) -> int:
        """Stop it like a supervisor does, and return its exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """Kill it and its workers, if they are still running."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def output(self) -> str:
        """The standard output so far."""
        return self._out.read_text("utf-8")

    @property
    def errors(self) -> str:
        """The standard error so far."""
        return self._err.read_text("utf-8")

    def wait_for_log(self, text: str) -> None:
        """Wait until *text* stands in the log, whose lines are written later than answers."""
        until(lambda: text in self.errors)

    @property
    def complaints(self) -> list[str]:
        """
        Lines of warnings, errors and tracebacks, except for those about failing providers and
        about tests that send requests in a proxy's own name, use test contacts or fill caps.
        """
        return [
            line
            for line in self.errors.splitlines()
            if _COMPLAINT.search(line) and not _EXPECTED.search(line)
        ]

    @property
    def messages(self) -> list[Message]:
        """The messages that the console has shown, oldest first."""
        return [Message(to=to, code=code) for to, code in _BOX.findall(self.output)]

    def message_to(self, number: str) -> Message:
        """The latest message to *number*."""
        return [message for message in self.messages if message.to == number][-1]

    def workers(self) -> list[int]:
        """The workers' pids; empty on systems that do not reveal them."""
        copied = [pid for child in _children(self.process.pid) for pid in _children(child)]
        return [pid for pid in copied if _sockets(pid)]

    def has_read(self, port: int) -> bool:
        """Return whether it has read all bytes of the connection from *port*; only on Linux."""
        ours, theirs = f":{self.port:04X}", f":{port:04X}"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, _, queues, *_ = line.split()
            if local.endswith(ours) and remote.endswith(theirs):
                # The end of the connection counts as a byte.
                return int(queues.partition(":")[2], 16) <= 1
        return True  # it is closed already

    def connections(self) -> list[int]:
        """The number of sockets of each worker; empty on systems that do not reveal it."""
        return [_sockets(pid) for pid in self.workers()]

    def post(self, path: str, body: object, **headers: str) -> Answer:
        """Send a POST request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            text = body if isinstance(body, str) else json.dumps(body)
            kind = {"Content-Type": "application/json"}
            connection.request("POST", path, text, kind | headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, json.loads(response.read()), found)
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        """Send a GET request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read()), {})
        finally:
            connection.close()

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Read the samples of the metrics listener, by their names and labels."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.metrics_port, timeout=PATIENCE_SECONDS
        )
        try:
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            text = response.read().decode()
            assert response.status == 200
        finally:
            connection.close()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float:
        """Sum the samples of a name, given without its prefix, that have these labels."""
        return sum(
            value
            for (found, borne), value in self.metrics().items()
            if found == f"hsp_otp_{name}" and labels.items() <= borne
        )

    @property
    def metrics_port(self) -> int:
        """The port of the metrics listener."""
        found = _SHOWING.search(self.errors)
        assert found, self.errors
        return int(found[1])

    def validate(self, pass_code: str) -> Answer:
        """Look up a pass."""
        return self.post("/customer/validate-pass/", {"pass_code": pass_code})

    def send(self, pass_code: str) -> Answer:
        """Ask for a code."""
        return self.post("/customer/send-otp/", {"pass_code": pass_code})

    def verify(self, pass_code: str, otp: str) -> Answer:
        """Present a code."""
        return self.post("/customer/verify-otp/", {"pass_code": pass_code, "otp": otp})

    def _listening(self) -> re.Match[str] | None:
        assert self.process.poll() is None, self.errors
        return _LISTENING.search(self.errors)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.errors
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False


class NewServer(Server):
    """A server started like an operator does: in a new process, by its command line."""

    def start(self, name: str, environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        """Start the command of that name."""
        with self._out.open("ab") as out, self._err.open("ab") as err:
            return subprocess.Popen(  # noqa: S603
                self.line(name),
                cwd=self.folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def line(self, name: str) -> list[str | Path]:
        """The command line."""
        return [COMMAND, name]


class Line:
    """One connection that stays open for consecutive requests."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "Line":
        """Connect, and check that a server accepts the connection."""
        line = cls(*await asyncio.open_connection("127.0.0.1", port))
        assert (await line.ask("GET", "/healthz")).status == 200
        return line

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def post(self, path: str, body: object, client: str, request_id: str = "") -> Answer:
        """Send a POST request on behalf of *client*."""
        return await self.ask("POST", path, json.dumps(body).encode(), client, request_id)

    async def ask(
        self, method: str, path: str, body: bytes = b"", client: str = "", request_id: str = ""
    ) -> Answer:
        """Make a request, and read its answer."""
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        if body:
            head.append("Content-Type: application/json")
        if client:
            head.append(f"X-Forwarded-For: {client}")
        if request_id:
            head.append(f"X-Request-Id: {request_id}")
        self._writer.write("\r\n".join([*head, "", ""]).encode() + body)
        async with asyncio.timeout(PATIENCE_SECONDS):
            status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value
                for name, _, value in (line.partition(": ") for line in lines if line)
            }
            told = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(status.split()[1]), json.loads(told), headers)


def _children(pid: int) -> list[int]:
    """Return the pids of a process's children; empty if unknown or if the process has ended."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _sockets(pid: int) -> int:
    count = 0
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                count += str(entry.readlink()).startswith("socket:")
    return count
