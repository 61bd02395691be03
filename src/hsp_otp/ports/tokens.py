"""Access tokens and proofs."""

from typing import Protocol

import attrs

from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Purpose


@attrs.frozen(kw_only=True)
class Access:
    """
    The content of an access token.

    Attributes:
        user_id: The subject: what the user is known as.
        email: The user's; None in a token that was read back, where nobody needs it.
        family_id: The sign-in that the token belongs to.
        token_id: Unique, random.
        channel: By which the code of the sign-in went out; None in a token that was read back.
    """

    user_id: str
    email: str | None = attrs.field(default=None, repr=False)
    family_id: str
    token_id: str
    purpose: Purpose
    channel: Channel | None = None
    issued_at: Instant
    expires_at: Instant


class AccessTokens(Protocol):
    """Signs access tokens, and reads them back."""

    def sign(self, access: Access) -> str:
        """The signed token, for its client only."""
        ...

    def verify(self, token: str, now: Instant) -> Access | None:
        """
        The content of *token* if it was signed here and is valid at *now*; otherwise None.

        Never raises for a bad token. A token issued up to 5 seconds in the future is accepted,
        because clocks differ.
        """
        ...


@attrs.frozen(kw_only=True)
class Proof:
    """
    The content of a proof: the visitor of a signup session holds the number.

    Attributes:
        session_id: The subject.
        token_id: The challenge that proved it, so that a proof which is signed again is the same.
        channel: By which its code went out.
    """

    session_id: str = attrs.field(repr=False)
    phone: PhoneNumber
    token_id: str
    channel: Channel
    purpose: Purpose
    issued_at: Instant
    expires_at: Instant


@attrs.frozen(kw_only=True)
class AppProof:
    """
    The content of a proof for a service of an app: the user holds the contact.

    Attributes:
        audience: That service.
        subject: The backend's own id of the user; otherwise the id of the verification.
        verification_id: It is also the id of the token, so that a proof which is signed again is
            the same.
        channel: By which the code reached the contact.
        test: It is a test contact: nobody holds it, and no code reached it.
    """

    audience: str
    subject: str = attrs.field(repr=False)
    verification_id: str
    contact: Contact
    channel: Channel
    purpose: Purpose
    test: bool = False
    issued_at: Instant
    expires_at: Instant


class Proofs(Protocol):
    """Signs proofs, which other backends check."""

    def sign(self, proof: Proof | AppProof) -> str:
        """The signed proof, for its client only."""
        ...
