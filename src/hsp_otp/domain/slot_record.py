"""
The state of a slot, and the request that a rule judges it by.

A slot's record is one aggregate of two lanes, each with the latest challenge, the cooldown and the
wrong guesses. `domain/challenge.py` has the rules.
"""

import enum
from functools import cached_property
from typing import TypeAlias

import attrs

from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.debtors import ledger_keys
from hsp_otp.domain.guard import Debt, Guarded, LedgerKey, Ledgers, owing
from hsp_otp.domain.instant import Duration, Instant
from hsp_otp.domain.lanes import Devices, Lane, Let
from hsp_otp.domain.ledger import Ledger
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.prices import Money
from hsp_otp.domain.purposes import Flow, Purpose, Slot
from hsp_otp.domain.quota import Demand, Usage, UsageKey, Usages
from hsp_otp.domain.send_limits import Sent
from hsp_otp.domain.test_contacts import FixedCode
from hsp_otp.domain.work import Judgement, Solved


class Ended(enum.Enum):
    """How a challenge ended early. Expiry and exhaustion are derived and never stored."""

    USED = "used"
    WITHDRAWN = "withdrawn"
    CANCELED = "canceled"


@attrs.frozen
class Success:
    """When a code was right, and a keyed digest of what identifies the browser it came from."""

    at: Instant
    browser: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Challenge:
    """
    One issued code and its life. The code itself is not stored; `code_of` derives it again.

    Attributes:
        id: Public; 128 random bits.
        slot: The slot as text, which may contain a full number.
        contact: The recipient of the message.
        channel: The channel that carries the message.
        session: The session that the code is bound to in addition to its slot, or None. Anyone who
            has the session id acts for the session.
        key_id: The key of the code ring that the code was derived with.
        nonce: Private; never leaves the store.
        lane: The lane that it was asked for in.
        network: The network that asked; None for a code from a time when nobody noted it.
        digits: How many the code has; None for a code from a time when nobody noted it.
        test_contact: The id of the test contact that it is for, whose code is right in place of the
            derived one, which nobody is sent.
        expires_at: The first instant at which the challenge is no longer live.
        attempts: Guesses judged so far.
        send_id: Of an app: the id of its latest send.
        success: Set once the code was right, so that the same browser, which may not have seen the
            answer, can present it again.
    """

    id: str
    flow: Flow
    purpose: Purpose
    slot: str = attrs.field(repr=False)
    contact: Contact
    channel: Channel = Channel.SMS
    session: str | None = attrs.field(default=None, repr=False)
    key_id: str
    nonce: bytes = attrs.field(repr=False)
    lane: Lane = Lane.OTHERS
    network: str | None = None
    digits: int | None = None
    test_contact: str | None = None
    issued_at: Instant
    expires_at: Instant
    attempts: int = 0
    ended: Ended | None = None
    send_id: str | None = None
    success: Success | None = None

    @property
    def lifetime(self) -> Duration:
        """Time from issue to expiry."""
        return self.expires_at - self.issued_at


@attrs.frozen
class Asked:
    """A send, known by its instant, that a right code gives back to the address that asked."""

    at: Instant
    client: ClientAddress


@attrs.frozen(kw_only=True)
class Owed:
    """
    A message that is owed until a code of its contact is right.

    Attributes:
        at: When its send was admitted.
        client: None if an app's backend did not name it.
        account: The flow, or the app.
        contact: Its canonical form.
        debt: Who owes it.
    """

    send_id: str
    at: Instant
    client: ClientAddress | None
    account: str
    contact: str = attrs.field(repr=False)
    region: str
    debt: Debt
    price: Money

    @property
    def range(self) -> str:
        """The range of the number."""
        return Contact.stored(self.contact).range

    @property
    def keys(self) -> tuple[LedgerKey, ...]:
        """The ledgers that it is owed in."""
        return owing(ledger_keys(self.account, self.client, self.range), self.debt)


@attrs.frozen(kw_only=True)
class LaneRecord:
    """
    Everything known about one lane of a slot.

    Attributes:
        challenge: The latest challenge, live or not.
        asked_at: When it was issued, which the cooldown runs from; None after a failed delivery.
        failures: Instants of wrong guesses, across codes, oldest first.
        run: Wrong guesses since the last success.
        asked: Sends since the last success that limits on clients may still count, oldest first.
    """

    challenge: Challenge | None = None
    asked_at: Instant | None = None
    failures: Usage = ()
    run: int = 0
    asked: tuple[Asked, ...] = ()


@attrs.frozen(kw_only=True)
class SlotRecord:
    """
    Everything known about one subject and purpose.

    Attributes:
        others: The lane of devices that are not known.
        known: The lane of known devices.
        devices: The known devices; None if there are none.
        lets: The addresses that an operator lets in.
        work: Solved work, which is admitted only once.
        owed: What was sent in either lane and is owed, oldest first.
    """

    others: LaneRecord = LaneRecord()
    known: LaneRecord = LaneRecord()
    devices: Devices | None = None
    lets: tuple[Let, ...] = ()
    work: tuple[Solved, ...] = ()
    owed: tuple[Owed, ...] = ()

    def lane(self, lane: Lane) -> LaneRecord:
        """What is known about *lane*."""
        return self.known if lane is Lane.KNOWN else self.others

    @property
    def lanes(self) -> tuple[LaneRecord, LaneRecord]:
        """Both lanes."""
        return (self.others, self.known)


@attrs.frozen
class Held:
    """
    A slot's record, and the usages and ledgers that limit sends, which one transition reads and
    replaces. Those that a next state leaves out stay as they are.
    """

    record: SlotRecord = SlotRecord()
    usages: Usages = attrs.field(factory=dict[UsageKey, Usage])
    ledgers: Ledgers = attrs.field(factory=dict[LedgerKey, Ledger])


HeldKey: TypeAlias = UsageKey | LedgerKey
"""The key of what a transition reads and replaces beside a slot's record."""


@attrs.frozen(kw_only=True)
class Request:
    """
    A request for a code or a check of one: the client, the slot and the contact.

    Attributes:
        contact: The subject's current contact.
        channel: The channel for the message.
        session: The session that a code is bound to in addition to its slot, or None.
        devices: The device tokens that it came with.
        work: What the work that it came with was judged to be, if any.
        demands: Of an app: the limits on its sends. None means those of the flow, by lane.
        channels: Of an app: those that may reach the contact, in the order of falling back.
        call_demands: Of an app: the limits that a call has to pass as well.
        claims: Of an app: where the idempotency key of the request is noted, the first under the
            present secret key; the others are only read.
        fixed: Of an app: the code of the contact, if it is a test contact.
        guarded: What the guard judges it by; None if it does not.
    """

    slot: Slot
    flow: Flow
    contact: Contact
    channel: Channel = Channel.SMS
    client: ClientAddress
    session: str | None = attrs.field(default=None, repr=False)
    devices: tuple[str, ...] = attrs.field(default=(), repr=False)
    work: Judgement | None = None
    demands: tuple[Demand, ...] | None = None
    channels: tuple[Channel, ...] = ()
    call_demands: tuple[Demand, ...] = ()
    claims: tuple[UsageKey, ...] = ()
    fixed: FixedCode | None = None
    guarded: Guarded | None = None

    @property
    def by_text(self) -> "Request":
        """The same request for a text message."""
        return self if self.channel is Channel.SMS else attrs.evolve(self, channel=Channel.SMS)

    @property
    def following(self) -> tuple[Channel, ...]:
        """The channels that follow its own."""
        if self.channel not in self.channels:
            return ()
        return self.channels[self.channels.index(self.channel) + 1 :]

    @property
    def test_contact(self) -> str | None:
        """The id of the test contact that it is about, if it is about one."""
        return None if self.fixed is None else self.fixed.contact_id

    def sent(self, lane: Lane) -> Sent:
        """The send that it asks for, as limits count it in *lane*."""
        return self._sent_by_known if lane is Lane.KNOWN else self._sent_by_others

    @cached_property
    def _sent_by_known(self) -> Sent:
        return self._sent(Lane.KNOWN)

    @cached_property
    def _sent_by_others(self) -> Sent:
        return self._sent(Lane.OTHERS)

    def _sent(self, lane: Lane) -> Sent:
        return Sent(
            flow=self.flow,
            contact=self.contact,
            client=self.client,
            lane=lane,
            channel=self.channel,
        )


@attrs.frozen(kw_only=True)
class Drawn:
    """
    Random values for a new challenge, drawn in advance, and the writing key of the code ring.

    Attributes:
        send_id: Of an app: the id of its send.
    """

    challenge_id: str
    nonce: bytes = attrs.field(repr=False)
    key_id: str
    send_id: str = ""


@attrs.frozen
class Presented:
    """A code that a caller presented, for the challenge that the caller names, if any."""

    code: Code
    challenge_id: str | None = None


def split(keys: tuple[HeldKey, ...]) -> tuple[tuple[UsageKey, ...], tuple[LedgerKey, ...]]:
    """The keys of usages, and those of ledgers."""
    return (
        tuple([key for key in keys if isinstance(key, UsageKey)]),
        tuple([key for key in keys if isinstance(key, LedgerKey)]),
    )
