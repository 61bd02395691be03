"""Texts of messages and pages."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import attrs

from hsp_otp.domain.code import Code
from hsp_otp.domain.instant import Duration
from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import Purpose


@attrs.frozen(kw_only=True)
class Text:
    """
    What a message says.

    Attributes:
        text: Holds the code, so `repr` leaves it out.
        template_id: What the text is registered as, where it is.
        entity_id: Who registered it.
    """

    text: str = attrs.field(repr=False)
    template_id: str | None = None
    entity_id: str | None = None


@attrs.frozen(kw_only=True)
class Wording:
    """
    A text of the operator's own.

    Attributes:
        text: With ``{code}`` once, and perhaps ``{service}`` and ``{minutes}``.
        template_id: What it is registered as; in India DLT's content template id.
        entity_id: Who registered it; in India DLT's principal entity id.
    """

    text: str
    template_id: str | None = None
    entity_id: str | None = None


Wordings: TypeAlias = Mapping[tuple[Purpose, Language], Wording]


class Messages(Protocol):
    """What is sent, in the languages there are; English as the last resort."""

    def sms(self, purpose: Purpose, code: Code, lifetime: Duration, language: Language) -> Text:
        """The text message that carries *code*: the service, the code once, and the minutes."""
        ...


class Sentences(Protocol):
    """What is shown, in the languages there are; English as the last resort."""

    @property
    def languages(self) -> Sequence[Language]:
        """Those there are; English first."""
        ...

    @property
    def own_names(self) -> Mapping[Language, str]:
        """What each of them calls itself."""
        ...

    def explain(self, word: str, language: Language) -> str:
        """A sentence for a person about an error word of the API."""
        ...
