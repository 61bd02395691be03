"""What codes are sent to: docs/architecture.md."""

from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.email_address import EmailAddress
from hsp_otp.domain.phone import PhoneNumber

NUMBER = Contact(ContactKind.PHONE, "+919876543210")


def test_a_number_is_a_contact() -> None:
    """Its canonical form is E.164; the form alone says what it is."""
    assert Contact.of_phone(PhoneNumber("+919876543210")) == NUMBER
    assert Contact.stored("+919876543210") == NUMBER


def test_what_is_told_of_a_contact() -> None:
    """Its mask, its region, and the range that it has in common with its neighbours."""
    assert (NUMBER.masked, NUMBER.region, NUMBER.range) == ("***-***-3210", "IN", "+91987654")
    assert str(NUMBER) == "***-***-3210"
    assert "9876543210" not in repr(NUMBER)
    assert (NUMBER.limited, NUMBER.destination) == ("+919876543210", "+919876543210")


def test_texts_reach_numbers_but_no_landline() -> None:
    """Nor an e-mail address; a number that may be of either kind is reached."""
    assert NUMBER.receives_texts
    assert Contact.stored("+12025550123").receives_texts
    assert not Contact.stored("+912223456789").receives_texts
    # Its number has a leading zero of its own.
    assert not Contact.stored("+390612345678").receives_texts
    assert not Contact.stored("asha@example.com").receives_texts


MAILBOX = Contact.of_email(EmailAddress.parse("Asha+a@Exämple.com"))


def test_an_address_is_a_contact() -> None:
    """It is compared in lower case, sent to as given, and limited without its tag."""
    assert MAILBOX.kind is ContactKind.EMAIL
    assert MAILBOX.value == "asha+a@xn--exmple-cua.com"
    assert MAILBOX.destination == "Asha+a@xn--exmple-cua.com"
    assert MAILBOX.limited == "asha@xn--exmple-cua.com"


def test_how_an_address_was_written_makes_no_difference() -> None:
    """Two ways to write an address are one contact, which may be stored in its canonical form."""
    stored = Contact.stored("asha+a@xn--exmple-cua.com")
    assert stored == MAILBOX
    assert hash(MAILBOX) == hash(stored)
    assert stored.destination == "asha+a@xn--exmple-cua.com"
    assert Contact.stored("asha@xn--exmple-cua.com") != MAILBOX


def test_what_is_told_of_an_address() -> None:
    """Its mask, no region, and the domain that it has in common with its neighbours."""
    told = (MAILBOX.masked, MAILBOX.region, MAILBOX.range)
    assert told == ("a***@xn--exmple-cua.com", None, "xn--exmple-cua.com")
    assert str(MAILBOX) == "a***@xn--exmple-cua.com"
    assert "asha" not in repr(MAILBOX).lower()
