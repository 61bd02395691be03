"""Nobody locks an owner out: two lanes for each slot, and what strangers pay for more codes."""

from typing import Final, TypeVar

import attrs
import pytest

from hsp_otp.domain.challenge import (
    after_loss,
    ask,
    check,
    code_of,
    forget,
    give_back,
    give_back_keys,
    is_over,
    lane_for,
    lane_of_check,
    let,
    lock,
    look,
    unlock,
    usage_keys,
    withdraw,
)
from hsp_otp.domain.challenge_outcomes import (
    AskOutcome,
    CheckOutcome,
    Exhausted,
    Forgotten,
    Issued,
    Locked,
    MalformedWork,
    NoLiveCode,
    NotStanding,
    Standing,
    Verified,
    Withdrawn,
    WorkRequired,
    WrongCode,
)
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.lanes import Devices, Lane, Let, device_token, lane_of, let_of
from hsp_otp.domain.names import ClientAddress, PassCode
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Flow, Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.quota import Limit, Quota, Refusal, UsageKey, Usages, charge, judge
from hsp_otp.domain.send_limits import (
    CONTACT_SCOPES,
    Sent,
    charged_keys,
    client_keys,
    contact_of,
    contact_sends,
    send_demands,
    send_keys,
    work_level,
)
from hsp_otp.domain.slot_record import (
    Asked,
    Challenge,
    Drawn,
    Ended,
    Held,
    LaneRecord,
    Presented,
    Request,
    SlotRecord,
)
from hsp_otp.domain.work import Judgement, Malformed, Solved, Stale, Wrong, level_of
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.otp import WorkPosed
from tests.world import PASS_CODE, START, World, open_policy, other_than, ring, run

O = TypeVar("O")  # noqa: E741 - the outcome of a rule

PHONE: Final = "+919876543210"
CONTACT: Final = Contact(ContactKind.PHONE, PHONE)
USER: Final = Subject(SubjectKind.USER, "u1")
SLOT: Final = Slot(USER, Purpose.PHONE_VERIFICATION)
HOME: Final = ClientAddress("198.51.100.7")
NEIGHBOUR: Final = ClientAddress("198.51.100.8")
"""In the same network as `HOME`."""
ELSEWHERE: Final = ClientAddress("203.0.113.9")
RING: Final = ring("devices")
DEVICES: Final = Devices(seed=bytes(16), since=START, until=Instant(START + 180 * DAY))
TOKEN: Final = "k1.1767225600.c698121d7d69d16fdacf18088459546c706926b89b743adbc85ea71dcaede09a"
SIGNATURE: Final = TOKEN.rpartition(".")[2]


def later(duration: Duration) -> Instant:
    """That much after the start."""
    return Instant(START + duration)


def stranger(number: int) -> ClientAddress:
    """An address in a network of its own."""
    return ClientAddress(f"10.0.{number}.1")


# Tokens


def lane(
    *tokens: str,
    subject: Subject = USER,
    devices: Devices | None = DEVICES,
    keys: KeyRing = RING,
    now: Instant = START,
) -> Lane:
    """The lane of a request with *tokens*."""
    return lane_of(tokens, subject, devices, ring=keys, lifetime=180 * DAY, now=now)


def test_a_token_has_a_key_a_time_and_a_signature() -> None:
    """A token is the key's id, whole seconds and a signature in hexadecimal digits."""
    assert device_token(RING.first, USER, DEVICES) == TOKEN
    assert lane(TOKEN) is Lane.KNOWN


def test_one_good_token_is_enough() -> None:
    """Tokens of other services or subjects beside a good one make no difference."""
    assert lane() is Lane.OTHERS
    assert lane("a.1.b", "", TOKEN) is Lane.KNOWN
    assert lane(TOKEN, "a.1.b") is Lane.KNOWN


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "k1", "k1.1767225600", f"k1.{SIGNATURE}", f".1767225600.{SIGNATURE}"),
        *(f"k1..{SIGNATURE}", "k1.1767225600.", f"{TOKEN}.", f".{TOKEN}", f"{TOKEN}\n"),
        *(f" {TOKEN}", f"{TOKEN} ", f"{TOKEN}0", TOKEN[:-1], f"{TOKEN}, {TOKEN}"),
        f"k1.1767225600.{SIGNATURE.upper()}",
        f"k1.01767225600.{SIGNATURE}",
        f"k1.+1767225600.{SIGNATURE}",
        f"k1.-1767225600.{SIGNATURE}",
        f"k1.1767225600.0.{SIGNATURE}",
        f"k1.1767225600000.{SIGNATURE}",
        f"k1.{'9' * 5000}.{SIGNATURE}",
        f"k1.١٧٦٧٢٢٥٦٠٠.{SIGNATURE}",
        f"k1.1767225600.{'é' * 64}",
        f"k1.1767225600.{SIGNATURE[:-1]}٠",
        f"{'k' * 65}.1767225600.{SIGNATURE}",
        f"k 1.1767225600.{SIGNATURE}",
        f"k1\0.1767225600.{SIGNATURE}",
    ],
)
def test_a_malformed_token_makes_nobody_known(token: str) -> None:
    """A token of any other shape leaves the device a stranger, and raises nothing."""
    assert lane(token) is Lane.OTHERS


@pytest.mark.parametrize(
    "token",
    [
        f"k1.1767225600.{SIGNATURE[:-1]}b",
        f"k1.1767225600.{'0' * 64}",
        f"k1.1767225601.{SIGNATURE}",
        f"k1.1767225599.{SIGNATURE}",
        f"k2.1767225600.{SIGNATURE}",
    ],
)
def test_a_forged_token_makes_nobody_known(token: str) -> None:
    """Another signature, another time or another key does not go with the rest."""
    assert lane(token, keys=ring("devices", "k1", "k2")) is Lane.OTHERS


def test_a_token_is_good_for_its_subject_alone() -> None:
    """Another user's token, or that of a number with the same id, makes nobody known."""
    for subject in (Subject(SubjectKind.USER, "u2"), Subject(SubjectKind.PHONE, "u1")):
        token = device_token(RING.first, subject, DEVICES)
        assert lane(token, subject=subject) is Lane.KNOWN
        assert lane(token) is Lane.OTHERS
        assert lane(TOKEN, subject=subject) is Lane.OTHERS


def test_a_removed_key_makes_strangers() -> None:
    """Every key of the ring verifies, the first one signs, and a removed one does neither."""
    assert lane(TOKEN, keys=ring("devices", "k2", "k1")) is Lane.KNOWN
    assert lane(TOKEN, keys=ring("devices", "k2")) is Lane.OTHERS
    new = device_token(ring("devices", "k2", "k1").first, USER, DEVICES)
    assert new.startswith("k2.1767225600.")
    assert lane(new, keys=ring("devices", "k2")) is Lane.KNOWN


def test_a_device_is_known_for_180_days() -> None:
    """A token is good until 180 days after the success, to the microsecond."""
    end = 180 * 86_400_000_000
    assert lane(TOKEN, now=later(end - 1)) is Lane.KNOWN
    assert lane(TOKEN, now=later(end)) is Lane.OTHERS
    assert lane(TOKEN, now=later(end + 1)) is Lane.OTHERS


def test_a_token_from_the_future() -> None:
    """A machine whose clock is up to five seconds ahead may have made the token."""
    assert lane(TOKEN, now=later(-5_000_000)) is Lane.KNOWN
    assert lane(TOKEN, now=later(-5_000_001)) is Lane.OTHERS


def test_a_token_counts_from_the_whole_second() -> None:
    """The fraction of the second of a success is no part of the token."""
    since = later(999_999)
    assert device_token(RING.first, USER, attrs.evolve(DEVICES, since=since)) == TOKEN


def test_other_devices_of_the_subject_have_another_seed() -> None:
    """With no devices or another seed in the slot every token is revoked."""
    assert lane(TOKEN, devices=None) is Lane.OTHERS
    assert lane(TOKEN, devices=attrs.evolve(DEVICES, seed=bytes(15) + b"\1")) is Lane.OTHERS


def test_the_seed_is_not_told() -> None:
    """A representation of the devices does not contain their seed."""
    assert "seed" not in repr(DEVICES)


# Limits on sends to a number

OPEN_TO_ALL: Final = Policy(client_sends=(), asks_for_work=False)
"""No limit but that of the number."""


@attrs.define
class Number:
    """The sends to one number, charged as an ask charges them."""

    policy: Policy = OPEN_TO_ALL
    usages: Usages = attrs.field(factory=dict[UsageKey, tuple[Instant, ...]])

    def send(
        self,
        client: ClientAddress = HOME,
        *,
        known: bool = False,
        flow: Flow = Flow.PASS_LOGIN,
        at: Instant = START,
        is_let: bool = False,
    ) -> Refusal | None:
        """Charge a send, or return why it is refused."""
        sent = sent_by(client, known=known, flow=flow)
        demands = send_demands(sent, self.policy, is_let=is_let)
        refusal = judge(self.usages, demands, at)
        if refusal is None:
            self.usages = charge(self.usages, demands, at)
        return refusal

    def sends(self, *numbers: int, flow: Flow = Flow.PASS_LOGIN, at: Instant = START) -> None:
        """Strangers in these networks each get a send."""
        for number in numbers:
            assert self.send(stranger(number), flow=flow, at=at) is None


def sent_by(client: ClientAddress, *, known: bool = False, flow: Flow = Flow.PASS_LOGIN) -> Sent:
    """A send to the number."""
    of = Lane.KNOWN if known else Lane.OTHERS
    return Sent(flow=flow, contact=CONTACT, client=client, lane=of)


FULL: Final = Refusal(Limit.CONTACT_SENDS, Instant(START + 86_400_000_000))
"""The number has had its sends at the start of the test; the first leaves 24 h later."""


def test_others_share_seven_sends() -> None:
    """The eighth stranger in 24 h waits for the first send to leave; three are kept."""
    number = Number()
    number.sends(*range(7))
    assert number.send(stranger(7)) == FULL
    assert number.send(stranger(7), at=later(DAY - 1)) == FULL
    assert [number.send(HOME, known=True) for _ in range(3)] == [None] * 3
    assert number.send(HOME, known=True) == FULL
    assert number.send(HOME, known=True, at=later(DAY - 1)) == FULL
    assert number.send(stranger(7), at=later(DAY)) is None
    assert number.send(HOME, known=True, at=later(DAY)) is None


def test_known_devices_use_what_others_leave() -> None:
    """Known devices get all ten sends, and then nobody gets another."""
    number = Number()
    assert [number.send(known=True) for _ in range(10)] == [None] * 10
    assert number.send(known=True) == FULL
    assert number.send(stranger(0)) == FULL


def test_others_get_what_known_devices_leave() -> None:
    """After eight sends of known devices two are left for others."""
    number = Number()
    assert [number.send(known=True) for _ in range(8)] == [None] * 8
    number.sends(0, 1)
    assert number.send(stranger(2)) == FULL


def test_one_network_gets_three_sends() -> None:
    """The fourth ask of one network is refused, whatever its address and its flow."""
    number = Number()
    assert number.send(HOME) is None
    assert number.send(NEIGHBOUR) is None
    assert number.send(ClientAddress("198.51.100.254"), flow=Flow.SIGNUP) is None
    assert number.send(ClientAddress("198.51.100.99")) == FULL
    assert number.send(HOME, flow=Flow.SIGNUP, at=later(DAY - 1)) == FULL
    assert number.send(ELSEWHERE) is None
    assert number.send(HOME, known=True) is None
    assert number.send(HOME, at=later(DAY)) is None


def test_a_network_of_ipv6_has_48_bits() -> None:
    """All of a customer's 65 536 subnets are one network."""
    number = Number()
    for subnet in ("2001:db8:1::/64", "2001:db8:1:1::/64", "2001:db8:1:ffff::/64"):
        assert number.send(ClientAddress(subnet)) is None
    assert number.send(ClientAddress("2001:db8:1:2::/64")) == FULL
    assert number.send(ClientAddress("2001:db8:2::/64")) is None


def test_no_limit_on_networks() -> None:
    """With 0 for one network all seven are anybody's."""
    number = Number(attrs.evolve(OPEN_TO_ALL, sends_of_one_network=0))
    assert [number.send(HOME) for _ in range(7)] == [None] * 7
    assert number.send(HOME) == FULL


def test_signup_gets_four_sends() -> None:
    """Of the seven signup uses four; the rest is for pass login."""
    number = Number()
    number.sends(0, 1, 2, 3, flow=Flow.SIGNUP)
    assert number.send(stranger(4), flow=Flow.SIGNUP) == FULL
    assert number.send(stranger(4), flow=Flow.SIGNUP, at=later(DAY - 1)) == FULL
    number.sends(4, 5, 6)
    assert number.send(stranger(7)) == FULL
    assert number.send(stranger(7), known=True, flow=Flow.SIGNUP) is None
    assert number.send(stranger(7), flow=Flow.SIGNUP, at=later(DAY)) is None


def test_the_longest_wait_of_a_number_answers() -> None:
    """Where its network is full later than everybody, the network's wait is the answer."""
    number = Number()
    number.sends(*range(4))
    for minute in (1, 2, 3):
        assert number.send(HOME, at=later(minute * MINUTE)) is None
    assert number.send(stranger(4), at=later(HOME_FULL)) == FULL
    waits = Refusal(Limit.CONTACT_SENDS, later(DAY + MINUTE))
    assert number.send(HOME, at=later(HOME_FULL)) == waits


HOME_FULL: Final[Duration] = 4 * MINUTE


@pytest.mark.parametrize(
    ("limit", "kept", "others", "signup"),
    [
        (10, 3, 7, 4),
        (10, 0, 10, 5),
        (20, 3, 17, 9),
        (5, 3, 2, 1),
        (4, 3, 1, 1),
        (3, 3, 1, 1),
        (2, 3, 1, 1),
        (1, 3, 1, 1),
        (1, 0, 1, 1),
        (0, 3, 0, 0),
    ],
)
def test_small_limits_leave_others_one_send(
    limit: int, kept: int, others: int, signup: int
) -> None:
    """Neither what is kept nor signup's share takes everything; a limit of 0 refuses nothing."""
    policy = Policy(contact_sends=Quota(limit, DAY), sends_kept_for_known=kept)
    demands = send_demands(sent_by(HOME, flow=Flow.SIGNUP), policy, is_let=False)
    network = 3 if limit else 0
    assert [demand.quotas for demand in demands[:4]] == [
        (Quota(most, DAY),) for most in (limit, others, network, signup)
    ]


def test_a_number_without_a_limit() -> None:
    """With a limit of 0 nothing is kept, counted or refused, and no work is asked for."""
    number = Number(Policy(contact_sends=Quota(0, DAY), client_sends=()))
    assert [number.send(HOME) for _ in range(20)] == [None] * 20
    assert number.usages == {}
    assert work_level(number.usages, sent_by(HOME), number.policy, START) == 0


def test_what_counts_a_send() -> None:
    """Each lane has its keys for clients; a stranger's send is charged to its shares as well."""
    total = UsageKey("phone_sends", PHONE)
    theirs = (
        UsageKey("phone_sends_of_others", PHONE),
        UsageKey("phone_sends_of_others", f"{PHONE} 198.51.100.0/24"),
    )
    clients = (
        UsageKey("signup_sends", "198.51.100.7"),
        UsageKey("signup_sends", "198.51.100.0/24"),
    )
    known = (
        UsageKey("signup_known_sends", "198.51.100.7"),
        UsageKey("signup_known_sends", "198.51.100.0/24"),
    )
    share = UsageKey("phone_sends_of_others", f"{PHONE} signup")
    stranger_s, owner_s = (sent_by(HOME, known=known, flow=Flow.SIGNUP) for known in (False, True))
    assert contact_sends(CONTACT) == total
    assert charged_keys(stranger_s) == (total, *theirs, share, *clients)
    assert charged_keys(owner_s) == (total, *known)
    assert charged_keys(sent_by(HOME))[:3] == (total, *theirs)
    assert send_keys(owner_s, (Lane.KNOWN, Lane.OTHERS)) == (
        *(total, *known),
        *(*theirs, share, *clients),
    )
    assert client_keys([stranger_s, owner_s, stranger_s]) == (*clients, *known)
    assert {"phone_sends", "phone_sends_of_others"} == CONTACT_SCOPES
    assert {contact_of(key) for key in (total, *theirs, share)} == {PHONE}


def test_sends_of_a_client_count_per_lane() -> None:
    """A stranger behind a shared address uses up none of its neighbours' sends."""
    number = Number(Policy(contact_sends=Quota(0, DAY)))
    assert [number.send(HOME) for _ in range(5)] == [None] * 5
    assert number.send(HOME) == Refusal(Limit.CLIENT, later(HOUR))
    assert [number.send(HOME, known=True) for _ in range(5)] == [None] * 5
    assert number.send(HOME, known=True) == Refusal(Limit.CLIENT, later(HOUR))
    assert number.send(NEIGHBOUR) is None


def test_who_is_let_in_has_only_the_ten_to_respect() -> None:
    """An operator's sends pass every limit but the number's own, and use up none of the shares."""
    number = Number(Policy())
    number.sends(*range(7))
    assert [number.send(stranger(0), is_let=True) for _ in range(3)] == [None] * 3
    assert number.send(stranger(0), is_let=True) == FULL
    others = UsageKey("phone_sends_of_others", PHONE)
    assert len(number.usages[others]) == 7
    assert number.usages[UsageKey("pass_login_sends", "10.0.0.1")] == (START,)


# Work


@pytest.mark.parametrize(
    ("earlier", "free", "level"),
    [
        *((0, 2, 0), (1, 2, 0), (2, 2, 1), (3, 2, 2), (4, 2, 3)),
        *((5, 2, 4), (6, 2, 5), (7, 2, 6), (8, 2, 6), (1_000, 2, 6)),
        *((0, 0, 1), (5, 0, 6), (0, 1, 0), (1, 1, 1)),
    ],
)
def test_each_ask_costs_a_level_more(earlier: int, free: int, level: int) -> None:
    """The first ask after the free ones costs level 1, each one more, and six at most."""
    assert level_of(earlier, free) == level


def test_work_counts_the_others_sends_of_a_day() -> None:
    """Sends of known devices do not count, and after 24 h a send counts no longer."""
    number = Number(Policy(client_sends=()))
    for _ in range(3):
        assert number.send(known=True) is None
    number.sends(0, 1)
    number.sends(2, at=later(HOUR))

    def level(at: Duration, *, known: bool = False) -> int:
        return work_level(
            number.usages, sent_by(stranger(3), known=known), number.policy, later(at)
        )

    assert level(HOUR) == 2
    assert level(DAY - 1) == 2
    assert level(DAY) == 0
    assert level(HOUR, known=True) == 0
    number.policy = attrs.evolve(number.policy, asks_for_work=False)
    assert level(HOUR) == 0


def test_a_higher_limit_asks_for_the_highest_level_at_most() -> None:
    """With 20 sends a day the eighth to the seventeenth stranger each do work of level 6."""
    number = Number(Policy(contact_sends=Quota(20, DAY), client_sends=()))
    levels: list[int] = []
    for one in range(17):
        levels.append(work_level(number.usages, sent_by(stranger(one)), number.policy, START))
        number.sends(one)
    assert levels == [0, 0, 1, 2, 3, 4, 5, *[6] * 10]
    assert number.send(stranger(17)) == FULL


# Lanes of a slot

WITHOUT_LIMITS: Final = Policy(
    cooldown=0, contact_sends=Quota(0, DAY), client_sends=(), fresh_for=0
)
"""Only the lock is left, and guesses are bound."""


@attrs.define
class Scene:
    """One slot and the usages beside it."""

    policy: Policy = attrs.field(factory=Policy)
    held: Held = attrs.field(factory=Held)
    now: Instant = START
    asked: int = 0

    def wait(self, duration: Duration) -> None:
        """Let time pass."""
        self.now = Instant(self.now + duration)

    def request(
        self,
        client: ClientAddress = HOME,
        *,
        token: str | None = None,
        work: Judgement | None = None,
        session: str | None = None,
    ) -> Request:
        """What a client sends."""
        return Request(
            slot=SLOT,
            flow=Flow.PASS_LOGIN,
            contact=CONTACT,
            client=client,
            session=session,
            devices=() if token is None else (token,),
            work=work,
        )

    def ask(
        self,
        client: ClientAddress = HOME,
        *,
        token: str | None = None,
        work: Judgement | None = None,
        session: str | None = None,
    ) -> AskOutcome:
        """Ask for a code."""
        request = self.request(client, token=token, work=work, session=session)
        self.asked += 1
        drawn = Drawn(
            challenge_id=f"c{self.asked}", nonce=self.asked.to_bytes(16, "big"), key_id="k1"
        )
        of = lane_for(self.held.record, request, ring=RING, policy=self.policy, now=self.now)
        read = self._read(request)
        return self._take(ask(read, request, drawn, self.policy, self.now, lane=of), read)

    def issue(
        self,
        client: ClientAddress = HOME,
        *,
        token: str | None = None,
        work: Judgement | None = None,
        session: str | None = None,
    ) -> Challenge:
        """Ask for a code that is admitted."""
        outcome = self.ask(client, token=token, work=work, session=session)
        assert isinstance(outcome, Issued)
        return outcome.challenge

    def check(
        self,
        digits: str,
        client: ClientAddress = HOME,
        *,
        token: str | None = None,
        challenge_id: str | None = None,
        session: str | None = None,
    ) -> CheckOutcome:
        """Present *digits*."""
        request = self.request(client, token=token, session=session)
        presented = Presented(Code(digits), challenge_id)
        of = lane_of_check(
            self.held.record, request, presented, ring=RING, policy=self.policy, now=self.now
        )
        read, codes = self._read(request), ring("codes")
        decision = check(read, request, presented, self.policy, ring=codes, now=self.now, lane=of)
        return self._take(decision, read)

    def fail(
        self, times: int, client: ClientAddress = HOME, *, token: str | None = None
    ) -> CheckOutcome:
        """Ask, and present wrong digits that are all judged, up to three for a code."""
        outcome: CheckOutcome | None = None
        for number in range(times):
            if number % 3 == 0:
                challenge = self.issue(client, token=token)
            wrong = other_than(digits_of(challenge))
            outcome = self.check(wrong, client, token=token)
            assert isinstance(outcome, WrongCode)
        assert outcome is not None
        return outcome

    def sign_in(self, client: ClientAddress = HOME, *, token: str | None = None) -> str:
        """Ask, present the code, and return the device's token."""
        challenge = self.issue(client, token=token)
        return self.verify(challenge, client, token=token)

    def verify(
        self, challenge: Challenge, client: ClientAddress = HOME, *, token: str | None = None
    ) -> str:
        """Present the code of *challenge* by its id, and return the device's token."""
        outcome = self.check(digits_of(challenge), client, token=token, challenge_id=challenge.id)
        assert isinstance(outcome, Verified)
        return device_token(RING.first, USER, outcome.devices)

    def lane(self, token: str) -> Lane:
        """The lane of a device with *token*."""
        request = self.request(token=token)
        return lane_for(self.held.record, request, ring=RING, policy=self.policy, now=self.now)

    def let(self, client: ClientAddress = HOME) -> Let:
        """Let *client* in as an operator does."""
        return self._take(let(self.held, client, self.now), self.held)

    def unlock(self, *, devices: bool = False) -> None:
        """Unlock as an operator does."""
        self._take(unlock(self.held, devices=devices), self.held)

    @property
    def record(self) -> SlotRecord:
        """What stands in the slot."""
        return self.held.record

    def _read(self, request: Request) -> Held:
        """What a store reads for *request*: no usage but those of its keys."""
        usages = {key: self.held.usages.get(key, ()) for key in usage_keys(request)}
        return Held(self.held.record, usages)

    def _take(self, decision: Decision[Held, O], read: Held) -> O:
        if decision.becomes is not read:
            becomes = decision.becomes
            self.held = Held(becomes.record, {**self.held.usages, **becomes.usages})
        return decision.outcome


def digits_of(challenge: Challenge) -> str:
    """The code that was made for *challenge*."""
    return code_of(challenge, ring("codes").first, 6).reveal()


def known_scene(policy: Policy | None = None) -> tuple[Scene, str]:
    """A slot with one known device and no other trace of it, and the device's token."""
    scene = Scene(policy or Policy())
    token = scene.sign_in()
    kept = scene.record.devices
    return Scene(scene.policy, Held(SlotRecord(devices=kept)), asked=scene.asked), token


def test_a_success_makes_the_device_known() -> None:
    """The slot knows its devices for 180 days from the last success, by a seed of its own."""
    scene = Scene()
    assert scene.record.devices is None
    token = scene.sign_in()
    devices = Devices(seed=(1).to_bytes(16, "big"), since=START, until=later(180 * 86_400_000_000))
    assert scene.record.devices == devices
    assert scene.lane(token) is Lane.KNOWN


def test_each_success_gives_a_token_and_leaves_the_older_good() -> None:
    """The older token is good until its own end, 180 days after its own success."""
    scene = Scene()
    first = scene.sign_in()
    scene.wait(10 * DAY)
    second = scene.sign_in(token=first)
    assert scene.record.devices == Devices(
        seed=(1).to_bytes(16, "big"), since=later(10 * DAY), until=later(190 * DAY)
    )
    assert second != first
    assert [scene.lane(first), scene.lane(second)] == [Lane.KNOWN, Lane.KNOWN]
    scene.now = later(180 * DAY)
    assert [scene.lane(first), scene.lane(second)] == [Lane.OTHERS, Lane.KNOWN]
    scene.now = later(190 * DAY)
    assert [scene.lane(first), scene.lane(second)] == [Lane.OTHERS, Lane.OTHERS]


def test_an_unlock_alone_keeps_the_devices() -> None:
    """Only an unlock with devices makes strangers of them, and of no device after it."""
    scene, token = known_scene()
    scene.unlock()
    assert scene.lane(token) is Lane.KNOWN
    scene.unlock(devices=True)
    assert scene.lane(token) is Lane.OTHERS
    new = scene.sign_in()
    assert [scene.lane(token), scene.lane(new)] == [Lane.OTHERS, Lane.KNOWN]


def test_an_unlock_of_a_slot_without_devices_changes_nothing() -> None:
    """Where there is nothing to clear, the state stays the very same."""
    held = Held()
    assert unlock(held, devices=True).becomes is held


def test_to_forget_makes_strangers() -> None:
    """Forgetting the person revokes the tokens of all devices, and ends what an operator gave."""
    scene, token = known_scene()
    scene.let(ELSEWHERE)
    assert forget(scene.held, scene.policy, scene.now).outcome == Forgotten(None, devices=True)
    scene.held = forget(scene.held, scene.policy, scene.now).becomes
    assert scene.record == SlotRecord()
    assert scene.lane(token) is Lane.OTHERS


def test_to_forget_keeps_the_wrong_guesses_of_either_lane() -> None:
    """Neither lane's wrong guesses and cooldown are lifted."""
    scene, token = known_scene(WITHOUT_LIMITS)
    scene.fail(1)
    scene.fail(2, token=token)
    assert forget(scene.held, scene.policy, scene.now).becomes.record == SlotRecord(
        others=LaneRecord(asked_at=START, failures=(START,)),
        known=LaneRecord(asked_at=START, failures=(START, START)),
    )


def test_a_locked_lane_is_not_forgotten() -> None:
    """Forgetting lifts the lock of neither lane."""
    for of_known in (False, True):
        scene, token = known_scene(WITHOUT_LIMITS)
        scene.fail(15, token=token if of_known else None)
        assert forget(scene.held, scene.policy, scene.now).outcome == Locked(later(DAY))


def test_each_lane_has_a_code_of_its_own() -> None:
    """Neither lane's ask ends the code of the other, and each presents its own."""
    scene, token = known_scene()
    theirs = scene.issue(ELSEWHERE)
    own = scene.issue(token=token)
    assert (theirs.lane, own.lane) == (Lane.OTHERS, Lane.KNOWN)
    assert [one.challenge for one in scene.record.lanes] == [theirs, own]
    assert isinstance(scene.check(digits_of(theirs), ELSEWHERE), Verified)
    assert isinstance(scene.check(digits_of(own), token=token), Verified)


def test_a_code_of_the_other_lane_is_wrong() -> None:
    """A stranger's guess is judged by the strangers' code alone, a known device's by its own."""
    scene, token = known_scene()
    theirs, own = scene.issue(), scene.issue(token=token)
    assert isinstance(scene.check(digits_of(own)), WrongCode)
    assert isinstance(scene.check(digits_of(theirs), token=token), WrongCode)
    strangers, known = scene.record.lanes
    assert (strangers.run, known.run) == (1, 1)


def test_a_known_device_presents_what_it_asked_for_as_a_stranger() -> None:
    """By its id, a code of the others is judged there, whoever presents it."""
    scene, token = known_scene()
    earlier = scene.issue()
    named = earlier.id
    wrong = scene.check(other_than(digits_of(earlier)), token=token, challenge_id=named)
    assert isinstance(wrong, WrongCode)
    assert [one.run for one in scene.record.lanes] == [1, 0]
    right = scene.check(digits_of(earlier), token=token, challenge_id=named)
    assert isinstance(right, Verified)
    assert right.challenge.lane is Lane.OTHERS


def test_a_stranger_cannot_name_a_known_devices_code() -> None:
    """Not even its id and its digits present the code of a known device."""
    scene, token = known_scene()
    own = scene.issue(token=token)
    scene.issue()
    held = scene.held
    outcome = scene.check(digits_of(own), challenge_id=own.id)
    assert outcome == NoLiveCode(later(30 * SECOND))
    assert scene.held is held


def test_each_lane_has_a_cooldown_of_its_own() -> None:
    """A stranger's ask does not make a known device wait, nor the reverse."""
    scene, token = known_scene()
    scene.issue(ELSEWHERE)
    scene.wait(SECOND)
    assert isinstance(scene.ask(token=token), Issued)
    assert scene.ask(ELSEWHERE) == Refusal(Limit.COOLDOWN, later(30_000_000))
    assert scene.ask(token=token) == Refusal(Limit.COOLDOWN, later(31_000_000))
    scene.now = later(30_999_999)
    assert isinstance(scene.ask(ELSEWHERE), Issued)
    assert scene.ask(token=token) == Refusal(Limit.COOLDOWN, later(31_000_000))
    scene.wait(1)
    assert isinstance(scene.ask(token=token), Issued)


def test_each_lane_is_locked_by_15_of_its_own_guesses() -> None:
    """Fifteen failures in 24 h lock a lane until the first leaves; the other stays open."""
    for of_known in (False, True):
        scene, token = known_scene(WITHOUT_LIMITS)
        mine, other = (token, None) if of_known else (None, token)
        scene.fail(14, token=mine)
        assert isinstance(scene.ask(token=mine), Issued)
        scene.fail(1, token=mine)
        assert scene.ask(token=mine) == Locked(later(86_400_000_000))
        assert scene.check("000000", token=mine) == Locked(later(86_400_000_000))
        assert isinstance(scene.ask(token=other), Issued)
        scene.now = later(86_400_000_000 - 1)
        assert scene.ask(token=mine) == Locked(later(86_400_000_000))
        scene.wait(1)
        assert isinstance(scene.ask(token=mine), Issued)


def test_both_lanes_together_have_30_guesses_a_day() -> None:
    """Each lane's fifteen are all there are: both are locked by the thirtieth."""
    scene, token = known_scene(WITHOUT_LIMITS)
    scene.fail(15)
    scene.fail(14, token=token)
    assert lock(scene.record, scene.policy, scene.now, Lane.KNOWN) is None
    scene.fail(1, token=token)
    full = Locked(later(DAY))
    assert lock(scene.record, scene.policy, scene.now, Lane.KNOWN) == full
    assert lock(scene.record, scene.policy, scene.now, is_let=True) == full


def test_each_lane_has_45_guesses_in_30_days() -> None:
    """The forty-sixth waits until the first is 30 days old, in its lane alone."""
    scene, token = known_scene(attrs.evolve(WITHOUT_LIMITS, max_run=0))
    for _ in range(3):
        scene.fail(15)
        scene.wait(DAY)
    full = Locked(later(2_592_000_000_000))
    assert scene.ask() == full
    assert isinstance(scene.ask(token=token), Issued)
    scene.now = later(30 * DAY - 1)
    assert scene.ask() == full
    scene.wait(1)
    assert isinstance(scene.ask(), Issued)


def test_each_lane_may_fail_50_times_in_a_row() -> None:
    """The fiftieth failure locks a lane until an operator unlocks it, and not the other."""
    for of_known in (False, True):
        scene, token = known_scene(attrs.evolve(WITHOUT_LIMITS, failures=()))
        mine, other = (token, None) if of_known else (None, token)
        scene.fail(49, token=mine)
        assert isinstance(scene.ask(token=mine), Issued)
        scene.fail(1, token=mine)
        assert scene.ask(token=mine) == Locked(None)
        assert isinstance(scene.ask(token=other), Issued)
        scene.unlock()
        assert isinstance(scene.ask(token=mine), Issued)


def test_both_lanes_may_fail_100_times_in_a_row() -> None:
    """Fifty strangers' failures leave a known device all of its own fifty."""
    scene, token = known_scene(attrs.evolve(WITHOUT_LIMITS, failures=()))
    scene.fail(50)
    scene.fail(49, token=token)
    assert lock(scene.record, scene.policy, scene.now, is_let=True) is None
    assert isinstance(scene.ask(token=token), Issued)
    scene.fail(1, token=token)
    for of in Lane:
        assert lock(scene.record, scene.policy, scene.now, of) == Locked(None)
    assert lock(scene.record, scene.policy, scene.now, is_let=True) == Locked(None)


@pytest.mark.parametrize(
    ("most", "others", "known"), [(100, 50, 50), (9, 5, 4), (3, 2, 1), (2, 1, 1)]
)
def test_an_odd_run_is_shared_without_taking_from_known_devices(
    most: int, others: int, known: int
) -> None:
    """Strangers may have the odd failure; whatever they do, known devices have their half."""
    policy = attrs.evolve(WITHOUT_LIMITS, failures=(), max_run=most)
    for strangers_first in (False, True):
        scene, token = known_scene(policy)
        if strangers_first:
            scene.fail(others)
            assert scene.ask() == Locked(None)
        scene.fail(known, token=token)
        assert scene.ask(token=token) == Locked(None)


def test_a_run_of_one_leaves_each_lane_one_failure() -> None:
    """With a single failure in a row there is nothing to share: either lane's locks both."""
    scene, token = known_scene(attrs.evolve(WITHOUT_LIMITS, failures=(), max_run=1))
    assert isinstance(scene.ask(token=token), Issued)
    scene.fail(1)
    assert scene.ask(token=token) == Locked(None)


def test_a_success_in_either_lane_ends_both_runs() -> None:
    """The failures stay in their windows, and the runs begin again."""
    for of_known in (False, True):
        scene, token = known_scene(WITHOUT_LIMITS)
        scene.fail(2)
        scene.fail(2, token=token)
        scene.sign_in(token=token if of_known else None)
        assert [one.run for one in scene.record.lanes] == [0, 0]
        assert [one.failures for one in scene.record.lanes] == [(START,) * 2] * 2


def test_both_lanes_lock_what_an_operator_unlocks() -> None:
    """An unlock clears the failures of both lanes and leaves their codes."""
    scene, token = known_scene(WITHOUT_LIMITS)
    scene.fail(15)
    scene.fail(15, token=token)
    scene.unlock()
    assert [(one.failures, one.run) for one in scene.record.lanes] == [((), 0)] * 2
    assert all(one.challenge is not None for one in scene.record.lanes)
    assert isinstance(scene.ask(), Issued)
    assert isinstance(scene.ask(token=token), Issued)


def test_either_lanes_code_is_withdrawn() -> None:
    """A challenge is withdrawn by its id, in whichever lane it stands."""
    scene, token = known_scene()
    theirs, own = scene.issue(), scene.issue(token=token)
    decision = withdraw(scene.held, own.id)
    assert decision.outcome == Withdrawn(attrs.evolve(own, ended=Ended.WITHDRAWN))
    scene.held = decision.becomes
    assert withdraw(scene.held, own.id) == Decision(NotStanding(), scene.held)
    assert isinstance(scene.check(digits_of(own), token=token), NoLiveCode)
    assert isinstance(scene.check(digits_of(theirs)), Verified)


def test_a_loss_voids_both_codes() -> None:
    """Each lane's cooldown runs from what either store knows of it; the devices stay known."""
    scene, token = known_scene()
    scene.issue()
    scene.wait(SECOND)
    scene.issue(token=token)
    told = {Lane.OTHERS: later(7 * SECOND), Lane.KNOWN: START}
    lost = after_loss(scene.record, told)
    assert [one.challenge for one in lost.lanes] == [None, None]
    assert [one.asked_at for one in lost.lanes] == [later(7 * SECOND), later(SECOND)]
    assert lost.devices == scene.record.devices


def test_what_keeps_a_record() -> None:
    """A record matters while a device is known, an operator lets somebody in, or work is spent."""
    policy = Policy()
    until = later(1_000 * SECOND)
    one = Let(client=HOME, until=until, sends=1, guesses=1)
    done = Solved(nonce="n1", level=1, expires_at=until)
    for record in (
        SlotRecord(devices=attrs.evolve(DEVICES, until=until)),
        SlotRecord(lets=(one,)),
        SlotRecord(work=(done,)),
    ):
        assert not is_over(record, policy, later(1_004_999_999))
        assert is_over(record, policy, later(1_005_000_000))


# Work of an ask


def solved(level: int, nonce: str = "n1") -> Solved:
    """Work that was done."""
    return Solved(nonce=nonce, level=level, expires_at=later(5 * MINUTE))


def working_scene() -> Scene:
    """Two strangers have asked for a code."""
    scene = Scene(Policy(fresh_for=0, cooldown=0, client_sends=()))
    scene.issue(stranger(0))
    scene.issue(stranger(1))
    return scene


def test_the_third_ask_of_others_costs_work() -> None:
    """From the third to the seventh stranger the level rises by one; the eighth is refused."""
    scene = working_scene()
    for level in range(1, 6):
        held = scene.held
        client = stranger(level + 1)
        assert scene.ask(client) == WorkRequired(level)
        assert scene.held is held
        assert isinstance(scene.ask(client, work=solved(level, f"n{level}")), Issued)
    held = scene.held
    assert scene.ask(stranger(7), work=solved(6)) == FULL
    assert scene.held is held


@pytest.mark.parametrize("work", [None, Stale(), Wrong(), solved(2), solved(6), solved(0)])
def test_other_work_is_refused(work: Judgement | None) -> None:
    """Only work of the very level counts; stale, wrong or no work asks for new work."""
    scene = working_scene()
    held = scene.held
    assert scene.ask(stranger(2), work=work) == WorkRequired(1)
    assert scene.held is held


def test_work_is_admitted_once() -> None:
    """The nonce of spent work is kept until it is stale everywhere, and is refused until then."""
    scene = Scene(
        Policy(
            fresh_for=0, cooldown=0, client_sends=(), contact_sends=Quota(20, DAY),
            sends_of_one_network=0, free_sends_of_others=0,
        )
    )  # fmt: skip
    for level in range(1, 7):
        scene.issue(work=solved(level, f"n{level}"))
    scene.issue(work=solved(6, "n7"))
    assert scene.ask(work=solved(6, "n7")) == WorkRequired(6)
    assert scene.ask(work=solved(6, "n1")) == WorkRequired(6)
    assert len(scene.record.work) == 7
    scene.now = later(5 * MINUTE + 5 * SECOND - 1)
    more = attrs.evolve(solved(6, "n8"), expires_at=later(HOUR))
    scene.issue(work=more)
    assert len(scene.record.work) == 8
    scene.wait(1)
    scene.issue(work=attrs.evolve(more, nonce="n9"))
    assert [one.nonce for one in scene.record.work] == ["n8", "n9"]


def test_free_asks_spend_no_work() -> None:
    """Work that nobody asked for is left as it is."""
    scene, token = known_scene()
    scene.issue(ELSEWHERE, work=solved(1))
    scene.issue(token=token, work=solved(1))
    assert scene.record.work == ()


def test_a_success_makes_work_no_cheaper() -> None:
    """After a right code the next ask of a stranger still costs its level."""
    scene = working_scene()
    challenge = scene.record.others.challenge
    assert challenge is not None
    scene.verify(challenge, stranger(1))
    assert scene.ask(stranger(2)) == WorkRequired(1)


def test_known_devices_do_no_work() -> None:
    """However many strangers have asked, a known device asks for nothing but its code."""
    scene, token = known_scene(Policy(fresh_for=0, cooldown=0, client_sends=()))
    for number in range(7):
        level = max(0, number - 1)
        scene.issue(stranger(number), work=solved(level, f"n{number}") if level else None)
    assert [isinstance(scene.ask(token=token), Issued) for _ in range(3)] == [True] * 3
    assert scene.ask(token=token) == FULL


def test_a_limit_answers_before_work() -> None:
    """The cooldown, a network's three and the fresh code are told first, and no work is spent."""
    scene = Scene()
    for _ in range(2):
        scene.issue()
        scene.wait(30 * SECOND)
    scene.wait(-SECOND)
    assert scene.ask(work=solved(1)) == Refusal(Limit.COOLDOWN, later(60 * SECOND))
    assert scene.ask(ELSEWHERE, work=solved(1)) == Refusal(Limit.COOLDOWN, later(150 * SECOND))
    scene.wait(SECOND)
    assert scene.ask() == WorkRequired(1)
    scene.issue(work=solved(1))
    scene.wait(30 * SECOND)
    assert scene.ask(work=solved(2, "n2")) == Refusal(Limit.CONTACT_SENDS, later(DAY))


def test_malformed_work_is_told_after_the_lock() -> None:
    """No payload at all is malformed, whether or not work is asked for; the lock answers first."""
    scene, token = known_scene(WITHOUT_LIMITS)
    held = scene.held
    assert scene.ask(work=Malformed()) == MalformedWork()
    assert scene.ask(token=token, work=Malformed()) == MalformedWork()
    assert scene.held is held
    scene.fail(15)
    assert scene.ask(work=Malformed()) == Locked(later(DAY))


def test_malformed_work_is_told_before_a_limit() -> None:
    """A limit that would refuse the ask does not hide that its work is malformed."""
    scene = Scene()
    scene.issue()
    assert scene.ask(work=Malformed()) == MalformedWork()


# A fresh code


def test_another_network_cannot_replace_a_fresh_code() -> None:
    """For 120 s after it was issued only its own network replaces a code."""
    scene = Scene()
    scene.issue()
    fresh = Refusal(Limit.COOLDOWN, later(120_000_000))
    scene.wait(30 * SECOND)
    assert scene.ask(ELSEWHERE) == fresh
    scene.now = later(120_000_000 - 1)
    assert scene.ask(ELSEWHERE) == fresh
    scene.wait(1)
    assert isinstance(scene.ask(ELSEWHERE), Issued)


def test_its_own_network_replaces_a_code() -> None:
    """Whoever asked may ask again after the cooldown, from any address of the network."""
    scene = Scene()
    scene.issue()
    scene.wait(30 * SECOND)
    assert isinstance(scene.ask(NEIGHBOUR), Issued)


def test_a_fresh_code_is_no_longer_fresh_than_it_lives() -> None:
    """A code that expires sooner holds nobody up after its end."""
    scene = Scene(Policy(lifetime=60 * SECOND))
    scene.issue()
    scene.wait(59 * SECOND)
    assert scene.ask(ELSEWHERE) == Refusal(Limit.COOLDOWN, later(60 * SECOND))
    scene.wait(SECOND)
    assert isinstance(scene.ask(ELSEWHERE), Issued)


def test_no_fresh_code() -> None:
    """With 0 seconds only the cooldown holds others up."""
    scene = Scene(Policy(fresh_for=0))
    scene.issue()
    assert scene.ask(ELSEWHERE) == Refusal(Limit.COOLDOWN, later(30 * SECOND))
    scene.wait(30 * SECOND)
    assert isinstance(scene.ask(ELSEWHERE), Issued)


def test_an_ended_code_holds_nobody_up() -> None:
    """After a used, exhausted or withdrawn code another network waits for the cooldown alone."""

    def used(scene: Scene, challenge: Challenge) -> None:
        scene.verify(challenge)

    def exhausted(scene: Scene, challenge: Challenge) -> None:
        for _ in range(3):
            scene.check(other_than(digits_of(challenge)))

    def withdrawn(scene: Scene, challenge: Challenge) -> None:
        scene.held = withdraw(scene.held, challenge.id).becomes

    for end in (used, exhausted, withdrawn):
        scene = Scene()
        end(scene, scene.issue())
        assert scene.ask(ELSEWHERE) == Refusal(Limit.COOLDOWN, later(30 * SECOND))
        scene.wait(30 * SECOND)
        assert isinstance(scene.ask(ELSEWHERE), Issued)


def test_two_wrong_guesses_leave_a_code_fresh() -> None:
    """A code with one guess left is still about to be typed."""
    scene = Scene()
    challenge = scene.issue()
    for _ in range(2):
        scene.check(other_than(digits_of(challenge)))
    scene.wait(30 * SECOND)
    assert scene.ask(ELSEWHERE) == Refusal(Limit.COOLDOWN, later(120 * SECOND))


def test_a_code_of_the_other_lane_is_nobodys_business() -> None:
    """The fresh code of a known device holds no stranger up, nor a stranger's a known device."""
    scene, token = known_scene()
    scene.issue(token=token)
    assert isinstance(scene.ask(ELSEWHERE), Issued)
    scene, token = known_scene()
    scene.issue(ELSEWHERE)
    assert isinstance(scene.ask(token=token), Issued)


def test_a_known_device_changes_networks() -> None:
    """A known device replaces its own code from wherever it is."""
    scene, token = known_scene()
    scene.issue(token=token)
    scene.wait(30 * SECOND)
    assert isinstance(scene.ask(ELSEWHERE, token=token), Issued)


def test_the_answer_tells_its_own_network_the_cooldown() -> None:
    """Who asked is told 30 s; who comes from another network is told 120 s with a wrong guess."""
    scene = Scene()
    outcome = scene.ask()
    assert isinstance(outcome, Issued)
    assert outcome.resend_at == later(30 * SECOND)
    wrong = other_than(digits_of(outcome.challenge))
    assert scene.check(wrong, ELSEWHERE, challenge_id="c1") == WrongCode(2, later(120 * SECOND))
    assert scene.check(wrong) == WrongCode(1, later(30 * SECOND))


# Bound guesses


def test_a_guess_is_judged_by_the_challenges_id() -> None:
    """From another network a guess counts only if it names the challenge."""
    scene = Scene()
    challenge = scene.issue()
    held = scene.held
    expected = NoLiveCode(later(120 * SECOND))
    assert scene.check(digits_of(challenge), ELSEWHERE) == expected
    assert scene.check(digits_of(challenge), ELSEWHERE, challenge_id="another") == expected
    assert scene.held is held
    right = scene.check(digits_of(challenge), ELSEWHERE, challenge_id=challenge.id)
    assert isinstance(right, Verified)


def test_a_guess_is_judged_from_the_network_that_asked() -> None:
    """An address of the same network needs no id; one that names another challenge is refused."""
    scene = Scene()
    challenge = scene.issue()
    wrong = scene.check(digits_of(challenge), NEIGHBOUR, challenge_id="another")
    assert wrong == NoLiveCode(later(30 * SECOND))
    assert isinstance(scene.check(digits_of(challenge), NEIGHBOUR), Verified)


def test_a_guess_is_judged_in_its_session() -> None:
    """In signup the session stands for the id, from any network; without it nothing is judged."""
    scene = Scene()
    challenge = scene.issue(session="s1")
    held = scene.held
    for session in (None, "s2"):
        outcome = scene.check(digits_of(challenge), session=session)
        assert outcome == NoLiveCode(later(30 * SECOND))
    assert scene.held is held
    assert isinstance(scene.check(digits_of(challenge), ELSEWHERE, session="s1"), Verified)


def test_an_exhausted_code_is_not_told_to_other_networks() -> None:
    """A guess that is not bound learns nothing about the code."""
    scene = Scene()
    challenge = scene.issue()
    for _ in range(3):
        scene.check(other_than(digits_of(challenge)))
    assert isinstance(scene.check("000000", ELSEWHERE), NoLiveCode)
    assert isinstance(scene.check("000000"), Exhausted)


def test_a_known_devices_guess_is_not_bound() -> None:
    """A known device may change networks between asking and typing."""
    scene, token = known_scene()
    challenge = scene.issue(token=token)
    assert isinstance(scene.check(digits_of(challenge), ELSEWHERE, token=token), Verified)


def test_the_old_rule_for_guesses() -> None:
    """Where guesses are not bound, one from anywhere without an id is judged."""
    scene = Scene(Policy(binds_guesses=False))
    challenge = scene.issue()
    wrong = other_than(digits_of(challenge))
    assert scene.check(wrong, ELSEWHERE) == WrongCode(2, later(120 * SECOND))
    assert isinstance(scene.check(digits_of(challenge), ELSEWHERE), Verified)


def test_a_code_from_before_lanes() -> None:
    """Where nobody noted the network, anybody presents the code, and any network replaces it."""
    scene = Scene()
    challenge = attrs.evolve(scene.issue(), network=None)
    others = attrs.evolve(scene.record.others, challenge=challenge)
    scene.held = Held(SlotRecord(others=others), scene.held.usages)
    before = scene.held
    wrong = scene.check(other_than(digits_of(challenge)), ELSEWHERE)
    assert wrong == WrongCode(2, later(30 * SECOND))
    assert isinstance(scene.check(digits_of(challenge), ELSEWHERE), Verified)
    scene.held = before
    scene.wait(30 * SECOND)
    assert isinstance(scene.ask(ELSEWHERE), Issued)


# An operator lets somebody in


def test_what_an_operator_gives() -> None:
    """One address gets 3 sends and 6 guesses for an hour; giving again begins anew."""
    scene = Scene()
    given = Let(client=HOME, until=later(3_600_000_000), sends=3, guesses=6)
    assert scene.let() == given
    assert [*scene.record.lets] == [given]
    scene.issue()
    scene.wait(MINUTE)
    again = attrs.evolve(given, until=later(61 * MINUTE))
    assert scene.let() == again
    other = attrs.evolve(again, client=ELSEWHERE)
    assert scene.let(ELSEWHERE) == other
    assert [*scene.record.lets] == [again, other]


def test_a_let_ends_after_an_hour() -> None:
    """It is for its address alone and is over after an hour, to the microsecond."""
    given = Scene().let()
    assert let_of([given], HOME, later(3_600_000_000 - 1)) == given
    assert let_of([given], HOME, later(3_600_000_000)) is None
    assert let_of([given], NEIGHBOUR, START) is None


def test_a_let_that_is_over_is_dropped() -> None:
    """It stays a little longer, because another machine's clock may be behind."""
    scene = Scene()
    scene.let(ELSEWHERE)
    scene.now = later(HOUR + 5 * SECOND - 1)
    assert [one.client for one in (scene.let(), *scene.record.lets)] == [HOME, ELSEWHERE, HOME]
    scene.wait(1)
    scene.let(NEIGHBOUR)
    assert [one.client for one in scene.record.lets] == [HOME, NEIGHBOUR]


def spent_scene() -> Scene:
    """Strangers have used up the others' sends and guesses, and a fresh code stands."""
    policy = Policy(client_sends=(Quota(1, HOUR),))
    scene = Scene(attrs.evolve(policy, fresh_for=0, cooldown=0, asks_for_work=False))
    for number, guesses in enumerate((0, 3, 3, 3, 3, 2, 1)):
        challenge = scene.issue(stranger(number))
        for _ in range(guesses):
            scene.check(other_than(digits_of(challenge)), stranger(number))
    scene.policy = policy
    return scene


def test_a_let_passes_all_that_others_have_used_up() -> None:
    """The lock, the sends, the cooldown, the fresh code and the work of others do not hold it."""
    scene = spent_scene()
    assert scene.ask() == Locked(later(DAY))
    scene.let()
    for left in (2, 1, 0):
        assert isinstance(scene.ask(), Issued)
        assert scene.record.lets[0].sends == left
    assert scene.ask() == Locked(later(DAY))


def test_a_let_has_six_guesses() -> None:
    """Each wrong guess costs one, a right one is free; then the lock of others holds again."""
    scene = spent_scene()
    scene.let()
    for left in (3, 0):
        challenge = scene.issue()
        for more in (2, 1, 0):
            wrong = other_than(digits_of(challenge))
            assert isinstance(scene.check(wrong), WrongCode)
            assert scene.record.lets[0].guesses == left + more
    challenge = scene.issue()
    assert scene.check(digits_of(challenge)) == Locked(later(DAY))


def test_a_right_guess_of_a_let_succeeds() -> None:
    """Whoever was let in signs in on the first code, and the device is known from then on."""
    scene = spent_scene()
    scene.let()
    token = scene.sign_in()
    assert scene.lane(token) is Lane.KNOWN
    assert scene.record.lets[0].guesses == 6


def test_a_let_is_no_let_for_others() -> None:
    """Another address, also of the same network, and the same address an hour later are locked."""
    scene = spent_scene()
    scene.let()
    assert scene.ask(NEIGHBOUR) == Locked(later(DAY))
    scene.now = later(HOUR - 1)
    assert isinstance(scene.ask(), Issued)
    scene.wait(1)
    assert scene.ask() == Locked(later(DAY))


def test_a_let_is_held_by_the_numbers_ten() -> None:
    """Its sends count among the ten of the number, which hold it."""
    scene = spent_scene()
    for number in range(3):
        scene.let(stranger(20 + number))
        assert isinstance(scene.ask(stranger(20 + number)), Issued)
    scene.let()
    assert scene.ask() == Refusal(Limit.CONTACT_SENDS, later(DAY))


def test_a_let_is_held_by_the_guesses_of_both_lanes() -> None:
    """No operator's let makes more than 30 guesses a day."""
    scene, token = known_scene(WITHOUT_LIMITS)
    scene.fail(15)
    scene.fail(11, token=token)
    scene.let()
    scene.fail(4)
    assert scene.ask() == Locked(later(DAY))
    assert scene.record.lets[0].guesses == 2


def test_a_let_is_held_by_90_guesses_in_30_days() -> None:
    """Of both lanes, lets included, no more than 90 are judged in 30 days."""
    scene, token = known_scene(attrs.evolve(WITHOUT_LIMITS, max_run=0))
    for _ in range(3):
        scene.fail(15)
        scene.fail(14, token=token)
        scene.wait(DAY)
    scene.let()
    scene.fail(3)
    assert scene.ask() == Locked(later(30 * DAY))
    assert scene.record.lets[0].guesses == 3


def test_a_let_is_held_by_a_run_of_100() -> None:
    """An operator's let passes the others' fifty in a row, but not the hundred of both lanes."""
    scene, token = known_scene(attrs.evolve(WITHOUT_LIMITS, failures=()))
    scene.fail(50)
    scene.fail(48, token=token)
    assert scene.ask() == Locked(None)
    scene.let()
    scene.fail(2)
    assert scene.ask() == Locked(None)
    assert sum(one.run for one in scene.record.lanes) == 100


def test_a_let_gives_a_known_device_nothing() -> None:
    """A known device at that address is judged as a known device, and spends nothing of it."""
    scene, token = known_scene()
    scene.let()
    scene.issue(token=token)
    assert scene.ask(token=token) == Refusal(Limit.COOLDOWN, later(30 * SECOND))
    assert scene.record.lets[0].sends == 3


def test_a_let_tells_that_it_may_ask_again() -> None:
    """With a send left its next ask is admitted at once; without one it waits as others do."""
    scene = Scene(Policy(asks_for_work=False))
    scene.let()
    for _ in range(2):
        outcome = scene.ask()
        assert isinstance(outcome, Issued)
        assert outcome.resend_at == START
    outcome = scene.ask()
    assert isinstance(outcome, Issued)
    assert outcome.resend_at == later(30 * SECOND)


def test_a_let_sees_its_live_code() -> None:
    """Whoever was let in past the lock is shown the code as long as its guesses last."""
    scene = spent_scene()
    scene.let()
    challenge = scene.issue()

    def shown() -> Standing:
        return look(scene.held, scene.request(), scene.policy, scene.now).outcome

    assert shown() == Standing(later(600 * SECOND), START)
    (given,) = scene.record.lets
    last, none = (attrs.evolve(given, guesses=guesses) for guesses in (1, 0))
    scene.held = attrs.evolve(scene.held, record=attrs.evolve(scene.record, lets=(last,)))
    assert shown() == Standing(later(600 * SECOND), START)
    scene.held = attrs.evolve(scene.held, record=attrs.evolve(scene.record, lets=(none,)))
    assert shown() == Standing(None, START)
    assert scene.check(digits_of(challenge)) == Locked(later(DAY))


def test_a_known_device_sees_its_own_code() -> None:
    """What a known device is shown does not depend on the strangers' lock."""
    scene, token = known_scene(WITHOUT_LIMITS)
    scene.issue(token=token)
    scene.fail(15)
    request = scene.request(token=token)
    shown = look(scene.held, request, scene.policy, scene.now, lane=Lane.KNOWN).outcome
    assert shown == Standing(later(600 * SECOND), START)
    assert look(scene.held, scene.request(), scene.policy, scene.now).outcome == Standing(
        None, later(DAY)
    )
    # It may guess from any network, so it is shown the code from any.
    elsewhere = scene.request(stranger(1), token=token)
    shown = look(scene.held, elsewhere, scene.policy, scene.now, lane=Lane.KNOWN).outcome
    assert shown.expires_at == later(600 * SECOND)


# Sends that are given back

CLIENT_SENDS: Final = UsageKey("pass_login_sends", "198.51.100.7")
NETWORK_SENDS: Final = UsageKey("pass_login_sends", "198.51.100.0/24")


def test_a_right_code_of_a_known_device_gives_its_own_sends_back() -> None:
    """Its next code waits for the cooldown of its own lane, and the strangers' sends stay."""
    scene, token = known_scene(Policy(asks_for_work=False))
    scene.wait(MINUTE)
    scene.issue(stranger(1))
    challenge = scene.issue(token=token)
    scene.wait(SECOND)
    outcome = scene.check(digits_of(challenge), token=token)
    assert isinstance(outcome, Verified)
    assert outcome.resend_at == later(MINUTE + 30 * SECOND)
    assert scene.held.usages[UsageKey("pass_login_known_sends", "198.51.100.7")] == ()
    assert scene.record.known.asked == ()
    assert len(scene.record.others.asked) == 1


def test_a_right_code_gives_the_address_its_sends_back() -> None:
    """All sends of the slot since the last success; the number's own stay counted."""
    scene = Scene(Policy(asks_for_work=False))
    scene.issue()
    scene.wait(30 * SECOND)
    challenge = scene.issue()
    assert scene.held.usages[CLIENT_SENDS] == (START, later(30 * SECOND))
    outcome = scene.check(digits_of(challenge))
    assert isinstance(outcome, Verified)
    assert outcome.given_back == ()
    assert scene.held.usages[CLIENT_SENDS] == scene.held.usages[NETWORK_SENDS] == ()
    assert len(scene.held.usages[UsageKey("phone_sends", PHONE)]) == 2
    assert len(scene.held.usages[UsageKey("phone_sends_of_others", PHONE)]) == 2
    assert scene.record.others.asked == ()


def test_people_behind_one_address_who_verify_are_not_limited() -> None:
    """Ten sign-ins from one address in an hour are admitted, where only five sends are."""
    scene = Scene(open_policy(contact_sends=Quota(0, DAY)))
    for _ in range(10):
        scene.sign_in()
        scene.wait(MINUTE)
    for _ in range(5):
        scene.issue()
        scene.wait(MINUTE)
    assert scene.ask() == Refusal(Limit.CLIENT, later(70 * MINUTE))


def test_other_addresses_get_their_sends_back_afterwards() -> None:
    """A right code presented elsewhere gives back what the asking addresses were charged."""
    scene = Scene(open_policy(cooldown=0))
    scene.issue()
    challenge = scene.issue(ELSEWHERE)
    bystander = UsageKey("pass_login_sends", "203.0.113.0/24")
    outcome = scene.check(digits_of(challenge), ELSEWHERE, challenge_id=challenge.id)
    assert isinstance(outcome, Verified)
    assert outcome.given_back == ((sent_by(HOME), START),)
    assert scene.held.usages[bystander] == ()
    assert scene.held.usages[CLIENT_SENDS] == (START,)
    assert give_back_keys(outcome.given_back) == (CLIENT_SENDS, NETWORK_SENDS)
    given = give_back(scene.held, outcome.given_back).becomes
    assert given.usages[CLIENT_SENDS] == given.usages[NETWORK_SENDS] == ()
    assert given.record == scene.record
    assert give_back(given, outcome.given_back).becomes is given


def test_only_what_was_charged_is_given_back() -> None:
    """One send gives one charge back, and other charges of the address stay."""
    sent = [(sent_by(HOME), START)]
    usages = {CLIENT_SENDS: (START, START, later(1)), NETWORK_SENDS: (later(1),)}
    given = give_back(Held(usages=usages), sent).becomes.usages
    assert given == {CLIENT_SENDS: (START, later(1)), NETWORK_SENDS: (later(1),)}


def test_each_lane_gives_its_own_sends_back() -> None:
    """A success of a known device gives back nothing that a stranger at its address used."""
    scene, token = known_scene()
    scene.issue()
    scene.sign_in(token=token)
    assert scene.held.usages[CLIENT_SENDS] == (START,)
    assert scene.held.usages[UsageKey("pass_login_known_sends", "198.51.100.7")] == ()
    assert scene.record.others.asked == (Asked(START, HOME),)
    assert scene.record.known.asked == ()


def test_what_no_limit_counts_is_not_kept_to_be_given_back() -> None:
    """After an hour, and the difference of two clocks, an ask is dropped."""
    for waited, kept in ((HOUR + 5 * SECOND - 1, 2), (HOUR + 5 * SECOND, 1)):
        scene = Scene()
        scene.issue()
        scene.now = later(waited)
        challenge = scene.issue()
        assert len(scene.record.others.asked) == kept
        outcome = scene.check(digits_of(challenge), ELSEWHERE, challenge_id=challenge.id)
        assert isinstance(outcome, Verified)
        assert len(outcome.given_back) == kept


# Work through the flow


def posed_for(world: World, client: ClientAddress) -> WorkPosed:
    """The work that an ask from there is told to do."""
    outcome = run(world.login.send(PassCode(PASS_CODE), Caller(client, "r1")))
    assert isinstance(outcome, WorkPosed)
    return outcome


def test_work_is_posed_for_one_ask() -> None:
    """Work is bound to number and network, lasts five minutes, and leaves a row of the others."""
    world = World(policy=Policy(cooldown=0, sends_of_one_network=0))
    world.add()
    for _ in range(2):
        assert isinstance(world.send(client=HOME.value), Issued)
    posed = posed_for(world, HOME)
    assert (world.audit.rows[-1].outcome, world.audit.rows[-1].lane) == (
        "work_required",
        Lane.OTHERS,
    )
    assert posed.work.seconds == 1
    solution = str(posed.work.parameters["solution"])

    def ask(client: ClientAddress, work: str) -> str:
        caller = Caller(client, "r1", work=work)
        return run(world.login.send(PassCode(PASS_CODE), caller)).word

    assert ask(HOME, "malformed") == "malformed_request"
    world.clock.advance(120 * SECOND)
    assert ask(ELSEWHERE, solution) == "work_required"
    world.clock.advance(180 * SECOND - 1)
    before = world.clock.instant
    assert ask(NEIGHBOUR, solution) == "sent"
    assert len(world.outbox.sent) == 3
    later_on = posed_for(world, HOME)
    assert later_on.work.seconds == 2
    world.clock.instant = Instant(before + 300 * SECOND)
    assert ask(HOME, str(later_on.work.parameters["solution"])) == "work_required"
    assert len(world.outbox.sent) == 3
