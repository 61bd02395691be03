"""A circuit breaker around a sender."""

from typing import Any

import structlog

from hsp_otp.domain.circuit import Circuit, Result, begun, ended
from hsp_otp.domain.instant import Duration
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt, Sender

_log = structlog.get_logger()


class CircuitBreaker:
    """
    Skips its sender while it keeps failing, then lets one message probe it before others.

    Refusals of messages do not count as failures.
    """

    def __init__(self, name: str, sender: Sender[Any], clock: Clock) -> None:
        self._name = name
        self._sender = sender
        self._clock = clock
        self._circuit = Circuit()

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return self._circuit.admits(self._clock.now()) and self._sender.available()

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:
        """Implement `Sender.send`."""
        if not self.available():
            raise SendFailed("the circuit is open")
        probes = self._circuit.is_open
        self._circuit = begun(self._circuit, self._clock.now())
        # A cancellation or a bug shows nothing about the provider.
        result = Result.UNKNOWN
        try:
            receipt = await self._sender.send(message, within)
            result = Result.TAKEN
        except SendFailed as failure:
            result = Result.FAILED if failure.blames_sender else Result.REFUSED
            raise
        finally:
            self._note(result, message.to.range, probed=probes)
        return receipt

    def _note(self, result: Result, prefix: str, *, probed: bool) -> None:
        was_open = self._circuit.is_open
        self._circuit = ended(
            self._circuit, result, prefix=prefix, probed=probed, now=self._clock.now()
        )
        if self._circuit.is_open and not was_open:
            _log.warning("sender_skipped", sender=self._name)
        elif was_open and not self._circuit.is_open:
            _log.warning("sender_works_again", sender=self._name)
