"""What calls by Twilio say, as TwiML: https://www.twilio.com/docs/voice/twiml."""

from typing import Any, Final

from twilio.twiml.voice_response import Gather, VoiceResponse

from hsp_otp.ports.calls import Speech

_SHORT_PAUSE: Final = 1
_LONG_PAUSE: Final = 3
"""Seconds, which Twilio takes whole."""

_WAIT_SECONDS: Final = 10
"""How long a call waits for a key after the announcement."""


def asking_for_key(speech: Speech, url: str) -> str:
    """Say *speech*, report a pressed key to *url*, and hang up if none is pressed."""
    response: Any = VoiceResponse()
    keys: Any = Gather(
        input="dtmf",
        num_digits=1,
        finish_on_key="",  # by default, the hash key would not count
        timeout=_WAIT_SECONDS,
        action=url,
        method="POST",
    )
    _say(keys, speech)
    response.append(keys)
    response.hangup()
    return str(response)


def saying(speech: Speech) -> str:
    """Say *speech*, and hang up."""
    response: Any = VoiceResponse()
    _say(response, speech)
    response.hangup()
    return str(response)


def _say(element: Any, speech: Speech) -> None:  # noqa: ANN401 - the package has no types for it
    for place, passage in enumerate(speech.passages):
        if place:
            element.pause(length=_LONG_PAUSE)
        for phrase in passage:
            element.say(phrase, language=speech.voice)
            element.pause(length=_SHORT_PAUSE)
