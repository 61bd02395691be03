"""What codes are sent to: docs/architecture.md."""

from hsp_otp.domain.contact import Contact, ContactKind
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
