"""Static files of the pages: styles, scripts, icons."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

import attrs
from litestar import Response, get

from hsp_otp.entrypoints.http.requests import AnyRequest

KINDS: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_YEAR_SECONDS: Final = 365 * 86_400


@attrs.frozen
class _Asset:
    body: bytes
    media_type: str
    tag: str


class Shelf:
    """The static files of one package's pages."""

    def __init__(self, package: str, folder: str, names: Sequence[str]) -> None:
        """
        Read the files.

        Args:
            folder: The path of their folder in URLs, with slashes at both ends.
        """
        self._folder = folder
        self._assets = {f"{folder}{name}": _read(package, name) for name in names}

    @property
    def paths(self) -> list[str]:
        """The paths of the files."""
        return list(self._assets)

    def url_of(self, name: str) -> str:
        """Return the URL of the file *name*, which changes with the content."""
        path = f"{self._folder}{name}"
        return f"{path}?v={self._assets[path].tag}"

    def answer(self, request: AnyRequest) -> Response[bytes]:
        """
        Answer with the file that *request* names.

        The answer is not cached if the URL is for other content, as it may be while two releases
        serve side by side.
        """
        found = self._assets[request.scope["path"]]
        current = request.query_params.get("v") == found.tag
        caching = f"public, max-age={_YEAR_SECONDS}, immutable" if current else "no-store"
        return Response(found.body, media_type=found.media_type, headers={"Cache-Control": caching})


def _read(package: str, name: str) -> _Asset:
    body = (files(package) / "static" / name).read_bytes()
    return _Asset(body, KINDS[name.rpartition(".")[2]], hashlib.sha256(body).hexdigest()[:16])


_NAMES: Final = ("colours.css", "page.css", "page.js", "work.js", "icon.svg")
_SHELF: Final = Shelf("hsp_otp.entrypoints.pages", "/static/", _NAMES)

url_of: Final = _SHELF.url_of


@get(_SHELF.paths, include_in_schema=False, sync_to_thread=False)
def asset(request: AnyRequest) -> Response[bytes]:
    """Answer with a static file of the pages."""
    return _SHELF.answer(request)
