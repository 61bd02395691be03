"""Shows the mobile app's screens in a browser; in development only."""

from pathlib import Path
from typing import Any, Final

from litestar import Response, get

from hsp_otp.entrypoints.http.requests import AnyRequest
from hsp_otp.entrypoints.pages.assets import KINDS
from hsp_otp.entrypoints.pages.page import HEADERS
from hsp_otp.entrypoints.settings.model import Settings

BUILT: Final = Path(__file__).parents[4] / "clients" / "mobile" / "dist"
"""The folder with the screens in a checkout, after `script/test-clients --build`."""

_KINDS: Final = {f".{suffix}": kind for suffix, kind in KINDS.items()} | {".html": "text/html"}


def trial_folder(settings: Settings) -> Path | None:
    """Return the folder with the screens in development mode; None in production."""
    return BUILT if settings.in_development else None


def is_built() -> bool:
    """Return whether the screens have been built."""
    return (BUILT / "index.html").exists()


def trial_routes(folder: Path) -> list[Any]:
    """
    Create the routes of the files in *folder* under ``/app/``; none if it does not exist.

    Files are read once, at the start. Each has its own route, so no path can reach another file.
    """
    found = {
        f"/app/{file.relative_to(folder).as_posix()}": (file.read_bytes(), kind)
        for file in folder.glob("**/*")
        if (kind := _KINDS.get(file.suffix))
    }
    index = found.pop("/app/index.html", None)
    if index is None:
        return []
    found["/app"] = index

    @get(list(found), include_in_schema=False, sync_to_thread=False)
    def trial(request: AnyRequest) -> Response[bytes]:
        body, kind = found[request.scope["path"]]
        return Response(body, media_type=kind, headers=HEADERS)

    return [trial]
