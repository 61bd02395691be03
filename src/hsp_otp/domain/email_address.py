"""E-mail addresses by RFC 5321 and IDNA 2008, with domains as A-labels."""

import unicodedata

import attrs

_LONGEST = 254
"""The most characters of an address (RFC 3696, erratum 1690)."""

_SHOWN_FROM = 3
"""The shortest local part of which the first character is shown."""


class InvalidEmailError(ValueError):
    """The text is not an e-mail address that codes may be sent to."""


@attrs.frozen
class EmailAddress:
    """
    An address as messages are sent to it, which `repr` and `str` mask.

    The local part is as it was given, and the domain in lower case, with A-labels.
    """

    text: str = attrs.field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "EmailAddress":
        """
        Read an address of ASCII characters before the ``@`` and a host name after it.

        Raises:
            InvalidEmailError: The text is anything else, such as an address with a display name,
                quotes, a comment, or an IP address; or a character of the domain stands for an
                ASCII one, as the Kelvin sign for K: two people must not become one.
        """
        # Loading it takes about 40 ms, which most commands have no use for.
        from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

        trimmed = text.strip(" ")
        local, _, domain = trimmed.rpartition("@")
        if not local.isascii() or len(trimmed) > _LONGEST:
            raise InvalidEmailError("not an e-mail address")
        try:
            found = validate_email(
                trimmed, check_deliverability=False, allow_smtputf8=False, strict=True
            )
        except EmailNotValidError:
            # Its reason repeats parts of the address.
            raise InvalidEmailError("not an e-mail address") from None
        if not _is_as_typed(domain, found.domain):
            raise InvalidEmailError("not an e-mail address")
        return cls(f"{local}@{found.ascii_domain}")

    @property
    def compared(self) -> str:
        """The form that identifies a mailbox: no mailbox in use tells cases apart."""
        return self.text.lower()

    @property
    def limited(self) -> str:
        """The form that limits count: what follows a plus is the same person's choice."""
        local, _, domain = self.compared.rpartition("@")
        return f"{local.partition('+')[0] or local}@{domain}"

    @property
    def domain(self) -> str:
        """The domain in lower case, with A-labels."""
        return self.text.rpartition("@")[2]

    @property
    def masked(self) -> str:
        """The masked address, which anyone may see: at most the first character and the domain."""
        local, _, domain = self.compared.rpartition("@")
        return f"{local[0] if len(local) >= _SHOWN_FROM else ''}***@{domain}"

    def __str__(self) -> str:
        return self.masked


def _is_as_typed(typed: str, domain: str) -> bool:
    """Whether reading *typed* as *domain* has changed nothing but the case of its labels."""
    given, read = typed.split("."), domain.split(".")
    return len(given) == len(read) and all(
        one.isascii() or unicodedata.normalize("NFC", _lower(one)) == other
        for one, other in zip(given, read, strict=True)
    )


def _lower(label: str) -> str:
    """*label* in lower case, except for characters that would become ASCII ones."""
    folded = ((one, one.lower()) for one in label)
    return "".join(one if lower.isascii() and not one.isascii() else lower for one, lower in folded)
