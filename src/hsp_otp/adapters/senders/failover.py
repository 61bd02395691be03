"""Tries several senders in order."""

from collections.abc import Sequence
from typing import Any

import structlog

from hsp_otp.domain.circuit import share
from hsp_otp.domain.instant import Duration
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt, Sender

_log = structlog.get_logger()


class Failover:
    """
    Offers a message to the senders in order, once each, until one takes it.

    If the result of an attempt is unknown, the next sender gets the same text: two messages with
    one code are better than none. *skips* has how often each sender was skipped, in their order.
    """

    def __init__(
        self, senders: Sequence[Sender[Any]], clock: Clock, names: Sequence[str] = ()
    ) -> None:
        """
        Try *senders*, one for each provider, in their order; unavailable ones are skipped.

        Args:
            names: The names of the senders, in the same order.
        """
        self._senders = tuple(senders)
        self._clock = clock
        self._places = {name: place for place, name in enumerate(names)}
        self.skips = [0] * len(self._senders)

    def available(self, names: Sequence[str] = ()) -> bool:
        """Implement `Senders.available`."""
        return any(self._senders[place].available() for place in self._order(names))

    def is_skipped(self, place: int) -> bool:
        """Whether the sender at *place* would be skipped right now."""
        return not self._senders[place].available()

    async def send(
        self, message: Message, within: Duration = SEND_WITHIN, names: Sequence[str] = ()
    ) -> Receipt:
        """Implement `Senders.send`."""
        began = self._clock.now()
        left = self._order(names)
        while left:
            place, *left = left
            sender = self._senders[place]
            if not sender.available():
                self.skips[place] += 1
                continue
            others = sum(self._senders[other].available() for other in left)
            # A clock that was set back in between must not extend the time.
            passed = max(0, self._clock.now() - began)
            given = share(within - passed, 1 + others)
            if not given:
                break
            try:
                return await sender.send(message, given)
            except SendFailed as failure:
                if failure.blames_sender:
                    _log.info("message_not_taken", why=str(failure))
                else:
                    _log.info("message_refused", why=str(failure))
                if not failure.tries_next:
                    raise
        raise SendFailed("no sender took the message")

    def _order(self, names: Sequence[str]) -> list[int]:
        """The places of the senders to try, in that order."""
        if not names:
            return list(range(len(self._senders)))
        return [self._places[name] for name in names if name in self._places]
