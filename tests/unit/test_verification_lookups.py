"""Verifications by contact, and what answers tell of them: docs/contract.md, section 14."""

from hsp_otp.domain.apps import PurposeNumbers
from hsp_otp.domain.audit import Action
from hsp_otp.domain.challenge_outcomes import Exhausted
from hsp_otp.domain.instant import MINUTE, SECOND, after
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.verification_record import Status
from hsp_otp.flows.verification_outcomes import NotFound, Over, View
from tests.backend import Shop, shop
from tests.world import OTHER_PHONE, PHONE, START, other_than, run

SOON = after(START, 30 * SECOND)


def begun(shop_: Shop, **given: object) -> tuple[str, str]:
    """A verification and its code."""
    verification = shop_.sent(**given).view.verification  # type: ignore[arg-type]
    return verification.id, shop_.world.outbox.codes[-1]


def named(shop: Shop, to: str = PHONE) -> tuple[object, object]:
    """What is found of a contact: the latest verification, and the live one."""
    lookups = shop.world.journeys.verification_lookups
    latest = run(lookups.latest(to, shop.app, shop.backend, Action.CHECK))
    live = run(lookups.live(to, shop.app, shop.backend, Action.READ))
    return latest, live


def test_a_contact_finds_its_verification() -> None:
    """A contact in any form names the latest verification for the default purpose."""
    shop = Shop()
    begun(shop, purpose="login_verification")
    begun(shop, subject="4711")
    assert named(shop) == (NotFound(), NotFound())
    verification_id, _ = begun(shop)
    assert named(shop, "98765 43210") == (verification_id, verification_id)
    assert named(shop, OTHER_PHONE) == (NotFound(), NotFound())
    assert named(shop, "not a number") == (NotFound(), NotFound())
    shop.cancel(verification_id)
    assert named(shop) == (verification_id, Over(Status.CANCELED, SOON))


def test_a_contact_of_a_kind_without_a_purpose() -> None:
    """An app that has no default purpose for a kind of contact has nothing to find."""
    shop_ = shop(default_purposes={})
    assert named(shop_) == (NotFound(), NotFound())


def test_a_contact_that_is_not_there_is_audited() -> None:
    """A request for the verification of a contact leaves one row if there is none to judge."""
    shop = Shop()
    named(shop)
    told = [(row.facts.action, row.outcome) for row in shop.world.audit.rows]
    assert told == [
        (Action.CHECK, "verification_not_found"),
        (Action.READ, "verification_not_found"),
    ]
    begun(shop)
    shop.world.clock.advance(10 * MINUTE)
    rows = len(shop.world.audit.rows)
    assert named(shop)[1] == Over(Status.EXPIRED, after(START, 10 * MINUTE))
    told = [(row.facts.action, row.outcome) for row in shop.world.audit.rows[rows:]]
    assert told == [(Action.READ, "otp_expired")]


def test_a_verification_whose_rows_are_gone() -> None:
    """A live code whose verification has been erased is nobody's."""
    shop = Shop()
    verification_id, _ = begun(shop)
    del shop.world.audit.verifications[verification_id]
    assert named(shop) == (verification_id, NotFound())


def test_a_look_for_an_answer() -> None:
    """It tells how a verification stands, and with `live` how it has ended; it leaves no row."""
    shop = Shop()
    verification_id, code = begun(shop)
    lookups, rows = shop.world.journeys.verification_lookups, len(shop.world.audit.rows)
    view = run(lookups.look(verification_id, shop.backend, live=True))
    assert isinstance(view, View)
    assert view == shop.found(verification_id).view
    assert [one.channel for one in run(lookups.sends_of(view.verification))] == [view.channel]
    for _ in range(3):
        shop.check(verification_id, other_than(code))
    assert run(lookups.look(verification_id, shop.backend, live=True)) == Exhausted(SOON)
    assert run(lookups.look(verification_id, shop.backend, live=False)) == (
        shop.found(verification_id).view
    )
    shop.world.clock.advance(10 * MINUTE)
    other, _ = begun(shop)
    shop.cancel(other)
    ended = after(START, 10 * MINUTE + 30 * SECOND)
    assert run(lookups.look(other, shop.backend, live=True)) == Over(Status.CANCELED, ended)
    assert run(lookups.look("nobody's", shop.backend, live=False)) == NotFound()
    looks = [row for row in shop.world.audit.rows[rows:] if row.facts.action is Action.READ]
    assert len(looks) == 2


def test_the_digits_of_an_app() -> None:
    """They are those of the codes that it sends to numbers when no purpose is named."""
    numbers = {Purpose.PHONE_VERIFICATION: PurposeNumbers(digits=4)}
    shop_ = shop(purposes=numbers)
    assert shop_.world.journeys.verification_lookups.digits(shop_.app) == 4
