"""Texts in every language: docs/contract.md, sections 5 and 6."""

import re
import string
import unicodedata
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po

from hsp_otp.adapters.messages import LOCALE, GettextMessages
from hsp_otp.domain.code import Code
from hsp_otp.domain.instant import MINUTE
from hsp_otp.domain.names import ENGLISH, Language
from hsp_otp.domain.purposes import APP_PURPOSES, Purpose
from hsp_otp.domain.quota import Limit
from tests.unit.test_messages import GSM_7

WORDS = {
    "invalid_token",
    "token_reused",
    "invalid_code",
    "pass_code_required",
    "invalid_format",
    "pass_not_found",
    "pass_not_paid",
    "no_phone",
    "lookup_rate_limited",
    "invalid_pass",
    "no_phone_number",
    "phone_rate_limited",
    "range_rate_limited",
    "region_rate_limited",
    "spend_limited",
    "email_rate_limited",
    "rate_limited",
    "work_required",
    "resend_too_soon",
    "resend_later",
    "locked_out",
    "sms_failed",
    "sms_refused",
    "sms_refused_for_pass",
    "call_failed",
    "call_refused",
    "missing_fields",
    "malformed_otp",
    "invalid_otp",
    "otp_expired",
    "too_many_attempts",
    "not_found",
    "method_not_allowed",
    "body_too_large",
    "unsupported_media_type",
    "malformed_request",
    "internal_error",
    "unavailable",
    "unauthorized",
    "user_id_taken",
    "forbidden",
    "phone_required",
    "invalid_phone",
    "invalid_email",
    "region_not_allowed",
    "session_not_found",
    "already_verified",
    "csrf_failed",
    "signup_sent",
    "signup_verified",
    "app_rate_limited",
    "named_limit",
    "to_required",
    "client_ip_required",
    "channel_not_available",
    "purpose_not_available",
    "invalid_client_ip",
    "invalid_subject",
    "invalid_locale",
    "invalid_app_hash",
    "invalid_limits",
    "invalid_metadata",
    "invalid_idempotency_key",
    "idempotency_in_progress",
    "idempotency_mismatch",
    "delivery_failed",
    "verification_not_found",
    "app_not_found",
    "transaction_not_allowed",
}
"""Error words, what some of them say in another case, and the names of what successes say."""

MESSAGES = {"sms", "sms.login_verification", "sms.password_reset", "email.minutes"}
"""The texts of messages that count minutes."""

FOLDERS = sorted(folder.name for folder in LOCALE.iterdir() if folder.is_dir())
SPANISH, HINDI = Language("es"), Language("hi")
TEXTS = GettextMessages({Purpose.PHONE_VERIFICATION: "House Service Pass"})


def catalogue_of(folder: str) -> Catalog:
    """The catalogue in *folder*."""
    source = LOCALE / folder / "LC_MESSAGES" / "hsp_otp.po"
    return read_po(BytesIO(source.read_bytes()), locale=folder, abort_invalid=True)


def entries_of(folder: str) -> list[Message]:
    """What stands in the catalogue of *folder* beside its header."""
    return [message for message in catalogue_of(folder) if message.id]


def texts_of(message: Message) -> tuple[str, ...]:
    """Its text, or its text for each plural form."""
    return message.string if isinstance(message.string, tuple) else (str(message.string),)


def placeholders(text: str) -> list[str]:
    """The names in braces, sorted."""
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def sms(
    language: Language, code: str = "012345", name: str = "House Service Pass", **lines: str
) -> str:
    """A message of ten minutes."""
    return sms_for(Purpose.PHONE_VERIFICATION, language, code, name, **lines)


def sms_for(
    purpose: Purpose,
    language: Language,
    code: str = "012345",
    name: str = "House Service Pass",
    /,
    **lines: str,
) -> str:
    """A message of ten minutes for that purpose."""
    texts = GettextMessages({purpose: name}, **lines)
    return texts.sms(purpose, Code(code), 10 * MINUTE, language).text


# The catalogues


def test_the_languages() -> None:
    """There are those that have a catalogue, English first, each under its own name."""
    assert list(TEXTS.own_names.items()) == [
        ("en", "English"),
        ("es", "Español"),
        ("hi", "हिन्दी"),
    ]
    assert {tag.replace("-", "_") for tag in TEXTS.languages} == set(FOLDERS)


def test_the_english_catalogue_holds_what_is_used() -> None:
    """Every text that is used stands in English, and none that is not."""
    ids = {message.id for message in entries_of("en")}
    spoken = {one for one in ids if not str(one).startswith(("page.", "app.", "email.", "voice."))}
    assert spoken == WORDS | {(one, one) for one in MESSAGES}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_catalogue_is_whole(folder: str) -> None:
    """Every catalogue has all texts of the English one and no other, in all forms, no doubt."""
    entries = entries_of(folder)
    assert {message.id for message in entries} == {message.id for message in entries_of("en")}
    assert not catalogue_of(folder).obsolete
    for message in entries:
        forms = catalogue_of(folder).num_plurals if message.pluralizable else 1
        assert len(texts_of(message)) == forms
        assert all(text.strip() == text != "" for text in texts_of(message)), message.id
        assert not message.fuzzy, message.id


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_catalogue_asks_for_the_same(folder: str) -> None:
    """Every text has the placeholders of the English one, each as often."""
    english = {message.id: placeholders(texts_of(message)[-1]) for message in entries_of("en")}
    for message in entries_of(folder):
        for text in texts_of(message):
            assert placeholders(text) == english[message.id], message.id


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_catalogue_is_what_it_says(folder: str) -> None:
    """Its header names its language and the plural forms that this language has."""
    headers = dict(catalogue_of(folder).mime_headers)
    assert headers["Language"] == folder
    assert headers["Plural-Forms"] == str(get_plural(folder))
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_catalogue_is_spelled_one_way(folder: str) -> None:
    """Texts are in Unicode's form C, with no invisible character but the two that join letters."""
    for message in entries_of(folder):
        for text in texts_of(message):
            assert unicodedata.is_normalized("NFC", text), message.id
            assert all(
                one in "\u200c\u200d" or unicodedata.category(one) not in {"Cc", "Cf", "Zl", "Zp"}
                for one in text
            ), message.id


# Sentences


@pytest.mark.parametrize("language", TEXTS.languages)
@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word_is_explained(word: str, language: Language) -> None:
    """Every word has a sentence in every language, which is not the word."""
    sentence = TEXTS.explain(word, language)
    assert sentence.endswith("।" if language == HINDI else ".")
    assert not sentence[0].islower()
    assert word not in sentence
    assert "{" not in sentence
    assert language == ENGLISH or sentence != TEXTS.explain(word, ENGLISH)


@pytest.mark.parametrize("language", TEXTS.languages)
@pytest.mark.parametrize("word", ["", "sms", "no_such_word", "Sms_failed"])
def test_unknown_words_are_bugs(word: str, language: Language) -> None:
    """A word without a sentence is a bug, and never shown to anybody."""
    with pytest.raises(KeyError):
        TEXTS.explain(word, language)


@pytest.mark.parametrize("language", ["fr", "", "EN", "es-MX", "x" * 100])
def test_english_is_the_last_resort(language: str) -> None:
    """In a language without a catalogue, texts are in English."""
    assert TEXTS.explain("invalid_otp", Language(language)) == "This code is wrong."
    assert sms(Language(language)) == sms(ENGLISH)


def test_english_stands_in(tmp_path: Path) -> None:
    """A language is one file; what that lacks, leaves empty or doubts is in English."""
    for folder in ("en", "pt_BR", "none"):
        (tmp_path / folder / "LC_MESSAGES").mkdir(parents=True)
    here = tmp_path / "en" / "LC_MESSAGES" / "hsp_otp.po"
    here.write_bytes((LOCALE / "en" / "LC_MESSAGES" / "hsp_otp.po").read_bytes())
    (tmp_path / "pt_BR" / "LC_MESSAGES" / "hsp_otp.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "invalid_otp"\nmsgstr "Este código está errado."\n\n'
        'msgid "not_found"\nmsgstr ""\n\n'
        '#, fuzzy\nmsgid "forbidden"\nmsgstr "Talvez."\n',
        "utf-8",
    )
    texts = GettextMessages({Purpose.PHONE_VERIFICATION: "NeoBank"}, tmp_path)
    assert texts.own_names == {"en": "English", "pt-BR": "Português (Brasil)"}
    brazilian = Language("pt-BR")
    assert texts.explain("invalid_otp", brazilian) == "Este código está errado."
    for word in ("not_found", "forbidden", "unavailable"):
        assert texts.explain(word, brazilian) == texts.explain(word, ENGLISH)
    told = texts.sms(Purpose.PHONE_VERIFICATION, Code("012345"), 10 * MINUTE, brazilian)
    assert told.text.startswith("012345 is your NeoBank code.")


def test_the_limits_are_explained() -> None:
    """Every limit of the domain carries a word that is explained."""
    assert {limit.value for limit in Limit} <= WORDS


# Messages


def test_the_message_in_each_language() -> None:
    """A message gives the code, the service and the minutes, and says not to share it."""
    assert {language: sms(language) for language in TEXTS.languages} == {
        "en": (
            "012345 is your House Service Pass code."
            " It expires in 10 minutes. Do not share it with anyone."
        ),
        "es": (
            "012345 es su clave de House Service Pass."
            " Vence en 10 minutos. No la comparta con nadie."
        ),
        "hi": ("012345 आपका House Service Pass कोड है, 10 मिनट तक मान्य। इसे किसी को न बताएँ।"),
    }


@pytest.mark.parametrize(
    ("language", "told"), [("en", "1 minute."), ("es", "1 minuto."), ("hi", "1 मिनट ")]
)
def test_one_minute(language: str, told: str) -> None:
    """One minute is told in the singular."""
    text = TEXTS.sms(Purpose.PHONE_VERIFICATION, Code("012345"), MINUTE, Language(language)).text
    assert f" {told}" in text


@pytest.mark.parametrize(
    ("purpose", "told"),
    [
        (Purpose.LOGIN_VERIFICATION, "to sign in to"),
        (Purpose.PASSWORD_RESET, "If you did not ask for it, ignore this."),
    ],
)
def test_a_message_says_what_its_code_is_for(purpose: Purpose, told: str) -> None:
    """In every language, the codes of apps for signing in and for a new password have own texts."""
    assert told in sms_for(purpose, ENGLISH)
    for language in TEXTS.languages:
        assert sms_for(purpose, language) != sms(language)


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("language", TEXTS.languages)
def test_a_message_has_the_code_once_and_no_link(language: Language, purpose: Purpose) -> None:
    """In every language, the code stands in the text once, with nothing that a phone would open."""
    text = sms_for(purpose, language, "012345", "W" * 40)
    assert re.findall(r"\d{3,}", text) == ["012345"]
    assert text.count("W" * 40) == 1
    assert not re.search(r"[/@#\n]|\.\S|www|http", text)


@pytest.mark.parametrize(("language", "septets"), [(ENGLISH, 120), (SPANISH, 114)])
def test_the_longest_message_of_gsm_7(language: Language, septets: int) -> None:
    """In English and Spanish the longest message fits one segment of 160 septets."""
    text = sms(language, code="0123456789", name="W" * 40)
    assert set(text) <= set(GSM_7)
    assert len(text) == septets


@pytest.mark.parametrize("purpose", APP_PURPOSES)
@pytest.mark.parametrize("language", TEXTS.languages)
def test_the_longest_message_of_an_app(language: Language, purpose: Purpose) -> None:
    """For every purpose of apps, the longest message fits as many segments as that of a login."""
    text = sms_for(purpose, language, "0123456789", "W" * 40)
    if language == HINDI:
        assert len(text.encode("utf-16-be")) <= 2 * 134
    else:
        assert set(text) <= set(GSM_7)
        assert len(text) <= 160


@pytest.mark.parametrize(
    ("code", "name", "units"),
    [
        ("0123456789", "W" * 40, 103),
        ("012345", "House Service Pass", 77),
        ("012345", "NeoBank", 66),
    ],
)
def test_hindi_takes_two_segments_at_most(code: str, name: str, units: int) -> None:
    """In Hindi a message has at most 134 units of UCS-2, two segments; one, 70, for NeoBank."""
    assert len(sms(HINDI, code=code, name=name).encode("utf-16-be")) == 2 * units


# The line for autofill


LINES = {"web_origin": "example.com", "android_hash": "FA+9qCX9VSu"}


def test_a_message_with_a_line_keeps_its_language_up_to_140_bytes() -> None:
    """Section 6: with a line for autofill, 140 bytes of UTF-8 stay Spanish, and 141 are English."""
    last = "\n@example.com #012345 FA+9qCX9VSu"
    fits = sms(SPANISH, name="W" * 37, **LINES)
    assert len(fits.encode()) == 140
    assert fits == sms(SPANISH, name="W" * 37) + last
    assert sms(SPANISH, name="W" * 38, **LINES) == sms(ENGLISH, name="W" * 38) + last


def test_bytes_are_counted() -> None:
    """Section 6: a letter of two bytes counts twice."""
    assert sms(SPANISH, name="W" * 36 + "é", **LINES).startswith("012345 is your")


@pytest.mark.parametrize("lines", [{name: line} for name, line in LINES.items()], ids=list(LINES))
def test_hindi_gives_way_to_a_line(lines: dict[str, str]) -> None:
    """Section 6: Devanagari takes three bytes a letter, so that no line fits beside it."""
    text = sms(HINDI, name="W", **lines)
    assert text.startswith("012345 is your W code.")
    assert text.count("\n") == 1
    assert len(text.encode()) <= 140
