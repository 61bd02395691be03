"""The numbers of the contract: `docs/contract.md`, rules of the code and limits."""

from hsp_otp.domain import policy
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.quota import Quota


def test_defaults_of_a_purpose() -> None:
    """Six digits, 600 s, 3 guesses, 30 s between sends, 15 a day, 45 a month, 100 in a row."""
    assert Policy() == Policy(
        digits=6,
        lifetime=600_000_000,
        max_attempts=3,
        cooldown=30_000_000,
        failures=(Quota(15, 86_400_000_000), Quota(45, 2_592_000_000_000)),
        max_run=100,
        contact_sends=Quota(10, 86_400_000_000),
        sends_kept_for_known=3,
        sends_of_one_network=3,
        free_sends_of_others=2,
        asks_for_work=True,
        fresh_for=120_000_000,
        binds_guesses=True,
        devices_for=180 * 86_400_000_000,
        client_sends=(Quota(5, 3_600_000_000),),
        network_factor=10,
    )


def test_defaults_of_a_client() -> None:
    """Per hour and address; a network has ten times as much; a sign-in is known for a day."""
    assert ClientLimits() == ClientLimits(
        checks=Quota(60, 3_600_000_000),
        lookups=Quota(120, 3_600_000_000),
        misses=Quota(600, 3_600_000_000),
        newcomer_misses=Quota(2, 3_600_000_000),
        unsent_asks=Quota(30, 3_600_000_000),
        rejected=Quota(120, 3_600_000_000),
        known_for=86_400_000_000,
        network_factor=10,
    )


def test_bounds() -> None:
    """Four to ten digits, ten minutes at most, ids of 128 bits, a miss counts double."""
    assert policy.CODE_DIGITS_RANGE == (4, 10)
    assert policy.MAX_CODE_SECONDS == 600
    assert (policy.ID_BYTES, policy.NONCE_BYTES) == (16, 16)
    assert policy.MISS_WEIGHT == 2
    assert (policy.ACCESS_TOKEN_SECONDS, policy.REFRESH_TOKEN_DAYS) == (900, 30)
    assert policy.SIGNUP_SHARE_OF_OTHERS * 7 == 4
    assert policy.WORK_LIFETIME == 300_000_000
    assert (policy.LET_SENDS, policy.LET_GUESSES, policy.LET_LIFETIME) == (3, 6, 3_600_000_000)
    assert (policy.AUDIT_DAYS, policy.SEND_ROW_DAYS) == (90, 7)
