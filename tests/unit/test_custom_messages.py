"""Texts of the operator's own: docs/contract.md, section 6."""

import itertools
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hsp_otp.adapters.custom_messages import parse_wordings
from hsp_otp.adapters.messages import LOCALE, GettextMessages
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import ContactKind
from hsp_otp.domain.instant import MINUTE
from hsp_otp.domain.names import ENGLISH, Language
from hsp_otp.domain.purposes import APP_PURPOSES, Purpose
from hsp_otp.domain.wordings import Wording, Wordings
from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.settings.checks import check_to_serve
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.toml_file import read_toml
from hsp_otp.ports.messages import Letterhead, Text
from tests.unit.test_settings import KEYS, TWILIO

HINDI, SPANISH = Language("hi"), Language("es")
LANGUAGES = (ENGLISH, SPANISH, HINDI)
LOGIN, SIGNUP = Purpose.PHONE_VERIFICATION, Purpose.SIGNUP

FILE = """
[phone_verification.en]
text = "{code} opens {service} for {minutes} min. Keep it to yourself."
template_id = "1107161234567890123"
entity_id = "1101999999999999999"

[phone_verification.hi]
text = "{code} आपका कोड है"

[signup.en]
text = "Your code: {code}"
"""


def write(folder: Path, text: str) -> str:
    """A file with *text*."""
    path = folder / "texts.toml"
    path.write_text(text, "utf-8")
    return str(path)


def wordings_of(path: str) -> Wordings:
    """The texts in a file."""
    return parse_wordings(read_toml(path), LANGUAGES)


def sms(wordings: Wordings, language: Language, purpose: Purpose = LOGIN, **lines: str) -> Text:
    """A message of ten minutes."""
    names = {LOGIN: "House Service Pass", SIGNUP: "NeoBank"}
    texts = GettextMessages(names, LOCALE, wordings, **lines)
    return texts.sms(purpose, Code("012345"), 10 * MINUTE, language)


def test_a_file(tmp_path: Path) -> None:
    """A file has a table for each purpose and language, with a text and perhaps its ids."""
    assert wordings_of(write(tmp_path, FILE)) == {
        LOGIN: {
            ENGLISH: Wording(
                text="{code} opens {service} for {minutes} min. Keep it to yourself.",
                template_id="1107161234567890123",
                entity_id="1101999999999999999",
            ),
            HINDI: Wording(text="{code} आपका कोड है"),
        },
        SIGNUP: {ENGLISH: Wording(text="Your code: {code}")},
    }


def test_texts_are_replaced(tmp_path: Path) -> None:
    """A text of the file takes the place of the catalogue's, for its purpose and language."""
    wordings = wordings_of(write(tmp_path, FILE))
    assert sms(wordings, ENGLISH) == Text(
        text="012345 opens House Service Pass for 10 min. Keep it to yourself.",
        template_id="1107161234567890123",
        entity_id="1101999999999999999",
    )
    assert sms(wordings, HINDI) == Text(text="012345 आपका कोड है")
    assert sms(wordings, ENGLISH, SIGNUP) == Text(text="Your code: 012345")


def test_what_is_registered_stands_in(tmp_path: Path) -> None:
    """A language without a text gets the registered English one, and else its catalogue's."""
    wordings = wordings_of(write(tmp_path, FILE))
    assert sms(wordings, SPANISH) == sms(wordings, ENGLISH)
    assert sms(wordings, SPANISH, SIGNUP) == sms({}, SPANISH, SIGNUP)
    assert sms({}, SPANISH, SIGNUP).template_id is None


def test_the_line_for_autofill_is_kept(tmp_path: Path) -> None:
    """It follows a replaced text too; where that is too long, English goes with its own ids."""
    long = FILE.replace("आपका कोड है", "आपका कोड है" + " कृपया इसे किसी को न बताएं" * 2)
    wordings = wordings_of(write(tmp_path, long))
    told = sms(wordings, HINDI, web_origin="example.com")
    assert told == sms(wordings, ENGLISH, web_origin="example.com")
    assert told.text.endswith("yourself.\n@example.com #012345")
    assert told.template_id == "1107161234567890123"


def test_the_code_is_not_shown(tmp_path: Path) -> None:
    """Text and code stay out of a `repr`."""
    wordings = wordings_of(write(tmp_path, FILE))
    assert "012345" not in repr(sms(wordings, ENGLISH))


APPS = """
[password_reset.en]
text = "{code} resets your password."
email_subject = "Reset your {service} password"
email = '''
Enter this code within {minutes} minutes:

{code}
\x20

Regards, {service} <support>
'''
[password_reset.es]
email = "Código: {code}"
[email_verification.en]
email = "{code} confirms it"
[login_verification.en]
text = "{code} signs you in."
template_id = "1107"
"""

RESET = Purpose.PASSWORD_RESET


def test_texts_of_e_mails(tmp_path: Path) -> None:
    """A file can replace text and subject of e-mails; empty lines separate paragraphs."""
    texts = GettextMessages({}, LOCALE, wordings_of(write(tmp_path, APPS)))
    head = Letterhead(service_name="Acme & Co")
    mail = texts.mail(RESET, Code("012345"), 10 * MINUTE, ENGLISH, head)
    assert mail.subject == "Reset your Acme & Co password"
    assert mail.text == (
        "Enter this code within 10 minutes:\n\n012345\n\nRegards, Acme & Co <support>"
    )
    assert mail.html.count("<p style") == 3
    assert mail.html.count("012345") == 1
    assert "Regards, Acme &amp; Co &lt;support&gt;" in mail.html
    spanish = texts.mail(RESET, Code("012345"), 10 * MINUTE, SPANISH, head)
    assert spanish.text == "Código: 012345"
    plain = GettextMessages({}).mail(RESET, Code("012345"), 10 * MINUTE, HINDI, head)
    assert texts.mail(RESET, Code("012345"), 10 * MINUTE, HINDI, head) == plain
    assert spanish.subject != mail.subject


def test_texts_of_apps(tmp_path: Path) -> None:
    """An app's texts go before the service's, each for itself, and a registered one before all."""
    texts = GettextMessages({}, LOCALE, wordings_of(write(tmp_path, APPS)))
    registered = Wording(text="{code}, says {service}", template_id="7", email="App: {code}")
    head = Letterhead(service_name="Acme", wordings={RESET: {ENGLISH: registered}})
    code = Code("012345")
    told = texts.sms(RESET, code, 10 * MINUTE, ENGLISH, head)
    assert told == Text(text="012345, says Acme", template_id="7")
    assert texts.sms(RESET, code, 10 * MINUTE, SPANISH, head) == told
    mail = texts.mail(RESET, code, 10 * MINUTE, ENGLISH, head)
    assert (mail.subject, mail.text) == ("Reset your Acme password", "App: 012345")
    assert texts.mail(RESET, code, 10 * MINUTE, SPANISH, head).text == "Código: 012345"
    login = texts.sms(Purpose.LOGIN_VERIFICATION, code, 10 * MINUTE, HINDI, head)
    assert login == Text(text="012345 signs you in.", template_id="1107")


HARD = st.sampled_from([*"{}.:!/w@0123 \n\r\t\x00\u202eé९", "{code}", "{service}", "{minutes}"])
HARD_TEXTS = st.lists(HARD, max_size=12).map("".join)
MEMBERS = st.sampled_from(["text", "template_id", "entity_id", "email", "email_subject", "x\ny"])
TABLES = st.dictionaries(
    st.sampled_from([*(one.value for one in Purpose), "login\n"]),
    st.dictionaries(
        st.sampled_from([*LANGUAGES, "xx\n"]),
        st.dictionaries(MEMBERS, HARD_TEXTS | st.integers() | st.lists(HARD_TEXTS), max_size=3)
        | HARD_TEXTS,
        max_size=2,
    ),
    max_size=2,
)


@pytest.mark.slow
@given(found=TABLES, name=st.sampled_from(["123 Shop", "A & B's (Shop), Co."]))
@example(found={"password_reset": {"en": {"email": "{minutes}:{code}"}}}, name="123 Shop")
@example(found={"password_reset": {"en": {"email": "{service} 1{code}"}}}, name="Shop 123")
def test_any_text_is_refused_or_harmless(found: dict[str, object], name: str) -> None:
    """A text is refused in one line, or has no link and the code as the only one of its digits."""
    wordings = None
    with suppress(ValueError):
        wordings = parse_wordings(found, LANGUAGES)
    if wordings is None:
        with pytest.raises(ValueError, match=r"\Ahas .+\Z") as caught:
            parse_wordings(found, LANGUAGES)
        assert str(caught.value).isprintable()
        return
    texts, head = GettextMessages({}), Letterhead(service_name=name, wordings=wordings)
    for purpose, language in itertools.product(APP_PURPOSES, LANGUAGES):
        sms = texts.sms(purpose, Code("987654"), 10 * MINUTE, language, head).text
        assert re.findall(r"[0-9]{4,}", sms) == ["987654"]
        if ContactKind.EMAIL in APP_PURPOSES[purpose].contacts:
            mail = texts.mail(purpose, Code("987654"), 10 * MINUTE, language, head)
            assert re.findall(r"[0-9]{4,}", mail.text) == ["987654"]
            assert mail.html.count("987654") == 1
            assert mail.subject.isprintable()
            assert "987654" not in mail.subject
            assert not re.search(r"://|www", mail.text + mail.subject + sms)


BAD = {
    "a purpose that is none": (
        '[login.en]\ntext = "{code}"',
        "has 'login'; takes tables named phone_verification or signup or",
    ),
    "no table": (
        'signup = "{code}"',
        "has 'signup', which is not a table; takes tables named phone_verification or signup or",
    ),
    "a language that is none": (
        '[signup.xx]\ntext = "{code}"',
        "has 'signup.xx'; takes tables named en, es, hi in signup",
    ),
    "no table in it": (
        '[signup]\nen = "{code}"',
        "has 'signup.en', which is not a table; takes tables named en, es, hi in signup",
    ),
    "another member": (
        '[signup.en]\ntext = "{code}"\ntemplate = "1"',
        "has 'template' in signup.en; takes text, template_id and entity_id",
    ),
    "no text": ('[signup.en]\ntemplate_id = "1"', "has no text in signup.en"),
    "an empty text": ('[signup.en]\ntext = " "', "has an empty text in signup.en"),
    "a number for a text": ("[signup.en]\ntext = 5", "has text without quotes in signup.en"),
    "a list for a text": ("[signup.en]\ntext = []", "has text without quotes in signup.en"),
    "a control character": (
        '[signup.en]\ntext = "{code}\\u0007"',
        "has an unprintable character in the text of signup.en",
    ),
    "no code": (
        '[signup.en]\ntext = "Hello"',
        "has {code} 0 times in the text of signup.en; takes it exactly once",
    ),
    "two codes": (
        '[signup.en]\ntext = "{code} {code}"',
        "has {code} 2 times in the text of signup.en; takes it exactly once",
    ),
    "another placeholder": (
        '[signup.en]\ntext = "{code} {name}"',
        "has {name} in the text of signup.en; takes {code} {service} {minutes}",
    ),
    "a nameless one": ('[signup.en]\ntext = "{} {code}"', "has {} in the text of signup.en; takes"),
    "a look inside": (
        '[signup.en]\ntext = "{code.reveal}"',
        "has {code.reveal} in the text of signup.en; takes",
    ),
    "a conversion": (
        '[signup.en]\ntext = "{code!r}"',
        "has a placeholder with more than a name in the text of signup.en",
    ),
    "a width": (
        '[signup.en]\ntext = "{code:>99999}"',
        "has a placeholder with more than a name in the text of signup.en",
    ),
    "half a brace": (
        '[signup.en]\ntext = "{code"',
        "has unmatched braces in the text of",
    ),
    "half a conversion": (
        '[signup.en]\ntext = "{code!}"',
        "has unmatched braces in the text of signup.en",
    ),
    "a link": (
        '[signup.en]\ntext = "{code} neo.bank"',
        "has text that looks like a link in the text of signup.en",
    ),
    "an address": ('[signup.en]\ntext = "{code} http://neo"', "has text that looks like a link in"),
    "a link of ours": (
        '[signup.en]\ntext = "{code} a.{service}"',
        "has text that looks like a link in",
    ),
    "a capital link": (
        '[signup.en]\ntext = "{code} WWWneo"',
        "has text that looks like a link in the text of signup.en",
    ),
    "a line break in a name": (
        '[signup.en]\ntext = "{code} {a\\nb}"',
        "has {a b} in the text of signup.en; takes",
    ),
    "digits beside the code": (
        '[signup.en]\ntext = "1{code}"',
        "has digits that look like a code in the text of signup.en",
    ),
    "minutes beside the code": (
        '[signup.en]\ntext = "{minutes}{code}"',
        "has digits that look like a code in the text of signup.en",
    ),
    "an id without a text": (
        '[password_reset.en]\nemail = "{code}"\ntemplate_id = "1"',
        "has template_id without a text in password_reset.en",
    ),
    "an e-mail for phones alone": (
        '[signup.en]\ntext = "{code}"\nemail = "{code}"',
        "has 'email' in signup.en; takes text, template_id and entity_id",
    ),
    "a text for mailboxes alone": (
        '[email_verification.en]\ntext = "{code}"',
        "has 'text' in email_verification.en; takes email and email_subject",
    ),
    "an e-mail without a code": (
        '[password_reset.en]\nemail = "Hello"',
        "has {code} 0 times in the email of password_reset.en; takes it exactly once",
    ),
    "an e-mail with a link": (
        '[password_reset.en]\nemail = "{code} at shop.example"',
        "has text that looks like a link in the email of password_reset.en",
    ),
    "a long e-mail": (
        f'[password_reset.en]\nemail = "{{code}} {"a" * 1994}"',
        "has 2001 characters in the email of password_reset.en; takes 2000 at most",
    ),
    "a code in the subject": (
        '[password_reset.en]\nemail_subject = "{code}"',
        "has {code} in the email_subject of password_reset.en; takes {service}",
    ),
    "a subject of two lines": (
        '[password_reset.en]\nemail_subject = "a\\nBcc: b"',
        "has an unprintable character in the email_subject of password_reset.en",
    ),
    "a long subject": (
        f'[password_reset.en]\nemail_subject = "{"a" * 101}"',
        "has 101 characters in the email_subject of password_reset.en; takes 100 at most",
    ),
    "an empty subject": (
        '[password_reset.en]\nemail_subject = " "',
        "has an empty email_subject in password_reset.en",
    ),
    "another code": (
        '[signup.en]\ntext = "{code} or 1234"',
        "has digits that look like a code in the text of signup.en",
    ),
    "a number for an id": (
        '[signup.en]\ntext = "{code}"\ntemplate_id = 1107',
        "has template_id without quotes in signup.en",
    ),
    "an empty id": (
        '[signup.en]\ntext = "{code}"\nentity_id = ""',
        "has a malformed entity_id in signup.en; takes 1 to 64 letters, digits, _ and -",
    ),
    "a list for an id": (
        '[signup.en]\ntext = "{code}"\nentity_id = ["1"]',
        "has entity_id without quotes in signup.en",
    ),
    "an id with a space": (
        '[signup.en]\ntext = "{code}"\ntemplate_id = "1107 16"',
        "has a malformed template_id in signup.en; takes 1 to 64 letters, digits, _ and -",
    ),
    "no TOML": (
        "[signup.en\n",
        "is not TOML: line 1, column 11: Expected ']' at the end of a table declaration",
    ),
}


@pytest.mark.parametrize(("text", "says"), BAD.values(), ids=BAD)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    """Whatever is wrong with a file stops the start with one line that says what and where."""
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load({"HSP_OTP_WORDINGS": path})
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"HSP_OTP_WORDINGS: got {path!r}, takes the path of a TOML file (")
    assert says in line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that cannot be read stops the start, and the reason is told."""
    path = str(tmp_path / "none.toml")
    with pytest.raises(SettingsError) as caught:
        load({"HSP_OTP_WORDINGS": path})
    assert str(caught.value) == (
        f"HSP_OTP_WORDINGS: got {path!r}, takes the path of a TOML file "
        "(cannot be read: No such file or directory)"
    )


@pytest.mark.parametrize(
    ("more", "service", "size", "what"),
    [
        ({"ANDROID_HASH": "FA+9qCX9VSu"}, "", 141, ""),
        (
            {"WEB_ORIGIN": "example.com"},
            "{service}",
            157,
            "it, or HSP_OTP_SIGNUP_SERVICE_NAME, or ",
        ),
    ],
)
def test_what_can_be_shorter(
    tmp_path: Path, more: dict[str, str], service: str, size: int, what: str
) -> None:
    """A text that is too long with a line for autofill names the settings that it is made of."""
    path = write(tmp_path, f'[signup.en]\ntext = "{{code}} {"a" * 122}{service}"')
    given = KEYS | TWILIO | {"WORDINGS": path} | more
    settings = load({f"HSP_OTP_{name}": value for name, value in given.items()})
    with pytest.raises(SettingsError) as caught:
        check_to_serve(settings)
    (name,) = more
    assert str(caught.value) == (
        f"HSP_OTP_{name}: messages with the line for autofill have {size} bytes, and the limit "
        f"is 140; shorten {what}the text of signup.en in HSP_OTP_WORDINGS"
    )


@pytest.mark.parametrize(
    ("purpose", "language", "text", "says"),
    [
        ("signup", "en", "a" * 154, None),
        ("signup", "en", "a" * 155, "signup.en has 2 segments, and the limit is 1"),
        ("signup", "es", "a" * 300, None),
        ("signup", "es", "a" * 301, "signup.es has 3 segments, and the limit is 2"),
        ("phone_verification", "hi", "क" * 128, None),
        ("phone_verification", "hi", "क" * 129, "phone_verification.hi has 3 segments, and the"),
        ("password_reset", "en", "a" * 154, None),
        ("password_reset", "en", "a" * 155, "password_reset.en has 2 segments, and the limit is"),
    ],
)
def test_the_length(
    tmp_path: Path, purpose: str, language: str, text: str, says: str | None
) -> None:
    """With the code in it an English text has one segment, and another two at most."""
    path = write(tmp_path, f'[{purpose}.{language}]\ntext = "{{code}}{text}"')
    given = KEYS | TWILIO | {"WORDINGS": path}
    settings = load({f"HSP_OTP_{name}": value for name, value in given.items()})
    if says is None:
        check_to_serve(settings)
        return
    with pytest.raises(SettingsError) as caught:
        check_to_serve(settings)
    assert str(caught.value).startswith(f"HSP_OTP_WORDINGS: the text of {says}")
