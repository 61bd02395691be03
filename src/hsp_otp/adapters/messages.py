"""The texts of messages and pages, from gettext catalogues."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

import attrs
from babel.core import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from hsp_otp.adapters.mail_html import as_html
from hsp_otp.domain.code import Code
from hsp_otp.domain.instant import MINUTE, Duration
from hsp_otp.domain.names import ENGLISH, Language
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.wordings import Wording, Wordings
from hsp_otp.ports.messages import Letterhead, MailText, Text

LOCALE: Final = Path(__file__).parents[1] / "locale"
"""A folder for each language, which contains its catalogue."""

MAX_SERVICE_NAME: Final = 40
"""Maximum characters of a service's name. With such a name, a ten-digit code and two-digit minutes,
the English text takes 120 of the 160 septets of a segment."""

# Letters and digits of the GSM-7 basic alphabet (3GPP TS 23.038, 6.2.1), and the punctuation that
# cannot form a link, an origin line or a placeholder. Each takes one septet.
_LETTERS = "A-Za-zèéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉÄÖÑÜäöñüà"
_NAME = re.compile(rf"(?=.*[{_LETTERS}])[{_LETTERS}0-9 &'()+,.!-]{{1,{MAX_SERVICE_NAME}}}")
MAX_AUTOFILL_BYTES: Final = 140
"""Maximum UTF-8 bytes of a message with an autofill line: Android's SMS Retriever reads no more."""

_LINK = re.compile(r"\.\S")
_MAX_NAME_DIGITS = 3


def check_service_name(name: str) -> str:
    """
    *name* without outer white space, checked for use in a text message.

    Raises:
        ValueError: The name has no letter or more than 40 characters; a character other than
            letters and digits of the GSM-7 basic alphabet, spaces and ``&'()+,-.!``; more than
            three digits, which a phone would take for the code; or a dot inside a word, which it
            would take for a link.
    """
    trimmed = name.strip()
    if len(trimmed) > MAX_SERVICE_NAME:
        raise ValueError(f"it has {len(trimmed)} characters")
    if not _NAME.fullmatch(trimmed):
        raise ValueError("it has an unsupported character, or no letter")
    if sum(character.isdigit() for character in trimmed) > _MAX_NAME_DIGITS:
        raise ValueError(f"more than {_MAX_NAME_DIGITS} digits would look like a code")
    if _LINK.search(trimmed):
        raise ValueError("a dot inside a word would make it a link")
    return trimmed


class GettextMessages:
    """
    Texts in every language that has a catalogue, with English for missing texts.

    A message id in a catalogue is an error word, the name of another sentence, ``sms``, which a dot
    and a purpose may follow, or begins with ``email.``.
    *languages* are the available ones, English first.
    """

    def __init__(
        self,
        service_names: Mapping[Purpose, str],
        locale: Path = LOCALE,
        wordings: Wordings | None = None,
        /,
        *,
        web_origin: str | None = None,
        android_hash: str | None = None,
    ) -> None:
        """
        Read the catalogues.

        Args:
            service_names: The service's name for each purpose, as returned by `check_service_name`.
            locale: The folder of the catalogues, with a folder for each language, including
                English.
            wordings: Texts that replace those of the catalogues.
            web_origin: The host whose pages a browser may fill the code into (WICG, origin-bound
                one-time codes).
            android_hash: The app that Android's SMS Retriever passes the message to.
        """
        self._wordings = wordings or {}
        self._service_names = service_names
        self._web_origin = web_origin
        self._android_hash = android_hash
        read = _read(locale)
        self._words, self._messages, self._texts = read.words, read.messages, read.texts
        self.languages = tuple(read.texts)

    @property
    def own_names(self) -> Mapping[Language, str]:
        """The name of each language in that language. Loads about 5 MB, so only pages call it."""
        return _own_names(self.languages)

    def sms(
        self,
        purpose: Purpose,
        code: Code,
        lifetime: Duration,
        language: Language,
        letterhead: Letterhead | None = None,
    ) -> Text:
        """
        Implement `Messages.sms`: in English, one GSM-7 segment without a link.

        If an autofill line would make the text longer than Android reads, the text is in English.
        It gives *lifetime* in whole minutes, rounded down, but at least one.
        """
        head = letterhead or Letterhead(
            service_name=self._service_names[purpose],
            web_origin=self._web_origin,
            android_hash=self._android_hash,
        )
        origin = f"@{head.web_origin} #{code.reveal()}" if head.web_origin else ""
        # Both formats require the last line, and each allows the other on it.
        last = " ".join(filter(None, (origin, head.android_hash)))
        told = self._sentences(purpose, code, lifetime, language, head)
        if not last:
            return told
        if len(f"{told.text}\n{last}".encode()) > MAX_AUTOFILL_BYTES:
            told = self._sentences(purpose, code, lifetime, ENGLISH, head)
        return attrs.evolve(told, text=f"{told.text}\n{last}")

    def mail(
        self,
        purpose: Purpose,
        code: Code,
        lifetime: Duration,
        language: Language,
        letterhead: Letterhead | None = None,
    ) -> MailText:
        """Implement `Messages.mail`. It gives *lifetime* as a text message does."""
        service = self.service_name(purpose, letterhead)
        spoken = language if language in self._texts else ENGLISH
        texts, minutes = self._in(spoken), _minutes(lifetime)
        written = (
            texts.gettext(f"email.{purpose.value}"),
            "{code}",
            texts.ngettext("email.minutes", "email.minutes", minutes),
            texts.gettext(f"email.{purpose.value}.unasked"),
        )
        own = [found.get(purpose, {}).get(spoken, Wording()) for found in self._own(letterhead)]
        told = {"service": service, "minutes": minutes, "code": code.reveal()}
        text = (_first(one.email for one in own) or "\n\n".join(written)).format(**told)
        title = _first(one.email_subject for one in own) or texts.gettext("email.subject")
        subject = title.format(**told)
        return MailText(
            subject=subject,
            text=text,
            html=as_html(text, code.reveal(), spoken, subject),
            language=spoken,
            service_name=service,
        )

    def service_name(self, purpose: Purpose, letterhead: Letterhead | None = None) -> str:
        """Implement `Messages.service_name`."""
        return letterhead.service_name if letterhead else self._service_names[purpose]

    def _sentences(
        self, purpose: Purpose, code: Code, lifetime: Duration, language: Language, head: Letterhead
    ) -> Text:
        minutes = _minutes(lifetime)
        wording = next(
            filter(None, (_text_of(found, purpose, language) for found in self._own(head))), None
        )
        if wording is None:
            own = f"sms.{purpose.value}"
            word = own if own in self._messages else "sms"
            wording = Wording(text=self._in(language).ngettext(word, word, minutes))
        text = wording.text.format(code=code.reveal(), service=head.service_name, minutes=minutes)
        return Text(text=text, template_id=wording.template_id, entity_id=wording.entity_id)

    def _own(self, letterhead: Letterhead | None) -> tuple[Wordings, ...]:
        """The operator's texts, an app's first."""
        return (letterhead.wordings, self._wordings) if letterhead else (self._wordings,)

    def explain(self, word: str, language: Language) -> str:
        """Implement `Sentences.explain`; raises KeyError if there is no such word."""
        if word not in self._words:
            raise KeyError(word)
        return self._in(language).gettext(word)

    def _in(self, language: Language) -> Translations:
        return self._texts.get(language, self._texts[ENGLISH])


def _text_of(wordings: Wordings, purpose: Purpose, language: Language) -> Wording | None:
    """The text of text messages: phone operators drop texts where only English is registered."""
    texts = wordings.get(purpose, {})
    own, english = texts.get(language, Wording()), texts.get(ENGLISH, Wording())
    if own.text:
        return own
    return english if english.text and english.template_id else None


def _first(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")


def _minutes(lifetime: Duration) -> int:
    return max(1, lifetime // MINUTE)


@attrs.frozen
class _Catalogues:
    """
    The catalogues of a folder.

    Attributes:
        words: The ids of the sentences.
        messages: The ids of the texts with plural forms.
        texts: English first; it takes the place of missing texts in every other language.
    """

    words: frozenset[str]
    messages: frozenset[str]
    texts: Mapping[Language, Translations]


@cache  # every command and worker needs the texts several times
def _read(locale: Path) -> _Catalogues:
    catalogues = dict(_catalogues(locale))
    english = catalogues[ENGLISH]
    texts = {language: _compiled(one) for language, one in catalogues.items()}
    for language, translations in texts.items():
        if language != ENGLISH:
            translations.add_fallback(texts[ENGLISH])
    return _Catalogues(
        words=frozenset(one.id for one in english if isinstance(one.id, str) and one.id),
        # The id of a text with plural forms has two parts, which are the same here.
        messages=frozenset(one.id[0] for one in english if isinstance(one.id, tuple)),
        texts=texts,
    )


def _catalogues(locale: Path) -> Iterator[tuple[Language, Catalog]]:
    names = [folder.name for folder in locale.iterdir()]
    for name in sorted(names, key=lambda name: (name != ENGLISH, name)):
        source = locale / name / "LC_MESSAGES" / "hsp_otp.po"
        if source.is_file():
            catalogue = read_po(BytesIO(source.read_bytes()), locale=name, abort_invalid=True)
            yield Language(name.replace("_", "-")), catalogue


def _compiled(catalogue: Catalog) -> Translations:
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


@cache
def _own_names(languages: tuple[Language, ...]) -> Mapping[Language, str]:
    return {language: _own_name(language) for language in languages}


def _own_name(language: Language) -> str:
    name = Locale.parse(language, sep="-").get_display_name() or language
    return name[:1].upper() + name[1:]
