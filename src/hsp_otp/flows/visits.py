"""The steps of visitors that leave no audit row: what is opened, handed over or malformed."""

import attrs

from hsp_otp.domain.audit import Step, StepRow
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.instant import day_of
from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import Flow
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.clock import Clock


@attrs.frozen(kw_only=True)
class Visits:
    """Counts steps of the funnel. Nothing about the visitor is kept."""

    audit: AuditTrail
    clock: Clock

    def opened(self, flow: Flow, language: Language) -> None:
        """Count a page that was opened at the first step of *flow*."""
        self._count(flow, Step.OPENED, language)

    def handed_over(self, flow: Flow, contact: Contact, language: Language) -> None:
        """Count a proof, or a sign-in, that was given to the one who goes on with it."""
        self._count(flow, Step.HANDED_OVER, language, region=contact.region)

    def malformed(self, flow: Flow, step: Step, word: str, language: Language) -> None:
        """
        Count a request that ended before it could be audited.

        Args:
            step: The kind of request.
            word: Its error word.
        """
        self._count(flow, step, language, word=word)

    def _count(
        self,
        flow: Flow,
        step: Step,
        language: Language,
        *,
        word: str = "",
        region: str | None = None,
    ) -> None:
        day = day_of(self.clock.now())
        self.audit.count(
            StepRow(day=day, flow=flow, step=step, word=word, region=region, language=language)
        )
