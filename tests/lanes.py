"""One slot and one number, with the strangers and the known devices that ask for codes."""

from typing import Final, TypeVar

import attrs

from hsp_otp.domain.challenge import (
    ask,
    check,
    code_of,
    held_keys,
    lane_for,
    lane_of_check,
    let,
    unlock,
)
from hsp_otp.domain.challenge_outcomes import AskOutcome, CheckOutcome, Issued, Verified, WrongCode
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, Duration, Instant
from hsp_otp.domain.lanes import Devices, Lane, Let, device_token
from hsp_otp.domain.ledger import Ledger
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Flow, Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.quota import Limit, Quota, Refusal, UsageKey, Usages, charge, judge
from hsp_otp.domain.send_limits import Sent, send_demands
from hsp_otp.domain.slot_record import Challenge, Drawn, Held, Presented, Request, SlotRecord, split
from hsp_otp.domain.work import Judgement
from tests.world import START, other_than, ring

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
        """What a store reads for *request*: nothing but what its keys are of."""
        of_usages, of_ledgers = split(held_keys(request))
        usages = {key: self.held.usages.get(key, ()) for key in of_usages}
        ledgers = {key: self.held.ledgers.get(key, Ledger()) for key in of_ledgers}
        return Held(self.held.record, usages, ledgers)

    def _take(self, decision: Decision[Held, O], read: Held) -> O:
        if decision.becomes is not read:
            becomes = decision.becomes
            self.held = Held(
                becomes.record,
                {**self.held.usages, **becomes.usages},
                {**self.held.ledgers, **becomes.ledgers},
            )
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
