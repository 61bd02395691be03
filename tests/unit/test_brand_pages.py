"""Whose page it is: docs/contract.md, section 5.11."""

import hashlib
import re
from typing import Any, Final

import attrs
import pytest

from hsp_otp.domain.purposes import Flow
from hsp_otp.entrypoints.settings.branding import Branding, Support
from hsp_otp.entrypoints.settings.images import Image
from tests.http import Client
from tests.visitor import LOGIN, SIGNUP, Page, Visitor
from tests.world import World

SVG: Final = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"/>'
PNG: Final = b"\x89PNG\r\n\x1a\nas good as one"
IMAGE_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"

BANK: Final = Branding(
    logo=Image(SVG, "svg", 24, 24),
    favicon=Image(PNG, "png", 32, 32),
    accent="#0b6e4f",
    accent_dark="#7fd8b4",
    support=Support("help@bank.example", "mailto:help@bank.example"),
    terms_url="https://bank.example/terms",
    privacy_url="https://bank.example/privacy",
)
LINKS: Final = [
    "mailto:help@bank.example",
    "https://bank.example/terms",
    "https://bank.example/privacy",
]


def client(signup: Branding = BANK, **more: Any) -> Client:  # noqa: ANN401 - settings
    """Over a world with a pass; signup has a brand, and pass login has none."""
    world = World()
    world.add()
    branding = {Flow.PASS_LOGIN: Branding(), Flow.SIGNUP: signup}
    return Client(world, branding=branding, **more)


def own_files(page: Page) -> list[str]:
    """The URLs of the files of the page that are its brand's own."""
    return [url for url in page.urls if re.match("/static/(login|signup)/", url)]


def test_a_page_shows_its_brand() -> None:
    """Colours, icon, logo, name and links are the brand's, and the policy is as strict as ever."""
    visitor = Visitor(client(signup_service_name="Bank"))
    page = visitor.get(SIGNUP)
    names = [url.partition("?")[0] for url in own_files(page)]
    assert names == [f"/static/signup/{name}" for name in ("icon.png", "colours.css", "logo.svg")]
    assert "/static/colours.css" not in " ".join(page.urls)
    assert page.urls[-3:] == LINKS
    assert page.texts["header"].startswith("Bank ")
    assert page.texts["title"] == "Open your account · Bank"
    size = {"width": "32", "height": "32"}
    assert page.attributes["img"] == {"src": own_files(page)[2], "alt": ""} | size
    assert page.reply.headers["content-security-policy"].startswith(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    )


def test_the_other_page_does_not() -> None:
    """A brand is that of one flow; the other one shares the files of all pages."""
    page = Visitor(client()).get(LOGIN)
    assert own_files(page) == []
    assert "/static/colours.css" in " ".join(page.urls)
    assert "img" not in page.attributes
    assert not [url for url in page.urls if not url.startswith("/")]


def test_a_failure_shows_the_brand_too() -> None:
    """What goes wrong under a flow's path is told on a page of its brand, with its links."""
    visitor = Visitor(client())
    for path, brands in (("/users/nowhere", True), ("/customer/nowhere", False)):
        reply = visitor.request("GET", path, headers={"accept": "text/html"})
        assert bool(own_files(Page(reply))) is brands
    assert Page(visitor.post(SIGNUP, {})).urls[-3:] == LINKS


def test_the_files_of_a_brand() -> None:
    """They say what they are, are kept by the URL of their content, and run nothing."""
    visitor = Visitor(client())
    kinds = {"png": "image/png", "css": "text/css", "svg": "image/svg+xml"}
    contents = {"png": PNG, "svg": SVG}
    for url in own_files(visitor.get(SIGNUP)):
        path, _, query = url.partition("?")
        kind = path.rpartition(".")[2]
        reply = visitor.client.request("GET", path, query=query)
        assert reply.status == 200
        assert reply.body == contents.get(kind, reply.body)
        assert query == f"v={hashlib.sha256(reply.body).hexdigest()[:16]}"
        assert reply.headers["content-type"].partition(";")[0] == kinds[kind]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        policy = reply.headers.get("content-security-policy")
        assert policy == (None if kind == "css" else IMAGE_POLICY)
        other = visitor.client.request("GET", path, query="v=0123456789abcdef")
        assert (other.status, other.headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize(
    "path",
    [
        *("/static/signup/logo.png", "/static/signup/icon.svg", "/static/signup/page.css"),
        *("/static/login/colours.css", "/static/login/logo.svg", "/static/nobody/logo.svg"),
    ],
)
def test_files_that_a_brand_does_not_have(path: str) -> None:
    """They are not found."""
    assert client().request("GET", path).status == 404


def colours_of(**brand: Any) -> str:  # noqa: ANN401 - settings
    """The style sheet of a brand."""
    visitor = Visitor(client(Branding(**brand)))
    (sheet,) = (url for url in visitor.get(SIGNUP).urls if "colours.css" in url)
    path, _, query = sheet.partition("?")
    return visitor.client.request("GET", path, query=query).body.decode()


LIGHT: Final = (
    ":root { --accent: #0b6e4f; --accent-deep: #09583f; --on-accent: #ffffff; "
    "--tint: var(--back); }\n"
)
DARK: Final = (
    "@media (prefers-color-scheme: dark) {{\n:root {{ --accent: {}; --accent-deep: {}; "
    "--on-accent: #0e1117; --tint: var(--back); }}\n}}\n"
)


@pytest.mark.parametrize(
    ("brand", "ends"),
    [
        ({"accent": "#0b6e4f"}, LIGHT + DARK.format("#0f956b", "#3faa89")),
        (
            {"accent": "#0b6e4f", "accent_dark": "#7fd8b4"},
            LIGHT + DARK.format("#7fd8b4", "#99e0c3"),
        ),
        ({"accent_dark": "#7fd8b4"}, DARK.format("#7fd8b4", "#99e0c3")),
    ],
)
def test_the_style_sheet(brand: dict[str, str], ends: str) -> None:
    """It is that of all pages, and then the brand's accents in both schemes."""
    shared = colours_of()
    assert colours_of(**brand) == shared + ends


def test_the_tick_has_the_accent() -> None:
    """Without a favicon, the icon is the tick in the brand's accent."""
    visitor = Visitor(client(Branding(accent="#0b6e4f")))
    (icon,) = (url for url in visitor.get(SIGNUP).urls if "icon.svg" in url)
    path, _, query = icon.partition("?")
    assert path == "/static/signup/icon.svg"
    assert b'fill="#0b6e4f"' in visitor.client.request("GET", path, query=query).body


@pytest.mark.parametrize(
    ("size", "shown", "alone"),
    [
        ((24, 24), ("32", "32"), False),
        ((95, 32), ("95", "32"), False),
        ((96, 32), ("96", "32"), True),
        ((1000, 100), ("240", "24"), True),
        ((9000, 1), ("240", "1"), True),
        ((1, 9000), ("1", "32"), False),
    ],
)
def test_the_size_of_a_logo(
    size: tuple[float, float], shown: tuple[str, str], *, alone: bool
) -> None:
    """At most 32 high and 240 wide; one three times as wide as high stands for the name."""
    brand = Branding(logo=Image(SVG, "svg", *size))
    page = Visitor(client(brand, signup_service_name="Bank")).get(SIGNUP)
    image = page.attributes["img"]
    assert (image["width"], image["height"]) == shown
    assert image["alt"] == ("Bank" if alone else "")
    assert page.texts["header"].startswith("Bank ") is not alone


def test_a_name_is_no_markup() -> None:
    """Names and links are text, whatever is in them."""
    odd = attrs.evolve(BANK, support=Support("<b>", 'https://bank.example/"<b>'))
    page = Visitor(client(odd, signup_service_name="A & B's")).get(SIGNUP)
    assert "A & B's" in page.texts["header"]
    assert "<b>" in page.texts["footer"]


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "Help: help@bank.example Terms Privacy"),
        ("es", "Ayuda: help@bank.example Condiciones Privacidad"),
        ("hi", "सहायता: help@bank.example शर्तें गोपनीयता"),
    ],
)
def test_links_have_words_in_each_language(language: str, told: str) -> None:
    """The links stand at the end of the page, in its language."""
    visitor = Visitor(client(), language=language)
    assert visitor.get(SIGNUP).texts["footer"].endswith(told)


# The front page


def test_the_front_page_of_development() -> None:
    """It names both brands, and is nobody's."""
    found = client(mode="development", service_name="Pass", signup_service_name="Bank")
    page = Visitor(found).get("/")
    assert "For customers of Pass" in page.main
    assert "For new customers of Bank" in page.main
    assert page.texts["header"].startswith("hsp-otp ")
    assert own_files(page) == []


@pytest.mark.parametrize(("flow", "path"), [(Flow.PASS_LOGIN, LOGIN), (Flow.SIGNUP, SIGNUP)])
def test_production_with_one_flow(flow: Flow, path: str) -> None:
    """`/` leads to the one flow that is configured, and so does an unknown address."""
    visitor = Visitor(client(configured=frozenset({flow})))
    reply = visitor.request("GET", "/")
    assert (reply.status, reply.headers["location"]) == (303, path)
    page = Page(visitor.request("GET", "/nowhere", headers={"accept": "text/html"}))
    assert path in page.urls
    assert bool(own_files(page)) is (flow is Flow.SIGNUP)


@pytest.mark.parametrize("configured", [frozenset[Flow](), frozenset(Flow)])
@pytest.mark.parametrize("path", ["/", "/nowhere"])
def test_production_with_another_number_of_flows(configured: frozenset[Flow], path: str) -> None:
    """There is no front page, and an unknown address leads nowhere."""
    visitor = Visitor(client(configured=configured))
    reply = visitor.request("GET", path, headers={"accept": "text/html"})
    page = Page(reply)
    assert (reply.status, page.step) == (404, "failure")
    assert "a" not in page.attributes
    assert own_files(page) == []
    answer = visitor.request("GET", path)
    assert (answer.status, answer.json["error"]) == (404, "not_found")


# Steps


def signed_up(**settings: Any) -> tuple[Page, Page]:  # noqa: ANN401 - settings
    """The first and the last page of a signup, in Hindi."""
    visitor = Visitor(client(Branding(), **settings), language="hi")
    begun = visitor.get(SIGNUP)
    page = visitor.submit(begun, "send", phone="98123 45678", region="IN")
    return begun, visitor.submit(page, "verify", otp=visitor.client.world.outbox.codes[-1])


TITLES: Final = {"en": ("Your details", "Account"), "hi": ("विवरण", "खाता")}


@pytest.mark.parametrize(
    ("steps", "told", "lang"),
    [
        (None, "व्यक्तिगत विवरण आधार पैन खाता और पासवर्ड", None),
        ({"": ("Details", "Account")}, "Details Account", None),
        (TITLES, "विवरण खाता", None),
        ({"en": ("Details", "Account")}, "Details Account", "en"),
    ],
)
def test_the_steps_of_a_signup(
    steps: dict[str, tuple[str, ...]] | None, told: str, lang: str | None
) -> None:
    """Their number and their titles are the setting's, in the page's language if it has them."""
    begun, page = signed_up(signup_steps=steps)
    count = 5 if steps is None else 3
    assert f"चरण 1 / {count}" in begun.main
    assert f"चरण 2 / {count}" in page.main
    assert page.texts["ol"] == told
    assert page.attributes["li"].get("lang") == lang


def test_a_signup_without_further_steps() -> None:
    """Nothing speaks of steps, at the beginning or at the end."""
    begun, page = signed_up(signup_steps={})
    assert "चरण" not in begun.main
    assert "चरण" not in page.main
    assert "ol" not in page.attributes
