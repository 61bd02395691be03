"""Changes of passes as the house lists them: `docs/contract.md`, section 10, import."""

from typing import Any

import attrs
import pytest

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.listed_passes import ListedPass, ListedUser
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.pass_changes import Change, HeldPass, PassPut, UserIdTaken, end, put
from hsp_otp.domain.passes import Pass, PaymentStatus, User
from hsp_otp.domain.phone import PhoneNumber

LISTED = ListedPass(
    code=PassCode("HSP-1234-5678"),
    payment_status=PaymentStatus.PAID,
    plan_name="Gold",
    expires_at=Instant(5),
    user=ListedUser(
        email="asha@example.com",
        first_name="Asha",
        last_name="Rao",
        phone=PhoneNumber("+919876543210"),
    ),
)
WITH_ID = attrs.evolve(LISTED, user=attrs.evolve(LISTED.user, house_id="4711"))
ASHA = User(
    id="u1",
    email="asha@example.com",
    first_name="Asha",
    last_name="Rao",
    phone=PhoneNumber("+919876543210"),
)
RAVI = User(id="u2", email="ravi@example.com")
STORED = Pass(
    code=PassCode("HSP-1234-5678"),
    user=ASHA,
    payment_status=PaymentStatus.PAID,
    plan_name="Gold",
    expires_at=Instant(5),
)
NOTHING = HeldPass(stored=None)


def outcome_of(of_pass: Change, of_user: Change) -> PassPut:
    """The outcome of a pass that was put."""
    return PassPut(of_pass=of_pass, of_user=of_user)


def test_a_new_pass_of_a_new_user() -> None:
    """Both are added, the user under the new id."""
    decision = put(NOTHING, LISTED, "u1")
    assert decision == Decision(
        outcome_of(Change.ADDED, Change.ADDED), HeldPass(stored=STORED), rows=()
    )


def test_the_same_again() -> None:
    """Nothing is written."""
    held = HeldPass(stored=STORED, by_email=ASHA)
    decision = put(held, LISTED, "new")
    assert decision.outcome == outcome_of(Change.UNCHANGED, Change.UNCHANGED)
    assert decision.becomes is held


@pytest.mark.parametrize(
    "changes",
    [{"payment_status": PaymentStatus.REFUNDED}, {"plan_name": "Silver"}, {"expires_at": None}],
)
def test_a_changed_pass(changes: dict[str, Any]) -> None:
    """Every member of a pass counts."""
    held = HeldPass(stored=STORED, by_email=ASHA)
    decision = put(held, attrs.evolve(LISTED, **changes), "new")
    assert decision.outcome == outcome_of(Change.CHANGED, Change.UNCHANGED)
    assert decision.becomes.stored == attrs.evolve(STORED, **changes)


@pytest.mark.parametrize("changes", [{"first_name": "Usha"}, {"last_name": "Roy"}, {"phone": None}])
def test_a_changed_user(changes: dict[str, Any]) -> None:
    """Every member of a user counts, and the id stays."""
    held = HeldPass(stored=STORED, by_email=ASHA)
    decision = put(held, attrs.evolve(LISTED, user=attrs.evolve(LISTED.user, **changes)), "new")
    assert decision.outcome == outcome_of(Change.UNCHANGED, Change.CHANGED)
    assert decision.becomes.stored == attrs.evolve(STORED, user=attrs.evolve(ASHA, **changes))


def test_a_pass_that_moves() -> None:
    """A pass may be given to another user, who is not changed by it."""
    held = HeldPass(stored=attrs.evolve(STORED, user=RAVI), by_email=ASHA)
    decision = put(held, LISTED, "new")
    assert decision.outcome == outcome_of(Change.CHANGED, Change.UNCHANGED)
    assert decision.becomes.stored == STORED


@pytest.mark.parametrize(
    ("of_pass", "of_user", "change"),
    [
        (Change.ADDED, Change.ADDED, Change.ADDED),
        (Change.ADDED, Change.UNCHANGED, Change.ADDED),
        (Change.CHANGED, Change.ADDED, Change.CHANGED),
        (Change.CHANGED, Change.UNCHANGED, Change.CHANGED),
        (Change.UNCHANGED, Change.CHANGED, Change.CHANGED),
        (Change.UNCHANGED, Change.UNCHANGED, Change.UNCHANGED),
    ],
)
def test_the_change_of_both(of_pass: Change, of_user: Change, change: Change) -> None:
    """A pass counts as changed if only its holder has changed."""
    assert outcome_of(of_pass, of_user).change is change


# The house's own ids


def test_a_user_is_known_as_the_house_knows_them() -> None:
    """The id of the house comes before the one that the service has drawn."""
    assert ASHA.known_as == "u1"
    assert attrs.evolve(ASHA, house_id="4711").known_as == "4711"


def test_an_id_that_comes_later() -> None:
    """A user who is known by the e-mail address takes it."""
    decision = put(HeldPass(stored=STORED, by_email=ASHA), WITH_ID, "new")
    assert decision.outcome == outcome_of(Change.UNCHANGED, Change.CHANGED)
    assert decision.becomes.stored == attrs.evolve(STORED, user=attrs.evolve(ASHA, house_id="4711"))


def test_a_new_user_with_an_id() -> None:
    """The id is the house's, and another one is drawn beside it."""
    decision = put(NOTHING, WITH_ID, "u9")
    assert decision.becomes.stored is not None
    assert decision.becomes.stored.user == attrs.evolve(ASHA, id="u9", house_id="4711")


def test_an_id_that_is_not_listed() -> None:
    """It stays, and so does everything else."""
    known = attrs.evolve(ASHA, house_id="4711")
    held = HeldPass(stored=attrs.evolve(STORED, user=known), by_email=known)
    assert put(held, LISTED, "new").becomes is held


def test_another_address_of_a_known_user() -> None:
    """With an id, the e-mail address may change."""
    known = attrs.evolve(ASHA, house_id="4711", email="old@example.com")
    held = HeldPass(stored=attrs.evolve(STORED, user=known), by_id=known)
    decision = put(held, WITH_ID, "new")
    assert decision.outcome == outcome_of(Change.UNCHANGED, Change.CHANGED)
    assert decision.becomes.stored is not None
    assert decision.becomes.stored.user == attrs.evolve(ASHA, house_id="4711")


def test_a_user_found_by_both() -> None:
    """The id and the address may be one user's."""
    known = attrs.evolve(ASHA, house_id="4711")
    held = HeldPass(stored=attrs.evolve(STORED, user=known), by_id=known, by_email=known)
    assert put(held, WITH_ID, "new").becomes is held


def test_the_id_that_answers_have_shown() -> None:
    """The house may take over the id that the service has drawn for a user."""
    listed = attrs.evolve(LISTED, user=attrs.evolve(LISTED.user, house_id="u1"))
    decision = put(HeldPass(stored=STORED, by_id=ASHA, by_email=ASHA), listed, "new")
    assert decision.becomes.stored is not None
    assert decision.becomes.stored.user == attrs.evolve(ASHA, house_id="u1")


@pytest.mark.parametrize(
    "held",
    [
        HeldPass(stored=None, by_email=attrs.evolve(ASHA, house_id="42")),
        HeldPass(stored=None, by_id=attrs.evolve(RAVI, house_id="4711"), by_email=ASHA),
        HeldPass(stored=None, by_id=attrs.evolve(RAVI, id="4711", house_id="42")),
        HeldPass(stored=None, by_id=attrs.evolve(RAVI, id="4711"), by_email=ASHA),
    ],
)
def test_an_id_that_is_taken(held: HeldPass) -> None:
    """An id belongs to one user, and a user has one id; nothing is written."""
    decision = put(held, WITH_ID, "new")
    assert decision.outcome == UserIdTaken()
    assert decision.becomes is held


# The end of a pass


def test_an_end() -> None:
    """The pass is gone."""
    assert end(HeldPass(stored=STORED)) == Decision(Change.ENDED, NOTHING)


def test_the_end_of_nothing() -> None:
    """A pass that is not there stays so."""
    assert end(NOTHING).outcome is Change.UNCHANGED
    assert end(NOTHING).becomes is NOTHING
