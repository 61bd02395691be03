"""A browser without scripts, which keeps cookies, follows redirects and fills in forms."""

from collections.abc import Mapping
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

import attrs

from tests.http import Client, Reply
from tests.world import CLIENT

LOGIN = "/customer/login/"
SIGNUP = "/users/signup/"

_INLINE = {"b", "i", "span", "strong"}
_VOID = {"br", "hr", "img", "input", "link", "meta"}


class Page(HTMLParser):
    """
    The content of a page.

    Attributes:
        texts: The texts, by the id or the tag of their element.
        fields: The values of its inputs by name; the last of several with one name.
        attributes: The attributes of elements, by the element's id or else its tag.
        urls: All URLs of links and of loaded files.
        buttons: The actions of its buttons.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply
        self.texts: dict[str, str] = {}
        self.fields: dict[str, str] = {}
        self.attributes: dict[str, dict[str, str]] = {}
        self.urls: list[str] = []
        self.buttons: list[str] = []
        self._open: list[tuple[str, str]] = []
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        self.feed(reply.body.decode())
        self.texts = {name: " ".join(text.split()) for name, text in self.texts.items()}
        assert self._open == [], "an element is not closed"

    @property
    def step(self) -> str:
        """The step that the page shows."""
        return self.attributes["main"]["data-step"]

    @property
    def main(self) -> str:
        """The text of the main part."""
        return self.texts["main"]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element."""
        found = {name: value or "" for name, value in attrs}
        assert not [name for name in found if name == "style" or name.startswith("on")]
        name = found.get("id", tag)
        if tag not in _INLINE:
            self.handle_data(" ")
        self.attributes[name] = found
        self.urls += [found[name] for name in ("href", "src", "action") if name in found]
        if tag == "input":
            self.fields[found["name"]] = found.get("value", "")
        if tag == "button" and found.get("name") == "do":
            self.buttons.append(found["value"])
        if tag not in _VOID:
            self._open.append((tag, name))

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        opened, _ = self._open.pop()
        assert opened == tag

    def handle_data(self, data: str) -> None:
        """Record a text for all elements around it."""
        for name in {name for _, name in self._open}:
            self.texts[name] = self.texts.get(name, "") + data


@attrs.define
class Visitor:
    """
    Attributes:
        cookies: The cookies by name, regardless of path, since each test visits only one page.
        set_cookies: The latest Set-Cookie value by cookie name.
    """

    client: Client
    cookies: dict[str, str] = attrs.field(factory=dict[str, str])
    set_cookies: dict[str, str] = attrs.field(factory=dict[str, str])
    address: str = CLIENT
    language: str = "en"

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        query: str = "",
    ) -> Reply:
        """Send a request with the cookies, and keep the cookies of the answer."""
        lines: dict[str, str | None] = {"accept-language": self.language, **(headers or {})}
        if self.cookies:
            lines["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        reply = self.client.request(
            method, path, body=body, headers=lines, client=self.address, query=query
        )
        for line in reply.cookies:
            for name, morsel in SimpleCookie(line).items():
                self.set_cookies[name] = line
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        return reply

    def get(self, path: str) -> Page:
        """Open a page."""
        reply = self.request("GET", path)
        assert reply.status == 200
        return Page(reply)

    def open(self, path: str, query: str) -> Page:
        """Follow another site's link to a page, which redirects to its bare path."""
        reply = self.request("GET", path, query=query)
        assert (reply.status, reply.headers["location"]) == (303, path)
        return self.get(path)

    def post(self, path: str, fields: Mapping[str, str]) -> Reply:
        """Send a form with exactly these fields."""
        return self.request(
            "POST",
            path,
            urlencode(fields).encode(),
            {"content-type": "application/x-www-form-urlencoded"},
        )

    def submit(self, page: Page, do: str, **fields: str) -> Page:
        """Press a button of *page*, and follow the redirect."""
        assert do in page.buttons, page.main
        path = urlsplit(page.fields["page"]).path
        reply = self.post(path, {**page.fields, **fields, "do": do})
        assert reply.status == 303
        assert reply.headers["location"] == path
        assert reply.body == b""
        return self.get(path)
