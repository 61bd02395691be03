"""The settings of the Twilio provider."""

from typing import Final

import attrs

from hsp_otp.adapters.senders.provider import URL_TAKES, setting, text, url

NAME: Final = "twilio"


@attrs.frozen(kw_only=True)
class TwilioAccount:
    """The account at Twilio, and the sender of its messages."""

    account_sid: str = setting(text, "", "SID of the Twilio account", takes="a text", required=True)
    auth_token: str = setting(
        text,
        "",
        "authenticates to Twilio, and verifies its callbacks",
        takes="a text",
        secret=True,
        required=True,
    )
    from_: str = setting(
        text,
        "",
        "number or name that messages come from",
        takes="a number in E.164 or a name, if there is no messaging service",
    )
    messaging_service_sid: str = setting(
        text, "", "SID of a Twilio messaging service (a pool of numbers)", takes="a text"
    )
    base_url: str = setting(
        url,
        "https://api.twilio.com",
        "base URL of Twilio's API: a region's, or a test gateway's",
        takes=URL_TAKES,
    )
