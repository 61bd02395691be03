"""What operators do by commands: docs/contract.md, 10, and docs/erasing.md."""

from collections.abc import Collection, Mapping, Sequence

import attrs

from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.challenge import Locked
from hsp_otp.domain.instant import CLOCK_SKEW, DAY, HOUR, SECOND, Instant, after
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import PassNotFound, User
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Purpose, Slot
from hsp_otp.domain.quota import Quota
from hsp_otp.flows.erase import Erasing, Found
from hsp_otp.flows.purge import purge
from hsp_otp.flows.unlock import Unlocking
from hsp_otp.ports.erasure import Kept
from tests.world import OTHER_PHONE, PASS_CODE, PHONE, START, World, other_than, ring, run

REASON = "called back"
KEPT = Kept(passes=1, old_sends=2, sends=3, audit=4, records={"sign-ins": 5})
STRICT = Policy(failures=(Quota(2, HOUR),), cooldown=0)


@attrs.define
class Holders:
    """Users by their number."""

    world: World

    async def users_of(self, phone: PhoneNumber) -> list[User]:
        """Keep the promise of `Users.users_of`."""
        found = {one.user.id: one.user for one in self.world.passes.stored.values()}
        return [user for user in found.values() if user.phone == phone]


@attrs.define
class Erased:
    """
    Notes what it is told to erase.

    Attributes:
        meanwhile: What happens while it erases.
    """

    world: World
    rows: list[AuditRow] = attrs.field(factory=list[AuditRow])
    records: list[Collection[str]] = attrs.field(factory=list[Collection[str]])
    fails: bool = False

    async def kept(
        self,
        phone: PhoneNumber,
        users: Collection[str],
        slots: Sequence[Slot],
        counted_since: Instant,
        fingerprints: Sequence[str],
    ) -> Kept:
        """Keep the promise of `Erasure.kept`."""
        assert phone == PhoneNumber(PHONE)
        assert [str(slot) for slot in slots] == [
            *(f"phone_verification:user:{user}" for user in users),
            f"signup:phone:{PHONE}",
        ]
        assert counted_since == after(self.world.clock.now(), -DAY - CLOCK_SKEW)
        assert fingerprints == ring("fingerprints").fingerprints(PHONE)
        return KEPT

    async def erase(
        self, phone: PhoneNumber, slots: Sequence[Slot], counted_since: Instant, row: AuditRow
    ) -> None:
        """Keep the promise of `Erasure.erase`."""
        assert (phone, len(slots)) == (PhoneNumber(PHONE), 2)
        assert counted_since == after(self.world.clock.now(), -DAY - CLOCK_SKEW)
        self.rows.append(row)
        if self.fails:
            fail_twice(self.world)

    async def erase_records(self, phone: PhoneNumber, users: Collection[str]) -> None:
        """Keep the promise of `Erasure.erase_records`."""
        assert phone == PhoneNumber(PHONE)
        self.records.append(users)


def fail_twice(world: World) -> None:
    """Two wrong guesses, which lock the slot."""
    world.send()
    for _ in range(2):
        world.verify(other_than(world.outbox.codes[-1]))


def world_with_a_pass() -> World:
    """In which two wrong guesses in an hour lock."""
    world = World(policy=STRICT)
    world.add()
    return world


def unlocking(world: World) -> Unlocking:
    """What is tested."""
    return Unlocking(
        passes=world.passes,
        users=Holders(world),
        slots=world.slots,
        clock=world.clock,
        fingerprints=ring("fingerprints"),
    )


def erasing(world: World, erased: Erased) -> Erasing:
    """What is tested."""
    return Erasing(
        users=Holders(world),
        slots=world.slots,
        erasure=erased,
        clock=world.clock,
        fingerprints=ring("fingerprints"),
        policies=world.otp.policies,
    )


# Unlock


def test_the_holder_of_a_pass_is_unlocked() -> None:
    """Failures are cleared; one row tells of the pass, its number and the reason."""
    world = world_with_a_pass()
    fail_twice(world)
    assert isinstance(world.send(), Locked)
    code = PassCode(PASS_CODE)
    (slot,) = run(unlocking(world).of_pass(code, Purpose, REASON))  # type: ignore[misc]
    assert str(slot) == "phone_verification:user:u1"
    assert (world.record().failures, world.record().run) == ((), 0)
    row = world.audit.rows[-1]
    assert (row.action, row.outcome, row.reason) == (Action.UNLOCK, "unlocked", REASON)
    assert (row.pass_code, row.contact, row.flow) == ("HSP-****-5678", "***-***-3210", None)
    assert row.purpose is Purpose.PHONE_VERIFICATION


def test_a_pass_that_is_not_there() -> None:
    """Nothing is unlocked, and no row is left."""
    world = world_with_a_pass()
    outcome = run(unlocking(world).of_pass(PassCode("HSP-0000-0000"), Purpose, REASON))
    assert outcome == PassNotFound()
    assert world.audit.rows == []


def test_a_number_is_unlocked_with_all_who_have_it() -> None:
    """Users first, then the number's own purposes; each slot has its row."""
    world = world_with_a_pass()
    world.add("HSP-0000-0002", user="u2")
    world.add("HSP-0000-0003", user="u3", phone=OTHER_PHONE)
    slots = run(unlocking(world).of_number(PhoneNumber(PHONE), Purpose, REASON))
    assert [str(slot) for slot in slots] == [
        "phone_verification:user:u1",
        "phone_verification:user:u2",
        f"signup:phone:{PHONE}",
    ]
    assert [row.contact for row in world.audit.rows] == ["***-***-3210"] * 3
    only = run(unlocking(world).of_number(PhoneNumber(PHONE), (Purpose.SIGNUP,), REASON))
    assert [str(slot) for slot in only] == [f"signup:phone:{PHONE}"]
    assert run(unlocking(World()).of_number(PhoneNumber(PHONE), (), REASON)) == ()


def test_a_holder_without_a_number_is_unlocked() -> None:
    """There is nothing to tell of a number."""
    world = World()
    world.add(phone=None)
    run(unlocking(world).of_pass(PassCode(PASS_CODE), Purpose, REASON))
    assert world.audit.rows[-1].contact is None


# Erase


def test_looking_changes_nothing() -> None:
    """It tells whom the number belongs to, what there is, and until when something stays."""
    world = world_with_a_pass()
    world.send()
    world.verify(other_than(world.outbox.codes[-1]))
    held, erased = world.record(), Erased(world)
    found = run(erasing(world, erased).look(PhoneNumber(PHONE)))
    assert isinstance(found, Found)
    assert (found.users, found.kept) == (("u1",), KEPT)
    assert found.until == after(START, HOUR)
    assert (world.record(), erased.rows, erased.records) == (held, [], [])


def test_a_person_is_erased() -> None:
    """Slots and records go, before and after the rest; the row is found by the number alone."""
    world = world_with_a_pass()
    world.send()
    erased = Erased(world)
    journey = erasing(world, erased)
    found = run(journey.look(PhoneNumber(PHONE)))
    assert isinstance(found, Found)
    assert run(journey.erase(PhoneNumber(PHONE), found, REASON)) is None
    assert world.record().challenge is None
    assert erased.records == [("u1",), ("u1",)]
    (row,) = erased.rows
    assert (row.action, row.outcome, row.reason) == (Action.ERASE, "erased", REASON)
    assert (row.contact, row.region) == (None, "IN")
    assert row.contact_fingerprint == ring("fingerprints").fingerprint(PHONE)


def test_what_is_locked_is_not_erased() -> None:
    """Erasing would lift the lock: neither looked at nor locked meanwhile is it erased."""
    world = world_with_a_pass()
    erased = Erased(world)
    journey = erasing(world, erased)
    found = run(journey.look(PhoneNumber(PHONE)))
    assert isinstance(found, Found)
    fail_twice(world)
    locked = Locked(after(START, HOUR))
    assert run(journey.look(PhoneNumber(PHONE))) == locked
    assert run(journey.erase(PhoneNumber(PHONE), found, REASON)) == locked
    assert (erased.rows, erased.records) == ([], [])


def test_a_lock_while_erasing_is_no_news() -> None:
    """What locks in the middle is left as it is; the rest is erased."""
    world = world_with_a_pass()
    erased = Erased(world, fails=True)
    journey = erasing(world, erased)
    found = run(journey.look(PhoneNumber(PHONE)))
    assert isinstance(found, Found)
    assert run(journey.erase(PhoneNumber(PHONE), found, REASON)) is None
    assert world.record().run == 2
    assert erased.records == [("u1",)]


# Purge


@attrs.define
class Purged:
    """Notes what it is told to purge."""

    told: list[object] = attrs.field(factory=list[object])

    async def audit(self, before: Instant) -> int:
        """Keep the promise of `Purge.audit`."""
        self.told.append(before)
        return 1

    async def sends(self, before: Instant) -> int:
        """Keep the promise of `Purge.sends`."""
        self.told.append(before)
        return 2

    async def records_over(self, policies: Collection[Policy], now: Instant) -> Mapping[str, int]:
        """Keep the promise of `Purge.records_over`."""
        self.told += [list(policies), now]
        return {"slots": 3}


def test_what_is_past_its_time_is_purged() -> None:
    """Audit rows as old as is set, sends of seven days, and records that mean nothing."""
    store, now = Purged(), after(START, SECOND)
    assert run(purge(store, [STRICT], 90 * DAY, now)) == {"audit": 1, "sends": 2, "slots": 3}
    assert store.told == [after(now, -90 * DAY), after(now, -7 * DAY), [STRICT], now]
