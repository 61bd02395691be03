"""Forms and credentials of Twilio's clients: docs/contract.md, section 14."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.entrypoints.http.twilio_verify.forms import read_form

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=20))
def test_what_a_client_encodes_is_read(form: dict[str, str]) -> None:
    """Every form without a NUL comes back as it was written."""
    assert read_form(urlencode(form).encode()) == form


@given(st.binary())
def test_any_bytes(body: bytes) -> None:
    """Whatever the bytes are, they are a form of texts without a NUL, or a ValueError."""
    try:
        form = read_form(body)
    except ValueError:
        return
    assert "\0" not in "".join([*form, *form.values()])
    assert len(form) <= 1000


@given(st.lists(st.tuples(st.sampled_from("abc"), TEXTS), max_size=20))
def test_the_last_of_several(pairs: list[tuple[str, str]]) -> None:
    """Of several parameters with one name, the last one counts."""
    assert read_form(urlencode(pairs).encode()) == dict(pairs)


READ: dict[bytes, dict[str, str]] = {
    b"": {},
    b"&&": {},
    b"To": {"To": ""},
    b"To=&To=a": {"To": "a"},
    b"To=a+b%2Bc": {"To": "a b+c"},
    b"%54o=%61": {"To": "a"},
    b"a=b=c": {"a": "b=c"},
    b"a=b;c=d": {"a": "b;c=d"},
    "a=ü".encode(): {"a": "ü"},
    b"a=%C3%BC": {"a": "ü"},
    b"=a": {"": "a"},
}


@pytest.mark.parametrize("body", READ)
def test_forms_that_are_read(body: bytes) -> None:
    """A plus is a space, semicolons separate nothing, and a name may have no value."""
    assert read_form(body) == READ[body]


BROKEN = [
    *(b"a=%", b"a=%4", b"a=%4g", b"%zz=a", b"a=%u0041", b"a=%FF", b"a=%C3", b"a=\xff", b"\xc3=a"),
    *(b"a=%00", b"a%00=b", b"a=\0", b"a=%ED%A0%80", b"a=b&" * 1000 + b"a=b"),
]


@pytest.mark.parametrize("body", BROKEN)
def test_forms_that_are_refused(body: bytes) -> None:
    """A broken encoding, bytes that are not UTF-8, a NUL, and more than 1,000 parameters."""
    with pytest.raises(ValueError):  # noqa: PT011 - the decoder's errors are some of them
        read_form(body)


def test_as_many_parameters_as_there_may_be() -> None:
    """There may be 1,000, counted as they were sent."""
    assert read_form(b"a=b&" * 1000) == {"a": "b"}
