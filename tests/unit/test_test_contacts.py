"""Test contacts: adding them, and verifying them for an app (docs/contract.md, 13.10)."""

import pickle

import attrs
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from hsp_otp.adapters.instrumentation.ports import Watch
from hsp_otp.adapters.prometheus.metrics import Metrics
from hsp_otp.domain.apps import AppLimits
from hsp_otp.domain.audit import Action
from hsp_otp.domain.challenge_outcomes import Exhausted, Locked, WrongCode
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import DAY, MINUTE, SECOND, after
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.quota import Limit, Quota, Refusal
from hsp_otp.domain.test_contacts import KeptTestContact, NotAdded, fixed_code, is_guessable
from hsp_otp.domain.verification_record import Status
from hsp_otp.flows.verification_outcomes import (
    Canceled,
    Mismatch,
    Over,
    Refused,
    Sent,
    Success,
)
from tests.backend import TEST_CODE, Shop, other_app, shop
from tests.observed import Observed
from tests.world import CLIENT, OTHER_PHONE, PHONE, START, World, other_than, ring

WRONG = other_than(TEST_CODE)


def tried(**given: object) -> Shop:
    """A shop with a test contact."""
    found = Shop(**given)  # type: ignore[arg-type]
    assert isinstance(found.add_test_contact(), KeptTestContact)
    return found


def approved(told: Shop, **given: object) -> Success:
    """Start a verification of the test contact, and check its code, which has to be right."""
    outcome = told.check(told.sent(**given).view.verification.id, TEST_CODE)  # type: ignore[arg-type]
    assert isinstance(outcome, Success)
    return outcome


# --- Adding and removing


@pytest.mark.parametrize(
    "digits",
    [
        *("000000", "123456", "987654", "890123", "024680", "121212", "123123"),
        *("112233", "111222", "1122", "5555", "4321", "12345678", "1234512345"),
    ],
)
def test_what_people_try_first_is_guessable(digits: str) -> None:
    """Runs, repeats and both are guessable."""
    assert is_guessable(digits)


@pytest.mark.parametrize("digits", ["404042", "123457", "100000", "8372", "112234", "1213121"])
def test_other_codes_are_not_guessable(digits: str) -> None:
    """A code that is neither is not guessable."""
    assert not is_guessable(digits)


def test_a_guessable_code_is_never_drawn() -> None:
    """A guessable code is drawn again."""

    class Numbers:
        """Numbers in order."""

        def __init__(self) -> None:
            self.left = [0, 111_111, 123_456, 7_000_042]

        def draw(self, count: int) -> bytes:
            """Keep the promise of `Randomness.draw`."""
            return self.left.pop(0).to_bytes(count, "big")

    managing = attrs.evolve(Shop().managing, randomness=Numbers())
    assert managing.draw_code(6).reveal() == "000042"


def test_what_is_stored_of_a_test_contact() -> None:
    """Its number is masked, its code is a keyed hash, and the audit has the reason."""
    told = Shop()
    kept = told.add_test_contact(lifetime=14 * DAY)
    assert isinstance(kept, KeptTestContact)
    assert (kept.contact, kept.digits, kept.app_id) == ("***-***-3210", 6, told.app.id)
    assert (kept.added_at, kept.ends_at) == (START, after(START, 14 * DAY))
    assert kept.digest.hex() not in repr(kept)
    stored = pickle.dumps(attrs.asdict(kept)).decode("latin-1")
    assert TEST_CODE not in stored
    assert PHONE not in stored
    (row,) = told.world.audit.rows
    assert (row.facts.action, row.outcome, row.facts.reason) == (
        Action.TEST_CONTACT,
        "added",
        "a review",
    )
    assert (row.facts.app, row.facts.contact, row.facts.flow) == ("shop", "***-***-3210", None)


def test_a_contact_that_has_proved_itself_is_refused() -> None:
    """A contact to which a code of that app was sent and was right never becomes one there."""
    told = Shop()
    sent = told.sent()
    told.check(sent.view.verification.id, told.world.outbox.codes[-1])
    assert told.add_test_contact() is NotAdded.PROVED
    told.app = other_app("club")
    assert isinstance(told.add_test_contact(), KeptTestContact)


def test_a_test_contact_proves_nothing() -> None:
    """A success of a test contact does not keep it from being added again."""
    told = tried()
    approved(told)
    assert isinstance(told.remove_test_contact(), KeptTestContact)
    assert isinstance(told.add_test_contact(), KeptTestContact)


def test_a_proof_of_the_same_moment_ends_a_test_contact() -> None:
    """A contact that proves itself while it is added stays an ordinary one."""
    told = tried()
    (kept,) = told.world.test_contacts.stored
    told.world.audit.proved[told.app.id, kept.fingerprint] = START
    assert not told.sent().view.verification.test
    assert len(told.world.outbox.sent) == 1


def test_the_contact_of_a_user_is_refused() -> None:
    """A contact of a user of a pass never becomes a test contact."""
    told = Shop()
    told.world.test_contacts.numbers.add(PHONE)
    assert told.add_test_contact() is NotAdded.OF_USER


def test_there_are_ten_of_an_app() -> None:
    """The eleventh living one of an app is refused; ended ones do not count."""
    told = Shop()
    for number in range(10):
        told.add_test_contact(f"+9198765432{number:02}", lifetime=DAY + number)
    assert told.add_test_contact(OTHER_PHONE) is NotAdded.TOO_MANY
    told.world.clock.advance(DAY)
    assert isinstance(told.add_test_contact(OTHER_PHONE), KeptTestContact)


def test_a_living_one_stays_as_it_is() -> None:
    """Adding a test contact again is refused until it has ended."""
    told = tried()
    assert told.add_test_contact(code="909042") is NotAdded.STANDS
    told.world.clock.advance(DAY)
    assert isinstance(told.add_test_contact(code="909042"), KeptTestContact)
    assert len(told.world.test_contacts.stored) == 1


def test_removing_an_ordinary_contact_changes_nothing() -> None:
    """What is no test contact cannot be removed, and leaves no row."""
    told = tried()
    assert told.remove_test_contact(OTHER_PHONE) is None
    assert isinstance(told.remove_test_contact(), KeptTestContact)
    assert told.remove_test_contact() is None
    assert [row.outcome for row in told.world.audit.rows] == ["added", "removed"]


def test_an_ended_one_is_cleared_away() -> None:
    """Removing a test contact that has ended deletes it, and says that there was none."""
    told = tried()
    told.world.clock.advance(DAY)
    assert told.remove_test_contact() is None
    assert told.world.test_contacts.stored == ()


def test_a_test_contact_ends_with_its_secret_key() -> None:
    """Without the key that made its digest, a test contact is an ordinary contact."""
    told = tried()
    (kept,) = told.world.test_contacts.stored
    fingerprints, other = (kept.fingerprint,), ring("test codes", "k2")
    both = KeyRing((*other.keys, *ring("test codes").keys))
    assert fixed_code([kept], fingerprints, other, START) is None
    found = fixed_code([kept], fingerprints, both, START)
    assert found is not None
    assert (found.matches(Code(TEST_CODE)), found.matches(Code(WRONG))) == (True, False)
    assert kept.digest.hex() not in repr(found)


# --- Verifying


def test_a_reviewer_signs_in_thrice_without_a_message() -> None:
    """The code is right once for each verification, which sends nothing and knows no cooldown."""
    told = tried()
    successes = [approved(told) for _ in range(3)]
    assert len({one.verification.id for one in successes}) == 3
    assert all(one.verification.test for one in successes)
    assert told.check(successes[0].verification.id, TEST_CODE) == Over(Status.APPROVED, START)
    assert told.world.outbox.sent == []
    found = told.found(successes[0].verification.id)
    assert found.sends == []
    assert [(event.event, event.outcome) for event in found.events] == [
        ("send", "not_sent"),
        ("test_contact", "check"),
        ("check", "test_verified"),
        ("test_contact", "check"),
        ("check", "otp_expired"),
    ]


def test_no_limit_on_sends_counts_a_test_contact() -> None:
    """Neither the contact, the app, the client nor a named limit is charged, nor refuses."""
    told = shop(
        policy=Policy(contact_sends=Quota(1, DAY)),
        limits=AppLimits(sends_per_minute=1, sends_per_client_hour=1),
        named_limits={"user": (Quota(1, DAY),)},
    )
    told.add_test_contact()
    for _ in range(4):
        told.sent(limits={"user": "4711"})
        assert told.standing().prospects.limits == ()  # type: ignore[union-attr]
    assert isinstance(told.start(OTHER_PHONE, limits={"user": "4711"}), Sent)


def test_no_sender_is_needed() -> None:
    """A test contact can be verified while every sender is being skipped."""
    told = tried()
    told.world.outbox.skipped = True
    approved(told)


def test_a_limit_apart_does_not_count_it() -> None:
    """A limit a minute that is judged before the slot does not count a test contact either."""
    told = shop(limits=AppLimits(sends_per_minute=601))
    told.add_test_contact()
    told.sent()
    assert told.world.charged("app_sends", told.app.id) == 0


def test_guesses_are_judged_as_for_everybody() -> None:
    """The fourth guess is refused; then the right code is, too, and a new start has three more."""
    told = tried()
    first = told.sent().view.verification.id
    outcomes = [told.check(first, WRONG) for _ in range(3)]
    assert outcomes == [WrongCode(left, START) for left in (2, 1, 0)]
    assert told.check(first, TEST_CODE) == Exhausted(START)
    approved(told)


def test_users_share_the_lock_of_a_test_contact() -> None:
    """Guesses at a fixed code count together, whichever user the backend names."""
    told = tried()
    for user in range(5):
        verification = told.sent(subject=f"user-{user}").view.verification
        for _ in range(3):
            told.check(verification.id, WRONG)
    locked = told.start(subject="user-6")
    assert isinstance(locked, Refused)
    assert isinstance(locked.why, Locked)


def test_a_code_is_bound_to_its_user() -> None:
    """A start for another user replaces the verification; one for the same user is the same."""
    told = tried()
    first = told.sent(subject="one").view.verification
    again = told.sent(subject="one")
    assert (again.resent, again.view.verification.id) == (True, first.id)
    second = told.sent(subject="two")
    assert (second.resent, second.view.verification.subject) == (False, "two")
    assert told.check(first.id, TEST_CODE) == Over(Status.REPLACED, START)
    assert isinstance(told.check(second.view.verification.id, TEST_CODE), Success)


def test_the_limit_on_checks_holds() -> None:
    """Checks from one client are limited as for everybody."""
    told = shop(limits=AppLimits(checks_per_client_hour=1))
    told.add_test_contact()
    first = told.sent().view.verification.id
    assert isinstance(told.check(first, WRONG, client=CLIENT), WrongCode)
    refused = told.check(first, TEST_CODE, client=CLIENT)
    assert isinstance(refused, Refusal)
    assert refused.limit is Limit.CLIENT
    assert told.world.audit.rows[-1].facts.charged == ()
    charged = [row.facts.action for row in told.world.audit.rows if row.facts.charged]
    assert charged == [Action.CHECK]


def test_another_code_and_another_contact_are_wrong() -> None:
    """The code is wrong with another contact, and it is wrong for others."""
    told = tried()
    first = told.sent().view.verification.id
    assert told.check(first, TEST_CODE, to=OTHER_PHONE) == WrongCode(2, START)
    told.world.clock.advance(MINUTE)
    other = told.sent(OTHER_PHONE).view.verification
    assert not other.test
    assert isinstance(told.check(other.id, TEST_CODE), WrongCode)


def test_it_has_the_digits_of_its_code() -> None:
    """A verification has as many digits as the code of the test contact."""
    told = Shop()
    told.add_test_contact(code="40404242")
    verification = told.sent().view.verification
    assert verification.digits == 8
    assert isinstance(told.check(verification.id, "40404242"), Success)


def test_a_resend_sends_nothing() -> None:
    """A verification of a test contact can be sent again at once, and nothing is sent."""
    told = tried()
    first = told.sent().view.verification
    again = told.resend(first.id)
    assert isinstance(again, Sent)
    assert (again.resent, again.view.verification.id) == (True, first.id)
    assert again.view.channel is Channel.SMS
    assert told.world.outbox.sent == []


def test_a_test_contact_can_be_canceled() -> None:
    """Cancelling ends a verification of a test contact."""
    told = tried()
    first = told.sent().view.verification
    assert isinstance(told.cancel(first.id), Canceled)
    assert told.check(first.id, TEST_CODE) == Over(Status.CANCELED, START)


def test_an_idempotency_key_holds() -> None:
    """A start with the key of an earlier one is that one at once, also a day later."""
    told = tried()
    first = told.sent(key="k").view.verification
    again = told.sent(key="k")
    assert (again.replayed, again.view.verification.id) == (True, first.id)
    told.world.clock.advance(DAY - SECOND)
    assert told.sent(key="k").view.status is Status.EXPIRED
    assert told.start(key="k", purpose="password_reset") == Mismatch()


def test_a_success_is_told_again() -> None:
    """The check whose code was right is told again under its key; another code ends that."""
    told = tried()
    first = told.sent().view.verification.id
    for replayed in (False, True):
        success = told.check(first, TEST_CODE, key="k")
        assert isinstance(success, Success)
        assert success.replayed is replayed
    assert told.check(first, WRONG, key="k") == Over(Status.APPROVED, START)
    assert told.check(first, TEST_CODE, key="k") == Over(Status.APPROVED, START)


def test_a_proof_says_that_it_is_of_a_test() -> None:
    """The proof of a test contact says so."""
    told = shop(proof_audience="acme-shop")
    told.add_test_contact()
    approved(told)
    assert [proof.test for proof in told.world.proofs.of_apps] == [True]


def test_every_use_is_audited() -> None:
    """A row of its own says of each start, resend and check that a test contact is used."""
    told = tried()
    first = told.sent().view.verification.id
    told.resend(first)
    told.check(first, WRONG)
    told.check(first, TEST_CODE)
    used = [row for row in told.world.audit.rows if row.facts.action is Action.TEST_CONTACT][1:]
    assert [row.outcome for row in used] == ["send", "send", "check", "check"]
    assert {(row.facts.app, row.facts.contact, row.folds) for row in used} == {
        ("shop", "***-***-3210", False)
    }
    assert [row.facts.verification_id for row in used] == [None, first, first, first]


def test_every_use_is_a_warning() -> None:
    """The log warns of each use, without the number and the code."""
    told = tried(world=Observed())
    with capture_logs() as logged:
        told.check(told.sent().view.verification.id, TEST_CODE)
    event = {"event": "test_contact_used", "log_level": "warning", "app": "shop"}
    assert logged == [event | {"request": "send"}, event | {"request": "check"}]


def test_every_use_is_counted_apart() -> None:
    """The counter of an app's requests tells uses of test contacts apart from successes."""
    registry = CollectorRegistry()
    told = tried(world=Observed(watch=Watch(counts=Metrics(registry))))
    told.check(told.sent().view.verification.id, TEST_CODE)

    def count(request: str, outcome: str) -> float | None:
        labels = {"app": "shop", "request": request, "outcome": outcome}
        return registry.get_sample_value("hsp_otp_app_requests_total", labels)

    assert (count("test_contact", "send"), count("test_contact", "check")) == (1, 1)
    assert (count("send", "not_sent"), count("check", "test_verified")) == (1, 1)
    assert count("check", "verified") is None
    flow = {"flow": "verification"}
    assert not registry.get_sample_value("hsp_otp_time_to_verify_seconds_count", flow)


# --- Its end


@pytest.mark.parametrize("removed", [True, False])
def test_after_its_end_it_is_an_ordinary_contact(*, removed: bool) -> None:
    """From its end on its code is wrong, what it has begun has expired, and messages are sent."""
    told = Shop()
    told.add_test_contact(lifetime=SECOND)
    first = told.sent(subject="one").view.verification
    if removed:
        told.remove_test_contact()
    told.world.clock.advance(SECOND - 1)
    before = told.check(first.id, WRONG)
    assert isinstance(before, Over if removed else WrongCode)
    told.world.clock.advance(1)
    uses = _uses(told.world)
    assert told.check(first.id, TEST_CODE) == Over(Status.EXPIRED, told.world.clock.now())
    assert told.resend(first.id) == Over(Status.EXPIRED, told.world.clock.now())
    view = told.found(first.id).view
    assert (view.status, view.attempts_remaining) == (Status.EXPIRED, 0)
    assert view.updated_at == told.world.clock.now()
    second = told.sent().view.verification
    assert not second.test
    assert told.check(second.id, TEST_CODE) == WrongCode(2, after(second.created_at, 30 * SECOND))
    assert isinstance(told.check(second.id, told.world.outbox.codes[-1]), Success)
    assert _uses(told.world) == uses


def test_what_was_sent_before_does_not_succeed() -> None:
    """A code that was sent to an ordinary contact dies when that becomes a test contact."""
    told = Shop()
    first = told.sent().view.verification
    told.add_test_contact()
    code = told.world.outbox.codes[-1]
    assert told.check(first.id, code) == Over(Status.EXPIRED, START)
    second = told.sent()
    assert (second.resent, second.view.verification.test) == (False, True)
    assert told.check(second.view.verification.id, TEST_CODE) != WrongCode(2, START)


def _uses(world: World) -> int:
    return sum(row.facts.action is Action.TEST_CONTACT for row in world.audit.rows)
