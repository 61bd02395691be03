"""What operators do by commands: docs/contract.md, 10, and docs/erasing.md."""

from collections.abc import Collection, Mapping, Sequence

import attrs

from hsp_otp.adapters.memory import MemoryVerifications
from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.challenge_outcomes import Issued, Locked, WrongCode
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.email_address import EmailAddress
from hsp_otp.domain.instant import CLOCK_SKEW, DAY, HOUR, SECOND, Instant, after
from hsp_otp.domain.lanes import Let
from hsp_otp.domain.names import ClientAddress, PassCode
from hsp_otp.domain.passes import PassNotFound, User
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Flow, Purpose, Slot, SubjectKind
from hsp_otp.domain.quota import Quota, Refusal
from hsp_otp.domain.slot_record import Request
from hsp_otp.flows.erase import Erasing, Found
from hsp_otp.flows.let import LetIn, Letting
from hsp_otp.flows.person import People, Person, user_of_app
from hsp_otp.flows.purge import purge
from hsp_otp.flows.unlock import Unlocking
from hsp_otp.flows.verification_outcomes import Sent
from hsp_otp.ports.erasure import Kept, OfAddress, OfAppUser, OfNumber, Whose
from tests.backend import Shop
from tests.world import (
    OTHER_PHONE,
    PASS_CODE,
    PHONE,
    START,
    World,
    app_policies,
    other_than,
    ring,
    run,
    slot_of,
)

REASON = "called back"
CALLED_FROM = "203.0.113.9"
ADDRESS = "asha@example.com"

KEPT = Kept(
    passes=1,
    old_sends=2,
    sends=3,
    verifications=6,
    test_contacts=7,
    proved=8,
    audit=4,
    records={"sign-ins": 5},
)
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

    async def kept(self, whose: Whose, slots: Sequence[Slot], counted_since: Instant) -> Kept:
        """Keep the promise of `Erasure.kept`."""
        own = [str(slot) for slot in slots if slot.subject.kind is not SubjectKind.APP]
        assert own == self._own_slots(whose)
        assert counted_since == after(self.world.clock.now(), -DAY - CLOCK_SKEW)
        return KEPT

    async def erase(
        self, whose: Whose, slots: Sequence[Slot], counted_since: Instant, row: AuditRow
    ) -> None:
        """Keep the promise of `Erasure.erase`."""
        await self.kept(whose, slots, counted_since)
        self.rows.append(row)
        if self.fails:
            fail_twice(self.world)

    async def erase_records(self, whose: OfNumber) -> None:
        """Keep the promise of `Erasure.erase_records`."""
        self._own_slots(whose)
        self.records.append(whose.users)

    @staticmethod
    def _own_slots(whose: Whose) -> list[str]:
        """The slots of the service's own flows that go with *whose*."""
        fingerprints = ring("fingerprints").fingerprints
        if isinstance(whose, OfAppUser):
            assert (whose.subject, whose.fingerprints) == ("u1", tuple(fingerprints("u1")))
            return []
        if isinstance(whose, OfAddress):
            assert whose.contact == Contact.stored(ADDRESS)
            assert whose.fingerprints == tuple(fingerprints(ADDRESS))
            return []
        assert whose.phone == PhoneNumber(PHONE)
        assert whose.fingerprints == tuple(fingerprints(PHONE))
        users = [f"phone_verification:user:{user}" for user in whose.users]
        return [*users, f"signup:phone:{PHONE}"]


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


def people(world: World) -> People:
    """What is tested."""
    return People(
        passes=world.passes,
        users=Holders(world),
        verifications=MemoryVerifications(world.audit),
    )


def holder(world: World) -> Person:
    """Who holds the world's pass."""
    found = run(people(world).of_pass(PassCode(PASS_CODE)))
    assert isinstance(found, Person)
    return found


def unlock(world: World, person: Person, *, devices: bool = False) -> None:
    """Unlock as an operator does."""
    unlocking = Unlocking(slots=world.slots, clock=world.clock, fingerprints=ring("fingerprints"))
    run(unlocking.unlock(person, REASON, devices=devices))


def let(world: World, person: Person, client: str = CALLED_FROM) -> tuple[LetIn, ...]:
    """Let an address in as an operator does."""
    letting = Letting(
        slots=world.slots,
        clock=world.clock,
        fingerprints=ring("fingerprints"),
        policies=world.otp.policies,
    )
    return run(letting.let(person, ClientAddress(client), REASON))


def erasing(world: World, erased: Erased) -> Erasing:
    """What is tested."""
    return Erasing(
        users=Holders(world),
        slots=world.slots,
        verifications=MemoryVerifications(world.audit),
        erasure=erased,
        clock=world.clock,
        fingerprints=ring("fingerprints"),
        policies=world.otp.policies,
        app_policies=app_policies(world.policy),
    )


# Unlock


def test_the_holder_of_a_pass_is_unlocked() -> None:
    """Failures are cleared; one row tells of the pass, its number and the reason."""
    world = world_with_a_pass()
    fail_twice(world)
    assert isinstance(world.send(), Locked)
    person = holder(world)
    assert [str(slot) for slot in person.slots] == ["phone_verification:user:u1"]
    unlock(world, person)
    assert (world.record().failures, world.record().run) == ((), 0)
    row = world.audit.rows[-1]
    assert (row.facts.action, row.outcome, row.facts.reason) == (Action.UNLOCK, "unlocked", REASON)
    assert (row.facts.pass_code, row.facts.contact, row.facts.flow) == (
        "HSP-****-5678",
        "***-***-3210",
        None,
    )
    assert row.facts.purpose is Purpose.PHONE_VERIFICATION


def test_a_pass_that_is_not_there() -> None:
    """Nobody is found by it."""
    outcome = run(people(world_with_a_pass()).of_pass(PassCode("HSP-0000-0000")))
    assert outcome == PassNotFound()


def test_a_number_is_unlocked_with_all_who_have_it() -> None:
    """Users first, then the number's own purposes; each slot has its row."""
    world = world_with_a_pass()
    world.add("HSP-0000-0002", user="u2")
    world.add("HSP-0000-0003", user="u3", phone=OTHER_PHONE)
    person = run(people(world).of_number(PhoneNumber(PHONE)))
    unlock(world, person)
    assert [str(slot) for slot in person.slots] == [
        "phone_verification:user:u1",
        "phone_verification:user:u2",
        f"signup:phone:{PHONE}",
    ]
    assert [row.facts.contact for row in world.audit.rows] == ["***-***-3210"] * 3
    assert [row.facts.pass_code for row in world.audit.rows] == [None] * 3
    only = run(people(world).of_number(PhoneNumber(PHONE), (Purpose.SIGNUP,)))
    assert [str(slot) for slot in only.slots] == [f"signup:phone:{PHONE}"]
    assert run(people(World()).of_number(PhoneNumber(PHONE), ())).slots == ()


def test_a_holder_without_a_number_is_unlocked() -> None:
    """There is nothing to tell of a number."""
    world = World()
    world.add(phone=None)
    unlock(world, holder(world))
    assert world.audit.rows[-1].facts.contact is None


def test_an_unlock_keeps_known_devices_unless_told() -> None:
    """Both are audited, and only the row of one that forgot the devices says so."""
    world = world_with_a_pass()
    world.send()
    world.verify(world.outbox.codes[-1])
    devices = world.whole_record().devices
    assert devices is not None
    unlock(world, holder(world))
    assert world.whole_record().devices == devices
    unlock(world, holder(world), devices=True)
    assert world.whole_record().devices is None
    assert [row.outcome for row in world.audit.rows[-2:]] == ["unlocked", "devices_forgotten"]
    assert {row.facts.action for row in world.audit.rows[-2:]} == {Action.UNLOCK}


# Let in


def test_an_address_is_let_in_past_the_lock() -> None:
    """From that address alone a code can be asked for and guessed, three and six times."""
    world = world_with_a_pass()
    fail_twice(world)
    (found,) = let(world, holder(world))
    until = after(START, HOUR)
    assert (str(found.slot), found.locked) == ("phone_verification:user:u1", None)
    assert found.let == Let(client=ClientAddress(CALLED_FROM), until=until, sends=3, guesses=6)
    assert isinstance(world.send(), Locked)
    assert isinstance(world.send(client=CALLED_FROM), Issued)
    wrong = other_than(world.outbox.codes[-1])
    assert isinstance(world.verify(wrong, client=CALLED_FROM), WrongCode)
    (left,) = world.whole_record().lets
    assert (left.sends, left.guesses) == (2, 5)


def test_a_page_shows_the_code_of_who_is_let_in() -> None:
    """The lock of strangers ends their code; the code of who is let in can still be typed."""
    world = world_with_a_pass()
    fail_twice(world)
    let(world, holder(world))
    world.send(client=CALLED_FROM)
    request = Request(
        slot=slot_of("u1"),
        flow=Flow.PASS_LOGIN,
        contact=Contact.stored(PHONE),
        client=ClientAddress(CALLED_FROM),
    )
    ends = after(START, 600 * SECOND)
    assert run(world.otp.look(request)).expires_at == ends
    neighbour = attrs.evolve(request, client=ClientAddress("203.0.113.10"))
    assert run(world.otp.look(neighbour)).expires_at is None


def test_who_is_let_in_is_audited() -> None:
    """One row for each slot tells of the address, the number, the pass and the reason."""
    world = world_with_a_pass()
    let(world, holder(world))
    (row,) = world.audit.rows
    assert (row.facts.action, row.outcome, row.facts.reason) == (Action.LET, "let_in", REASON)
    assert (row.facts.client, row.facts.request_id) == (ClientAddress(CALLED_FROM), None)
    assert (row.facts.pass_code, row.facts.contact, row.facts.flow) == (
        "HSP-****-5678",
        "***-***-3210",
        None,
    )
    assert row.facts.contact_fingerprint == ring("fingerprints").fingerprint(PHONE)
    assert (row.facts.purpose, row.folds) == (Purpose.PHONE_VERIFICATION, False)


def test_an_address_is_let_in_by_a_number() -> None:
    """At all users with it, and at its signup."""
    world = world_with_a_pass()
    world.add("HSP-0000-0002", user="u2")
    found = let(world, run(people(world).of_number(PhoneNumber(PHONE))))
    assert [str(one.slot) for one in found] == [
        "phone_verification:user:u1",
        "phone_verification:user:u2",
        f"signup:phone:{PHONE}",
    ]
    assert [row.facts.purpose for row in world.audit.rows] == [one.slot.purpose for one in found]


def test_letting_in_again_starts_again() -> None:
    """What is left of the first time is replaced, not added; other addresses keep theirs."""
    world = world_with_a_pass()
    let(world, holder(world), "203.0.113.1")
    let(world, holder(world))
    world.send(client=CALLED_FROM)
    world.clock.advance(SECOND)
    (found,) = let(world, holder(world))
    assert (found.let.sends, found.let.guesses) == (3, 6)
    assert found.let.until == after(START, HOUR + SECOND)
    lets = world.whole_record().lets
    assert [one.client.value for one in lets] == ["203.0.113.1", CALLED_FROM]


def test_a_lock_of_both_lanes_is_told() -> None:
    """It holds for an address that is let in too, so the operator learns of it."""
    world = world_with_a_pass()
    fail_twice(world)
    let(world, holder(world))
    world.send(client=CALLED_FROM)
    for _ in range(2):
        world.verify(other_than(world.outbox.codes[-1]), client=CALLED_FROM)
    (found,) = let(world, holder(world))
    assert found.locked == Locked(after(START, HOUR))
    assert world.send(client=CALLED_FROM) == found.locked


def test_the_sends_of_a_number_hold_for_who_is_let_in() -> None:
    """Letting in gives no more messages than the number may have."""
    world = World(policy=attrs.evolve(STRICT, contact_sends=Quota(1, DAY)))
    world.add()
    world.send()
    let(world, holder(world))
    assert isinstance(world.send(client=CALLED_FROM), Refusal)


# In apps


def in_apps(world: World) -> Shop:
    """Where two wrong guesses have locked the number in a shop, for a user of it and for itself."""
    shop = Shop(world)
    for subject in ("u1", None):
        verification = shop.sent(subject=subject).view.verification
        for _ in range(2):
            shop.check(verification.id, other_than(world.outbox.codes[-1]))
        assert isinstance(shop.check(verification.id, "123456"), Locked)
    return shop


def test_a_number_is_unlocked_in_apps_too() -> None:
    """Unlocking a number unlocks it in every app, with the users that codes were sent for."""
    world = world_with_a_pass()
    shop = in_apps(world)
    person = run(people(world).of_number(PhoneNumber(PHONE)))
    unlock(world, person)
    assert {row.facts.purpose for row in world.audit.rows if row.facts.action is Action.UNLOCK} == {
        Purpose.PHONE_VERIFICATION,
        Purpose.SIGNUP,
    }
    for subject in ("u1", None):
        assert shop.sent(subject=subject).resent


def test_a_user_of_an_app_is_unlocked() -> None:
    """By the id that the app's backend has, one user is unlocked, and the number stays locked."""
    world = world_with_a_pass()
    shop = in_apps(world)
    person = user_of_app(shop.app, "u1", (Purpose.PHONE_VERIFICATION, Purpose.SIGNUP))
    assert [str(slot) for slot in person.slots] == [f"phone_verification:app:{shop.app.id}:u1"]
    unlock(world, person)
    (row,) = [row for row in world.audit.rows if row.facts.action is Action.UNLOCK]
    assert (row.facts.app, row.facts.contact) == ("shop", None)
    assert row.facts.subject_fingerprint == ring("fingerprints").fingerprint("u1")
    assert shop.sent(subject="u1").resent
    assert not isinstance(shop.start(), Sent)


def test_another_purpose_stays_locked_in_apps() -> None:
    """Unlocking one purpose leaves the others locked."""
    world = world_with_a_pass()
    shop = in_apps(world)
    unlock(world, run(people(world).of_number(PhoneNumber(PHONE), (Purpose.SIGNUP,))))
    assert not isinstance(shop.start(), Sent)


def test_nobody_is_let_in_for_apps() -> None:
    """An address is let past what holds strangers back, which codes of apps do not know."""
    world = world_with_a_pass()
    in_apps(world)
    person = run(people(world).of_number(PhoneNumber(PHONE)))
    found = let(world, person)
    assert {one.slot.subject.kind for one in found} == {SubjectKind.USER, SubjectKind.PHONE}


def test_the_slots_of_apps_are_erased() -> None:
    """Erasing a number ends its codes in every app; what is locked there is not erased."""
    world = world_with_a_pass()
    shop = in_apps(world)
    journey = erasing(world, Erased(world))
    assert run(journey.look(PhoneNumber(PHONE))) == Locked(after(START, HOUR))
    unlock(world, run(people(world).of_number(PhoneNumber(PHONE))))
    found = run(journey.look(PhoneNumber(PHONE)))
    assert isinstance(found, Found)
    assert run(journey.erase(found, REASON)) is None
    assert not shop.sent().resent


def test_a_user_of_an_app_is_erased() -> None:
    """By the id that the app's backend has, one user is erased, unless locked; the number stays."""
    world = world_with_a_pass()
    shop = in_apps(world)
    erased = Erased(world)
    journey = erasing(world, erased)
    assert run(journey.look_at_user(shop.app, "u1")) == Locked(after(START, HOUR))
    unlock(world, user_of_app(shop.app, "u1"))
    found = run(journey.look_at_user(shop.app, "u1"))
    assert isinstance(found, Found)
    assert "u1" not in repr(found.whose)
    assert run(journey.erase(found, REASON)) is None
    (row,) = erased.rows
    assert (row.facts.app, row.facts.contact_fingerprint, row.outcome) == ("shop", None, "erased")
    assert row.facts.subject_fingerprint == ring("fingerprints").fingerprint("u1")
    assert erased.records == []
    assert not shop.sent(subject="u1").resent
    assert not isinstance(shop.start(), Sent)


def test_the_holder_of_an_address_is_unlocked_and_erased() -> None:
    """An e-mail address is found in all apps, however it is written, and its rows say whose."""
    world = world_with_a_pass()
    shop = Shop(world)
    sent = shop.sent(ADDRESS).view.verification.id
    for _ in range(2):
        shop.check(sent, other_than(world.outbox.codes[-1]))
    erased, address = Erased(world), EmailAddress.parse(ADDRESS.title())
    journey = erasing(world, erased)
    assert run(journey.look_at_address(address)) == Locked(after(START, HOUR))
    person = run(people(world).of_address(address))
    unlock(world, person)
    assert world.audit.rows[-1].facts.contact == "a***@example.com"
    assert run(people(world).of_address(address, (Purpose.SIGNUP,))).slots == ()
    found = run(journey.look_at_address(address))
    assert isinstance(found, Found)
    assert run(journey.erase(found, REASON)) is None
    (row,) = erased.rows
    assert (row.facts.contact, row.outcome) == (None, "erased")
    assert row.facts.contact_fingerprint == ring("fingerprints").fingerprint(ADDRESS)
    assert erased.records == []
    assert "asha" not in repr((found, row)).lower()


# Erase


def test_looking_changes_nothing() -> None:
    """It tells whom the number belongs to, what there is, and until when something stays."""
    world = world_with_a_pass()
    world.send()
    world.verify(other_than(world.outbox.codes[-1]))
    held, erased = world.record(), Erased(world)
    found = run(erasing(world, erased).look(PhoneNumber(PHONE)))
    assert isinstance(found, Found)
    assert isinstance(found.whose, OfNumber)
    assert (found.whose.users, found.kept) == (("u1",), KEPT)
    assert found.until == after(START, HOUR)
    assert found.devices is False
    assert (world.record(), erased.rows, erased.records) == (held, [], [])


def test_known_devices_are_told_and_forgotten() -> None:
    """Erasing makes strangers of them, and looking says so beforehand, until they end anyway."""
    world = world_with_a_pass()
    world.send()
    world.verify(world.outbox.codes[-1])
    journey = erasing(world, Erased(world))
    found = run(journey.look(PhoneNumber(PHONE)))
    assert isinstance(found, Found)
    assert (found.devices, world.whole_record().devices is None) == (True, False)
    run(journey.erase(found, REASON))
    assert world.whole_record().devices is None


def test_devices_that_are_not_known_any_more_are_not_told() -> None:
    """After the last token has ended there is nobody to make a stranger of."""
    world = world_with_a_pass()
    world.send()
    world.verify(world.outbox.codes[-1])
    for passed, known in ((180 * DAY - 1, True), (1, False)):
        world.clock.advance(passed)
        found = run(erasing(world, Erased(world)).look(PhoneNumber(PHONE)))
        assert isinstance(found, Found)
        assert found.devices is known


def test_a_person_is_erased() -> None:
    """Slots and records go, before and after the rest; the row is found by the number alone."""
    world = world_with_a_pass()
    world.send()
    erased = Erased(world)
    journey = erasing(world, erased)
    found = run(journey.look(PhoneNumber(PHONE)))
    assert isinstance(found, Found)
    assert run(journey.erase(found, REASON)) is None
    assert world.record().challenge is None
    assert erased.records == [("u1",), ("u1",)]
    (row,) = erased.rows
    assert (row.facts.action, row.outcome, row.facts.reason) == (Action.ERASE, "erased", REASON)
    assert (row.facts.contact, row.facts.region) == (None, "IN")
    assert row.facts.contact_fingerprint == ring("fingerprints").fingerprint(PHONE)


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
    assert run(journey.erase(found, REASON)) == locked
    assert (erased.rows, erased.records) == ([], [])


def test_a_lock_while_erasing_is_no_news() -> None:
    """What locks in the middle is left as it is; the rest is erased."""
    world = world_with_a_pass()
    erased = Erased(world, fails=True)
    journey = erasing(world, erased)
    found = run(journey.look(PhoneNumber(PHONE)))
    assert isinstance(found, Found)
    assert run(journey.erase(found, REASON)) is None
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

    async def debts(self, before: Instant) -> int:
        """Keep the promise of `Purge.debts`."""
        self.told.append(before)
        return 8

    async def verifications(self, before: Instant) -> int:
        """Keep the promise of `Purge.verifications`."""
        self.told.append(before)
        return 5

    async def test_contacts(self, before: Instant) -> int:
        """Keep the promise of `Purge.test_contacts`."""
        self.told.append(before)
        return 6

    async def proved_contacts(self, before: Instant) -> int:
        """Keep the promise of `Purge.proved_contacts`."""
        self.told.append(before)
        return 7

    async def funnel(self, before: Instant) -> int:
        """Keep the promise of `Purge.funnel`."""
        self.told.append(before)
        return 4

    async def records_over(self, policies: Collection[Policy], now: Instant) -> Mapping[str, int]:
        """Keep the promise of `Purge.records_over`."""
        self.told += [list(policies), now]
        return {"slots": 3}


def test_what_is_past_its_time_is_purged() -> None:
    """
    Audit rows as old as is set, sends of seven days, what was owed 32 days ago, verifications a day
    after their sends, ended test contacts, contacts that proved themselves 400 days ago, whole days
    of the funnel after ninety, and records that mean nothing.
    """
    store, now = Purged(), after(START, SECOND)
    purged = run(purge(store, [STRICT], 30 * DAY, now))
    assert purged == {
        "audit": 1,
        "sends": 2,
        "debts": 8,
        "verifications": 5,
        "test contacts": 6,
        "proved contacts": 7,
        "funnel": 4,
        "slots": 3,
    }
    days = (
        *(after(now, -ago * DAY) for ago in (30, 7, 32, 8)),
        after(now, -CLOCK_SKEW),
        *(after(now, -400 * DAY), after(START, -90 * DAY)),
    )
    assert store.told == [*days, [STRICT], now]
