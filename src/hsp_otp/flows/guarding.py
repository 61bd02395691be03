"""Guards journeys against toll fraud: money for each message, and what is owed until it is paid."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final

import attrs

from hsp_otp.domain.audit import DebtRow
from hsp_otp.domain.budgets import Payment
from hsp_otp.domain.challenge import give_back, give_back_keys
from hsp_otp.domain.challenge_outcomes import Issued, Verified
from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.debtors import ledger_keys
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import (
    Guarded,
    GuardMode,
    GuardPolicy,
)
from hsp_otp.domain.guarded_asks import find_owed, forgive, owed_keys
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import UNKNOWN_CLIENT
from hsp_otp.domain.prices import Prices
from hsp_otp.domain.purposes import Slot
from hsp_otp.domain.slot_record import Held, Owed, Request
from hsp_otp.flows.spending import Reserved, Spending
from hsp_otp.ports.challenges import SlotRepository

_NO_REGION: Final = "ZZ"
"""The region of numbers without one, by ISO 3166-1 for whom the code is: its users."""


_MOST_TEXTS: Final = 1_000
"""Texts whose segments are remembered: purposes, languages and apps, and the apps of phones."""


@attrs.frozen(kw_only=True)
class Guarding:
    """
    Puts money aside before an ask is judged, and tells the budgets what became of its message.

    Attributes:
        senders: The names of each channel's senders.
    """

    mode: GuardMode
    policy: GuardPolicy
    prices: Prices
    senders: Mapping[Channel, Sequence[str]]
    spending: Spending
    _segments: dict[Hashable, int] = attrs.field(factory=dict[Hashable, int], init=False)

    async def reserve(
        self,
        request: Request,
        account: str,
        now: Instant,
        *,
        region: str | None,
        text: Hashable,
        segments: Callable[[], int],
        names: Sequence[str] = (),
        is_judged: bool = True,
    ) -> tuple[Request, Reserved | None]:
        """
        Put the money of a message aside.

        Args:
            request: What the slot is to judge.
            account: Whose money it is: the flow's, or the app's.
            region: The number's.
            text: Distinguishes text messages that may have different numbers of segments.
            segments: Counts those of a text message.
            names: The senders that may be tried; without any, all of the channel.
            is_judged: Whether groups judge it beside the caps.

        Returns:
            The request with what the guard judges it by, and the money. An e-mail, and a message
            to a test contact, cost nothing and are not judged.

        Raises:
            Unavailable: The budgets did not answer.
        """
        contact = request.contact
        if self.mode is GuardMode.OFF or contact.kind is not ContactKind.PHONE or request.fixed:
            return request, None
        region = region or _NO_REGION
        tried = names or self.senders.get(request.channel, ())
        price, sender = self.prices.dearest(region, tried)
        if request.channel is Channel.SMS:
            price *= self._segments_of(text, segments)
        reserved = await self.spending.reserve(account, region, price, now, is_judged=is_judged)
        client = None if request.client == UNKNOWN_CLIENT else request.client
        guarded = Guarded(
            account=account,
            keys=ledger_keys(account, client, contact.range) if is_judged else (),
            money=reserved.region,
            price=price,
            spent_by=sender,
            cap=reserved.cap,
            policy=self.policy,
            mode=self.mode,
        )
        return attrs.evolve(request, guarded=guarded), reserved

    def _segments_of(self, text: Hashable, count: Callable[[], int]) -> int:
        found = self._segments.get(text)
        if found is None:
            if len(self._segments) >= _MOST_TEXTS:
                self._segments.clear()
            found = self._segments[text] = count()
        return found

    def settle(self, reserved: Reserved | None, issued: Issued | None) -> None:
        """Keep of the money what the message of *issued* costs; give it back if there is none."""
        if reserved is None:
            return
        if issued is None or issued.assessment is None:
            self.spending.release(reserved)
        else:
            self.spending.settle(reserved, issued.assessment.debt)

    def pay(self, owed: Iterable[Owed], *, is_verified: bool) -> None:
        """Tell the budgets what nobody owes any more."""
        for one in owed:
            payment = Payment(one.price, one.debt, one.at, is_verified)
            self.spending.pay(one.account, one.region, (payment,))

    async def pay_back(
        self, slots: SlotRepository, slot: Slot, verified: Verified, now: Instant
    ) -> None:
        """
        Give back and pay what a right code has paid for.

        Raises:
            Unavailable: The store did not answer. Limits are stricter then than they need to be.
        """
        if not verified.given_back and not verified.paid:
            return

        def decide(held: Held) -> Decision[Held, None]:
            return give_back(held, verified, now)

        await slots.transition(slot, give_back_keys(verified), decide)
        self.pay(verified.paid, is_verified=True)

    async def forgive(self, slots: SlotRepository, slot: Slot, send_id: str, now: Instant) -> None:
        """
        Let nobody owe a send whose message did not arrive; it may be called again.

        Raises:
            Unavailable: The store did not answer.
        """
        if self.mode is GuardMode.OFF:
            return

        def look(held: Held) -> Decision[Held, Owed | None]:
            return Decision(find_owed(held.record, send_id), held)

        def decide(held: Held) -> Decision[Held, Owed | None]:
            return forgive(held, send_id, now)

        found = await slots.transition(slot, (), look)
        if found is None:
            return
        forgiven = await slots.transition(slot, owed_keys((found,)), decide)
        if forgiven is not None:
            self.pay((forgiven,), is_verified=False)


def debt_rows(issued: Issued) -> tuple[DebtRow, ...]:
    """The row of what is owed of an admitted send, if anything is."""
    owed = issued.owed
    if owed is None:
        return ()
    return (
        DebtRow(
            send_id=owed.send_id,
            at=owed.at,
            account=owed.account,
            range=owed.range,
            client=owed.client,
            debt=owed.debt,
            price=owed.price,
        ),
    )
