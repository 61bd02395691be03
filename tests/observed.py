"""A test world whose ports are observed, as in `wiring.py`."""

from collections.abc import Sequence
from typing import Any

import attrs

from hsp_otp.adapters.instrumentation.ports import Observer, Watch
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import Duration
from hsp_otp.flows.assembly import Ports
from hsp_otp.ports.passes import Passes
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt, Sender
from tests.world import World


@attrs.define(kw_only=True)
class Observed(World):
    """
    A test world whose ports are observed.

    Attributes:
        watch: The recipient of the observations.
        found: The pass port, if it is not the world's.
    """

    watch: Watch = attrs.field(factory=Watch)
    found: Passes | None = None

    @property
    def observer(self) -> Observer:
        """The observer around the ports."""
        return Observer(self.watch, self.clock)

    @property
    def ports(self) -> Ports:
        """The ports, each observed."""
        observer, ports = self.observer, super().ports
        sender = _Only(observer.sender("outbox", self.outbox))
        return attrs.evolve(
            ports,
            slots=observer.slots(ports.slots, "memory"),
            signup_sessions=observer.records("signup_sessions", ports.signup_sessions, "memory"),
            signup_steps=observer.records("signup_steps", ports.signup_steps, "memory"),
            usage=observer.usage(ports.usage, "memory"),
            approvals=observer.records("approvals", ports.approvals, "memory"),
            families=observer.records("families", ports.families, "memory"),
            passes=observer.passes(self.found or ports.passes),
            pass_repository=observer.pass_repository(ports.pass_repository),
            api_keys=observer.api_keys(ports.api_keys),
            apps=observer.apps(ports.apps),
            test_contacts=observer.test_contacts(ports.test_contacts),
            audit=observer.audit(ports.audit),
            work=observer.work(ports.work),
            senders=dict.fromkeys(Channel, observer.senders(sender, ("outbox", "other"))),
        )


@attrs.frozen
class _Only:
    """The only sender of its channel, whose names do not matter."""

    sender: Sender[Any]

    def available(self, names: Sequence[str] = ()) -> bool:
        """Keep the promise of `Senders.available`."""
        del names
        return self.sender.available()

    async def send(
        self, message: Message, within: Duration = SEND_WITHIN, names: Sequence[str] = ()
    ) -> Receipt:
        """Keep the promise of `Senders.send`."""
        del names
        return await self.sender.send(message, within)
