"""Enforces client limits, and audits refusals."""

from __future__ import annotations  # those of nested functions would cost every request

from functools import partial
from typing import Any, Final

import attrs

from hsp_otp.domain.audit import AuditFacts, AuditRow
from hsp_otp.domain.client_limits import (
    Admitted,
    Counted,
    IsItKnown,
    admit,
    keys,
    look_up,
    look_up_keys,
)
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import after
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import ClientLimits
from hsp_otp.domain.quota import Demand, Refusal, Usages, as_of, charge, judge
from hsp_otp.flows.caller import with_outcome
from hsp_otp.ports.limit_recovery import SignInHistory
from hsp_otp.ports.usage_counter import UsageCounter

_ONLY_CHARGES: Final = frozenset({Counted.REJECTED, Counted.AUTHENTICATIONS})
"""Requests that end with one of these are charged to no other limit."""


@attrs.frozen(kw_only=True)
class Limiter:
    """
    Judges and charges client limits.

    Attributes:
        sign_ins: Tells which clients are known; asked only during a scan.
    """

    usage: UsageCounter
    limits: ClientLimits
    sign_ins: SignInHistory

    async def admit(
        self,
        counted: Counted,
        client: ClientAddress,
        facts: AuditFacts,
        ends_with: Any = None,  # noqa: ANN401 - any outcome of a rule; it has a word
        *,
        charges: bool = True,
    ) -> Refusal | None:
        """
        Judge and charge one activity of a client. A refusal is audited in the same step.

        Args:
            facts: What is known of the request; its instant is the instant of the charge.
            ends_with: The outcome of a request that ends here if admitted; audited in the same
                step, with the charge.
            charges: Whether the activity is charged if it is admitted.

        Raises:
            Unavailable: The store did not answer.
        """

        def decide(usages: Usages) -> Decision[Usages, Refusal | None]:
            decision = admit(
                usages,
                counted=counted,
                client=client,
                limits=self.limits,
                charges=charges,
                now=facts.at,
            )
            if decision.outcome is not None:
                return attrs.evolve(decision, rows=(with_outcome(facts, decision.outcome),))
            if ends_with is None:
                return decision
            charged = (*facts.charged, counted.value) if charges else facts.charged
            ended = with_outcome(attrs.evolve(facts, charged=charged), ends_with)
            folds = counted in _ONLY_CHARGES
            return attrs.evolve(decision, rows=(attrs.evolve(ended, folds=folds),))

        return await self.usage.transition(keys(counted, client), decide)

    async def admit_demand(self, demand: Demand, facts: AuditFacts) -> Refusal | None:
        """
        Judge and charge one limit of an app. A refusal is audited in the same step.

        Args:
            demand: The limit.
            facts: What is known of the request; its instant is the instant of the charge.

        Raises:
            Unavailable: The store did not answer.
        """

        def decide(held: Usages) -> Decision[Usages, Refusal | None]:
            usages = as_of(held, facts.at)
            refusal = judge(usages, (demand,), facts.at)
            if refusal is not None:
                return Decision(refusal, held, (with_outcome(facts, refusal),))
            return Decision(None, charge(usages, (demand,), facts.at))

        return await self.usage.transition((demand.key,), decide)

    async def look_up(
        self,
        client: ClientAddress,
        facts: AuditFacts,
        *,
        missed: bool,
        checking: bool,
        ended: AuditRow | None,
    ) -> Refusal | Admitted:
        """
        Judge and charge a look-up that has been made. A refusal is audited in the same step.

        Args:
            facts: What is known of the request; its instant is the instant of the charges.
            missed: The look-up found no usable pass.
            checking: A code was presented too.
            ended: The row, with its charges, of a request that ends with the look-up. If the
                look-up is admitted, it is audited in the same step.

        Raises:
            Unavailable: A store did not answer.
        """

        def decide(
            usages: Usages, *, known: bool | None
        ) -> Decision[Usages, Refusal | Admitted | IsItKnown]:
            decision = look_up(
                usages,
                client=client,
                known=known,
                limits=self.limits,
                missed=missed,
                checking=checking,
                now=facts.at,
            )
            match decision.outcome:
                case Refusal():
                    return attrs.evolve(decision, rows=(with_outcome(facts, decision.outcome),))
                case Admitted() if ended is not None:
                    return Decision(decision.outcome, decision.becomes, (ended,))
                case _:
                    return decision

        since = after(facts.at, -self.limits.known_for)
        known: bool | None = None
        while True:
            outcome = await self.usage.transition(
                look_up_keys(client, checking=checking), partial(decide, known=known)
            )
            if not isinstance(outcome, IsItKnown):
                return outcome
            known = await self.sign_ins.signed_in(client, since)
