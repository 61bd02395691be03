"""Past asks, put together from the rows that tell of them."""

from collections import deque
from collections.abc import Iterator
from typing import Final

import attrs

from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.guard import Group, LedgerKey
from hsp_otp.domain.instant import DAY, Duration, Instant, after
from hsp_otp.domain.names import UNKNOWN_CLIENT, ClientAddress
from hsp_otp.domain.prices import Money
from hsp_otp.domain.replay import PastAsk

_PAID_WITHIN: Final[Duration] = DAY
"""How long a right code, or a receipt, pays a send back."""

_LOST: Final = {DeliveryState.UNDELIVERED.value, DeliveryState.FAILED.value}

_NO_REGION: Final = "ZZ"


@attrs.frozen(kw_only=True)
class PastRow:
    """
    What the audit tells of an ask that the guard judged, or of a right code.

    Attributes:
        id: Of the request.
        account: The flow, or the id of the app.
        subject: What the code is about, beside the contact: fingerprints, and the purpose.
        contact: The fingerprint of the number; those of its range and block likewise.
        price: None of a right code.
        is_sent: A sender took the message.
        state: By the latest receipt, which came at *state_at*.
    """

    at: Instant
    id: str
    account: str
    subject: str
    region: str | None
    contact: str
    range: str
    block: str
    client: str
    price: Money | None
    verdict: str | None
    known_by: str | None
    is_sent: bool
    state: str | None
    state_at: Instant | None
    count: int


@attrs.define
class _Held:
    ask: PastAsk
    contact: tuple[str, str, str]


@attrs.define
class PastAsks:
    """
    Puts rows together, which come in the order of their instants.

    An ask is held for a day, until it is known whether its code was right.
    """

    _held: deque[_Held] = attrs.field(factory=deque[_Held], init=False)
    _open: dict[tuple[str, str, str], list[_Held]] = attrs.field(
        factory=dict[tuple[str, str, str], list[_Held]], init=False
    )

    def add(self, row: PastRow) -> Iterator[PastAsk]:
        """Take one row more; yields the asks that no later row can change."""
        contact = (row.account, row.subject, row.contact)
        if row.price is None:
            for one in self._open.pop(contact, ()):
                one.ask = attrs.evolve(one.ask, verified_at=row.at)
        else:
            held = _Held(_ask_of(row), contact)
            self._held.append(held)
            if held.ask.is_admitted and held.ask.undelivered_at is None:
                self._open.setdefault(contact, []).append(held)
        while self._held and _paid_until(self._held[0].ask.at) <= row.at:
            yield self._let_go()

    def rest(self) -> Iterator[PastAsk]:
        """The asks that are still held."""
        while self._held:
            yield self._let_go()

    def _let_go(self) -> PastAsk:
        first = self._held.popleft()
        still = [one for one in self._open.pop(first.contact, ()) if one is not first]
        if still:
            self._open[first.contact] = still
        return first.ask


def _paid_until(sent_at: Instant) -> Instant:
    return after(sent_at, _PAID_WITHIN)


def _ask_of(row: PastRow) -> PastAsk:
    is_refused = row.verdict == "refused" and not row.is_sent
    undelivered_at = row.at if not row.is_sent and not is_refused else None
    if row.state in _LOST and row.state_at is not None and row.state_at <= _paid_until(row.at):
        undelivered_at = row.state_at
    return PastAsk(
        id=row.id,
        at=row.at,
        account=row.account,
        region=row.region or _NO_REGION,
        keys=_keys(row) if row.verdict is not None else (),
        price=row.price or 0,
        is_known=row.known_by is not None,
        is_judged=row.verdict is not None,
        told=row.verdict,
        is_admitted=not is_refused,
        count=row.count,
        undelivered_at=undelivered_at,
    )


def _keys(row: PastRow) -> tuple[LedgerKey, ...]:
    """The ledgers by fingerprints of ranges and blocks, which the audit has in their place."""
    where = (
        LedgerKey(Group.RANGE, f"{row.account} {row.range}"),
        LedgerKey(Group.BLOCK, f"{row.account} {row.block}"),
    )
    if row.client == UNKNOWN_CLIENT.value:
        return where
    network = ClientAddress(row.client).network
    of_network = LedgerKey(Group.NETWORK, f"{row.account} {network}")
    if network == row.client:
        return (of_network, *where)
    return (LedgerKey(Group.ADDRESS, f"{row.account} {row.client}"), of_network, *where)
