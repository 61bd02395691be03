"""Static files of the pages: styles, scripts, icons."""

import hashlib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Final

import attrs
from litestar import Response, get
from litestar.exceptions import NotFoundException

from hsp_otp.entrypoints.http.requests import AnyRequest

KINDS: Final = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "png": "image/png",
}
_YEAR_SECONDS: Final = 365 * 86_400

_IMAGE_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""For an image that somebody opens by itself: it loads nothing and runs nothing."""


@attrs.frozen
class _Asset:
    body: bytes
    media_type: str
    tag: str


def _asset(name: str, body: bytes) -> _Asset:
    return _Asset(body, KINDS[name.rpartition(".")[2]], hashlib.sha256(body).hexdigest()[:16])


class Shelf:
    """Static files of one folder in URLs."""

    def __init__(self, folder: str, contents: Mapping[str, bytes]) -> None:
        """
        Keep the files.

        Args:
            folder: The path of their folder in URLs, with slashes at both ends.
            contents: The content of each file by its name.
        """
        self._folder = folder
        self._assets = {f"{folder}{name}": _asset(name, body) for name, body in contents.items()}

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

        Raises:
            NotFoundException: There is no such file.
        """
        found = self._assets.get(request.scope["path"])
        if found is None:
            raise NotFoundException
        current = request.query_params.get("v") == found.tag
        caching = f"public, max-age={_YEAR_SECONDS}, immutable" if current else "no-store"
        headers = {"Cache-Control": caching}
        if found.media_type.startswith("image/"):
            headers["Content-Security-Policy"] = _IMAGE_POLICY
        return Response(found.body, media_type=found.media_type, headers=headers)


def read_static(package: str, names: Iterable[str]) -> dict[str, bytes]:
    """Read the static files of a package of pages."""
    return {name: (files(package) / "static" / name).read_bytes() for name in names}


FILES: Final = read_static(
    "hsp_otp.entrypoints.pages", ("colours.css", "page.css", "page.js", "work.js", "icon.svg")
)
"""The content of each file."""

_SHELF: Final = Shelf("/static/", FILES)

url_of: Final = _SHELF.url_of


@get(_SHELF.paths, include_in_schema=False, sync_to_thread=False)
def asset(request: AnyRequest) -> Response[bytes]:
    """Answer with a static file of the pages."""
    return _SHELF.answer(request)
