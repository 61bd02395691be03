"""Access tokens and proofs."""

from typing import Protocol

import attrs

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Purpose


@attrs.frozen(kw_only=True)
class Access:
    """
    What an access token says.

    Attributes:
        user_id: Its subject.
        family_id: The sign-in it belongs to.
        token_id: Unique, random.
    """

    user_id: str
    family_id: str
    token_id: str
    purpose: Purpose
    issued_at: Instant
    expires_at: Instant


class AccessTokens(Protocol):
    """Signs access tokens, and reads them back."""

    def sign(self, access: Access) -> str:
        """The signed token, to be shown to nobody but its client."""
        ...

    def verify(self, token: str, now: Instant) -> Access | None:
        """
        What *token* says, where it was signed here and is valid at *now*; else None.

        Whatever is wrong with it, it is no exception. One that was made up to 5 seconds in the
        future is not refused for that: clocks differ.
        """
        ...


@attrs.frozen(kw_only=True)
class Proof:
    """
    What a proof says: whoever acts in a signup session holds the number.

    Attributes:
        session_id: Its subject.
        token_id: Unique, random.
    """

    session_id: str = attrs.field(repr=False)
    phone: PhoneNumber
    token_id: str
    purpose: Purpose
    issued_at: Instant
    expires_at: Instant


class Proofs(Protocol):
    """Signs proofs, for the backend of the next steps to check."""

    def sign(self, proof: Proof) -> str:
        """The signed proof, to be shown to nobody but its client."""
        ...
