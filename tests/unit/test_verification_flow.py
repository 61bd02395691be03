"""Verifications: checking, canceling and looking at them (docs/contract.md)."""

import pytest

from hsp_otp.domain.apps import AppLimits
from hsp_otp.domain.audit import Action
from hsp_otp.domain.challenge_outcomes import Exhausted, Locked, WrongCode
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, after
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.quota import Limit, Quota, Refusal
from hsp_otp.domain.slot_record import Held, SlotRecord
from hsp_otp.domain.verification import Approval
from hsp_otp.domain.verification_record import Status
from hsp_otp.flows.verification_outcomes import (
    Canceled,
    MalformedCode,
    NotFound,
    Over,
    Success,
)
from tests.backend import Shop, other_app, shop
from tests.world import CLIENT, OTHER_CLIENT, OTHER_PHONE, PHONE, START, other_than, run

SOON = after(START, 30 * SECOND)


def begun(shop_: Shop, **given: object) -> tuple[str, str]:
    """A verification and its code."""
    verification = shop_.sent(**given).view.verification  # type: ignore[arg-type]
    return verification.id, shop_.world.outbox.codes[-1]


def test_a_right_code_is_right_once() -> None:
    """The first right code is approved; the same again has expired, and says that it was."""
    shop = Shop()
    verification_id, code = begun(shop)
    success = shop.check(verification_id, f" {code[:3]}-{code[3:]} ")
    assert isinstance(success, Success)
    assert (success.replayed, success.approved_at) == (False, START)
    assert shop.check(verification_id, code) == Over(Status.APPROVED, SOON)
    view = shop.found(verification_id).view
    assert (view.status, view.attempts_remaining) == (Status.APPROVED, 0)


def test_wrong_codes_are_counted() -> None:
    """Each wrong guess is told what is left; after the third, the right code is refused too."""
    shop = Shop()
    verification_id, code = begun(shop)
    wrong = other_than(code)
    assert [shop.check(verification_id, wrong) for _ in range(4)] == [
        WrongCode(2, SOON),
        WrongCode(1, SOON),
        WrongCode(0, SOON),
        Exhausted(SOON),
    ]
    assert shop.check(verification_id, code) == Exhausted(SOON)
    assert shop.found(verification_id).view.status is Status.MAX_ATTEMPTS_REACHED


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a"])
def test_a_malformed_code_costs_nothing(text: str) -> None:
    """A text without the code's number of digits is charged nothing, and leaves no row."""
    shop = Shop()
    verification_id, _ = begun(shop)
    rows = len(shop.world.audit.rows)
    assert shop.check(verification_id, text, client=CLIENT) == MalformedCode()
    assert shop.found(verification_id).view.attempts_remaining == 3
    assert [row.facts.action for row in shop.world.audit.rows[rows:]] == [Action.READ]
    assert shop.world.charged(f"app_client_checks/{shop.app.id}") == 0


@pytest.mark.parametrize("to", [OTHER_PHONE, "12", "ann@example.com"])
def test_another_contact_makes_a_code_wrong(to: str) -> None:
    """A code that comes with another contact is wrong; its own may be written in any form."""
    shop = Shop()
    verification_id, code = begun(shop)
    assert shop.check(verification_id, code, to=to) == WrongCode(2, SOON)
    assert isinstance(shop.check(verification_id, code, to="98765 43210"), Success)


def test_a_code_for_a_transaction() -> None:
    """No code is bound to a transaction yet, so one that is taken for such a code is wrong."""
    shop = Shop()
    verification_id, code = begun(shop)
    outcome = shop.check(verification_id, code, bound_elsewhere=True, to=PHONE)
    assert outcome == WrongCode(2, SOON)
    assert isinstance(shop.check(verification_id, code), Success)


def test_what_another_app_has_is_not_found() -> None:
    """A verification of another app is not found, and the client is charged all the same."""
    shop_ = shop(limits=AppLimits(checks_per_client_hour=2))
    verification_id, code = begun(shop_)
    shop_.app = other_app("other", {"limits": AppLimits(checks_per_client_hour=2)})
    for unknown in (verification_id, "nothing"):
        assert shop_.check(unknown, code, client=CLIENT) == NotFound()
    assert shop_.check(verification_id, code, client=CLIENT) == Refusal(
        Limit.CLIENT, after(START, HOUR)
    )
    assert shop_.check(verification_id, code, client=OTHER_CLIENT) == NotFound()
    assert shop_.check(verification_id, code) == NotFound()
    assert shop_.cancel(verification_id) == NotFound()
    assert shop_.get(verification_id) == NotFound()


def test_checks_of_a_client_are_limited() -> None:
    """Sixty checks an hour from one client of an app are judged; without a client, all are."""
    shop_ = shop(limits=AppLimits(checks_per_client_hour=1))
    verification_id, code = begun(shop_)
    assert shop_.check(verification_id, other_than(code), client=CLIENT) == WrongCode(2, SOON)
    refused = shop_.check(verification_id, code, client=CLIENT)
    assert refused == Refusal(Limit.CLIENT, after(START, HOUR))
    assert shop_.world.audit.rows[-2].facts.charged == (f"app_client_checks/{shop_.app.id}",)
    assert isinstance(shop_.check(verification_id, code), Success)


def test_a_locked_user_is_not_judged() -> None:
    """While a user is locked, no code is judged."""
    shop_ = shop(policy=Policy(failures=(Quota(1, DAY),)))
    verification_id, code = begun(shop_)
    shop_.check(verification_id, other_than(code))
    assert shop_.check(verification_id, code) == Locked(after(START, DAY))


# A success that is told again


def test_a_success_is_told_again_under_its_key() -> None:
    """The check that succeeded may be repeated under its key for 10 min, and says the same."""
    shop = Shop()
    verification_id, code = begun(shop)
    first = shop.check(verification_id, code, key="c1")
    assert isinstance(first, Success)
    shop.world.clock.advance(10 * MINUTE)
    again = shop.check(verification_id, code, key="c1")
    assert isinstance(again, Success)
    assert (again.replayed, again.approved_at) == (True, START)
    shop.world.clock.advance(1)
    assert isinstance(shop.check(verification_id, code, key="c1"), Over)


def test_only_the_same_check_is_told_again() -> None:
    """Another key, no key, or another code is told nothing; another code ends the repetition."""
    shop = Shop()
    verification_id, code = begun(shop)
    shop.check(verification_id, code, key="c1")
    assert isinstance(shop.check(verification_id, code, key="c2"), Over)
    assert isinstance(shop.check(verification_id, code), Over)
    assert isinstance(shop.check(verification_id, code, key="c1"), Success)
    assert isinstance(shop.check(verification_id, other_than(code), key="c1"), Over)
    assert isinstance(shop.check(verification_id, code, key="c1"), Over)


def test_a_wrong_guess_is_judged_under_any_key() -> None:
    """A wrong guess is counted each time, whatever its key."""
    shop = Shop()
    verification_id, code = begun(shop)
    for left in (2, 1):
        assert shop.check(verification_id, other_than(code), key="c1") == WrongCode(left, SOON)


def test_an_approval_that_was_interrupted_is_made_up_for() -> None:
    """If the approval of a right code was not recorded, the repeated check records it."""
    shop = Shop()
    verification_id, code = begun(shop)
    shop.check(verification_id, code, key="c1")
    shop.world.approvals._records.clear()  # noqa: SLF001 - as if it had not been reached
    shop.world.clock.advance(SECOND)
    again = shop.check(verification_id, code, key="c1")
    assert isinstance(again, Success)
    assert (again.replayed, again.approved_at) == (False, after(START, SECOND))


def test_a_code_that_came_back_to_life_is_not_approved_twice() -> None:
    """If a store forgets that a code was used, the approval in the database still stands."""
    shop = Shop()
    verification_id, code = begun(shop)

    def note(held: Approval | None) -> Decision[Approval | None, None]:
        assert held is None
        return Decision(None, Approval(START))

    run(shop.world.approvals.transition(verification_id, note))
    assert shop.check(verification_id, code, key="c1") == Over(Status.APPROVED, SOON)


# Canceling


def test_a_canceled_code_is_dead() -> None:
    """Canceling ends the code in that step, and again changes nothing."""
    shop = Shop()
    verification_id, code = begun(shop)
    canceled = shop.cancel(verification_id)
    assert isinstance(canceled, Canceled)
    assert (canceled.view.status, canceled.view.updated_at) == (Status.CANCELED, START)
    shop.world.clock.advance(SECOND)
    again = shop.cancel(verification_id)
    assert isinstance(again, Canceled)
    assert (again.view.verification, again.view.updated_at) == (canceled.view.verification, START)
    assert shop.check(verification_id, code) == Over(Status.CANCELED, SOON)
    shop.world.clock.advance(MINUTE)
    assert shop.resend(verification_id) == Over(Status.CANCELED, shop.world.clock.now())
    assert not shop.sent().resent


def test_what_has_ended_is_not_canceled() -> None:
    """What has ended otherwise stays as it ended."""
    shop = Shop()
    approved, code = begun(shop)
    shop.check(approved, code)
    assert shop.cancel(approved) == Over(Status.APPROVED, SOON)
    shop = Shop()
    exhausted, code = begun(shop)
    for _ in range(3):
        shop.check(exhausted, other_than(code))
    assert shop.cancel(exhausted) == Over(Status.MAX_ATTEMPTS_REACHED, SOON)
    shop = Shop()
    expired, _ = begun(shop)
    shop.world.clock.advance(600 * SECOND)
    assert shop.cancel(expired) == Over(Status.EXPIRED, shop.world.clock.now())


# Looking


def test_a_status_outlives_its_slot() -> None:
    """When the slot has forgotten a code, its noted end is told, and otherwise that it expired."""
    shop = Shop()
    first, code = begun(shop)
    shop.check(first, code)
    second, _ = begun(shop, to=OTHER_PHONE)
    for verification_id in (first, second):
        verification = shop.world.audit.verifications[verification_id]

        def forget(held: Held) -> Decision[Held, None]:
            return Decision(None, Held(SlotRecord(), held.usages))

        run(shop.world.slots.transition(verification.slot, (), forget))
    assert shop.found(first).view.status is Status.APPROVED
    assert shop.found(second).view.status is Status.EXPIRED
    assert shop.check(second, "123456") == Over(Status.EXPIRED, START)


def test_who_looks_is_no_event() -> None:
    """Looking leaves a row that may be folded, and no event."""
    shop = Shop()
    verification_id, _ = begun(shop, subject="u1")
    shop.found(verification_id)
    found = shop.found(verification_id)
    assert [event.event for event in found.events] == ["send"]
    row = shop.world.audit.rows[-1]
    assert (row.facts.action, row.outcome, row.folds) == (Action.READ, "found", True)


def test_a_key_of_several_apps() -> None:
    """A key that acts for several apps finds the verifications of each."""
    shop = Shop()
    verification_id, code = begun(shop)
    other = other_app("other")
    shop.others = (other,)
    assert isinstance(shop.check(verification_id, code, client=CLIENT), Success)
    assert shop.check("nothing", code, client=CLIENT) == NotFound()
    assert shop.world.audit.rows[-1].facts.app is None
    assert PHONE not in repr(shop.world.audit.rows)


def test_the_client_of_the_start() -> None:
    """A check can be charged to the client that its start named, and is free without one."""
    shop_ = shop(limits=AppLimits(checks_per_client_hour=1))
    verification_id, code = begun(shop_, client=ClientAddress(CLIENT))
    journey = shop_.world.journeys.verification
    for _ in range(2):
        outcome = run(
            journey.check(verification_id, other_than(code), shop_.backend, client_of_start=True)
        )
    assert outcome == Refusal(Limit.CLIENT, after(START, HOUR))
    assert run(
        journey.check("nobody's", code, shop_.backend, client_of_start=True)
    ) == NotFound()  # fmt: skip
