"""Key rings. Keys live outside the stores, and each use has a ring of its own."""

import hashlib
import hmac

import attrs


@attrs.frozen
class Key:
    """
    Attributes:
        id: Stands beside whatever the key made.
        secret: 32 bytes.
    """

    id: str
    secret: bytes = attrs.field(repr=False)

    def digest(self, *parts: str | bytes) -> bytes:
        """
        HMAC-SHA-256 of *parts*, 32 bytes.

        Each part goes in with its length in front, so that no two lists of parts collide.
        """
        told = [part.encode() if isinstance(part, str) else part for part in parts]
        message = b"".join([len(data).to_bytes(4, "big") + data for data in told])
        return hmac.digest(self.secret, message, hashlib.sha256)


@attrs.frozen
class KeyRing:
    """
    The keys of one use: the first writes, all verify.

    Attributes:
        keys: At least one; their ids are unique.
    """

    keys: tuple[Key, ...]

    @property
    def first(self) -> Key:
        """The key that writes."""
        return self.keys[0]

    def find(self, key_id: str) -> Key | None:
        """The key of that id, or None where it has been dropped."""
        return next((key for key in self.keys if key.id == key_id), None)

    def seal(self, text: str) -> str:
        """
        *text* between the first key's id and a seal that only we can make.

        Args:
            text: ASCII, for everybody to read.
        """
        return f"{self.first.id}.{text}.{_seal(self.first, text)}"

    def unseal(self, sealed: str) -> str | None:
        """What was sealed with a key of this ring, or None where nothing was."""
        key_id, _, rest = sealed.partition(".")
        text, _, seal = rest.rpartition(".")
        key = self.find(key_id)
        # A seal of ours is ASCII; the comparison refuses other text.
        if key is None or not sealed.isascii():
            return None
        return text if hmac.compare_digest(seal, _seal(key, text)) else None

    def fingerprint(self, text: str) -> str:
        """A keyed fingerprint of *text* under the first key: its id, a colon, 32 hex digits."""
        return _fingerprint(self.first, text)

    def fingerprints(self, text: str) -> tuple[str, ...]:
        """The fingerprints of *text* under every key: what to look for, whichever key made it."""
        return tuple(_fingerprint(key, text) for key in self.keys)


def _fingerprint(key: Key, text: str) -> str:
    return f"{key.id}:{key.digest(text).hex()[:32]}"


def _seal(key: Key, text: str) -> str:
    return key.digest("seal", key.id, text).hex()
