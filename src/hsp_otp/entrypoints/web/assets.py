"""The files that pages bring along: style, script, icon."""

import hashlib
from importlib.resources import files
from typing import Final

import attrs
from litestar import Response, get

from hsp_otp.entrypoints.http.bodies import AnyRequest

KINDS: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_YEAR_SECONDS: Final = 365 * 86_400


@attrs.frozen
class _Asset:
    body: bytes
    media_type: str
    tag: str


def _read(name: str) -> _Asset:
    body = (files("hsp_otp.entrypoints.web") / "static" / name).read_bytes()
    return _Asset(body, KINDS[name.rpartition(".")[2]], hashlib.sha256(body).hexdigest()[:16])


_ASSETS: Final = {f"/static/{name}": _read(name) for name in ("page.css", "page.js", "icon.svg")}


def url_of(name: str) -> str:
    """Where the file *name* is; another content has another address."""
    path = f"/static/{name}"
    return f"{path}?v={_ASSETS[path].tag}"


@get(list(_ASSETS), include_in_schema=False, sync_to_thread=False)
def asset(request: AnyRequest) -> Response[bytes]:
    """
    One of the files.

    Under another content's address, as while two releases serve side by side, it is not cached.
    """
    found = _ASSETS[request.scope["path"]]
    current = request.query_params.get("v") == found.tag
    caching = f"public, max-age={_YEAR_SECONDS}, immutable" if current else "no-store"
    return Response(found.body, media_type=found.media_type, headers={"Cache-Control": caching})
