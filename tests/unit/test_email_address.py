"""E-mail addresses: docs/contract.md, section 4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.email_address import EmailAddress, InvalidEmailError

LONGEST = f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 57}.com"

HOSTILE = (
    *("", "@", "a", "a@", "@example.com", "a@b", "a@localhost", "a@@example.com", "a@b@c.com"),
    *("a@example.com\r\nBcc: b@example.com", "a\r\n@example.com", "a@example.com\n"),
    *("\na@example.com", "a@exa\rmple.com", "a\x00@example.com", "a@example.com\x00"),
    *("a\t@example.com", "a@example.com\t", "Ann <a@example.com>", "<a@example.com>"),
    *("a@example.com, b@example.com", "a@example.com;b", '"a b"@example.com', '"a"@example.com'),
    *("a(b)@example.com", "a@example.com (b)", "a b@example.com", "a@[192.0.2.1]"),
    *("a@[IPv6:2001:db8::1]", "a@192.0.2.1", "a@example.123", "a@example.test", ".a@example.com"),
    *("a.@example.com", "a..b@example.com", "a@.example.com", "a@example..com", "a@example.com."),
    *("a@-example.com", "a@example-.com", "a@exa_mple.com", "a@exa mple.com"),
    *(f"{'a' * 65}@example.com", LONGEST.replace(".com", "x.com"), f"a@{'b' * 64}.com"),
    *(f"{'a' * 100_000}@example.com", "ann%00@exa%mple.com", "a@xn--a.com", "a@xn--"),
    *("mailto:a@example.com", "a@example.com?cc=b", "\u212aate@example.com"),
    *("\u0430nn@example.com", "\uff41nn@example.com", "ann\u200b@example.com"),
    *("ann@\u212aelvin.com", "ann@\uff45xample.com", "ann@example\u3002com"),
    "ann@exam\u200dple.com",
    *("ann@\u2167.com", "ann@mai\u017f.com", "ann@example.\u1d9com", "ann@ex\u00adample.com"),
    *("\u202eann@example.com", "ann\u0301@example.com", "\ud800@example.com"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sent", "compared", "limited"),
    [
        ("ann@example.com", "ann@example.com", "ann@example.com", "ann@example.com"),
        (" Ann@EXAMPLE.com ", "Ann@example.com", "ann@example.com", "ann@example.com"),
        ("Asha+a@Exämple.com", "Asha+a@xn--exmple-cua.com", "asha+a@xn--exmple-cua.com",
         "asha@xn--exmple-cua.com"),
        ("asha+b@xn--exmple-cua.com", "asha+b@xn--exmple-cua.com", "asha+b@xn--exmple-cua.com",
         "asha@xn--exmple-cua.com"),
        ("asha@EXA\u0308MPLE.com", "asha@xn--exmple-cua.com", "asha@xn--exmple-cua.com",
         "asha@xn--exmple-cua.com"),
        ("a.n.n+x+y@example.com", "a.n.n+x+y@example.com", "a.n.n+x+y@example.com",
         "a.n.n@example.com"),
        ("+x@example.com", "+x@example.com", "+x@example.com", "+x@example.com"),
        ("o'neil!#$%&*/=?^_`{|}~-@example.co.uk", "o'neil!#$%&*/=?^_`{|}~-@example.co.uk",
         "o'neil!#$%&*/=?^_`{|}~-@example.co.uk", "o'neil!#$%&*/=?^_`{|}~-@example.co.uk"),
        ("ann@faß.de", "ann@xn--fa-hia.de", "ann@xn--fa-hia.de", "ann@xn--fa-hia.de"),
        (LONGEST, LONGEST, LONGEST, LONGEST),
    ],
)  # fmt: skip
def test_the_forms_of_an_address(text: str, sent: str, compared: str, limited: str) -> None:
    """It is sent to as given, compared in lower case, and limited without its tag."""
    address = EmailAddress.parse(text)
    assert (address.text, address.compared, address.limited) == (sent, compared, limited)
    assert EmailAddress.parse(address.text) == address


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_addresses(text: str) -> None:
    """Anything but a plain address is refused, and the reason repeats nothing of it."""
    with pytest.raises(InvalidEmailError) as refused:
        EmailAddress.parse(text)
    assert str(refused.value) == "not an e-mail address"


def test_look_alikes_are_other_addresses() -> None:
    """A domain with a Cyrillic letter is never the one with the Latin letter."""
    assert EmailAddress.parse("ann@ex\u0430mple.com").domain == "xn--exmple-4nf.com"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ann@example.com", "a***@example.com"),
        ("Annabel+tag@Example.com", "a***@example.com"),
        ("an@example.com", "***@example.com"),
        ("a@exämple.com", "***@xn--exmple-cua.com"),
    ],
)
def test_masks(text: str, masked: str) -> None:
    """The mask has the domain, and the first character of a local part of three or more."""
    address = EmailAddress.parse(text)
    assert (address.masked, str(address)) == (masked, masked)
    assert repr(address) == "EmailAddress()"


@pytest.mark.slow
@given(st.text(max_size=30).map(lambda text: f"{text}@example.com") | st.emails())
def test_an_address_that_is_read_is_harmless(text: str) -> None:
    """What is read as an address is printable ASCII without white space, and reads as itself."""
    try:
        address = EmailAddress.parse(text)
    except InvalidEmailError:
        return
    assert address.text.isascii()
    assert address.text.isprintable()
    assert not set(address.text) & set(' ,;<>()[]"\\:')
    assert EmailAddress.parse(address.text) == address
    assert EmailAddress.parse(address.compared).compared == address.compared
    assert EmailAddress.parse(address.limited).limited == address.limited
