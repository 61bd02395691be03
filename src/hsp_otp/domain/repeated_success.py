"""
A right code that the same browser presents again because it did not see the first answer.

Without scripts, pressing Enter twice on a slow connection sends the form twice, and the browser
shows only the second answer.
"""

import hmac
from typing import ClassVar

import attrs

from hsp_otp.domain.challenge import (
    Challenge,
    CheckOutcome,
    Held,
    NoLiveCode,
    Presented,
    Request,
    Success,
    Verified,
    check,
    is_right,
)
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import CLOCK_SKEW, Instant, after
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.refresh_tokens import LOST_ANSWER_WINDOW


@attrs.frozen
class VerifiedAgain:
    """The code was right moments ago, in the same browser. Nothing was charged."""

    word: ClassVar[str] = "verified_again"
    challenge: Challenge
    resend_at: Instant | None


def check_in_browser(
    held: Held,
    request: Request,
    presented: Presented,
    policy: Policy,
    *,
    ring: KeyRing,
    now: Instant,
    browser: str,
) -> Decision[Held, CheckOutcome | VerifiedAgain]:
    """
    `check`, and remember the browser of a success, which may present the code again.

    A different code from that browser ends this, so that a used code cannot be guessed.

    Args:
        browser: A random value that identifies the browser and that only the browser knows.
    """
    decision = check(held, request, presented, policy, ring=ring, now=now)
    outcome, becomes = decision.outcome, decision.becomes
    challenge = becomes.record.challenge
    key = None if challenge is None else ring.find(challenge.key_id)
    if challenge is None or key is None:
        return Decision(outcome, becomes)
    digest = key.digest("browser", challenge.id, browser)
    if isinstance(outcome, Verified):
        remembered = attrs.evolve(challenge, success=Success(now, digest))
        return Decision(Verified(remembered, outcome.resend_at), _with(becomes, remembered))
    if (
        isinstance(outcome, NoLiveCode)
        and presented.challenge_id in {None, challenge.id}
        and request.session == challenge.session
        and _is_of(challenge.success, digest, now)
    ):
        if is_right(presented.code, request, challenge, key, policy.digits):
            return Decision(VerifiedAgain(challenge, outcome.resend_at), held)
        becomes = _with(held, attrs.evolve(challenge, success=None))
    return Decision(outcome, becomes)


def _with(held: Held, challenge: Challenge) -> Held:
    return attrs.evolve(held, record=attrs.evolve(held.record, challenge=challenge))


def _is_of(success: Success | None, browser: bytes, now: Instant) -> bool:
    """Whether the code was right in that browser moments ago."""
    if success is None or not hmac.compare_digest(success.browser, browser):
        return False
    # Another machine's clock may be ahead.
    return after(success.at, -CLOCK_SKEW) <= now <= after(success.at, LOST_ANSWER_WINDOW)
