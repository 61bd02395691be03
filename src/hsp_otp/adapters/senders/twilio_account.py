"""The settings of the Twilio providers."""

import re
from typing import Final, Protocol

import attrs

from hsp_otp.adapters.senders.provider import URL_TAKES, Shape, setting, text, url
from hsp_otp.adapters.senders.whatsapp_templates import Templates, templates

BLOCKED: Final = frozenset({21610, 30450, 63014})
"""Error codes of opt-outs, of SMS pumping fraud, and of people who block WhatsApp's sender. They
come with a refusal or with a receipt."""

NAME: Final = "twilio"
WHATSAPP_NAME: Final = "twilio-whatsapp"
VOICE_NAME: Final = "twilio-voice"


class Credentials(Protocol):
    """What requests to Twilio need, whatever they send."""

    @property
    def account_sid(self) -> str:
        """The account."""
        ...

    @property
    def auth_token(self) -> str:
        """Its secret."""
        ...

    @property
    def base_url(self) -> str:
        """The base URL of the API."""
        ...


def account_sid() -> str:
    """Declare the account, which all senders by Twilio share."""
    return setting(
        text,
        "",
        "SID of the Twilio account",
        takes="a text",
        required=True,
        variable="TWILIO_ACCOUNT_SID",
    )


def auth_token() -> str:
    """Declare its secret."""
    return setting(
        text,
        "",
        "authenticates to Twilio, and verifies its callbacks",
        takes="a text",
        secret=True,
        required=True,
        variable="TWILIO_AUTH_TOKEN",
    )


def base_url() -> str:
    """Declare the base URL of the API."""
    return setting(
        url,
        "https://api.twilio.com",
        "base URL of Twilio's API: a region's, or a test gateway's",
        takes=URL_TAKES,
        variable="TWILIO_BASE_URL",
    )


@attrs.frozen(kw_only=True)
class TwilioAccount:
    """The account at Twilio, and the sender of its messages."""

    account_sid: str = account_sid()
    auth_token: str = auth_token()
    from_: str = setting(
        text,
        "",
        "number or name that messages come from",
        takes="a number in E.164 or a name, if there is no messaging service",
    )
    messaging_service_sid: str = setting(
        text, "", "SID of a Twilio messaging service (a pool of numbers)", takes="a text"
    )
    base_url: str = base_url()


_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")


def _number(given: str) -> str:
    if not _NUMBER.fullmatch(given):
        raise ValueError
    return given


def _from(meaning: str) -> str:
    return setting(_number, "", meaning, takes="a number in E.164", required=True)


@attrs.frozen(kw_only=True)
class TwilioVoiceAccount:
    """The account at Twilio, and the number that its calls come from."""

    account_sid: str = account_sid()
    auth_token: str = auth_token()
    from_: str = _from("number that calls come from")
    base_url: str = base_url()


@attrs.frozen(kw_only=True)
class TwilioWhatsAppAccount:
    """The account at Twilio, and the sender of its WhatsApp messages."""

    account_sid: str = account_sid()
    auth_token: str = auth_token()
    from_: str = _from("number that WhatsApp messages come from")
    templates: Templates = setting(
        templates("HX[0-9a-f]{32}"),
        (),
        "SIDs of the approved authentication templates, one for each language; a language without "
        "one gets the English one, otherwise the first",
        takes="language:HX..., several with commas",
        shown_default="none",
        required=True,
        shape=Shape.LIST,
    )
    base_url: str = base_url()
