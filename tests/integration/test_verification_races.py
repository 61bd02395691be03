"""Several processes over one database verify for an app's backend: docs/contract.md."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator

import attrs
import pytest

from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.instant import DAY
from hsp_otp.domain.test_contacts import KeptTestContact
from tests.backend import TEST_CODE
from tests.integration.racers import RACING, Call, Racers
from tests.integration.stores import SHARED, SQLITE
from tests.integration.test_test_contacts import add_apps, managing_over
from tests.world import other_than

ROUNDS = int(os.environ.get("RACE_ROUNDS", "2"))
"""Of every race; the soak asks for a hundred."""

TEST_NUMBER = "+919899999999"

pytestmark = pytest.mark.timeout(120 + 10 * ROUNDS)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((kind, processes), id=f"{kind.name}-{processes}")
        for kind in SHARED
        for processes in (2, 4)
        if "RACE_ROUNDS" in os.environ or processes == 4 or kind is SQLITE
    ],
)
def racers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Racers]:
    """Two processes, and four, over a new database with a test contact."""
    kind, processes = request.param
    folder = tmp_path_factory.mktemp("races")

    async def make() -> None:
        async with kind.open(folder) as stores:
            await add_apps(stores.apps, RACING)
            managing = attrs.evolve(managing_over(stores), clock=SystemClock())
            contact = Contact(ContactKind.PHONE, TEST_NUMBER)
            added = await managing.add(RACING, contact, Code(TEST_CODE), DAY, "a race")
            assert isinstance(added, KeptTestContact)

    asyncio.run(make())
    with Racers(kind, folder, processes) as found:
        yield found


def start(person: int, key: str | None = None) -> Call:
    """A start for that person; every other one is reached by e-mail."""
    to = f"ann{person}@example.com" if person % 2 else f"+9198{person:08d}"
    return Call(step="start", client="", to=to, key=key)


def begun(racers: Racers, person: int) -> Call:
    """A verification of that person, and the call that presents its code."""
    sent = racers.alone(start(person))
    (verification_id,), (digits,) = sent.verifications, sent.codes
    call = start(person)
    return attrs.evolve(call, step="check", verification_id=verification_id, digits=digits)


def successes(words: list[str]) -> Counter[str]:
    """The words, in which a success counts the same when its repetition was told of it."""
    return Counter("verified" if word == "verified_again" else word for word in words)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_fifty_right_checks_one_is_approved(racers: Racers, number: int) -> None:
    """Of fifty right codes at the same instant, with fifty keys, exactly one succeeds."""
    right = begun(racers, 8 * number)
    calls = [attrs.evolve(right, key=f"check-{number}-{place}") for place in range(50)]
    assert Counter(racers.race(calls).words) == {"verified": 1, "otp_expired": 49}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_fifty_checks_with_one_key_one_is_first(racers: Racers, number: int) -> None:
    """Fifty repetitions of one right check all succeed, and one alone is the first."""
    right = attrs.evolve(begun(racers, 8 * number + 1), key=f"same-{number}")
    assert Counter(racers.race([right] * 50).words) == {"verified": 1, "verified_again": 49}
    assert racers.alone(attrs.evolve(right, key=None)).words == ["otp_expired"]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_many_receipts_one_sends_the_code_again(racers: Racers, number: int) -> None:
    """
    Of sixteen receipts of a message that does not arrive, one makes a call; of sixteen more, none.

    The code is the same, and one of eight right checks at the same time succeeds. Each has a key,
    so that it can be repeated when a busy store does not answer.
    """
    right = begun(racers, 10_000 + 8 * number)
    receipt = attrs.evolve(right, step="receipt")
    told = racers.race([receipt] * 16)
    assert (told.words, told.codes) == (["noted"] * 16, [right.digits])
    checks = [attrs.evolve(right, key=f"lost-{number}-{place}") for place in range(8)]
    told = racers.race([receipt] * 16 + checks)
    assert told.codes == []
    assert successes(told.words) == {"noted": 16, "verified": 1, "otp_expired": 7}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_code_that_is_right_is_sent_nowhere(racers: Racers, number: int) -> None:
    """Receipts and a right check race: the code is sent again at most once, and then not at all."""
    right = begun(racers, 20_000 + 8 * number)
    receipt = attrs.evolve(right, step="receipt")
    told = racers.race([receipt] * 8 + [attrs.evolve(right, key=f"nowhere-{number}")])
    assert len(told.codes) <= 1
    assert successes(told.words) == {"noted": 8, "verified": 1}
    assert racers.alone(receipt).codes == []


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_test_contact_is_approved_once(racers: Racers, number: int) -> None:
    """Of sixteen starts none sends a message; of sixteen right checks exactly one succeeds."""
    started = attrs.evolve(start(0), to=TEST_NUMBER)
    told = racers.race([attrs.evolve(started, key=f"test-{number}")] * 8 + [started] * 8)
    assert (Counter(told.words)["sent"], told.codes) == (9, [])
    (verification_id,) = {*told.verifications}
    check = attrs.evolve(
        started, step="check", verification_id=verification_id, digits=TEST_CODE, key=None
    )
    assert Counter(racers.race([check] * 16).words) == {"verified": 1, "otp_expired": 15}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_fifty_wrong_checks_three_are_judged(racers: Racers, number: int) -> None:
    """Of fifty wrong codes at the same instant exactly three are judged; then none is right."""
    right = begun(racers, 8 * number + 2)
    wrong = attrs.evolve(right, digits=other_than(right.digits))
    assert Counter(racers.race([wrong] * 50).words) == {"invalid_otp": 3, "too_many_attempts": 47}
    assert racers.alone(right).words == ["too_many_attempts"]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_forty_starts_with_one_key_one_makes_a_message(racers: Racers, number: int) -> None:
    """Forty starts with one idempotency key make one message, and none of them is refused."""
    asked = start(8 * number + 3, key=f"start-{number}")
    result = racers.race([asked] * 40)
    words = Counter(result.words)
    assert words.pop("sent") == 1
    assert set(words) <= {"replayed", "idempotency_in_progress"}
    assert len(result.codes) == 1
    again = racers.race([asked] * 8)
    assert again.words == ["replayed"] * 8
    assert set(again.verifications) == set(result.verifications)
    assert len(set(again.verifications)) == 1


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_forty_starts_of_one_slot_one_makes_a_message(racers: Racers, number: int) -> None:
    """Forty starts with forty keys for one slot make one message; 39 are asked to wait."""
    calls = [start(8 * number + 4, key=f"key-{number}-{place}") for place in range(40)]
    result = racers.race(calls)
    assert Counter(result.words) == {"sent": 1, "resend_too_soon": 39}
    assert len(result.codes) == 1


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_forty_numbers_with_one_key_one_gets_a_message(racers: Racers, number: int) -> None:
    """Forty starts for forty numbers with one key make one message; the others do not match it."""
    calls = [start(1000 + 40 * number + place, key=f"many-{number}") for place in range(40)]
    result = racers.race(calls)
    words = Counter(result.words)
    assert words.pop("sent") == 1
    assert set(words) <= {"idempotency_mismatch", "idempotency_in_progress"}
    assert len(result.codes) == 1
    assert Counter(racers.race(calls).words) == {"replayed": 1, "idempotency_mismatch": 39}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_forty_tags_of_one_mailbox_ten_get_messages(racers: Racers, number: int) -> None:
    """Forty starts for forty tags of one mailbox make as many messages as it may get in a day."""
    of_mailbox = [f"Many{number}+{place}@example.com" for place in range(40)]
    calls = [attrs.evolve(start(0), to=address) for address in of_mailbox]
    result = racers.race(calls)
    assert Counter(result.words) == {"sent": 10, "email_rate_limited": 30}
    assert len(result.codes) == 10


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_cancellation_races_with_the_right_code(racers: Racers, number: int) -> None:
    """Either the code is right and nothing is canceled, or it is canceled and never right."""
    right = begun(racers, 8 * number + 5)
    cancel = attrs.evolve(right, step="cancel")
    words = Counter(racers.race([right, cancel] * 4).words)
    if words["verified"]:
        assert words == {"verified": 1, "otp_expired": 7}
    else:
        assert words == {"canceled": 4, "otp_expired": 4}
