"""Key rings. Keys are kept outside the stores, and each use has its own ring."""

import hmac

import attrs


@attrs.frozen
class Key:
    """A secret key of 32 bytes, and its id, which is stored with everything that the key made."""

    id: str
    secret: bytes = attrs.field(repr=False)

    def digest(self, *parts: str | bytes) -> bytes:
        """
        HMAC-SHA-256 of *parts*, 32 bytes.

        Each part is prefixed with its length, so that no two lists of parts collide.
        """
        message = b""
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            message += len(data).to_bytes(4, "big") + data
        return hmac.digest(self.secret, message, "sha256")


@attrs.frozen
class KeyRing:
    """The keys of one use, at least one, with unique ids: the first writes, all of them verify."""

    keys: tuple[Key, ...]

    @property
    def first(self) -> Key:
        """The key that writes."""
        return self.keys[0]

    def find(self, key_id: str) -> Key | None:
        """The key with that id, or None if it has been removed."""
        return next((key for key in self.keys if key.id == key_id), None)

    def seal(self, text: str) -> str:
        """
        *text* between the first key's id and a seal that only this service can make.

        Args:
            text: ASCII; it stays readable for everybody.
        """
        return f"{self.first.id}.{text}.{_seal(self.first, text)}"

    def unseal(self, sealed: str) -> str | None:
        """The text that a key of this ring sealed, or None if the seal is not valid."""
        key_id, _, rest = sealed.partition(".")
        text, _, seal = rest.rpartition(".")
        key = self.find(key_id)
        # Valid seals are ASCII, and the comparison refuses other text.
        if key is None or not sealed.isascii():
            return None
        return text if hmac.compare_digest(seal, _seal(key, text)) else None

    def fingerprint(self, text: str) -> str:
        """A keyed fingerprint of *text* under the first key: its id, a colon, 32 hex digits."""
        return _fingerprint(self.first, text)

    def fingerprints(self, text: str) -> tuple[str, ...]:
        """The fingerprints of *text* under every key, to search for it whichever key was used."""
        return tuple(_fingerprint(key, text) for key in self.keys)


def _fingerprint(key: Key, text: str) -> str:
    return f"{key.id}:{key.digest(text).hex()[:32]}"


def _seal(key: Key, text: str) -> str:
    return key.digest("seal", key.id, text).hex()
