"""Runs the server, with one worker or several."""

import gc
import linecache
import os
import signal
import socket
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext
from tempfile import gettempdir
from types import MappingProxyType
from typing import Any, Final, cast

import structlog
from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from hsp_otp.entrypoints import logs
from hsp_otp.entrypoints.app import create_app
from hsp_otp.entrypoints.development import with_generated_keys
from hsp_otp.entrypoints.http.middleware import RequestMiddleware
from hsp_otp.entrypoints.pages.app_preview import trial_folder
from hsp_otp.entrypoints.server import metrics_listener
from hsp_otp.entrypoints.server.http_server import Server, config
from hsp_otp.entrypoints.server.listener import most_connections
from hsp_otp.entrypoints.services import Services
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.wiring import open_services

GRACE_SECONDS: Final = 8
"""The time for requests in flight to finish when the server stops; a stop takes at most 10 s."""

STARTS_WITHIN_SECONDS: Final = 60
"""The time limit for a worker's start; the library's 5 s are too short on a busy machine."""

_COLLECTS_AFTER: Final = (20_000, 20, 50)
"""The garbage collector's thresholds: objects, then collections of the younger generation."""

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)

_PRELOADED: Final = ("server.lean_structlog", "cli.main", "server.run", "server.preload")

_HELD_BACK: Final = (*_STOPS, signal.SIGHUP)
"""The signals blocked in the process that workers are forked from, which has to outlive them to
report how they ended."""

_log = structlog.get_logger()


class _OnlyServer(Server):
    """A server that exits with status 0 on a signal; the library would raise the signal again."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in _STOPS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Worker(Process):
    """
    A worker process with this module's server instead of the library's.

    It is forked from a process that has loaded the program (`server.preload`), so it starts in a
    fraction of the time and shares the memory of the loaded program.
    """

    def __init__(
        self,
        config: Config,
        sockets: list[socket.socket],
        made_by: ForkServerContext | SpawnContext,
    ) -> None:
        super().__init__(config, sockets)
        # Replaces the process that the library has prepared.
        self.process = cast("Any", made_by.Process(target=self.target, args=(sockets,)))

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop; Ctrl-C reaches workers too."""
        self.parent_conn.close()  # the server's end; the pipe breaks once the server closes it too
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
        try:
            super().target(sockets)
        finally:
            logs.flush()

    def always_pong(self) -> None:
        """Answer the server's pings, and stop if the server has ended or dropped this worker."""
        with suppress(EOFError, OSError):
            super().always_pong()
        if not self.server.should_exit:
            os.kill(os.getpid(), signal.SIGTERM)

    @property
    def server(self) -> Server:
        """The server, made on first use and therefore in the worker process."""
        if self._server is None:
            self._server = _OnlyServer(self.config, most_connections=most_connections())
        return cast("Server", self._server)


class _Workers(Multiprocess):
    """
    Replaces workers that have ended, and stops if workers cannot start.

    The library also replaces workers that do not answer within seconds. On a busy machine, that
    restarted workers for ever while they were still starting.
    """

    cannot_start = False

    def init_processes(self) -> None:
        for _ in range(self.config.workers):
            self._add()

    def handle_ttin(self) -> None:
        self.processes_num += 1
        self._add()

    def restart_all(self) -> None:
        for place, worker in enumerate(self.processes):
            successor = self._started()
            if not successor.wait_until_ready(STARTS_WITHIN_SECONDS, self.should_exit):
                successor.kill()
                successor.join()
                if not self.should_exit.is_set():
                    _log.error("worker_not_replaced", seconds=STARTS_WITHIN_SECONDS)
                return
            worker.terminate()
            worker.join()
            self.processes[place] = successor

    def keep_subprocess_alive(self) -> None:
        for place, worker in enumerate(self.processes):
            if self.should_exit.is_set() or worker.process.is_alive():
                continue
            worker.join()
            _log.error("worker_ended", status=worker.exitcode)
            if worker.exitcode == STARTUP_FAILURE:
                self.cannot_start = True
                self.should_exit.set()
            else:
                self.processes[place] = self._started()

    def _add(self) -> None:
        self.processes.append(self._started())

    def run(self) -> None:
        try:
            super().run()
        except BaseException:
            self.terminate_all()  # this process cannot end before its workers
            raise

    def _started(self) -> Process:
        resource_tracker.ensure_running()  # before blocking, because it unblocks the signals
        signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
        try:
            worker = _Worker(self.config, self.sockets, processes())
            worker.start()
        except (OSError, EOFError) as failure:
            _log.warning("worker_not_copied", error=type(failure).__name__)
            worker = _Worker(self.config, self.sockets, get_context("spawn"))
            worker.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
        return worker


def processes() -> ForkServerContext | SpawnContext:
    """Return how to make workers: by forking, if there is a temporary folder for its socket."""
    if not _has_temporary_folder():
        return get_context("spawn")
    copies = get_context("forkserver")
    # Includes the command, because `multiprocessing` loads it in every process.
    copies.set_forkserver_preload([f"hsp_otp.entrypoints.{one}" for one in _PRELOADED])
    return copies


def _has_temporary_folder() -> bool:
    try:
        # The library's last resort is the current folder, which must not hold such files.
        return gettempdir() != os.getcwd()  # noqa: PTH109 - as the library writes it
    except FileNotFoundError:
        return False


def app() -> RequestMiddleware:
    """Create the application from the environment's settings; called in every worker."""
    # The sources of all generated methods, over a megabyte, which only debuggers read.
    linecache.clearcache()
    settings = with_generated_keys(load())
    logs.configure(for_people=settings.in_development)
    docs = settings.texts if settings.shows_docs else None
    return create_app(
        lambda: _open(settings),
        docs,
        trial_folder(settings),
        ops=settings.has_ops,
        verify=settings.serves_verifications,
        twilio_verify=settings.serves_twilio_verify,
        sandbox=settings.in_development,
    )


@asynccontextmanager
async def _open(settings: Settings) -> AsyncGenerator[Services]:
    async with open_services(settings) as services:
        # Loaded objects stay in memory, and scanning them again and again would take a tenth of
        # the CPU time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECTS_AFTER)
        yield services


def bind(host: str, port: int) -> socket.socket:
    """Bind a socket to listen on; raises OSError if the address or port is not available."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    listening.set_inheritable(True)
    return listening


def run(
    settings: Settings,
    listening: socket.socket,
    showing: socket.socket | None = None,
    *,
    spending: Mapping[str, Any] = MappingProxyType({}),
) -> bool:
    """
    Serve until told to stop, and return whether the server started.

    *showing* is the socket that serves the metrics, if any, and *spending* tells the log what may
    be spent. Raises CommandError if the folder for metrics cannot be made.
    """
    logs.configure(for_people=settings.in_development)
    measuring = metrics_listener.kept(showing, keep_alive=settings.keep_alive_seconds)
    with measuring if settings.measures else nullcontext():
        return _run(settings, listening, spending)


def _run(settings: Settings, listening: socket.socket, spending: Mapping[str, Any]) -> bool:
    host, port = listening.getsockname()[:2]
    _log.info("listening", host=host, port=port)
    if spending:
        _log.info("spending", **spending)
    serving = config(
        "hsp_otp.entrypoints.server.run:app",
        lifespan="on",
        grace=GRACE_SECONDS,
        keep_alive=settings.keep_alive_seconds,
        factory=True,
        workers=settings.workers,
    )
    if settings.workers > 1:
        workers = _Workers(serving, sockets=[listening])
        workers.run()
        return not workers.cannot_start
    server = _OnlyServer(serving, most_connections=most_connections())
    # The library begins to take signals later, in the event loop.
    with server.capture_signals():
        server.run(sockets=[listening])
    return server.started
