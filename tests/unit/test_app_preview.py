"""The app's screens in a browser: docs/contract.md, section 5.4."""

from pathlib import Path

import pytest

from hsp_otp.entrypoints.pages.app_preview import BUILT, trial_folder
from hsp_otp.entrypoints.settings.model import Settings
from tests.http import Client
from tests.unit.test_pages import POLICY

KINDS = {
    "/app": "text/html; charset=utf-8",
    "/app/": "text/html; charset=utf-8",
    "/app/page.css": "text/css; charset=utf-8",
    "/app/assets/index-BysxEIvd.js": "text/javascript; charset=utf-8",
    "/app/icon.svg": "image/svg+xml",
}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder as a build leaves it, and a file beside it that is nobody's business."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>index</title>")
    (folder / "page.css").write_text("body { margin: 0 }")
    (folder / "assets" / "index-BysxEIvd.js").write_text("void 0")
    (folder / "icon.svg").write_text("<svg/>")
    (tmp_path / "secret").write_text("nobody's business")
    return folder


@pytest.mark.parametrize("path", KINDS)
def test_each_file_is_served_as_what_it_is(built: Path, path: str) -> None:
    """The index at /app/, every file with its type, and nothing from elsewhere runs in it."""
    with Client(trial=built) as client:
        reply = client.request("GET", path)
    name = path.removeprefix("/app").strip("/") or "index.html"
    assert reply.status == 200
    assert reply.body == (built / name).read_bytes()
    assert reply.headers["content-type"] == KINDS[path]
    assert reply.headers["content-security-policy"] == POLICY
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/app/../secret",
        "/app/assets/../../secret",
        "/app/..%2fsecret",
        "/app//../secret",
        "/app/secret",
        "/app/assets",
        "/app/index.html/x",
        "/app/page.css\0",
    ],
)
def test_no_path_leads_elsewhere(built: Path, path: str) -> None:
    """Only the files of the folder have a route."""
    with Client(trial=built) as client:
        reply = client.request("GET", path)
    assert (reply.status, reply.json["error"]) == (404, "not_found")


def test_where_nothing_was_built(tmp_path: Path) -> None:
    """A checkout without them serves as before."""
    with Client(trial=tmp_path / "dist") as client:
        assert client.request("GET", "/app/").status == 404
    with Client() as client:
        assert client.request("GET", "/app/").status == 404


@pytest.mark.parametrize(("mode", "folder"), [("development", BUILT), ("production", None)])
def test_production_never_serves_them(mode: str, folder: Path | None) -> None:
    """Whatever lies in the folder, only development mode looks there."""
    assert trial_folder(Settings(mode=mode)) == folder
