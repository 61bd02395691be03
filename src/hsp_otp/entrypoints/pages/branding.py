"""The files that make a page its brand's own: colours, icon and logo."""

from functools import lru_cache
from typing import Final

import attrs
from litestar import Response, get

from hsp_otp.domain.purposes import Flow
from hsp_otp.entrypoints.http.requests import AnyRequest, services_of
from hsp_otp.entrypoints.pages.assets import FILES, Shelf, url_of
from hsp_otp.entrypoints.settings.branding import Branding
from hsp_otp.entrypoints.settings.colours import DARK, LIGHT, Scheme, deepened, lightened
from hsp_otp.entrypoints.settings.images import Image
from hsp_otp.entrypoints.settings.model import PAGES

_NOBODYS: Final = Branding(name="hsp-otp")
"""For pages that belong to no flow."""

_FOLDERS: Final = {flow: f"/static/{page}/" for flow, page in PAGES.items()}
_NAMES: Final = ("colours.css", "icon.svg", "icon.png", "logo.svg", "logo.png")
_FLOWS: Final = {f"{folder}{name}": flow for flow, folder in _FOLDERS.items() for name in _NAMES}

_TICKS_COLOUR: Final = b"#2b4bd0"

_LOGO_HEIGHT: Final = 32
_WIDEST_LOGO: Final = 240
"""Both in CSS pixels."""

_WIDE: Final = 3
"""The least ratio of width to height of a logo that is taken for the name written out."""


@attrs.frozen(kw_only=True)
class Logo:
    """
    A logo, at its size in CSS pixels.

    Attributes:
        stands_alone: Whether it is taken for the name written out.
    """

    url: str
    width: int
    height: int
    stands_alone: bool


@attrs.frozen(kw_only=True)
class Appearance:
    """
    What a page shows of its brand.

    Attributes:
        colours: The URL of the style sheet with the colours.
        icon: The URL of the icon.
        logo: None for the tick.
    """

    brand: Branding
    colours: str
    icon: str
    logo: Logo | None


def look_of(request: AnyRequest, flow: Flow | None) -> Appearance:
    """Return what the page of *flow* shows; of no flow for None."""
    if flow is None:
        return _look(_NOBODYS, "")[0]
    return _look(services_of(request).settings.brand(flow), _FOLDERS[flow])[0]


@get(list(_FLOWS), include_in_schema=False, sync_to_thread=False)
def brand_asset(request: AnyRequest) -> Response[bytes]:
    """Answer with a file of a brand."""
    flow = _FLOWS[request.scope["path"]]
    _, shelf = _look(services_of(request).settings.brand(flow), _FOLDERS[flow])
    return shelf.answer(request)


@lru_cache(maxsize=2 * len(PAGES))
def _look(brand: Branding, folder: str) -> tuple[Appearance, Shelf]:
    """Make the files that are a brand's own, each once; it shares the others with all pages."""
    contents: dict[str, bytes] = {}
    if shades := _shades(brand):
        contents["colours.css"] = FILES["colours.css"] + shades.encode()
    if brand.favicon is not None:
        contents[f"icon.{brand.favicon.kind}"] = brand.favicon.body
    elif brand.accent:
        tick = FILES["icon.svg"].replace(_TICKS_COLOUR, brand.accent.encode())
        contents["icon.svg"] = tick
    if brand.logo is not None:
        contents[f"logo.{brand.logo.kind}"] = brand.logo.body
    shelf = Shelf(folder, contents)
    own = {name.partition(".")[0]: shelf.url_of(name) for name in contents}
    look = Appearance(
        brand=brand,
        colours=own.get("colours") or url_of("colours.css"),
        icon=own.get("icon") or url_of("icon.svg"),
        logo=None if brand.logo is None else _logo(brand.logo, own["logo"]),
    )
    return look, shelf


def _logo(image: Image, url: str) -> Logo:
    ratio = image.width / image.height
    width = min(_LOGO_HEIGHT * ratio, _WIDEST_LOGO)
    return Logo(
        url=url,
        width=max(1, round(width)),
        height=max(1, round(width / ratio)),
        stands_alone=ratio >= _WIDE,
    )


def _shades(brand: Branding) -> str:
    """Return the rules with the brand's accents; empty without any."""
    dark = brand.accent_dark or (brand.accent and lightened(brand.accent))
    light = _rule(brand.accent, LIGHT) if brand.accent else ""
    return light + (
        f"@media (prefers-color-scheme: dark) {{\n{_rule(dark, DARK)}}}\n" if dark else ""
    )


def _rule(accent: str, scheme: Scheme) -> str:
    values = {
        "accent": accent,
        "accent-deep": deepened(accent, scheme),
        "on-accent": scheme.on_accent,
        "tint": "var(--back)",
    }
    return ":root { " + "".join(f"--{name}: {value}; " for name, value in values.items()) + "}\n"
