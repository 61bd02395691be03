"""The bodies of requests and answers about the house's passes."""

from typing import Final

import msgspec

from hsp_otp.domain.instant import Instant, to_iso
from hsp_otp.domain.listed_passes import PASS_CODE, USER_ID
from hsp_otp.domain.passes import KeptPass

PASS: Final = {
    "payment_status": "paid",
    "plan_name": "Gold",
    "expires_at": "2099-12-31",
    "user": {
        "id": "4711",
        "email": "asha@example.com",
        "first_name": "Asha",
        "last_name": "Rao",
        "phone_number": "+919876543210",
    },
}
"""An example for the document, and so is the one below."""

KEPT_PASS: Final = {
    "pass_code": "HSP-1234-5678",
    "payment_status": "paid",
    "plan_name": "Gold",
    "expires_at": "2099-12-31T23:59:59Z",
    "status": "active",
    "user": {
        "id": "4711",
        "email": "asha@example.com",
        "first_name": "Asha",
        "last_name": "Rao",
        "phone_masked": "***-***-3210",
        "is_verified": True,
    },
}


class ListedUserBody(msgspec.Struct):
    """The holder of a pass; `id` is your own id of the user."""

    id: str | None = None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone_number: str | None = None


class ListedPassBody(msgspec.Struct):
    """A pass with its holder, judged as a line of an import is; a missing member is empty."""

    payment_status: str | None = None
    plan_name: str | None = None
    expires_at: str | None = None
    user: ListedUserBody | None = None

    def fields(self, pass_code: str) -> dict[str, str]:
        """Return the fields of the import that the members stand for."""
        user = self.user or ListedUserBody()
        members = {
            PASS_CODE: pass_code,
            "payment_status": self.payment_status,
            "plan_name": self.plan_name,
            "expires_at": self.expires_at,
            USER_ID: user.id,
            "email": user.email,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "phone_number": user.phone_number,
        }
        return {name: text or "" for name, text in members.items()}


class ChangeBody(msgspec.Struct):
    """What the request has changed: `added`, `changed`, `ended` or `unchanged`."""

    pass_code: str
    change: str


class KeptUserBody(msgspec.Struct):
    """The holder of a pass; `is_verified` once the holder has proved the number."""

    id: str
    email: str
    first_name: str
    last_name: str
    phone_masked: str | None
    is_verified: bool


class KeptPassBody(msgspec.Struct):
    """A pass with its holder."""

    pass_code: str
    payment_status: str
    plan_name: str
    expires_at: str | None
    status: str
    user: KeptUserBody

    @classmethod
    def of(cls, kept: KeptPass, now: Instant) -> "KeptPassBody":
        """Create the body for *kept* at the instant *now*."""
        found, user = kept.found, kept.found.user
        return cls(
            pass_code=found.code.value,
            payment_status=found.payment_status.value,
            plan_name=found.plan_name,
            expires_at=None if found.expires_at is None else to_iso(found.expires_at),
            status="expired" if found.is_expired(now) else "active",
            user=KeptUserBody(
                id=user.known_as,
                email=user.email,
                first_name=user.first_name,
                last_name=user.last_name,
                phone_masked=user.phone.masked if user.phone else None,
                is_verified=kept.is_verified,
            ),
        )
