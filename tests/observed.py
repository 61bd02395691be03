"""A test world whose ports are observed, as in `wiring.py`."""

import attrs

from hsp_otp.adapters.instrumentation.ports import Observer, Watch
from hsp_otp.domain.contact import Channel
from hsp_otp.flows.assembly import Ports
from hsp_otp.ports.passes import Passes
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
        sender = observer.sender("outbox", self.outbox)
        return attrs.evolve(
            ports,
            slots=observer.slots(ports.slots, "memory"),
            signup_sessions=observer.records("signup_sessions", ports.signup_sessions, "memory"),
            signup_steps=observer.records("signup_steps", ports.signup_steps, "memory"),
            usage=observer.usage(ports.usage, "memory"),
            families=observer.records("families", ports.families, "memory"),
            passes=observer.passes(self.found or ports.passes),
            pass_repository=observer.pass_repository(ports.pass_repository),
            api_keys=observer.api_keys(ports.api_keys),
            apps=observer.apps(ports.apps),
            audit=observer.audit(ports.audit),
            work=observer.work(ports.work),
            senders={Channel.SMS: observer.senders(sender, ("outbox", "other"))},
        )
