"""Shows the mobile app's screens in a browser; in development only."""

from pathlib import Path
from typing import Any, Final

from litestar import Response, get

from hsp_otp.entrypoints.http.requests import AnyRequest
from hsp_otp.entrypoints.pages.assets import KINDS
from hsp_otp.entrypoints.pages.page import HEADERS
from hsp_otp.entrypoints.settings.model import Settings

BUILT: Final = Path(__file__).parents[4] / "clients" / "mobile" / "dist"
"""Where a checkout has them, once `script/test-clients --build` has built them."""

_KINDS: Final = {f".{suffix}": kind for suffix, kind in KINDS.items()} | {".html": "text/html"}


def trial_folder(settings: Settings) -> Path | None:
    """Where to look for them; None in production, whatever lies there."""
    return BUILT if settings.in_development else None


def is_built() -> bool:
    """Whether there is anything to look at."""
    return (BUILT / "index.html").exists()


def trial_routes(folder: Path) -> list[Any]:
    """
    The files in *folder* under ``/app/``, as they are at the start; none where it is not there.

    Each has a route of its own, so that no path leads to any other file.
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
