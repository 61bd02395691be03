"""API keys, with which other backends authenticate."""

import base64
import enum
import hashlib
import hmac
import re
from typing import ClassVar, Final

import attrs

from hsp_otp.domain.instant import HOUR, Instant
from hsp_otp.domain.keys import Key, KeyRing

API_KEY: Final = "SK"
"""The letters of a key's id as Twilio's clients know it."""

ID_BYTES: Final = 16
SECRET_BYTES: Final = 32
"""Random bytes of a secret. 256 bits cannot be guessed, so a slow hash would add nothing."""

_SUM_DIGITS: Final = 8

_KEY: Final = re.compile(r"hspotp_([0-9a-f]{32})_([A-Za-z0-9_-]{43})_[0-9a-f]{8}")


class Scope(enum.Enum):
    """What a key may be used for."""

    PASSES = "passes"
    EXCHANGE = "exchange"
    START = "start"
    CHECK = "check"
    READ = "read"


OF_TENANTS: Final = frozenset({Scope.START, Scope.CHECK, Scope.READ})
"""The scopes of keys that act for apps. All others are for the keys of the service itself."""


@attrs.frozen
class PresentedKey:
    """
    A key as its holder presents it.

    Attributes:
        id: 32 hex digits; not secret.
        secret: 43 characters of URL-safe base64. It is shown once and stored nowhere.
    """

    id: str
    secret: str = attrs.field(repr=False)

    @classmethod
    def mint(cls, random: bytes) -> "PresentedKey":
        """
        A new key.

        Args:
            random: `ID_BYTES` and `SECRET_BYTES` random bytes.
        """
        secret = base64.urlsafe_b64encode(random[ID_BYTES:]).rstrip(b"=").decode()
        return cls(random[:ID_BYTES].hex(), secret)

    @classmethod
    def read(cls, text: str) -> "PresentedKey | None":
        """The key in *text*, or None if it does not have the form of a key or its sum is wrong."""
        found = _KEY.fullmatch(text)
        if found is None:
            return None
        presented = cls(found[1], found[2])
        # The sum is not secret: it refuses a mistyped key without a look-up.
        return presented if presented.reveal() == text else None

    def reveal(self) -> str:
        """
        The key in full: ``hspotp_``, the id, the secret and a sum.

        The prefix lets scanners for secrets find it. The sum is the first 8 hex digits of a SHA-256
        over everything before the last underscore.
        """
        text = f"hspotp_{self.id}_{self.secret}"
        return f"{text}_{hashlib.sha256(text.encode()).hexdigest()[:_SUM_DIGITS]}"


@attrs.frozen(kw_only=True)
class ApiKey:
    """
    A key as it is stored.

    Attributes:
        name: For people.
        last_used_at: The beginning of the hour in which it was last used.
        revoked_at: From then on it opens nothing.
        ring_key_id: The key of the ring that made `digest`.
        digest: Keyed hash of the secret.
        app_id: The app that it acts for.
        account_id: The account for all of whose apps it acts. With neither, it is a key of the
            service itself.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    made_at: Instant
    last_used_at: Instant | None = None
    revoked_at: Instant | None = None
    ring_key_id: str
    digest: bytes = attrs.field(repr=False)
    app_id: str | None = None
    account_id: str | None = None

    @classmethod
    def make(
        cls,
        presented: PresentedKey,
        *,
        name: str,
        scopes: frozenset[Scope],
        ring: KeyRing,
        now: Instant,
        app_id: str | None = None,
        account_id: str | None = None,
    ) -> "ApiKey":
        """The form in which a new key is stored."""
        return cls(
            id=presented.id,
            name=name,
            scopes=scopes,
            made_at=now,
            ring_key_id=ring.first.id,
            digest=_digest(ring.first, presented),
            app_id=app_id,
            account_id=account_id,
        )


@attrs.frozen
class Unauthorized:
    """
    No key was presented, or one that opens nothing.

    Attributes:
        api_key_id: The id of the revoked key that was presented; None for every other reason.
    """

    api_key_id: str | None = None
    word: ClassVar[str] = "unauthorized"


@attrs.frozen
class Forbidden:
    """The key is valid, but does not have the scope."""

    api_key_id: str
    word: ClassVar[str] = "forbidden"


def authenticate(
    held: ApiKey | None, presented: PresentedKey | None, scope: Scope, ring: KeyRing
) -> ApiKey | Unauthorized | Forbidden:
    """
    The key that *presented* is, if it may be used for *scope*.

    Args:
        held: The stored key of that id, if there is one.
        presented: None if there was no key, or a malformed one.
    """
    if held is None or presented is None:
        return Unauthorized()
    key = ring.find(held.ring_key_id)
    if key is None or not hmac.compare_digest(_digest(key, presented), held.digest):
        return Unauthorized()
    if held.revoked_at is not None:
        return Unauthorized(held.id)
    return held if scope in held.scopes else Forbidden(held.id)


def use(key: ApiKey, presented: PresentedKey, ring: KeyRing, now: Instant) -> ApiKey:
    """
    *key* after a use; the same object if nothing changes.

    Its digest moves to the first key of the ring, so that the older ones can be removed.
    """
    hour = Instant(now - now % HOUR)
    becomes = key
    if key.last_used_at is None or key.last_used_at < hour:
        becomes = attrs.evolve(becomes, last_used_at=hour)
    if key.ring_key_id != ring.first.id:
        digest = _digest(ring.first, presented)
        becomes = attrs.evolve(becomes, ring_key_id=ring.first.id, digest=digest)
    return becomes


def _digest(key: Key, presented: PresentedKey) -> bytes:
    # With the id, so that a digest is worth nothing in the row of another key.
    return key.digest(presented.id, presented.secret)
