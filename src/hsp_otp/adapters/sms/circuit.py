"""A circuit breaker around a sender."""

from hsp_otp.domain.circuit import Circuit, attempted
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import SmsFailed, SmsRejected
from hsp_otp.ports.sms import Receipt, Sms, SmsSender


class CircuitSms:
    """Skips its sender while that keeps failing. A refusal of a message is no failure."""

    def __init__(self, sender: SmsSender, clock: Clock) -> None:
        self._sender = sender
        self._clock = clock
        self._circuit = Circuit()

    def available(self) -> bool:
        """Keep the promise of `SmsSender.available`."""
        return self._circuit.admits(self._clock.now()) and self._sender.available()

    async def send(self, sms: Sms) -> Receipt:
        """Keep the promise of `SmsSender.send`."""
        if not self.available():
            raise SmsFailed("the circuit is open")
        try:
            receipt = await self._sender.send(sms)
        except SmsFailed as failure:
            self._note(worked=isinstance(failure, SmsRejected))
            raise
        self._note(worked=True)
        return receipt

    def _note(self, *, worked: bool) -> None:
        self._circuit = attempted(self._circuit, worked=worked, now=self._clock.now())
