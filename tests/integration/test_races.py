"""Several processes over one database, by the real flows: docs/contract.md, 2.5 to 2.7 and 3."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import pytest

from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, HOUR, after
from hsp_otp.domain.lanes import Devices, Lane, device_token
from hsp_otp.domain.names import ClientAddress, PassCode
from hsp_otp.domain.passes import Pass, PaymentStatus, User
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.send_limits import Sent, charged_keys
from hsp_otp.domain.slot_record import Held, SlotRecord
from tests.e2e.server import until
from tests.integration.racers import Call, Racers, start_counting
from tests.integration.stores import RINGS, SHARED, SQLITE, Kind
from tests.world import other_than, slot_of

ROUNDS = int(os.environ.get("RACE_ROUNDS", "2"))
"""Of every race; the soak asks for a hundred."""

SOAKING = "RACE_ROUNDS" in os.environ

PAIRS = [
    (kind, processes)
    for kind in SHARED
    for processes in (2, 4)
    if SOAKING or processes == 4 or kind is SQLITE
]
"""Of every kind of store and a number of processes over it; a short run has fewer."""

pytestmark = pytest.mark.timeout(120 + 10 * ROUNDS)


def pass_of(person: int) -> str:
    """Everybody has a pass."""
    return f"HSP-{person // 10_000:04d}-{person % 10_000:04d}"


def address(number: int) -> str:
    """Everybody has an address, in a network of its own."""
    return f"10.{number & 255}.{number >> 8 & 255}.{number >> 16 & 255}"


async def _fill(kind: Kind, folder: Path) -> None:
    await _store(kind, folder, {person: f"+9198{person:08d}" for person in range(4 * ROUNDS)})


async def _store(kind: Kind, folder: Path, phones: Mapping[int, str]) -> None:
    async with kind.open(folder) as stores:
        for person, phone in phones.items():
            holder = User(id=f"u{person}", email=f"u{person}@example.com", phone=PhoneNumber(phone))
            await stores.add(
                Pass(code=PassCode(pass_of(person)), user=holder, payment_status=PaymentStatus.PAID)
            )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((kind, processes), id=f"{kind.name}-{processes}") for kind, processes in PAIRS
    ],
)
def racers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Racers]:
    """Two processes, and four, over a database with four people for every round."""
    kind, processes = request.param
    folder = tmp_path_factory.mktemp("races")
    asyncio.run(_fill(kind, folder))
    with Racers(kind, folder, processes) as found:
        yield found


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_forty_right_codes_one_wins(racers: Racers, number: int) -> None:
    """Of forty right codes at the same instant exactly one succeeds, and the rest find it used."""
    code, client = pass_of(4 * number), address(4 * number)
    (digits,) = racers.alone(Call(step="send", pass_code=code, client=client)).codes
    call = Call(step="verify", pass_code=code, client=client, digits=digits)
    assert Counter(racers.race([call] * 40).words) == {"verified": 1, "otp_expired": 39}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_forty_right_codes_of_a_browser_two_win(racers: Racers, number: int) -> None:
    """Of forty at the same instant one succeeds and one answer may be lost; others get nothing."""
    person = 70_000_000 + number
    asyncio.run(_store(racers.kind, racers.folder, {person: f"+9197{number:08d}"}))
    code, client = pass_of(person), address(900_000 + number)
    (digits,) = racers.alone(Call(step="send", pass_code=code, client=client)).codes
    own = Call(step="verify", pass_code=code, client=client, digits=digits, browser="own")
    assert Counter(racers.race([own] * 40).words) == {"verified": 2, "otp_expired": 38}
    others = [attrs.evolve(own, browser=browser) for browser in (None, "another", "own")]
    assert racers.race(others * 2).words == ["otp_expired"] * 6


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_forty_exchanges_one_wins(racers: Racers, number: int) -> None:
    """
    Of forty exchanges of one code at the same instant one succeeds, and the second one ends the
    family, so that a code which was stolen is good for nothing.
    """
    person = 63_000_000 + number
    asyncio.run(_store(racers.kind, racers.folder, {person: f"+9194{number:08d}"}))
    code, client = pass_of(person), address(960_000 + number)
    (digits,) = racers.alone(Call(step="send", pass_code=code, client=client)).codes
    right = Call(step="lead back", pass_code=code, client=client, digits=digits)
    result = racers.race([right] * 40)
    assert Counter(result.words) == {"verified": 1, "otp_expired": 39}
    (handed,) = result.handed
    exchange = Call(step="exchange", pass_code=code, client=client, handed=handed)
    assert Counter(racers.race([exchange] * 40).words) == {
        "exchanged": 1,
        "code_reused": 1,
        "invalid_code": 38,
    }
    assert racers.alone(exchange).words == ["invalid_code"]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_forty_wrong_codes_three_are_judged(racers: Racers, number: int) -> None:
    """Of forty wrong codes at the same instant exactly three are judged; then none is right."""
    code, client = pass_of(4 * number + 1), address(4 * number + 1)
    (digits,) = racers.alone(Call(step="send", pass_code=code, client=client)).codes
    wrong = Call(step="verify", pass_code=code, client=client, digits=other_than(digits))
    assert Counter(racers.race([wrong] * 40).words) == {"invalid_otp": 3, "too_many_attempts": 37}
    right = Call(step="verify", pass_code=code, client=client, digits=digits)
    assert racers.alone(right).words == ["too_many_attempts"]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_twenty_asks_one_makes_a_message(racers: Racers, number: int) -> None:
    """
    Twenty clients that ask for one pass at once make one message; its code works for the one that
    was admitted.
    """
    code = pass_of(4 * number + 2)
    clients = [address(100_000 + 20 * number + caller) for caller in range(20)]
    calls = [Call(step="send", pass_code=code, client=client) for client in clients]
    result = racers.race(calls)
    assert Counter(result.words) == {"sent": 1, "resend_too_soon": 19}
    (digits,) = result.codes
    checks = [attrs.evolve(call, step="verify", digits=digits) for call in calls]
    assert Counter(racers.race(checks).words) == {"verified": 1, "otp_expired": 19}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_quota_of_a_client_is_met_exactly(racers: Racers, number: int) -> None:
    """A hundred and fifty look-ups of one client at the same instant: 120 are admitted."""
    code, client = pass_of(4 * number + 3), address(200_000 + number)
    call = Call(step="validate", pass_code=code, client=client)
    assert Counter(racers.race([call] * 150).words) == {"valid": 120, "lookup_rate_limited": 30}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_quota_of_a_number_is_met_exactly(racers: Racers, number: int) -> None:
    """Forty people who share a number ask at the same instant: the seven messages of strangers."""
    family = range(50_000_000 + 40 * number, 50_000_040 + 40 * number)
    phones = dict.fromkeys(family, f"+9196{number:08d}")
    asyncio.run(_store(racers.kind, racers.folder, phones))
    calls = [
        Call(step="send", pass_code=pass_of(person), client=address(600_000 + 40 * number + place))
        for place, person in enumerate(family)
    ]
    result = racers.race(calls)
    assert Counter(result.words) == {"sent": 7, "phone_rate_limited": 33}
    assert len(result.codes) == 7


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_share_of_a_network_is_met_exactly(racers: Racers, number: int) -> None:
    """Forty people of one network who share a number ask at the same instant: three messages."""
    family = range(80_000_000 + 40 * number, 80_000_040 + 40 * number)
    asyncio.run(_store(racers.kind, racers.folder, dict.fromkeys(family, f"+9195{number:08d}")))
    network = address(950_000 + number).removesuffix(".14")
    calls = [
        Call(step="send", pass_code=pass_of(person), client=f"{network}.{place}")
        for place, person in enumerate(family)
    ]
    assert Counter(racers.race(calls).words) == {"sent": 3, "phone_rate_limited": 37}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_quota_of_a_clients_sends_is_met_exactly(racers: Racers, number: int) -> None:
    """Forty numbers of one client ask at the same instant: five messages."""
    client = address(800_000 + number)
    calls = [
        Call(step="send", phone=number_of(200_000 + 40 * number + place), client=client)
        for place in range(40)
    ]
    assert Counter(racers.race(calls).words) == {"sent": 5, "rate_limited": 35}


# Signup


def number_of(person: int) -> str:
    """A number of nobody with a pass."""
    return f"+9197{person:08d}"


def signed_up(racers: Racers, person: int) -> Call:
    """A session of *person*, and the call that presents its code."""
    phone, client = number_of(person), address(300_000 + person)
    sent = racers.alone(Call(step="send", phone=phone, client=client))
    (session_id,), (digits,) = sent.sessions, sent.codes
    return Call(step="verify", phone=phone, client=client, session_id=session_id, digits=digits)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_fifty_right_codes_one_proves(racers: Racers, number: int) -> None:
    """Of fifty right codes in one session at the same instant exactly one gives a proof."""
    right = signed_up(racers, 8 * number)
    result = racers.race([right] * 50)
    words = Counter(result.words)
    assert words["verified"] == 1
    assert words["otp_expired"] + words["already_verified"] == 49
    assert result.proofs == [(right.session_id, right.phone)]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_fifty_wrong_codes_in_a_session_three_are_judged(racers: Racers, number: int) -> None:
    """Of fifty wrong codes in one session exactly three are judged; then none is right."""
    right = signed_up(racers, 8 * number + 1)
    result = racers.race([attrs.evolve(right, digits=other_than(right.digits))] * 50)
    assert Counter(result.words) == {"invalid_otp": 3, "too_many_attempts": 47}
    after = racers.alone(right)
    assert (after.words, after.proofs) == (["too_many_attempts"], [])


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_twenty_new_sessions_one_makes_a_message(racers: Racers, number: int) -> None:
    """Twenty clients that begin a signup of one number at once: one session, one message."""
    phone = number_of(8 * number + 2)
    clients = [address(400_000 + 20 * number + caller) for caller in range(20)]
    result = racers.race([Call(step="send", phone=phone, client=client) for client in clients])
    assert Counter(result.words) == {"sent": 1, "resend_too_soon": 19}
    (session_id,), (digits,) = result.sessions, result.codes
    right = Call(
        step="verify", phone=phone, client=clients[0], session_id=session_id, digits=digits
    )
    assert racers.alone(right).proofs == [(session_id, phone)]


@pytest.mark.parametrize("number", range(3 * ROUNDS))
def test_a_correction_races_with_the_right_code(racers: Racers, number: int) -> None:
    """
    A number is corrected while its code is presented: one of them wins.

    Either the old number is proved and no code goes to the new one, or the session has the new
    number and nothing proves the old one.
    """
    right = signed_up(racers, 100_000 + 2 * number)
    wanted = number_of(100_001 + 2 * number)
    correction = Call(step="send", phone=wanted, client=right.client, session_id=right.session_id)
    result = racers.race([right, correction, correction, right])
    words = Counter(result.words)
    if words["verified"]:
        assert words["verified"] == 1
        assert result.proofs == [(right.session_id, right.phone)]
        assert (result.codes, words["sent"]) == ([], 0)
        assert racers.alone(correction).words == ["already_verified"]
    else:
        assert (result.proofs, words["sent"]) == ([], 1)
        (digits,) = result.codes
        corrected = attrs.evolve(right, phone=wanted, digits=digits)
        assert racers.alone(corrected).proofs == [(right.session_id, wanted)]
        assert racers.alone(right).words == ["already_verified"]


# Two lanes


def owner_of(racers: Racers, person: int) -> Call:
    """A new pass whose owner has a known device, and an ask of that device."""
    asyncio.run(_store(racers.kind, racers.folder, {person: f"+9196{person:08d}"}))
    token = asyncio.run(_make_known(racers.kind, racers.folder, person))
    return Call(step="send", pass_code=pass_of(person), client=address(person), device=token)


async def _make_known(kind: Kind, folder: Path, person: int) -> str:
    now, slot = SystemClock().now(), slot_of(f"u{person}")
    devices = Devices(seed=bytes(16), since=now, until=after(now, 180 * DAY))

    def decide(held: Held) -> Decision[Held, None]:
        return Decision(None, attrs.evolve(held, record=SlotRecord(devices=devices)))

    async with kind.open(folder) as stores:
        await stores.slots.transition(slot, (), decide)
    return device_token(RINGS.devices.first, slot.subject, devices)


async def _record_of(kind: Kind, folder: Path, person: int) -> SlotRecord:
    def look(held: Held) -> Decision[Held, SlotRecord]:
        return Decision(held.record, held)

    async with kind.open(folder) as stores:
        return await stores.slots.transition(slot_of(f"u{person}"), (), look)


def both_lanes(racers: Racers, person: int) -> tuple[Call, Call]:
    """A device and strangers ask at once, and each lane gets one code: calls that present them."""
    own = owner_of(racers, person)
    strangers = [
        Call(step="send", pass_code=own.pass_code, client=address(person + 1 + number))
        for number in range(20)
    ]
    result = racers.race(
        [call for pair in zip(strangers, [own] * 20, strict=True) for call in pair]
    )
    assert Counter(result.words) == {"sent": 2, "resend_too_soon": 38}
    assert len(result.codes) == 2
    others_id, theirs = result.issued["others"]
    known_id, mine = result.issued["known"]
    record = asyncio.run(_record_of(racers.kind, racers.folder, person))
    standing = [lane.challenge and lane.challenge.id for lane in record.lanes]
    assert standing == [others_id, known_id]
    stranger = attrs.evolve(strangers[0], step="verify", digits=theirs, challenge_id=others_id)
    return stranger, attrs.evolve(own, step="verify", digits=mine)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_each_lanes_code_succeeds_once(racers: Racers, number: int) -> None:
    """Twenty right codes of each lane at the same instant: one of each succeeds."""
    calls = both_lanes(racers, 60_000_000 + 100 * number)
    assert Counter(racers.race(calls * 20).words) == {"verified": 2, "otp_expired": 38}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_three_guesses_of_each_lane_are_judged(racers: Racers, number: int) -> None:
    """Twenty wrong codes of each lane at the same instant: three of each are judged."""
    person = 61_000_000 + 100 * number
    right = both_lanes(racers, person)
    wrong = [attrs.evolve(call, digits=other_than(call.digits)) for call in right]
    words = racers.race(wrong * 20).words
    assert Counter(words) == {"invalid_otp": 6, "too_many_attempts": 34}
    record = asyncio.run(_record_of(racers.kind, racers.folder, person))
    assert [(lane.run, len(lane.failures)) for lane in record.lanes] == [(3, 3), (3, 3)]
    for call in right:
        assert racers.alone(call).words == ["too_many_attempts"]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_fifty_with_the_same_work_one_is_admitted(racers: Racers, number: int) -> None:
    """Fifty asks at the same instant with one solution make one message, and later ones none."""
    person = 62_000_000 + 100 * number
    ask = attrs.evolve(owner_of(racers, person), step="work", device=None)
    asyncio.run(_charge_others(racers.kind, racers.folder, person))
    posed = racers.alone(ask)
    assert posed.words == ["work_required"]
    done = attrs.evolve(ask, work=posed.works[0])
    result = racers.race([done] * 50)
    assert Counter(result.words) == {"sent": 1, "work_required": 49}
    assert len(result.codes) == 1
    assert racers.race([done] * 4).words == ["work_required"] * 4


async def _charge_others(kind: Kind, folder: Path, person: int) -> None:
    """Charge so many sends of strangers that an ask costs the highest level from now on."""
    sent = Sent(
        flow=Flow.PASS_LOGIN,
        contact=Contact.of_phone(PhoneNumber(f"+9196{person:08d}")),
        client=ClientAddress(address(person)),
        lane=Lane.OTHERS,
    )
    at = after(SystemClock().now(), -HOUR)

    def decide(held: Held) -> Decision[Held, None]:
        return Decision(None, attrs.evolve(held, usages=dict.fromkeys(held.usages, (at,) * 20)))

    async with kind.open(folder) as stores:
        await stores.slots.transition(slot_of(f"u{person}"), charged_keys(sent), decide)


@pytest.mark.parametrize("kind", SHARED, ids=lambda kind: kind.name)
def test_a_process_that_is_killed_loses_no_step_it_has_answered(kind: Kind, tmp_path: Path) -> None:
    """After a kill at any instant every step that was answered stands: docs/contract.md, 5.6."""
    asyncio.run(_run_of(kind, tmp_path))  # makes the database
    answers = tmp_path / "answers"
    for delay in (0.05, 0.1, 0.2):
        answers.unlink(missing_ok=True)
        counting = start_counting(kind, tmp_path, answers)
        try:
            until(lambda: answers.exists() and answers.stat().st_size > 10)
            time.sleep(delay)
        finally:
            counting.kill()
            counting.join()
        answered = int(answers.read_text().splitlines()[-1])
        assert answered <= asyncio.run(_run_of(kind, tmp_path)) <= answered + 1


async def _run_of(kind: Kind, folder: Path) -> int:
    def look(held: Held) -> Decision[Held, int]:
        return Decision(held.record.others.run, held)

    async with kind.open(folder) as stores:
        return await stores.slots.transition(slot_of("u1"), (), look)
