"""Passes as the house lists them, in a line of an import or by the API: docs/contract.md, 10."""

import re
from collections.abc import Mapping
from typing import Final

import attrs

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import MalformedPassCodeError, PassCode
from hsp_otp.domain.passes import PaymentStatus, end_of_pass
from hsp_otp.domain.phone import InvalidPhoneError, PhoneNumber
from hsp_otp.domain.typed_text import plain, visible, visible_in_names

PASS_CODE: Final = "pass_code"  # noqa: S105 - the name of a field
USER_ID: Final = "user_id"

COLUMNS: Final = (
    PASS_CODE,
    "payment_status",
    "plan_name",
    "expires_at",
    "email",
    "first_name",
    "last_name",
    "phone_number",
)
"""The fields that every list has; `USER_ID` may come on top."""

MAX_TEXT: Final = 200
"""The most characters of a name or a plan."""

MAX_EMAIL: Final = 254
"""The most characters of an e-mail address (RFC 3696, erratum 1690)."""

_HOUSE_ID: Final = re.compile(r"[!-~]{1,64}")
_SCIENTIFIC: Final = re.compile(r"\+?[0-9]+([.,][0-9]*)?E\+?[0-9]+", re.IGNORECASE)
_LINE_BREAK: Final = re.compile(r"\r\n|[\r\n\u2028\u2029]")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_DIRECTIONS: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""Bidirectional embeddings, overrides and isolates, which make a text look like another one."""

_LACKS_DIGITS: Final = "is in scientific notation, which loses digits: format the column as text"
_ENDS: Final = "such as 2026-12-31 or 2026-12-31T18:30:00Z"

_STATUSES: Final = {status.value: status for status in PaymentStatus}


class BadFieldError(ValueError):
    """
    A field that is not accepted.

    Attributes:
        field: Its name.
        fault: The rest of a sentence that begins with the name. It never quotes the field, because
            any field may contain a phone number if they are mixed up.
    """

    def __init__(self, field: str, fault: str) -> None:
        super().__init__(f"{field} {fault}")
        self.field = field
        self.fault = fault


@attrs.frozen(kw_only=True)
class ListedUser:
    """
    A user as the house lists them.

    Attributes:
        house_id: The house's own id; None if it gives none.
        email: In lower case.
    """

    house_id: str | None = None
    email: str
    first_name: str
    last_name: str
    phone: PhoneNumber | None


@attrs.frozen(kw_only=True)
class ListedPass:
    """A pass as the house lists it, with its holder."""

    code: PassCode
    user: ListedUser
    payment_status: PaymentStatus
    plan_name: str
    expires_at: Instant | None


def read_code(text: str) -> PassCode:
    """
    Read the pass code of a listed pass.

    Raises:
        BadFieldError: The text is not a pass code.
    """
    try:
        return PassCode.parse(text)
    except MalformedPassCodeError as error:
        raise BadFieldError(PASS_CODE, f"is {error}") from None


def read_listed(fields: Mapping[str, str], default_region: str | None) -> ListedPass:
    """
    Read the fields of one pass and its holder.

    Args:
        fields: By the names in `COLUMNS`, with or without `USER_ID`; an empty text means nothing.
        default_region: ISO 3166-1 alpha-2 code of the region of numbers in national format.

    Raises:
        BadFieldError: The first field that is not accepted.
    """
    code = read_code(fields[PASS_CODE])
    status = _STATUSES.get(plain(fields["payment_status"]).lower())
    if status is None:
        raise BadFieldError("payment_status", f"is not one of {', '.join(_STATUSES)}")
    email = _email(fields["email"])
    return ListedPass(
        code=code,
        payment_status=status,
        plan_name=_text(fields, "plan_name"),
        expires_at=_expiry(plain(fields["expires_at"]).upper()),
        user=ListedUser(
            house_id=_house_id(fields.get(USER_ID, "").strip()),
            email=email,
            first_name=_text(fields, "first_name"),
            last_name=_text(fields, "last_name"),
            phone=_phone(plain(fields["phone_number"]), default_region),
        ),
    )


def _house_id(text: str) -> str | None:
    # As it is: backends compare it with the subject of tokens.
    if text and not _HOUSE_ID.fullmatch(text):
        raise BadFieldError(USER_ID, "is not 1 to 64 visible ASCII characters")
    return text or None


def _email(text: str) -> str:
    email = visible(text).strip().lower()
    if not email:
        raise BadFieldError("email", "is empty")
    local, at, domain = email.partition("@")
    if not (local and at and domain) or "@" in domain or " " in email or not email.isprintable():
        raise BadFieldError("email", "is not an e-mail address")
    if len(email) > MAX_EMAIL:
        raise BadFieldError("email", f"is longer than {MAX_EMAIL} characters")
    return email


def _expiry(text: str) -> Instant | None:
    if not text:
        return None
    try:
        return end_of_pass(text)
    except ValueError as error:
        raise BadFieldError("expires_at", f"is {error}, {_ENDS}") from None


def _text(fields: Mapping[str, str], name: str) -> str:
    text = visible_in_names(_LINE_BREAK.sub(" ", fields[name])).strip()
    if _CONTROL.search(text):
        raise BadFieldError(name, "contains control characters")
    if _DIRECTIONS.search(fields[name]):
        raise BadFieldError(name, "contains characters that change the direction of text")
    if len(text) > MAX_TEXT:
        raise BadFieldError(name, f"is longer than {MAX_TEXT} characters")
    return text if plain(text) else ""


def _phone(text: str, default_region: str | None) -> PhoneNumber | None:
    if not text:
        return None
    if _SCIENTIFIC.fullmatch(text):
        raise BadFieldError("phone_number", _LACKS_DIGITS)
    try:
        return PhoneNumber.parse(text, default_region)
    except InvalidPhoneError as error:
        raise BadFieldError("phone_number", f"is {error}") from None
