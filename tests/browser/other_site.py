"""Another site, to which pages lead back."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl

import attrs

WELCOME: Final = "/welcome/"
_PAGE: Final = b"<!doctype html><html lang=en><title>Other site</title><h1>Welcome</h1>"


@attrs.frozen
class Posted:
    """A form that arrived, with the headers of its request by lower-case name."""

    path: str
    fields: dict[str, str]
    headers: dict[str, str]


class OtherSite:
    """
    A site with another host name than the service, on the same machine.

    It answers each form with a redirect to a page of its own.

    Attributes:
        posts: The forms that have arrived.
    """

    def __init__(self) -> None:
        posts = self.posts = list[Posted]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                posts.append(Posted(self.path, dict(parse_qsl(body)), headers))
                self.send_response(303)
                self.send_header("Location", WELCOME)
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(_PAGE)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The origin of its URLs."""
        return f"http://localhost:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
