"""
Refresh tokens and the families they belong to.

A sign-in begins one family, and the family bears the id of the challenge it came from: its key
is the proof that the sign-in happened once, also where the challenge's own store lost a write.
"""

import base64
from typing import ClassVar

import attrs

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Duration, Instant, after
from hsp_otp.domain.keys import Key
from hsp_otp.domain.names import PassCode, Purpose


@attrs.frozen
class RefreshToken:
    """
    Opaque to the client, and stored only as `digest`.

    Attributes:
        value: The family, a random part and a seal over both, so that only a token made here
            is ever looked at; in URL-safe base64.
        key_id: The key of the ring of refresh tokens that sealed it.
        digest: What is stored.
    """

    value: str = attrs.field(repr=False)
    key_id: str
    digest: bytes = attrs.field(repr=False)

    @classmethod
    def mint(cls, key: Key, family_id: str, random: bytes) -> "RefreshToken":
        """
        A new token of *family_id*.

        Args:
            random: 32 random bytes.
        """
        secret = _base64(random)
        seal = _base64(key.digest("seal", key.id, family_id, secret))
        value = f"{key.id}.{family_id}.{secret}.{seal}"
        return cls(value, key.id, key.digest("stored", value))


@attrs.frozen(kw_only=True)
class Family:
    """
    The refresh tokens that follow from one sign-in.

    Attributes:
        id: The challenge that led to the sign-in; the `sid` of its access tokens.
        expires_at: Absolute: refreshing does not move it.
        key_id: The key that made `digest`.
        digest: Keyed hash of the one live token.
    """

    id: str
    user_id: str
    pass_code: PassCode
    purpose: Purpose
    began_at: Instant
    expires_at: Instant
    key_id: str
    digest: bytes = attrs.field(repr=False)


@attrs.frozen
class Began:
    """The sign-in is recorded, for the first and only time."""

    word: ClassVar[str] = "verified"
    family: Family


@attrs.frozen
class AlreadyBegan:
    """The challenge had led to a sign-in before: its store must have lost that."""

    word: ClassVar[str] = "otp_expired"


def begin(
    held: Family | None,
    *,
    token: RefreshToken,
    family_id: str,
    user_id: str,
    pass_code: PassCode,
    purpose: Purpose,
    lifetime: Duration,
    now: Instant,
) -> Decision[Family | None, Began | AlreadyBegan]:
    """Begin the family of a sign-in, once."""
    if held is not None:
        return Decision(AlreadyBegan(), held)
    family = Family(
        id=family_id,
        user_id=user_id,
        pass_code=pass_code,
        purpose=purpose,
        began_at=now,
        expires_at=after(now, lifetime),
        key_id=token.key_id,
        digest=token.digest,
    )
    return Decision(Began(family), family)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
