"""A world whose ports are observed, as `wiring.py` puts it together."""

import attrs

from hsp_otp.adapters.instrumentation.ports import Observer, Watch
from hsp_otp.domain.contact import Channel
from hsp_otp.flows.limits import Limiter
from hsp_otp.flows.otp import Otp
from hsp_otp.flows.pass_login import PassLogin
from hsp_otp.flows.sessions import Sessions
from hsp_otp.flows.signup import Signup
from hsp_otp.ports.passes import Passes
from tests.world import World


@attrs.define(kw_only=True)
class Observed(World):
    """
    A world whose ports are observed.

    Attributes:
        watch: Who is told.
        found: The pass port, where it is another.
    """

    watch: Watch = attrs.field(factory=Watch)
    found: Passes | None = None

    @property
    def observer(self) -> Observer:
        """What stands around the ports."""
        return Observer(self.watch, self.clock)

    @property
    def limiter(self) -> Limiter:
        """The limits of clients over an observed port."""
        return attrs.evolve(super().limiter, usage=self.observer.usage(self.usage, "memory"))

    @property
    def otp(self) -> Otp:
        """The engine over observed ports."""
        sender = self.observer.sender("outbox", self.outbox)
        return attrs.evolve(
            super().otp,
            slots=self.observer.slots(self.slots, "memory"),
            senders={Channel.SMS: self.observer.senders(sender, ("outbox", "other"))},
            audit=self.observer.audit(self.audit),
        )

    @property
    def sessions(self) -> Sessions:
        """What follows a sign-in, over observed ports."""
        return attrs.evolve(
            super().sessions,
            families=self.observer.records("families", self.families, "memory"),
            passes=self.observer.passes(self.found or self.passes),
            audit=self.observer.audit(self.audit),
        )

    @property
    def login(self) -> PassLogin:
        """Pass login over observed ports."""
        return attrs.evolve(
            super().login,
            passes=self.observer.passes(self.found or self.passes),
        )

    @property
    def signup(self) -> Signup:
        """Signup over observed ports."""
        return attrs.evolve(
            super().signup,
            sessions=self.observer.records("signup_sessions", self.signup_sessions, "memory"),
            steps=self.observer.records("signup_steps", self.signup_steps, "memory"),
        )
