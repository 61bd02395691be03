"""The settings of a page's look and links: docs/contract.md, sections 5.3 and 9."""

import re
import struct
import zlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import Flow
from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.settings.branding import Support
from hsp_otp.entrypoints.settings.colours import (
    DARK,
    LIGHT,
    Scheme,
    contrast,
    deepened,
    least_contrast,
    lightened,
)
from hsp_otp.entrypoints.settings.images import Image, read_image
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings

COLOURS: Final = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


def read(**given: str) -> Settings:
    """The settings of variables by their names without the prefix."""
    return load({f"HSP_OTP_{name}": text for name, text in given.items()})


def refused(**given: str) -> str:
    """The one line about variables that stop the start."""
    with pytest.raises(SettingsError) as caught:
        read(**given)
    line = str(caught.value)
    assert "\n" not in line
    return line


# Colours


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#000000", 21.0),
        ("#777777", "#ffffff", 4.478),
        ("#767676", "#ffffff", 4.542),
        ("#2b4bd0", "#2b4bd0", 1.0),
    ],
)
def test_contrast(one: str, other: str, ratio: float) -> None:
    """It is that of WCAG 2.2, whichever of the two is the text."""
    assert contrast(one, other) == pytest.approx(ratio, abs=0.001)


def test_the_colours_of_the_pages() -> None:
    """Contrast is judged against the colours that the pages have."""
    styles = (files("hsp_otp.entrypoints.pages") / "static" / "colours.css").read_text("utf-8")
    light, dark = styles.split("@media (prefers-color-scheme: dark)")
    for part, scheme in ((light, LIGHT), (dark, DARK)):
        back, card = scheme.backgrounds
        assert f"--back: {back};" in part
        assert f"--card: {card};" in part
    for accent, scheme in (("#2b4bd0", LIGHT), ("#a3b4ff", DARK)):
        assert f"--accent: {accent};" in styles
        assert least_contrast(accent, scheme) >= 4.5


@pytest.mark.parametrize(
    ("colour", "shown"), [("#ffd400", "1.3"), ("#767676", "4.1"), ("#ffffff", "1.0")]
)
def test_an_accent_that_is_hard_to_read(colour: str, shown: str) -> None:
    """Text on it and links in it have a contrast of 4.5 at least on every light background."""
    assert refused(SIGNUP_ACCENT=colour) == (
        f"HSP_OTP_SIGNUP_ACCENT: got {colour!r}, takes # and six hexadecimal digits; its contrast "
        "with white text and with the light background is at least 4.5 "
        f"(its contrast is {shown})"
    )


def test_a_dark_accent_that_is_hard_to_read() -> None:
    """So has the accent of the dark scheme on every dark background."""
    assert refused(LOGIN_ACCENT_DARK="#2b4bd0") == (
        "HSP_OTP_LOGIN_ACCENT_DARK: got '#2b4bd0', takes # and six hexadecimal digits; its "
        "contrast with the dark backgrounds is at least 4.5 (its contrast is 2.4)"
    )


@pytest.mark.parametrize("text", ["blue", "2b4bd0", "#2b4", "#2b4bd0ff", "#2b4bdg", "#2b4bd٠"])
def test_a_colour_in_another_form(text: str) -> None:
    """A colour is written as # and six hexadecimal digits."""
    assert refused(LOGIN_ACCENT=text).startswith(f"HSP_OTP_LOGIN_ACCENT: got {text!r}, takes #")


def test_a_colour_is_read() -> None:
    """Capital letters mean the same."""
    assert read(LOGIN_ACCENT="#0B6E4F").brand(Flow.PASS_LOGIN).accent == "#0b6e4f"


@given(COLOURS)
def test_every_accent_has_a_dark_variant(colour: str) -> None:
    """The derived variant is legible, and a legible colour stays as it is."""
    variant = lightened(colour)
    assert least_contrast(variant, DARK) >= 4.5
    assert lightened(variant) == variant


@given(COLOURS, st.sampled_from([LIGHT, DARK]))
def test_the_mouse_hides_no_text(colour: str, scheme: Scheme) -> None:
    """The shade under the mouse has at least the contrast of the accent with the text on it."""
    if least_contrast(colour, scheme) >= 4.5:
        deep = deepened(colour, scheme)
        assert contrast(deep, scheme.on_accent) >= contrast(colour, scheme.on_accent)


# Images

DRAWING: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'viewBox="0 0 120 40">{}</svg>'
)


def chunk(name: bytes, content: bytes = b"") -> bytes:
    """A chunk of a PNG."""
    summed = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + summed


def png(width: int = 3, height: int = 2, *more: bytes) -> bytes:
    """A PNG in grey."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(min(width, 9))) * min(height, 9))
    chunks = (chunk(b"IHDR", header), *more, chunk(b"IDAT", rows), chunk(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def write(folder: Path, content: bytes | str) -> str:
    """A file with *content*."""
    path = folder / "logo"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def why_not(folder: Path, content: bytes | str) -> str:
    """Why a file is refused as a logo."""
    path = write(folder, content)
    begins = (
        f"HSP_OTP_SIGNUP_LOGO: got {path!r}, takes the path of a PNG file, or of an SVG file that "
        "only draws, of 100 kB at most ("
    )
    line = refused(SIGNUP_LOGO=path)
    assert line.startswith(begins)
    assert line.endswith(")")
    return line.removeprefix(begins)[:-1]


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<title>Bank</title><desc>Its logo, see http://bank.example</desc>",
        '<path d="M0 0h9v9z" fill="#0b6e4f" style="stroke: red"/>',
        (
            '<defs><linearGradient id="a"><stop offset="1"/></linearGradient></defs>'
            '<rect fill="url(#a)" width="9" height="9"/>'
            "<rect fill='url( \"#a\" )' width='9' height='9'/>"
        ),
        '<symbol id="b"><circle r="4"/></symbol><use href="#b"/><use xlink:href="#b"/>',
        "<style>@media (prefers-color-scheme: dark) { path { fill: #fff } }</style>",
        '<filter id="c"><feGaussianBlur stdDeviation="2"/></filter>',
        "<text>Bank</text><!-- a comment: onload -->",
    ],
)
def test_a_drawing(tmp_path: Path, inner: str) -> None:
    """An SVG may draw, define, refer to itself, and have a style of its own."""
    path = write(tmp_path, DRAWING.format(inner))
    assert read_image(path) == Image(DRAWING.format(inner).encode(), "svg", 120, 40)


@pytest.mark.parametrize(
    ("size", "width", "height"),
    [
        ("viewBox='0 0 120 40'", 120, 40),
        ("viewBox='-3,-2, 1.5 , .5' width='9' height='9'", 1.5, 0.5),
        ("width='24' height='32px'", 24, 32),
    ],
)
def test_the_size_of_a_drawing(tmp_path: Path, size: str, width: float, height: float) -> None:
    """It is that of the view box, or else of the attributes."""
    found = read_image(write(tmp_path, f"<svg xmlns='http://www.w3.org/2000/svg' {size}/>"))
    assert (found.width, found.height) == (width, height)


@pytest.mark.parametrize(
    "size",
    [
        "",
        "width='24'",
        "width='24' height='100%'",
        "viewBox='0 0 24' width='9' height='9'",
        "viewBox='0 0 24 24 24'",
        "viewBox='0 0 0 24'",
        "viewBox='0 0 -1 24'",
        "viewBox='0 0 NaN 24'",
        f"viewBox='0 0 {'9' * 400} 24'",
    ],
)
def test_a_drawing_without_a_size(tmp_path: Path, size: str) -> None:
    """A page could not keep room for it."""
    assert why_not(tmp_path, f"<svg xmlns='http://www.w3.org/2000/svg' {size}/>") == (
        "it has neither a viewBox nor a width and height in pixels"
    )


OUTSIDE: Final = "it has a reference to something outside the file in line 2"


@pytest.mark.parametrize(
    ("inner", "says"),
    [
        ("<script>alert(1)</script>", "it has an element that does not draw, 'script', in line 2"),
        (
            "<h:script xmlns:h='http://www.w3.org/1999/xhtml'>alert(1)</h:script>",
            "it has an element that does not draw, 'script', in line 2",
        ),
        (
            "<h:path xmlns:h='http://www.w3.org/1999/xhtml'/>",
            "it has an element that does not draw, 'path', in line 2",
        ),
        (
            "<foreignObject/>",
            "it has an element that does not draw, 'foreignObject', in line 2",
        ),
        ("<a href='#x'/>", "it has an element that does not draw, 'a', in line 2"),
        ("<image href='#x'/>", "it has an element that does not draw, 'image', in line 2"),
        ("<feImage href='#x'/>", "it has an element that does not draw, 'feImage', in line 2"),
        ("<set attributeName='x'/>", "it has an element that does not draw, 'set', in line 2"),
        ("<animate/>", "it has an element that does not draw, 'animate', in line 2"),
        ("<Script/>", "it has an element that does not draw, 'Script', in line 2"),
        ("<g onload='alert(1)'/>", "it has an event handler, 'onload', in line 2"),
        ("<g OnClick='alert(1)'/>", "it has an event handler, 'OnClick', in line 2"),
        ("<use href='https://evil.example/a.svg#b'/>", OUTSIDE),
        ("<use xlink:href='other.svg#b'/>", OUTSIDE),
        ("<use href='data:image/svg+xml,x#b'/>", OUTSIDE),
        ("<use href=' javascript:alert(1)'/>", OUTSIDE),
        ("<g xml:base='#x'/>", OUTSIDE),
        ("<rect fill='url(https://evil.example/#a)'/>", OUTSIDE),
        ("<rect fill='URL( other.svg#a)'/>", OUTSIDE),
        ("<rect style='fill: u\\72l(other.svg#a)'/>", OUTSIDE),
        ("<style>@import 'other.css';</style>", OUTSIDE),
        ("<style>g { background: url('other.png') }</style>", OUTSIDE),
        ("<style>g { background: u<![CDATA[rl(other.png)]]> }</style>", OUTSIDE),
        ("<style>g { background: image-set('other.png' 1x) }</style>", OUTSIDE),
        ("<style>@keyframes a { to { r: 9 } }</style>", "it has an animation in line 2"),
        ("<?xml-stylesheet href='a.css'?>", "it has a processing instruction in line 2"),
    ],
)
def test_a_drawing_that_does_more(tmp_path: Path, inner: str, says: str) -> None:
    """No script, no event handler, nothing from outside and nothing that moves, in any disguise."""
    assert why_not(tmp_path, DRAWING.format(f"\n{inner}")) == says


@pytest.mark.parametrize(
    "content",
    [
        "<!DOCTYPE svg>",
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd">',
        '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_a_drawing_with_a_doctype(tmp_path: Path, content: str) -> None:
    """A doctype could define entities, or name a file."""
    assert why_not(tmp_path, content + DRAWING.format("")) == "it has a doctype in line 1"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "it is neither a PNG nor well-formed XML: line 1, column 1"),
        ("GIF89a", "it is neither a PNG nor well-formed XML: line 1, column 1"),
        ("<svg", "it is neither a PNG nor well-formed XML: line 1, column 1"),
        (DRAWING.format("&amp;&nbsp;"), None),
        (
            "<svg/>",
            "it is XML, but its root is not <svg xmlns='http://www.w3.org/2000/svg'>",
        ),
        (
            "<html xmlns='http://www.w3.org/1999/xhtml'/>",
            "it is XML, but its root is not <svg xmlns='http://www.w3.org/2000/svg'>",
        ),
        (DRAWING.format("").encode("utf-16"), "it is neither a PNG nor an SVG in UTF-8"),
        (b"\xff\xd8\xff\xe0", "it is neither a PNG nor an SVG in UTF-8"),
        (DRAWING.format(" " * 100_000), "it has more than 100000 bytes"),
        (png() + bytes(100_000), "it has more than 100000 bytes"),
        (png()[:-1], "it is a PNG that is damaged or cut off"),
        (png()[:20], "it is a PNG that is damaged or cut off"),
        (png()[:10], "it is a PNG that is damaged or cut off"),
        (png().replace(b"IDAT", b"IDAX"), "it is a PNG that is damaged or cut off"),
        (
            b"\x89PNG\r\n\x1a\n",
            "it is a PNG without an image, or with something else behind it",
        ),
        (
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"IEND"),
            "it is a PNG without an image, or with something else behind it",
        ),
        (
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR") + chunk(b"IDAT") + chunk(b"IEND"),
            "it is a PNG without an image, or with something else behind it",
        ),
        (
            png() + b"<script>alert(1)</script>",
            "it is a PNG without an image, or with something else behind it",
        ),
        (png(3, 2, chunk(b"acTL", bytes(8))), "it has an animation"),
        (png(0, 2), "it is not from 1 to 4096 pixels wide and high"),
        (png(3, 4097), "it is not from 1 to 4096 pixels wide and high"),
    ],
)
def test_a_file_that_is_no_image(tmp_path: Path, content: bytes | str, says: str | None) -> None:
    """A file is what it says, whole, and of a size that a page can carry."""
    found = why_not(tmp_path, content)
    assert found == says or (says is None and "line 1" in found)


def test_a_bitmap(tmp_path: Path) -> None:
    """A PNG has its size in its header."""
    assert read_image(write(tmp_path, png(64, 32))) == Image(png(64, 32), "png", 64, 32)


@given(st.binary(max_size=200) | st.binary(min_size=1, max_size=40).map(lambda more: png() + more))
def test_any_file(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """No content but that of an image is taken, and each refusal has a reason."""
    with pytest.raises(ValueError, match=r"^it "):
        read_image(write(tmp_path_factory.getbasetemp(), content))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file and a folder are told by their reasons."""
    for path, why in (
        (tmp_path / "none", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        assert refused(LOGIN_FAVICON=str(path)).endswith(f"(it cannot be read: {why})")
    with pytest.raises(ValueError, match=r"^it cannot be read: this is not a valid file name$"):
        read_image("a\0b")


def test_an_image_is_not_shown(tmp_path: Path) -> None:
    """Settings are printed without the content of files."""
    settings = read(LOGIN_LOGO=write(tmp_path, DRAWING.format("<title>secret</title>")))
    assert "secret" not in repr(settings)


# Links


@pytest.mark.parametrize(
    ("text", "label", "url"),
    [
        ("help@bank.example", "help@bank.example", "mailto:help@bank.example"),
        (
            "a.b+c_d@mail.bank.example",
            "a.b+c_d@mail.bank.example",
            "mailto:a.b+c_d@mail.bank.example",
        ),
        ("+91 (80) 1234-5678", "+91 (80) 1234-5678", "tel:+918012345678"),
        ("1800 123 4567", "1800 123 4567", "tel:18001234567"),
        ("112", "112", "tel:112"),
        ("https://bank.example/", "bank.example", "https://bank.example/"),
        (
            "https://help.bank.example:8443/a/b?c=d#e",
            "help.bank.example:8443/a/b?c=d#e",
            "https://help.bank.example:8443/a/b?c=d#e",
        ),
    ],
)
def test_where_people_get_help(text: str, label: str, url: str) -> None:
    """An e-mail address, a telephone number or a URL, as people read it and as a link."""
    assert read(SIGNUP_SUPPORT=text).brand(Flow.SIGNUP).support == Support(label, url)


NO_URLS: Final = (
    "http://bank.example",
    "https://bank",
    "https://user@bank.example",
    "https://Bank.example",
    "https://bank.example:0",
    "https://bank.example/a b",
    'https://bank.example/"><script>',
    "https://bank.example\\@evil.example",
    "javascript:alert(1)",
    "//bank.example",
    f"https://bank.example/{'a' * 500}",
)


@pytest.mark.parametrize(
    "text",
    [
        *NO_URLS,
        "help",
        "12",
        "+",
        "1" * 16,
        "١٢٣٤",
        "help@bank",
        "help@bank.example?subject=x",
        "a b@bank.example",
        "mailto:help@bank.example",
    ],
)
def test_where_nobody_gets_help(text: str) -> None:
    """Nothing else is a link that a page may have."""
    assert refused(LOGIN_SUPPORT=text).startswith("HSP_OTP_LOGIN_SUPPORT: got ")


@pytest.mark.parametrize("name", ["TERMS_URL", "PRIVACY_URL"])
def test_links_to_other_pages(name: str) -> None:
    """Terms and privacy are https pages."""
    brand = read(**{f"SIGNUP_{name}": "https://bank.example/en/#1"}).brand(Flow.SIGNUP)
    assert getattr(brand, name.lower()) == "https://bank.example/en/#1"
    for text in NO_URLS:
        assert refused(**{f"SIGNUP_{name}": text}).startswith(f"HSP_OTP_SIGNUP_{name}: got ")


# Names, tables and flows


def test_each_flow_has_a_brand() -> None:
    """The names are the ones in messages, and one brand's settings are not the other's."""
    settings = read(SERVICE_NAME="Pass", SIGNUP_SERVICE_NAME="Bank", SIGNUP_ACCENT="#0b6e4f")
    login, signup = (settings.brand(flow) for flow in (Flow.PASS_LOGIN, Flow.SIGNUP))
    assert (login.name, login.accent) == ("Pass", "")
    assert (signup.name, signup.accent) == ("Bank", "#0b6e4f")
    assert Settings().brand(Flow.SIGNUP).name == "NeoBank"


@pytest.mark.parametrize(
    ("given", "configured"),
    [
        ({}, set[Flow]()),
        ({"SERVICE_NAME": "House Service Pass"}, {Flow.PASS_LOGIN}),
        ({"LOGIN_ACCENT": "#0b6e4f"}, {Flow.PASS_LOGIN}),
        ({"LOGIN_RETURN_URL": "https://shop.example/"}, {Flow.PASS_LOGIN}),
        ({"SIGNUP_SERVICE_NAME": "NeoBank"}, {Flow.SIGNUP}),
        ({"SIGNUP_PRIVACY_URL": "https://bank.example/"}, {Flow.SIGNUP}),
        ({"SIGNUP_RETURN_URL": "https://bank.example/"}, {Flow.SIGNUP}),
        ({"SIGNUP_RETURN_URL": " ", "SIGNUP_CODE_SECONDS": "60"}, set[Flow]()),
        ({"SERVICE_NAME": "Pass", "SIGNUP_SERVICE_NAME": "Bank"}, {Flow.PASS_LOGIN, Flow.SIGNUP}),
    ],
)
def test_which_flows_are_configured(given: Mapping[str, str], configured: set[Flow]) -> None:
    """Those whose name, look, links or return address is set, be it to the default."""
    settings = read(**given)
    assert settings.configured == configured
    assert settings.only_flow == (next(iter(configured)) if len(configured) == 1 else None)


def load_file(folder: Path, content: str, **variables: str) -> Settings:
    """The settings of a file and of variables."""
    (folder / "otp.toml").write_text(content, "utf-8")
    return read(CONFIG=f"{folder}/otp.toml", **variables)


TABLES: Final = """
[branding.pass_login]
name = "Pass"
accent = "#0b6e4f"

[branding.signup]
name = "Bank"
accent_dark = "#ffd400"
support = 18001234567
terms_url = "https://bank.example/terms"
"""


def test_tables_of_a_file(tmp_path: Path) -> None:
    """A table for each flow has the settings by shorter names; the environment wins."""
    settings = load_file(tmp_path, TABLES, SIGNUP_ACCENT_DARK="#ffffff")
    login, signup = (settings.brand(flow) for flow in (Flow.PASS_LOGIN, Flow.SIGNUP))
    assert (login.name, login.accent, login.terms_url) == ("Pass", "#0b6e4f", "")
    assert (signup.name, signup.accent_dark) == ("Bank", "#ffffff")
    assert signup.support == Support("18001234567", "tel:18001234567")
    assert signup.terms_url == "https://bank.example/terms"
    assert settings.configured == {Flow.PASS_LOGIN, Flow.SIGNUP}
    assert (settings.service_name, settings.signup_service_name) == ("Pass", "Bank")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("branding = 1", "HSP_OTP_CONFIG: 'otp.toml' has branding, which is not a table"),
        (
            "branding.signup = 'Bank'",
            "HSP_OTP_CONFIG: 'otp.toml' has branding.signup, which is not a table",
        ),
        (
            "[branding.login]",
            "HSP_OTP_CONFIG: 'otp.toml' has branding.'login'; takes pass_login and signup",
        ),
        (
            "[branding.signup]\ncolour = '#0b6e4f'",
            (
                "HSP_OTP_CONFIG: 'otp.toml' has branding.signup.'colour'; takes name, logo, "
                "favicon, accent, accent_dark, support, terms_url, privacy_url"
            ),
        ),
        (
            "signup_logo = 'a'\n[branding.signup]\nlogo = 'b'",
            (
                "HSP_OTP_CONFIG: 'otp.toml' has both branding.signup.logo and signup_logo, which "
                "are the same setting"
            ),
        ),
        (
            "[branding.signup]\naccent = 'red'",
            (
                "HSP_OTP_SIGNUP_ACCENT: got 'red', takes # and six hexadecimal digits; its "
                "contrast with white text and with the light background is at least 4.5; it is "
                "in 'otp.toml' as branding.signup.accent"
            ),
        ),
        (
            "[branding.pass_login]\nname = true",
            (
                "HSP_OTP_SERVICE_NAME: got true, takes 1 to 40 letters of the GSM-7 alphabet, "
                "digits, spaces and &'()+,-.!; it is in 'otp.toml' as branding.pass_login.name"
            ),
        ),
    ],
)
def test_tables_with_mistakes(tmp_path: Path, content: str, says: str) -> None:
    """A mistake is told by its place in the file."""
    with pytest.raises(SettingsError) as caught:
        load_file(tmp_path, content)
    assert str(caught.value).replace(f"{tmp_path}/", "") == says


def test_the_example_of_the_guide(tmp_path: Path) -> None:
    """docs/branding.md shows a file that is accepted, and an SVG that is one."""
    guide = (Path(__file__).parents[2] / "docs" / "branding.md").read_text("utf-8")
    (drawing,) = re.findall(r"^  ```xml\n(.*?)^  ```$", guide, re.MULTILINE | re.DOTALL)
    (content,) = re.findall(r"^```toml\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    content = content.replace("/etc/hsp-otp/brands", str(tmp_path))
    for path in re.findall(r'^(?:logo|favicon) = "(.*)"$', content, re.MULTILINE):
        Path(path).write_bytes(png() if path.endswith("png") else drawing.encode())
    settings = load_file(tmp_path, content)
    assert settings.brand(Flow.PASS_LOGIN).name == "House Service Pass"
    assert settings.brand(Flow.SIGNUP).logo == Image(drawing.encode(), "svg", 24, 24)
    for line in re.findall("^HSP_OTP_SIGNUP_STEPS=(.*)$", guide, re.MULTILINE):
        assert read(SIGNUP_STEPS=line.strip('"')).signup_steps is not None


# Steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("none", {}),
        ("Details", {"": ("Details",)}),
        ("Your details, Account", {"": ("Your details", "Account")}),
        (
            "en: Details, Account; es: Datos, Cuenta",
            {"en": ("Details", "Account"), "es": ("Datos", "Cuenta")},
        ),
    ],
)
def test_steps(text: str, steps: dict[str, tuple[str, ...]]) -> None:
    """The titles of the steps that follow, for all readers or by language."""
    assert read(SIGNUP_STEPS=text).signup_steps == steps
    assert Settings().signup_steps is None


def test_steps_in_a_file(tmp_path: Path) -> None:
    """A list in a file has a title in each entry."""
    found = load_file(tmp_path, 'signup_steps = ["Your details", "Account"]').signup_steps
    assert found == {Language(""): ("Your details", "Account")}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (",", ""),
        ("Details,", ""),
        ("a" * 41, ""),
        ("a\u202eb", ""),
        (",".join("a" * 10), ""),
        ("es: Datos", " (there is no list in English, which readers of other languages get)"),
        ("fr: Compte", " ('fr' is no language of the pages)"),
        ("en: A; en: B", " (of several lists, each has another language)"),
        ("A; es: B", " (of several lists, each has another language)"),
        ("en: A, B; es: C", " (the lists differ in length)"),
    ],
)
def test_steps_with_mistakes(text: str, why: str) -> None:
    """One to nine titles that fit, as many in each language, and English for all others."""
    line = refused(SIGNUP_STEPS=text)
    assert line.startswith("HSP_OTP_SIGNUP_STEPS: got ")
    assert line.endswith(f"or none{why}")
