"""The settings of the Twilio provider."""

from typing import Final

import attrs

from hsp_otp.adapters.senders.provider import URL_TAKES, setting, text, url

NAME: Final = "twilio"


@attrs.frozen(kw_only=True)
class TwilioAccount:
    """The account at Twilio, and the sender of its messages."""

    account_sid: str = setting(
        text,
        "",
        "Twilio's name for the account",
        takes="a text",
        shown_default="none",
        required=True,
    )
    auth_token: str = setting(
        text,
        "",
        "signs in to Twilio, and checks its callbacks",
        takes="a text",
        shown_default="none",
        secret=True,
        required=True,
    )
    from_: str = setting(
        text,
        "",
        "number or name that messages come from",
        takes="a number in E.164 or a name, where there is no messaging service",
        shown_default="none",
    )
    messaging_service_sid: str = setting(
        text, "", "Twilio's pool of numbers", takes="a text", shown_default="none"
    )
    base_url: str = setting(
        url,
        "https://api.twilio.com",
        "where Twilio's API is: a region, a test gateway",
        takes=URL_TAKES,
    )
