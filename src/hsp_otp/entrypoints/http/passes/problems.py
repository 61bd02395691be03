"""The error answers about the house's passes."""

from typing import Final

from hsp_otp.domain.listed_passes import USER_ID, BadFieldError
from hsp_otp.domain.pass_changes import UserIdTaken
from hsp_otp.domain.passes import PassNotFound
from hsp_otp.entrypoints.http.problems import Problem


def of_find(outcome: PassNotFound) -> Problem:
    """Return the problem of a pass that is not there."""
    return Problem(404, outcome.word)


def of_put(outcome: UserIdTaken) -> Problem:
    """Return the problem of a pass whose holder contradicts another user."""
    return Problem(409, outcome.word)


def of_field(error: BadFieldError) -> Problem:
    """Return the problem of a member that an import would refuse, with the import's reason."""
    member = "id" if error.field == USER_ID else error.field
    return Problem(400, f"invalid_{member}", reason=f"{member} {error.fault}")


def of_type(member: str) -> Problem:
    """Return the problem of a member of another JSON type."""
    expected = "an object" if member == "user" else "a text"
    return of_field(BadFieldError(member, f"is not {expected}"))


INVALID_PASS_CODE: Final = of_field(BadFieldError("pass_code", "is not of the form HSP-dddd-dddd"))

_NO_END: Final = (
    "is neither a date nor an ISO 8601 instant, such as 2026-12-31 or 2026-12-31T18:30:00Z"
)

INVALID_MEMBERS: Final = (
    INVALID_PASS_CODE,
    *(
        of_field(BadFieldError(field, fault))
        for field, fault in (
            ("payment_status", "is not one of paid, pending, refunded, cancelled"),
            ("plan_name", "contains control characters"),
            ("expires_at", _NO_END),
            ("id", "is not 1 to 64 visible ASCII characters"),
            ("email", "is not an e-mail address"),
            ("first_name", "is longer than 200 characters"),
            ("last_name", "is longer than 200 characters"),
            ("phone_number", "is not a mobile number"),
        )
    ),
    of_type("user"),
)
"""One for each member, for the document."""
