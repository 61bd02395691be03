"""The words that people read."""

from typing import Protocol

from hsp_otp.domain.code import Code
from hsp_otp.domain.instant import Duration
from hsp_otp.domain.names import Language, Purpose


class Messages(Protocol):
    """Texts in the languages there are; English as the last resort."""

    def sms(self, purpose: Purpose, code: Code, lifetime: Duration, language: Language) -> str:
        """The text message that carries *code*: the service, the code once, and the minutes."""
        ...

    def explain(self, word: str, language: Language) -> str:
        """A sentence for a person about an error word of the API."""
        ...
