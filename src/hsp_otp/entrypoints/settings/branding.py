"""The settings of each page's look and links."""

import re
from typing import Final

import attrs

from hsp_otp.adapters.senders.provider import setting as _setting
from hsp_otp.entrypoints.settings.colours import LEAST_CONTRAST, read_accent, read_dark_accent
from hsp_otp.entrypoints.settings.images import MAX_BYTES, Image, read_image

_IMAGE_TAKES: Final = (
    f"the path of a PNG file, or of an SVG file that only draws, of {MAX_BYTES // 1000} kB at most"
)
_URL_TAKES: Final = "https:// and a host in lower case, optionally with a port and what follows it"

_HOST: Final = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]"
_URL: Final = re.compile(
    rf"https://{_HOST}(:[1-9][0-9]{{0,4}})?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?"
    r"([?#][A-Za-z0-9._~!$&'()*+,;=:@%/?#-]*)?"
)
_MAIL: Final = re.compile(rf"[A-Za-z0-9._+-]{{1,64}}@{_HOST}")
_TELEPHONE: Final = re.compile(r"\+?[0-9](?:[ ()-]*[0-9]){2,14}")

_MOST_CHARACTERS: Final = 500


@attrs.frozen
class Support:
    """
    Where people get help.

    Attributes:
        label: The address as people read it.
    """

    label: str
    url: str


def read_url(text: str) -> str:
    """Read the URL of a page elsewhere."""
    if len(text) > _MOST_CHARACTERS or not _URL.fullmatch(text):
        raise ValueError
    return text


def read_support(text: str) -> Support:
    """Read an e-mail address, a telephone number or a URL."""
    if _MAIL.fullmatch(text):
        return Support(text, f"mailto:{text}")
    if _TELEPHONE.fullmatch(text):
        return Support(text, f"tel:{re.sub('[^+0-9]', '', text)}")
    return Support(read_url(text).removeprefix("https://").rstrip("/"), text)


@attrs.frozen(kw_only=True)
class Branding:
    """
    Whose page it is.

    Attributes:
        name: The name of the service, which has a setting of its own.
    """

    name: str = ""
    logo: Image | None = _setting(
        read_image,
        None,
        "logo at the top of the page; with a wide one, the name is not written beside it",
        takes=_IMAGE_TAKES,
        shown_default="a tick in the accent colour",
    )
    favicon: Image | None = _setting(
        read_image,
        None,
        "icon of the page in tabs and bookmarks",
        takes=_IMAGE_TAKES,
        shown_default="a tick in the accent colour",
    )
    accent: str = _setting(
        read_accent,
        "",
        "accent colour of buttons and links",
        takes="# and six hexadecimal digits; its contrast with white text and with the light "
        f"background is at least {LEAST_CONTRAST}",
        shown_default="#2b4bd0",
    )
    accent_dark: str = _setting(
        read_dark_accent,
        "",
        "accent colour for readers with a dark colour scheme",
        takes="# and six hexadecimal digits; its contrast with the dark backgrounds is at least "
        f"{LEAST_CONTRAST}",
        shown_default="the accent colour, lighter",
    )
    support: Support | None = _setting(
        read_support,
        None,
        "where people get help",
        takes=f"an e-mail address, a telephone number, or {_URL_TAKES}",
        shown_default="none",
    )
    terms_url: str = _setting(read_url, "", "URL of the terms of service", takes=_URL_TAKES)
    privacy_url: str = _setting(read_url, "", "URL of the privacy notice", takes=_URL_TAKES)
