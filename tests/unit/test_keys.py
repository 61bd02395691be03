"""Secret keys as settings give them, and the rings derived from them."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.adapters.key_format import read_keys
from hsp_otp.adapters.secret_keys import (
    CODES,
    CSRF_TOKENS,
    NUMBER_FINGERPRINTS,
    REFRESH_TOKENS,
    new_secret_key,
    parse_secret_keys,
    ring,
)
from hsp_otp.domain.keys import Key, KeyRing

COUNTING = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
STANDARD = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s="
URL_SAFE = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s="

MALFORMED = "not of the form id:value, with an id of 1 to 32 of these: A-Za-z0-9_-"
BROKEN = "not base64: the length or the padding is wrong"


def test_keys_keep_their_order() -> None:
    """Keys are read in their order, white space around an entry aside."""
    keys = parse_secret_keys(f"new:{STANDARD}, old-1_A:{COUNTING}\n")
    assert [key.id for key in keys] == ["new", "old-1_A"]
    assert [key.secret for key in keys] == [b"\xfb" * 32, bytes(range(32))]


def test_the_first_colon_ends_the_id() -> None:
    """A value may hold colons, as the path of a file may."""
    assert read_keys("k:keys/a:b.pem", lambda key_id, value: (key_id, value)) == (
        ("k", "keys/a:b.pem"),
    )


@pytest.mark.parametrize("value", [STANDARD, STANDARD[:-1], URL_SAFE, URL_SAFE[:-1]])
def test_either_alphabet_padded_or_not(value: str) -> None:
    """A secret may be written in either alphabet of base64, padded or not."""
    assert parse_secret_keys(f"k:{value}") == (Key("k", b"\xfb" * 32),)


@given(st.binary(min_size=32, max_size=96), st.booleans(), st.booleans())
def test_every_secret_comes_back(secret: bytes, url_safe: bool, padded: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever 32 bytes or more are written in base64 are read as they were."""
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(secret).decode()
    assert parse_secret_keys(f"k:{text if padded else text.rstrip('=')}")[0].secret == secret


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"entry 1: {MALFORMED}"),
        (COUNTING, f"entry 1: {MALFORMED}"),
        ("k:", f"entry 1: {MALFORMED}"),
        (f":{COUNTING}", f"entry 1: {MALFORMED}"),
        (f"{COUNTING}:k", f"entry 1: {MALFORMED}"),
        (f"k y:{COUNTING}", f"entry 1: {MALFORMED}"),
        (f"k.y:{COUNTING}", f"entry 1: {MALFORMED}"),
        (f"ключ:{COUNTING}", f"entry 1: {MALFORMED}"),
        (f"{'k' * 33}:{COUNTING}", f"entry 1: {MALFORMED}"),
        (f"k:{COUNTING},", f"entry 2: {MALFORMED}"),
        (f"k:{COUNTING},k:{STANDARD}", "entry 2: its id is taken by an earlier entry"),
        (f"a:{COUNTING},b: {STANDARD}", "entry 2: not base64"),
        (f"k:{COUNTING[:20]}\n{COUNTING[20:]}", "entry 1: not base64"),
        ("k:+_v7+_v7+_v7+_v7+_v7+_v7+_v7+_v7+_v7+_v7+_s=", "entry 1: not base64"),
        (f"k:{COUNTING}=", f"entry 1: {BROKEN}"),
        (f"k:{COUNTING}==", "entry 1: not base64"),
        (f"k:{COUNTING[:41]}", f"entry 1: {BROKEN}"),
        (f"k:{COUNTING[:42]}", "entry 1: 31 bytes long, but at least 32 are needed"),
    ],
)
def test_malformed_keys_are_refused(text: str, message: str) -> None:
    """A malformed entry is refused by its place and reason."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_secret_keys(text)


@given(st.text(alphabet=st.sampled_from("QRSTUWXY0123456789+/=~"), min_size=6, max_size=31))
def test_a_refusal_repeats_nothing(secret: str) -> None:
    """A message holds nothing of what was given, whichever way round it was written."""
    for text in (secret, f"k:{secret}", f"{secret}:k", f"k:{COUNTING},k:{secret}"):
        with pytest.raises(ValueError, match=r"^entry ") as refusal:
            parse_secret_keys(text)
        assert secret not in str(refusal.value)


def test_secrets_are_not_shown() -> None:
    """A key is never shown."""
    shown = repr(parse_secret_keys(f"k:{COUNTING}"))
    assert shown == "(Key(id='k'),)"


@pytest.mark.parametrize(
    ("label", "derived"),
    [
        (CODES, "9fba8fa3255e9aaa998b9d09593dd3c8856f0aa940717fc7f147126e6a05006f"),
        (NUMBER_FINGERPRINTS, "7428f8b7dc0c20ccd30a257d2dfb1b4f180916674dc98b1a97d72862624b6b4d"),
        (CSRF_TOKENS, "4480bbfe8db3d71b11f2d629e6bd7d0ac5807531b7e91229c707847a1acddc8b"),
        (REFRESH_TOKENS, "a3709aacf65fa226260fc45758de511b311ec4d269baa2ade2d51ce8fe41ba7d"),
    ],
)
def test_each_label_has_a_key_of_its_own(label: str, derived: str) -> None:
    """A derived key never changes: whatever is live under it would be lost (RFC 5869)."""
    found = ring((Key("k", bytes(range(32))),), label)
    assert found.first == Key("k", bytes.fromhex(derived))


def test_a_ring_keeps_order_and_ids() -> None:
    """The first secret key makes the key that writes; each is found by the same id."""
    keys = parse_secret_keys(f"new:{STANDARD},old:{COUNTING}")
    found = ring(keys, CODES)
    assert [key.id for key in found.keys] == ["new", "old"]
    assert found.find("old") == ring(keys[1:], CODES).first


def test_a_new_secret_key_is_read_back() -> None:
    """A new secret key is 32 bytes in base64, and another one each time."""
    first, second = new_secret_key(), new_secret_key()
    assert first != second
    assert [len(key.secret) for key in parse_secret_keys(f"a:{first},b:{second}")] == [32, 32]


SEALING = KeyRing((Key("new", bytes(range(32))), Key("old", bytes(32))))


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_what_was_sealed_comes_back(text: str) -> None:
    """A seal shows what was sealed, as long as its key is there; the first key seals."""
    sealed = SEALING.seal(text)
    assert sealed.startswith("new.")
    assert SEALING.unseal(sealed) == text
    assert KeyRing(SEALING.keys[::-1]).unseal(sealed) == text
    assert KeyRing(SEALING.keys[1:]).unseal(sealed) is None


@given(st.text(), st.integers(0, 80))
def test_a_changed_seal_is_worth_nothing(text: str, at: int) -> None:
    """Whatever is changed of a sealed text, it is none any more."""
    sealed = SEALING.seal("payload")
    changed = sealed[:at] + text + sealed[at + 1 :]
    assert (SEALING.unseal(changed) is None) == (changed != sealed)
    assert SEALING.unseal(text) is None


def test_a_seal_is_fixed() -> None:
    """Machines of two versions read what the other has sealed."""
    assert SEALING.seal("payload") == (
        "new.payload.15bef2b3f74f6f22d10804d9c7ff2ce43a73b2b4cfe0a2ddc6478f0a05c69c3a"
    )


def test_fingerprints_under_every_key() -> None:
    """What an older key made is looked for too, the first key's first."""
    old, new = Key("k1", bytes(range(32))), Key("k2", bytes(range(1, 33)))
    both = KeyRing((new, old)).fingerprints("+919876543210")
    assert both == (
        KeyRing((new,)).fingerprint("+919876543210"),
        KeyRing((old,)).fingerprint("+919876543210"),
    )
