"""Device tokens: which device is known, and for how long."""

import attrs
import pytest

from hsp_otp.domain.instant import DAY, Instant
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.lanes import Devices, Lane, device_token, lane_of
from hsp_otp.domain.purposes import Subject, SubjectKind
from tests.lanes import DEVICES, RING, SIGNATURE, TOKEN, USER, later
from tests.world import START, ring


def lane(
    *tokens: str,
    subject: Subject = USER,
    devices: Devices | None = DEVICES,
    keys: KeyRing = RING,
    now: Instant = START,
) -> Lane:
    """The lane of a request with *tokens*."""
    return lane_of(tokens, subject, devices, ring=keys, lifetime=180 * DAY, now=now)


def test_a_token_has_a_key_a_time_and_a_signature() -> None:
    """A token is the key's id, whole seconds and a signature in hexadecimal digits."""
    assert device_token(RING.first, USER, DEVICES) == TOKEN
    assert lane(TOKEN) is Lane.KNOWN


def test_one_good_token_is_enough() -> None:
    """Tokens of other services or subjects beside a good one make no difference."""
    assert lane() is Lane.OTHERS
    assert lane("a.1.b", "", TOKEN) is Lane.KNOWN
    assert lane(TOKEN, "a.1.b") is Lane.KNOWN


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "k1", "k1.1767225600", f"k1.{SIGNATURE}", f".1767225600.{SIGNATURE}"),
        *(f"k1..{SIGNATURE}", "k1.1767225600.", f"{TOKEN}.", f".{TOKEN}", f"{TOKEN}\n"),
        *(f" {TOKEN}", f"{TOKEN} ", f"{TOKEN}0", TOKEN[:-1], f"{TOKEN}, {TOKEN}"),
        f"k1.1767225600.{SIGNATURE.upper()}",
        f"k1.01767225600.{SIGNATURE}",
        f"k1.+1767225600.{SIGNATURE}",
        f"k1.-1767225600.{SIGNATURE}",
        f"k1.1767225600.0.{SIGNATURE}",
        f"k1.1767225600000.{SIGNATURE}",
        f"k1.{'9' * 5000}.{SIGNATURE}",
        f"k1.١٧٦٧٢٢٥٦٠٠.{SIGNATURE}",
        f"k1.1767225600.{'é' * 64}",
        f"k1.1767225600.{SIGNATURE[:-1]}٠",
        f"{'k' * 65}.1767225600.{SIGNATURE}",
        f"k 1.1767225600.{SIGNATURE}",
        f"k1\0.1767225600.{SIGNATURE}",
    ],
)
def test_a_malformed_token_makes_nobody_known(token: str) -> None:
    """A token of any other shape leaves the device a stranger, and raises nothing."""
    assert lane(token) is Lane.OTHERS


@pytest.mark.parametrize(
    "token",
    [
        f"k1.1767225600.{SIGNATURE[:-1]}b",
        f"k1.1767225600.{'0' * 64}",
        f"k1.1767225601.{SIGNATURE}",
        f"k1.1767225599.{SIGNATURE}",
        f"k2.1767225600.{SIGNATURE}",
    ],
)
def test_a_forged_token_makes_nobody_known(token: str) -> None:
    """Another signature, another time or another key does not go with the rest."""
    assert lane(token, keys=ring("devices", "k1", "k2")) is Lane.OTHERS


def test_a_token_is_good_for_its_subject_alone() -> None:
    """Another user's token, or that of a number with the same id, makes nobody known."""
    for subject in (Subject(SubjectKind.USER, "u2"), Subject(SubjectKind.PHONE, "u1")):
        token = device_token(RING.first, subject, DEVICES)
        assert lane(token, subject=subject) is Lane.KNOWN
        assert lane(token) is Lane.OTHERS
        assert lane(TOKEN, subject=subject) is Lane.OTHERS


def test_a_removed_key_makes_strangers() -> None:
    """Every key of the ring verifies, the first one signs, and a removed one does neither."""
    assert lane(TOKEN, keys=ring("devices", "k2", "k1")) is Lane.KNOWN
    assert lane(TOKEN, keys=ring("devices", "k2")) is Lane.OTHERS
    new = device_token(ring("devices", "k2", "k1").first, USER, DEVICES)
    assert new.startswith("k2.1767225600.")
    assert lane(new, keys=ring("devices", "k2")) is Lane.KNOWN


def test_a_device_is_known_for_180_days() -> None:
    """A token is good until 180 days after the success, to the microsecond."""
    end = 180 * 86_400_000_000
    assert lane(TOKEN, now=later(end - 1)) is Lane.KNOWN
    assert lane(TOKEN, now=later(end)) is Lane.OTHERS
    assert lane(TOKEN, now=later(end + 1)) is Lane.OTHERS


def test_a_token_from_the_future() -> None:
    """A machine whose clock is up to five seconds ahead may have made the token."""
    assert lane(TOKEN, now=later(-5_000_000)) is Lane.KNOWN
    assert lane(TOKEN, now=later(-5_000_001)) is Lane.OTHERS


def test_a_token_counts_from_the_whole_second() -> None:
    """The fraction of the second of a success is no part of the token."""
    since = later(999_999)
    assert device_token(RING.first, USER, attrs.evolve(DEVICES, since=since)) == TOKEN


def test_other_devices_of_the_subject_have_another_seed() -> None:
    """With no devices or another seed in the slot every token is revoked."""
    assert lane(TOKEN, devices=None) is Lane.OTHERS
    assert lane(TOKEN, devices=attrs.evolve(DEVICES, seed=bytes(15) + b"\1")) is Lane.OTHERS


def test_the_seed_is_not_told() -> None:
    """A representation of the devices does not contain their seed."""
    assert "seed" not in repr(DEVICES)
