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
    """The files of one package's pages."""

    def __init__(self, package: str, folder: str, names: Sequence[str]) -> None:
        """
        Read them.

        Args:
            folder: Where they are in addresses, with slashes around.
        """
        self._folder = folder
        self._assets = {f"{folder}{name}": _read(package, name) for name in names}

    @property
    def paths(self) -> list[str]:
        """Where they are."""
        return list(self._assets)

    def url_of(self, name: str) -> str:
        """Where the file *name* is; another content has another address."""
        path = f"{self._folder}{name}"
        return f"{path}?v={self._assets[path].tag}"

    def answer(self, request: AnyRequest) -> Response[bytes]:
        """
        The file that *request* asks for.

        Under another content's address, as while two releases serve side by side, it is not cached.
        """
        found = self._assets[request.scope["path"]]
        current = request.query_params.get("v") == found.tag
        caching = f"public, max-age={_YEAR_SECONDS}, immutable" if current else "no-store"
        return Response(found.body, media_type=found.media_type, headers={"Cache-Control": caching})


def _read(package: str, name: str) -> _Asset:
    body = (files(package) / "static" / name).read_bytes()
    return _Asset(body, KINDS[name.rpartition(".")[2]], hashlib.sha256(body).hexdigest()[:16])


_NAMES: Final = ("colours.css", "page.css", "page.js", "icon.svg")
_SHELF: Final = Shelf("hsp_otp.entrypoints.pages", "/static/", _NAMES)

url_of: Final = _SHELF.url_of


@get(_SHELF.paths, include_in_schema=False, sync_to_thread=False)
def asset(request: AnyRequest) -> Response[bytes]:
    """One of the files."""
    return _SHELF.answer(request)
