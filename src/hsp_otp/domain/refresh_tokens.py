"""
Refresh tokens and the families they belong to.

A sign-in begins one family, which takes the id of the challenge that led to it. That key makes sure
that a challenge signs in only once, even if the challenge's own store lost a write.
"""

import base64
import hmac
from typing import ClassVar, Final, TypeAlias

import attrs

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import SECOND, Duration, Instant, after, believed, is_credible
from hsp_otp.domain.keys import Key, KeyRing
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.purposes import Purpose

LOST_ANSWER_WINDOW: Final[Duration] = 30 * SECOND
"""How long the direct parent of an unused token may produce another child, because the answer with
the first child may have been lost. Counted from the parent's first use, inclusive."""

MOST_REPLACED: Final = 100
"""Replaced children that a family remembers. Older ones count as used, which is the safe
mistake."""

_PARTS: Final = 4
"""Parts of a token: the key's id, the family, the secret and the seal."""


@attrs.frozen
class RefreshToken:
    """
    A token that is opaque to the client and stored only as `digest`.

    Attributes:
        value: The family, a random part and a seal over both, in URL-safe base64. The seal means
            that only tokens made here are ever looked up.
        key_id: The key of the refresh token ring that sealed it.
        digest: The stored form.
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
        return cls._sealed(key, family_id, _base64(random))

    @classmethod
    def read(cls, text: str, ring: KeyRing) -> "RefreshToken | None":
        """The token in *text*, or None if it was not made here or its key has been removed."""
        parts = text.split(".")
        key = ring.find(parts[0])
        # Valid tokens are ASCII. The comparison refuses other text, and a surrogate cannot be
        # encoded.
        if key is None or len(parts) != _PARTS or not text.isascii():
            return None
        _, family_id, secret, _ = parts
        made = cls._sealed(key, family_id, secret)
        return made if hmac.compare_digest(made.value, text) else None

    @property
    def family_id(self) -> str:
        """The family that the token belongs to."""
        return self.value.split(".")[1]

    @classmethod
    def _sealed(cls, key: Key, family_id: str, secret: str) -> "RefreshToken":
        seal = _base64(key.digest("seal", key.id, family_id, secret))
        value = f"{key.id}.{family_id}.{secret}.{seal}"
        return cls(value, key.id, key.digest("stored", value))


ExchangeCode: TypeAlias = RefreshToken
"""
A code that a backend exchanges, once, for the first tokens of a sign-in.

It has the form of a refresh token, under the keys of another ring: neither is read as the other.
"""


@attrs.frozen
class Exchange:
    """
    The exchange of the code that a sign-in gave in place of tokens.

    Attributes:
        return_url: The address that the code was made for.
        until: The end of the code's life, exclusive.
        used: The digest of the code, once it has been exchanged.
    """

    return_url: str
    until: Instant
    used: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Parent:
    """
    The token that the live one came from.

    Attributes:
        used_at: Its first use.
    """

    digest: bytes = attrs.field(repr=False)
    used_at: Instant


@attrs.frozen
class Replaced:
    """
    A live token that was replaced by another child of its parent.

    Attributes:
        until: Until then the token is merely invalid; presenting it later counts as reuse.
    """

    digest: bytes = attrs.field(repr=False)
    until: Instant


@attrs.frozen(kw_only=True)
class Family:
    """
    The refresh tokens that follow from one sign-in.

    Attributes:
        id: The challenge that led to the sign-in; the `sid` of its access tokens.
        channel: By which the code of that challenge went out.
        expires_at: Absolute: refreshing does not move it.
        key_id: The key that made `digest`.
        digest: Keyed hash of the one live token, or of the exchange code until it is used.
        parent: The token that the live one came from; None for the first.
        replaced: Recently replaced tokens, oldest first.
        ended_at: When the family was signed out or found misused.
        browser: A digest of the value that identifies the browser that signed in; None without one.
        exchange: Of a sign-in that gave a code in place of tokens; None for any other.
    """

    id: str
    user_id: str
    pass_code: PassCode
    purpose: Purpose
    channel: Channel = Channel.SMS
    began_at: Instant
    expires_at: Instant
    key_id: str
    digest: bytes = attrs.field(repr=False)
    parent: Parent | None = None
    replaced: tuple[Replaced, ...] = ()
    ended_at: Instant | None = None
    browser: bytes | None = attrs.field(default=None, repr=False)
    exchange: Exchange | None = None

    @property
    def has_tokens(self) -> bool:
        """Whether tokens have been given: at once, or in exchange for the code."""
        return self.exchange is None or self.exchange.used is not None

    def lives(self, now: Instant) -> bool:
        """Whether the family can still grant tokens."""
        is_past = now >= self.expires_at
        return self.ended_at is None and is_credible(self.began_at, now) and not is_past


@attrs.frozen
class Began:
    """The sign-in was recorded, for the first and only time."""

    word: ClassVar[str] = "verified"
    family: Family


@attrs.frozen
class BeganAgain:
    """The sign-in was recorded moments ago and its tokens never arrived; new ones replace them."""

    word: ClassVar[str] = "verified_again"
    family: Family


@attrs.frozen
class AlreadyBegan:
    """The challenge has already led to a sign-in, so its store must have lost that write."""

    word: ClassVar[str] = "otp_expired"


@attrs.frozen
class Refreshed:
    """The presented token is dead; the new one is live in its place."""

    word: ClassVar[str] = "refreshed"
    family: Family


@attrs.frozen
class InvalidToken:
    """The token was not made here, or no longer grants anything. Nothing changed."""

    word: ClassVar[str] = "invalid_token"


@attrs.frozen
class PassLapsed:
    """The pass of the sign-in is no longer usable, so the family ended."""

    word: ClassVar[str] = InvalidToken.word


@attrs.frozen
class TokenReused:
    """A used token was presented again, so one of its two holders is a thief. The family ended."""

    word: ClassVar[str] = "token_reused"


@attrs.frozen
class Revoked:
    """The family has ended."""

    word: ClassVar[str] = "revoked"


BeginOutcome = Began | BeganAgain | AlreadyBegan
RefreshOutcome = Refreshed | InvalidToken | PassLapsed | TokenReused


def begin(
    held: Family | None,
    *,
    token: RefreshToken,
    family_id: str,
    user_id: str,
    pass_code: PassCode,
    purpose: Purpose,
    channel: Channel,
    lifetime: Duration,
    now: Instant,
    browser: bytes | None = None,
    exchange: Exchange | None = None,
) -> Decision[Family | None, BeginOutcome]:
    """
    Begin the family of a sign-in, once.

    The browser that signed in may not have received the answer. Within `LOST_ANSWER_WINDOW` it gets
    another first token, once, provided that the token which this replaces has not been used.

    Args:
        token: The first refresh token, or the exchange code that takes its place.
        channel: By which the code of the sign-in went out.
        browser: A digest of the value that identifies the browser, if there is one.
        exchange: That of the code.
    """
    if held is not None:
        return _begin_again(
            held, token=token, user_id=user_id, now=now, browser=browser, exchange=exchange
        )
    family = Family(
        id=family_id,
        user_id=user_id,
        pass_code=pass_code,
        purpose=purpose,
        channel=channel,
        began_at=now,
        expires_at=after(now, lifetime),
        key_id=token.key_id,
        digest=token.digest,
        browser=browser,
        exchange=exchange,
    )
    return Decision(Began(family), family)


def _begin_again(
    held: Family,
    *,
    token: RefreshToken,
    user_id: str,
    now: Instant,
    browser: bytes | None,
    exchange: Exchange | None,
) -> Decision[Family | None, BeginOutcome]:
    until = after(held.began_at, LOST_ANSWER_WINDOW)
    is_same = browser is not None and browser == held.browser
    is_exchanged = held.exchange is not None and held.has_tokens
    is_untouched = held.parent is None and not held.replaced and not is_exchanged
    if not (is_same and is_untouched and held.user_id == user_id):
        return Decision(AlreadyBegan(), held)
    if not held.lives(now) or now > until:
        return Decision(AlreadyBegan(), held)
    family = attrs.evolve(
        held,
        key_id=token.key_id,
        digest=token.digest,
        replaced=(Replaced(held.digest, until),),
        exchange=exchange,
    )
    return Decision(BeganAgain(family), family)


def refresh(
    held: Family | None, *, presented: RefreshToken, fresh: RefreshToken, usable: bool, now: Instant
) -> Decision[Family | None, RefreshOutcome]:
    """
    Rotate: *fresh* takes the place of *presented* (RFC 9700, 4.14.2).

    Within `LOST_ANSWER_WINDOW`, the parent of the live token may produce another child, provided
    that the live token is unused; the new child then replaces it. Any other token of the family
    counts as used.

    Args:
        presented: A token that was made here.
        usable: Whether the pass of the sign-in is still usable; if not, the family ends.
    """
    if held is None or not held.lives(now) or not held.has_tokens:
        return Decision(InvalidToken(), held)
    held = _as_of(held, now)
    recent = tuple(old for old in held.replaced if now <= old.until)
    if any(old.digest == presented.digest for old in recent):
        return Decision(InvalidToken(), held)
    parent = held.parent
    if presented.digest == held.digest:
        parent = Parent(presented.digest, now)
    elif (
        parent is not None
        and presented.digest == parent.digest
        and now <= after(parent.used_at, LOST_ANSWER_WINDOW)
    ):
        recent = (*recent, Replaced(held.digest, after(parent.used_at, LOST_ANSWER_WINDOW)))
    else:
        return Decision(TokenReused(), attrs.evolve(held, ended_at=now))
    if not usable:
        return Decision(PassLapsed(), attrs.evolve(held, ended_at=now))
    family = attrs.evolve(
        held,
        key_id=fresh.key_id,
        digest=fresh.digest,
        parent=parent,
        replaced=recent[-MOST_REPLACED:],
    )
    return Decision(Refreshed(family), family)


def revoke(held: Family | None, *, now: Instant) -> Decision[Family | None, Revoked | InvalidToken]:
    """End the family of a token that was made here."""
    if held is None or not held.lives(now):
        return Decision(InvalidToken(), held)
    return Decision(Revoked(), attrs.evolve(held, ended_at=now))


def _as_of(held: Family, now: Instant) -> Family:
    """*held* with future instants, left behind by a clock that ran ahead, taken as *now*."""
    parent = held.parent
    latest = after(now, LOST_ANSWER_WINDOW)
    if parent is None or is_credible(parent.used_at, now):
        return held
    return attrs.evolve(
        held,
        parent=Parent(parent.digest, believed(parent.used_at, now)),
        replaced=tuple(Replaced(old.digest, min(old.until, latest)) for old in held.replaced),
    )


def _base64(data: bytes) -> str:
    """URL-safe base64 of 32 bytes, without the single padding character."""
    return base64.urlsafe_b64encode(data).removesuffix(b"=").decode()
