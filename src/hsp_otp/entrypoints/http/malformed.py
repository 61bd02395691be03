"""Counts what visitors mistype, by the error words of requests that end before the audit."""

from typing import Final

from hsp_otp.domain.audit import Step
from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import Flow
from hsp_otp.entrypoints.http.pass_login.problems import INVALID_FORMAT, PASS_CODE_REQUIRED
from hsp_otp.entrypoints.http.problems import MALFORMED_OTP, MISSING_FIELDS
from hsp_otp.entrypoints.http.signup.problems import (
    INVALID_PHONE,
    PHONE_REQUIRED,
    REGION_NOT_ALLOWED,
)
from hsp_otp.entrypoints.services import Services

_FLOWS: Final = {"/customer/": Flow.PASS_LOGIN, "/users/": Flow.SIGNUP}
"""The flows by the beginnings of their routes."""

MISTYPED: Final = {
    PASS_CODE_REQUIRED.error: Step.LOOK_UP,
    INVALID_FORMAT.error: Step.LOOK_UP,
    PHONE_REQUIRED.error: Step.SEND,
    INVALID_PHONE.error: Step.SEND,
    REGION_NOT_ALLOWED.error: Step.SEND,
    MISSING_FIELDS.error: Step.CHECK,
    MALFORMED_OTP.error: Step.CHECK,
}
"""What visitors got wrong before a flow could audit it."""


def count_malformed(services: Services, route: str, word: str, language: Language) -> None:
    """Count a request whose outcome *word* says that its visitor mistyped something."""
    step = MISTYPED.get(word)
    if step is None:
        return
    for beginning, flow in _FLOWS.items():
        if route.startswith(beginning):
            services.journeys.visits.malformed(flow, step, word, language)
