"""Texts from gettext catalogues, which are read as they stand in the repository."""

import re
from collections.abc import Mapping
from importlib.resources import files
from io import BytesIO
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from hsp_otp.domain.code import Code
from hsp_otp.domain.instant import MINUTE, Duration
from hsp_otp.domain.names import Purpose

MAX_SERVICE_NAME: Final = 40
"""Characters of a service's name: with it, a code of ten digits and two digits of minutes, the
English text takes 120 of the 160 septets of a segment."""

# Letters and digits of the GSM-7 basic alphabet (3GPP TS 23.038, 6.2.1), and of its punctuation
# what makes no link, origin line or placeholder. Each is one septet.
_LETTERS = "A-Za-zèéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉÄÖÑÜäöñüà"
_NAME = re.compile(rf"(?=.*[{_LETTERS}])[{_LETTERS}0-9 &'()+,.!-]{{1,{MAX_SERVICE_NAME}}}")
MAX_AUTOFILL_BYTES: Final = 140
"""Of UTF-8, for a message with a line for autofill: Android's SMS Retriever reads no more."""

_LINK = re.compile(r"\.\S")
_MAX_NAME_DIGITS = 3


def check_service_name(name: str) -> str:
    """
    *name* without outer white space, fit to stand in a text message.

    Raises:
        ValueError: It has no letter or more than 40 characters, another character than letters
            and digits of the GSM-7 basic alphabet, spaces and ``&'()+,-.!``, more than three
            digits (a phone would take them for the code) or a dot inside a word (for a link).
    """
    trimmed = name.strip()
    if not _NAME.fullmatch(trimmed):
        raise ValueError(
            f"takes 1 to {MAX_SERVICE_NAME} letters of the GSM-7 basic alphabet, digits, spaces"
            " and &'()+,-.! and among them a letter"
        )
    if sum(character.isdigit() for character in trimmed) > _MAX_NAME_DIGITS:
        raise ValueError(f"takes at most {_MAX_NAME_DIGITS} digits: more would look like a code")
    if _LINK.search(trimmed):
        raise ValueError("takes a dot only before a space or at the end: else it would be a link")
    return trimmed


class GettextMessages:
    """English texts; an id of the catalogue is an error word, or ``sms``."""

    def __init__(
        self,
        service_names: Mapping[Purpose, str],
        *,
        web_origin: str | None = None,
        android_hash: str | None = None,
    ) -> None:
        """
        Read the catalogue.

        Args:
            service_names: Who speaks, for every purpose; each as `check_service_name` leaves it.
            web_origin: The host whose pages a browser may fill the code into (WICG, origin-bound
                one-time codes).
            android_hash: The app that Android's SMS Retriever hands the message to.
        """
        self._service_names = service_names
        self._web_origin = web_origin
        self._android_hash = android_hash
        source = files("hsp_otp") / "locale" / "en" / "LC_MESSAGES" / "hsp_otp.po"
        catalogue = read_po(BytesIO(source.read_bytes()), locale="en", abort_invalid=True)
        compiled = BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        self._texts = Translations(compiled)
        self._words = {
            message.id for message in catalogue if isinstance(message.id, str) and message.id
        }

    def sms(self, purpose: Purpose, code: Code, lifetime: Duration) -> str:
        """
        Keep the promise of `Messages.sms`: one segment of GSM-7 in English, without a link.

        Args:
            lifetime: Told in whole minutes, rounded down, and as one where it is shorter.
        """
        minutes = max(1, lifetime // MINUTE)
        template = self._texts.ngettext("sms", "sms", minutes)
        text = template.format(
            code=code.reveal(), service=self._service_names[purpose], minutes=minutes
        )
        origin = f"@{self._web_origin} #{code.reveal()}" if self._web_origin else ""
        # Both formats want the last line, and each lets the other stand beside it.
        last = " ".join(filter(None, (origin, self._android_hash)))
        return f"{text}\n{last}" if last else text

    def explain(self, word: str) -> str:
        """
        Keep the promise of `Messages.explain`.

        Raises:
            KeyError: There is no such word.
        """
        if word not in self._words:
            raise KeyError(word)
        return self._texts.gettext(word)
