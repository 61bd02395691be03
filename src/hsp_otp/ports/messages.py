"""The texts of messages and pages."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from hsp_otp.domain.code import Code
from hsp_otp.domain.instant import Duration
from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.wordings import Wording, Wordings


@attrs.frozen(kw_only=True)
class Text:
    """
    The text of one message.

    Attributes:
        text: Contains the code, so `repr` leaves it out.
        template_id: The id under which the text is registered, if it is.
        entity_id: The id of the entity that registered it.
    """

    text: str = attrs.field(repr=False)
    template_id: str | None = None
    entity_id: str | None = None


@attrs.frozen(kw_only=True)
class MailText:
    """
    The text of one e-mail.

    Attributes:
        subject: Without the code.
        text: Contains the code, so `repr` leaves it out.
        html: The same as `text`, so `repr` leaves it out too.
        language: The language that it is in.
        service_name: The service that it comes from.
    """

    subject: str
    text: str = attrs.field(repr=False)
    html: str = attrs.field(repr=False)
    language: Language
    service_name: str


@attrs.frozen(kw_only=True)
class Letterhead:
    """
    What the messages of an app say in place of the service's.

    Attributes:
        service_name: The name of the app's service.
        web_origin: The host whose pages a browser may fill the code into.
        android_hash: The app that Android's SMS Retriever passes the message to.
        email_from: The address that e-mails come from.
        wordings: The app's own texts, which go before the service's.
    """

    service_name: str
    web_origin: str | None = None
    android_hash: str | None = None
    email_from: str | None = None
    wordings: Wordings = attrs.field(factory=dict[Purpose, Mapping[Language, Wording]])


class Messages(Protocol):
    """The texts that are sent, in every available language, with English as the fallback."""

    def sms(
        self,
        purpose: Purpose,
        code: Code,
        lifetime: Duration,
        language: Language,
        letterhead: Letterhead | None = None,
    ) -> Text:
        """
        The text message with *code*: the service, the code once, and the minutes.

        Args:
            purpose: The use of the code.
            code: The code.
            lifetime: How long the code is still live.
            language: The language of the text.
            letterhead: What an app's messages say in place of the service's own.
        """
        ...

    def mail(
        self,
        purpose: Purpose,
        code: Code,
        lifetime: Duration,
        language: Language,
        letterhead: Letterhead | None = None,
    ) -> MailText:
        """
        The e-mail with *code*, once as text and once as HTML, with no link and nothing to load.

        The arguments are those of `sms`.
        """
        ...

    def service_name(self, purpose: Purpose, letterhead: Letterhead | None = None) -> str:
        """The name of the service that messages of *purpose* come from."""
        ...


class Sentences(Protocol):
    """The texts that are shown, in every available language, with English as the fallback."""

    @property
    def languages(self) -> Sequence[Language]:
        """The available languages, English first."""
        ...

    @property
    def own_names(self) -> Mapping[Language, str]:
        """The name of each language in that language."""
        ...

    def explain(self, word: str, language: Language) -> str:
        """A sentence for people that explains an error word of the API."""
        ...
