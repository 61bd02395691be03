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
    Hands a message to the first sender that takes it, each of them once at most.

    Where nobody can tell what became of it, the next one is given the same text: two messages
    with one code are better than none.

    Attributes:
        skips: How often each of them was passed over, in their order.
    """

    def __init__(self, senders: Sequence[Sender], clock: Clock) -> None:
        """
        Try *senders* in their order.

        Args:
            senders: One for each provider; those that are not available are passed over.
        """
        self._senders = tuple(senders)
        self._clock = clock
        self.skips = [0] * len(self._senders)

    def available(self) -> bool:
        """Keep the promise of `Sender.available`."""
        return any(sender.available() for sender in self._senders)

    def is_skipped(self, place: int) -> bool:
        """Whether the sender at *place* would be passed over right now."""
        return not self._senders[place].available()

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:
        """Keep the promise of `Sender.send`."""
        began = self._clock.now()
        for place, sender in enumerate(self._senders):
            if not sender.available():
                self.skips[place] += 1
                continue
            others = sum(other.available() for other in self._senders[place + 1 :])
            # A clock that was set back in between gives nobody more than there was.
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
