"""The message that carries a code, in English: docs/contract.md, section 6."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.adapters.messages import MAX_AUTOFILL_BYTES, GettextMessages, check_service_name
from hsp_otp.domain.code import Code
from hsp_otp.domain.instant import MINUTE, SECOND
from hsp_otp.domain.names import ENGLISH
from hsp_otp.domain.purposes import Purpose
from hsp_otp.ports.messages import Messages

# 3GPP TS 23.038, 6.2.1, without the escape to the extension table.
GSM_7 = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


def _messages(name: str = "House Service Pass") -> Messages:
    return GettextMessages({Purpose.PHONE_VERIFICATION: name})


def _sms(digits: str, lifetime: int, name: str = "House Service Pass") -> str:
    return _messages(name).sms(Purpose.PHONE_VERIFICATION, Code(digits), lifetime, ENGLISH).text


def test_the_text_message() -> None:
    """A message gives the code, the service and the minutes, and says not to share it."""
    assert _sms("012345", 10 * MINUTE) == (
        "012345 is your House Service Pass code."
        " It expires in 10 minutes. Do not share it with anyone."
    )


@pytest.mark.parametrize(
    ("lifetime", "told"),
    [
        (1 * SECOND, " in 1 minute. "),
        (60 * SECOND, " in 1 minute. "),
        (119 * SECOND, " in 1 minute. "),
        (120 * SECOND, " in 2 minutes. "),
        (599 * SECOND, " in 9 minutes. "),
    ],
)
def test_minutes_are_whole(lifetime: int, told: str) -> None:
    """Minutes are rounded down, and never less than one."""
    assert told in _sms("123456", lifetime)


@pytest.mark.slow
@given(
    st.text(alphabet=st.sampled_from(GSM_7), min_size=1, max_size=40),
    st.integers(min_value=4, max_value=10),
    st.integers(min_value=0, max_value=10**10 - 1),
    st.integers(min_value=1, max_value=600),
)
def test_every_message_fits(name: str, digits: int, number: int, seconds: int) -> None:
    """Whatever name is allowed, the text is one GSM-7 segment with the code once and no link."""
    try:
        checked = check_service_name(name)
    except ValueError:
        return
    code = str(number % 10**digits).zfill(digits)
    text = _sms(code, seconds * SECOND, checked)
    assert set(text) <= set(GSM_7)
    assert len(text) <= 160
    assert checked in text
    assert text.count(code) == 1
    assert "/" not in text
    assert "@" not in text


def test_the_longest_message() -> None:
    """The longest message takes 120 of the 160 septets of a segment."""
    assert len(_sms("0123456789", 10 * MINUTE, check_service_name("W" * 40))) == 120


# --- The line for autofill


def _last_lines(**lines: str) -> list[str]:
    """The lines of a message of 012345 after the first."""
    messages = GettextMessages({Purpose.PHONE_VERIFICATION: "House Service Pass"}, **lines)
    text = messages.sms(Purpose.PHONE_VERIFICATION, Code("012345"), 10 * MINUTE, ENGLISH).text
    first, *rest = text.split("\n")
    assert first == _sms("012345", 10 * MINUTE)
    return rest


def test_no_line_for_autofill_unless_it_is_set() -> None:
    """Without an origin or a hash the message is one line."""
    assert _last_lines() == []


def test_an_origin_line() -> None:
    """The last line binds the code to the host, as browsers read it."""
    assert _last_lines(web_origin="example.com") == ["@example.com #012345"]


def test_a_hash_line() -> None:
    """The last line is the hash of the app, as Android reads it."""
    assert _last_lines(android_hash="FA+9qCX9VSu") == ["FA+9qCX9VSu"]


def test_both_in_one_line() -> None:
    """Both stand in the last line, the origin first and the hash at the very end."""
    lines = _last_lines(web_origin="example.com", android_hash="FA+9qCX9VSu")
    assert lines == ["@example.com #012345 FA+9qCX9VSu"]


def test_a_message_with_both_has_140_bytes_at_most() -> None:
    """With the names of the contract both fit, and the text stays GSM-7."""
    messages = GettextMessages(
        {Purpose.PHONE_VERIFICATION: "House Service Pass"},
        web_origin="example.com",
        android_hash="FA+9qCX9VSu",
    )
    text = messages.sms(Purpose.PHONE_VERIFICATION, Code("012345"), 10 * MINUTE, ENGLISH).text
    assert len(text.encode()) == 127
    assert MAX_AUTOFILL_BYTES == 140
    assert set(text) <= set(GSM_7)


@pytest.mark.parametrize(
    "name", ["House Service Pass", "NeoBank", "Bank 365", "Café & Söhne (St. Gallen) Co.", "Ω"]
)
def test_names_that_fit(name: str) -> None:
    """An ordinary name is taken as it is."""
    assert check_service_name(name) == name


def test_white_space_around_a_name() -> None:
    """White space around a name does not count."""
    assert check_service_name("  NeoBank\n") == "NeoBank"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "it has an unsupported character, or no letter"),
        ("  ", "it has an unsupported character, or no letter"),
        ("W" * 41, "it has 41 characters"),
        ("365", "it has an unsupported character, or no letter"),
        ("- . -", "it has an unsupported character, or no letter"),
        ("Neo\nBank", "it has an unsupported character, or no letter"),
        ("Neo\tBank", "it has an unsupported character, or no letter"),
        ("Neo\u200bBank", "it has an unsupported character, or no letter"),
        ("हाउस", "it has an unsupported character, or no letter"),
        ("Cafe\u0301", "it has an unsupported character, or no letter"),
        ("Neo€Bank", "it has an unsupported character, or no letter"),
        ("Neo{code}", "it has an unsupported character, or no letter"),
        ("https://neo", "it has an unsupported character, or no letter"),
        ("neo/bank", "it has an unsupported character, or no letter"),
        ("@neo", "it has an unsupported character, or no letter"),
        ("neo #1", "it has an unsupported character, or no letter"),
        ("Bank 1234", "more than 3 digits would look like a code"),
        ("1 Bank 2 of 3 and 4", "more than 3 digits would look like a code"),
        ("neo.bank", "a dot inside a word would make it a link"),
        (".bank", "a dot inside a word would make it a link"),
    ],
)
def test_names_that_do_not_fit(name: str, reason: str) -> None:
    """A name that is no name, or could pass for a code or a link, is refused."""
    with pytest.raises(ValueError, match=f"^{reason}"):
        check_service_name(name)
