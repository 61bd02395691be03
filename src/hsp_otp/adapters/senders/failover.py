"""Tries several senders in order."""

from collections.abc import Sequence

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

    def __init__(self, senders: Sequence[Sender], clock: Clock) -> None:
        """Try *senders*, one for each provider, in their order; unavailable ones are skipped."""
        self._senders = tuple(senders)
        self._clock = clock
        self.skips = [0] * len(self._senders)

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return any(sender.available() for sender in self._senders)

    def is_skipped(self, place: int) -> bool:
        """Whether the sender at *place* would be skipped right now."""
        return not self._senders[place].available()

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:
        """Implement `Sender.send`."""
        began = self._clock.now()
        for place, sender in enumerate(self._senders):
            if not sender.available():
                self.skips[place] += 1
                continue
            others = sum(other.available() for other in self._senders[place + 1 :])
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
