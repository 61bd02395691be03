"""A circuit breaker around a sender."""

import structlog

from hsp_otp.domain.circuit import Circuit, attempted, begun
from hsp_otp.domain.instant import Duration
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import SmsFailed, SmsRejected
from hsp_otp.ports.sms import SEND_WITHIN, Receipt, Sms, SmsSender

_log = structlog.get_logger()


class CircuitSms:
    """
    Skips its sender while that keeps failing, and then lets one message try it before others.

    A refusal of a message is no failure.
    """

    def __init__(self, name: str, sender: SmsSender, clock: Clock) -> None:
        self._name = name
        self._sender = sender
        self._clock = clock
        self._circuit = Circuit()

    def available(self) -> bool:
        """Keep the promise of `SmsSender.available`."""
        return self._circuit.admits(self._clock.now()) and self._sender.available()

    async def send(self, sms: Sms, within: Duration = SEND_WITHIN) -> Receipt:
        """Keep the promise of `SmsSender.send`."""
        if not self.available():
            raise SmsFailed("the circuit is open")
        self._circuit = begun(self._circuit, self._clock.now())
        try:
            receipt = await self._sender.send(sms, within)
        except SmsFailed as failure:
            self._note(worked=isinstance(failure, SmsRejected))
            raise
        self._note(worked=True)
        return receipt

    def _note(self, *, worked: bool) -> None:
        had_tripped = self._circuit.has_tripped
        self._circuit = attempted(self._circuit, worked=worked, now=self._clock.now())
        if self._circuit.has_tripped and not had_tripped:
            _log.warning("sender_skipped", sender=self._name)
        elif had_tripped and not self._circuit.has_tripped:
            _log.warning("sender_works_again", sender=self._name)
