"""Accounts and apps: docs/contract.md, 11."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.apps import (
    ACCOUNT,
    APP,
    AppLimits,
    AppRules,
    MalformedNameError,
    MalformedQuotaError,
    PurposeNumbers,
    check_limit_name,
    check_name,
    read_quota,
)
from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND
from hsp_otp.domain.names import MalformedSidError, id_of, id_of_sid, sid_of
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.quota import Quota

SHOP = "AAECAwQFBgcICQoLDA0ODw"
ACME = "_" * 21 + "w"


def test_an_id_in_both_writings() -> None:
    """One number of 128 bits is written in base64 and, for Twilio's clients, in hex digits."""
    assert id_of(bytes(range(16))) == SHOP
    assert sid_of(SHOP, APP) == "VA000102030405060708090a0b0c0d0e0f"
    assert sid_of(ACME, ACCOUNT) == "AC" + "f" * 32
    assert id_of_sid("VA000102030405060708090a0b0c0d0e0f", APP) == SHOP


@given(st.binary(min_size=16, max_size=16))
def test_both_writings_are_the_same_id(random: bytes) -> None:
    """An id that is written in hex digits is read as the same id."""
    assert id_of_sid(sid_of(id_of(random), APP), APP) == id_of(random)


@pytest.mark.parametrize(
    "sid",
    [
        *("", "VA", "VA" + "0" * 31, "VA" + "0" * 33, "VA" + "0" * 32 + "\n", "va" + "0" * 32),
        *("AC" + "0" * 32, "VA" + "A" * 32, "VA" + "٠" * 32),
    ],
)
def test_what_is_no_id_of_an_app(sid: str) -> None:
    """Two letters and 32 lower-case hex digits are the only form, and other letters are refused."""
    with pytest.raises(MalformedSidError):
        id_of_sid(sid, APP)


def test_the_limits_of_an_app() -> None:
    """Without a word about them, an app has the limits of the contract."""
    limits = AppLimits()
    assert limits.sends == (Quota(60, MINUTE), Quota(10_000, DAY))
    assert limits.client_sends == Quota(5, HOUR)
    assert limits.client_checks == Quota(60, HOUR)


def test_an_app_departs_from_the_service() -> None:
    """An app's numbers replace the service's for that purpose, and for no other."""
    numbers = PurposeNumbers(
        digits=4, lifetime_seconds=300, max_attempts=5, cooldown_seconds=0, sends_per_contact_day=3
    )
    rules = AppRules(service_name="Shop", purposes={Purpose.PHONE_VERIFICATION: numbers})
    assert rules.policy_of(Purpose.PHONE_VERIFICATION, Policy()) == Policy(
        digits=4,
        lifetime=300 * SECOND,
        max_attempts=5,
        cooldown=0,
        call_cooldown=0,
        contact_sends=Quota(3, DAY),
        mailbox_sends=Quota(3, DAY),
    )
    assert rules.policy_of(Purpose.SIGNUP, Policy()) == Policy()


@pytest.mark.parametrize(
    ("own", "before_call", "service", "holds"),
    [
        *((None, None, 60, 60), (0, None, 60, 0), (90, None, 60, 60), (None, None, 0, 0)),
        *((None, 45, 60, 45), (0, 45, 60, 45), (None, 0, 60, 0)),
    ],
)
def test_the_wait_before_a_call(
    own: int | None, before_call: int | None, service: int, holds: int
) -> None:
    """An app without a cooldown has none before calls either, unless it says so."""
    numbers = PurposeNumbers(cooldown_seconds=own, call_cooldown_seconds=before_call)
    policy = Policy(call_cooldown=service * SECOND)
    assert numbers.applied_to(policy).cooldown_before(Channel.VOICE) == holds * SECOND


@pytest.mark.parametrize(
    ("own", "service", "holds"), [(None, 10, 10), (3, 10, 3), (20, 10, 10), (3, 0, 3), (None, 0, 0)]
)
def test_the_sends_to_a_contact_are_the_services_at_most(
    own: int | None, service: int, holds: int
) -> None:
    """An app may send a contact less than the service does, and never more."""
    numbers = PurposeNumbers(sends_per_contact_day=own)
    policy = Policy(contact_sends=Quota(service, DAY), mailbox_sends=Quota(service, DAY))
    applied = numbers.applied_to(policy)
    assert {applied.sends_to(kind) for kind in ContactKind} == {Quota(holds, DAY)}


@pytest.mark.parametrize(
    ("purpose", "own", "allowed"),
    [
        (Purpose.PHONE_VERIFICATION, None, {"phone"}),
        (Purpose.PHONE_VERIFICATION, False, {"phone"}),
        (Purpose.EMAIL_VERIFICATION, None, {"email"}),
        (Purpose.LOGIN_VERIFICATION, None, {"phone"}),
        (Purpose.LOGIN_VERIFICATION, True, {"phone", "email"}),
        (Purpose.PASSWORD_RESET, None, {"phone", "email"}),
        (Purpose.PASSWORD_RESET, False, {"phone"}),
        (Purpose.SIGNUP, None, set()),
    ],
)
def test_the_contacts_of_a_purpose(
    purpose: Purpose,
    own: bool | None,  # noqa: FBT001
    allowed: set[str],
) -> None:
    """Logins are by e-mail only if the app says so, and resets unless it says otherwise."""
    numbers = PurposeNumbers(email=own)
    rules = AppRules(service_name="Shop", purposes={purpose: numbers} if own is not None else {})
    assert {kind.value for kind in ContactKind if rules.allows(purpose, kind)} == allowed


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("digits", 4, 10),
        ("lifetime_seconds", 1, 600),
        ("max_attempts", 1, 10),
        ("cooldown_seconds", 0, 86_400),
        ("call_cooldown_seconds", 0, 86_400),
        ("sends_per_contact_day", 1, 1_000_000),
    ],
)
def test_how_far_an_app_may_depart(name: str, least: int, most: int) -> None:
    """An app may be stricter than the service, or looser up to the bounds of the contract."""
    for number in (least, most):
        assert getattr(attrs.evolve(PurposeNumbers(), **{name: number}), name) == number  # type: ignore[arg-type]
    for number in (least - 1, most + 1):
        with pytest.raises(ValueError, match=name):
            attrs.evolve(PurposeNumbers(), **{name: number})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("5 in 600 s", Quota(5, 10 * MINUTE)),
        ("1 in 1 s", Quota(1, SECOND)),
        ("1000000 in 86400 s", Quota(1_000_000, DAY)),
    ],
)
def test_a_quota(text: str, quota: Quota) -> None:
    """A quota is written as a limit and a window of 24 hours at most."""
    assert read_quota(text) == quota


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "5 in 600", "5 in 600 s\n", "5 in 600 m", "five in 600 s", "٥ in 600 s"),
        *("0 in 600 s", "5 in 0 s", "5 in 86401 s", "1000001 in 600 s", "-5 in 600 s"),
    ],
)
def test_what_is_no_quota(text: str) -> None:
    """Another form is refused, and so is a limit of 0 or a window of more than 24 hours."""
    with pytest.raises(MalformedQuotaError):
        read_quota(text)


@pytest.mark.parametrize("name", ["a", "shop", "shop-2", "0", "a" * 40])
def test_a_name(name: str) -> None:
    """Accounts and apps have names of 1 to 40 of a-z, 0-9 and -."""
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "a" * 41, "Shop", "the shop", "shop\n", "shop_2", "größe"])
def test_what_is_no_name(name: str) -> None:
    """Any other character is refused."""
    with pytest.raises(MalformedNameError):
        check_name(name)


def test_the_name_of_a_limit() -> None:
    """Limits may have upper-case letters and underscores in their names too."""
    assert check_limit_name("end_user-IP") == "end_user-IP"
    for name in ("", "a" * 41, "user id", "user\n"):
        with pytest.raises(MalformedNameError):
            check_limit_name(name)
