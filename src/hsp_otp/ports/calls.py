"""Calls that say a code: what they say, and what providers report while one is under way."""

from collections.abc import Mapping
from typing import Final, Protocol

import attrs

from hsp_otp.domain.code import Code
from hsp_otp.domain.names import Language


@attrs.frozen(kw_only=True)
class Speech:
    """
    What a call says.

    Attributes:
        voice: The language and region of the voice that reads it, as a BCP 47 tag.
        passages: Read one after the other, with a long pause in between. There is a short pause
            after each phrase of a passage. They may hold the words of a code, so `repr` leaves them
            out.
    """

    voice: str
    passages: tuple[tuple[str, ...], ...] = attrs.field(repr=False)


SILENCE: Final = Speech(voice="", passages=())
"""Nothing."""


class CallTexts(Protocol):
    """The texts that calls say, in every available language, with English as the fallback."""

    def announcement(self, service_name: str, language: Language) -> Speech:
        """Who is calling, and that a key has to be pressed; nothing of the code."""
        ...

    def spelled(self, code: Code, language: Language) -> Speech:
        """The code as a word for each digit: twice, and after a long pause once more."""
        ...

    def over(self, language: Language) -> Speech:
        """The code is no longer valid."""
        ...


@attrs.frozen(kw_only=True)
class Script:
    """
    What a call does next, as its provider reads it.

    Attributes:
        content: May hold the words of a code, so `repr` leaves it out.
    """

    media_type: str
    content: bytes = attrs.field(repr=False)


class CallControl(Protocol):
    """Reads what one provider reports of pressed keys, and writes what its calls say then."""

    def is_signed(self, send_id: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """
        Whether the provider made this report, for the call of that send. Never raises.

        *headers* are keyed by name in lower case.
        """
        ...

    def pressed(self, body: bytes) -> str | None:
        """The provider's id of the call in which a key was pressed; None if none was."""
        ...

    def script(self, speech: Speech) -> Script:
        """Say *speech*, and hang up."""
        ...
