"""
A right code that the same browser presents again because it did not see the first answer.

Without scripts, pressing Enter twice on a slow connection sends the form twice, and the browser
shows only the second answer.
"""

import hmac
from typing import ClassVar

import attrs

from hsp_otp.domain.challenge import check, is_right, with_lane
from hsp_otp.domain.challenge_outcomes import CheckOutcome, NoLiveCode, Verified
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import CLOCK_SKEW, Instant, after
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.lanes import Devices, Lane
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.refresh_tokens import LOST_ANSWER_WINDOW
from hsp_otp.domain.slot_record import Challenge, Held, Presented, Request, Success


@attrs.frozen
class VerifiedAgain:
    """The code was right moments ago, in the same browser. Nothing was charged."""

    word: ClassVar[str] = "verified_again"
    challenge: Challenge
    resend_at: Instant | None
    devices: Devices


def check_in_browser(
    held: Held,
    request: Request,
    presented: Presented,
    policy: Policy,
    *,
    ring: KeyRing,
    now: Instant,
    browser: str,
    lane: Lane = Lane.OTHERS,
) -> Decision[Held, CheckOutcome | VerifiedAgain]:
    """
    `check`, and remember the browser of a success, which may present the code again.

    A different code from that browser ends this, so that a used code cannot be guessed. *browser*
    is a random value that identifies the browser and that only the browser knows.
    """
    decision = check(held, request, presented, policy, ring=ring, now=now, lane=lane)
    outcome, becomes = decision.outcome, decision.becomes
    challenge, devices = becomes.record.lane(lane).challenge, becomes.record.devices
    key = None if challenge is None else ring.find(challenge.key_id)
    if challenge is None or key is None:
        return Decision(outcome, becomes)
    digest = key.digest("browser", challenge.id, browser)
    if isinstance(outcome, Verified):
        remembered = attrs.evolve(challenge, success=Success(now, digest))
        told = attrs.evolve(outcome, challenge=remembered)
        return Decision(told, _with(becomes, remembered, lane))
    if (
        isinstance(outcome, NoLiveCode)
        and presented.challenge_id in {None, challenge.id}
        and request.session == challenge.session
        and _is_of(challenge.success, digest, now)
    ):
        if devices is not None and is_right(presented.code, request, challenge, key, policy.digits):
            return Decision(VerifiedAgain(challenge, outcome.resend_at, devices), held)
        becomes = _with(held, attrs.evolve(challenge, success=None), lane)
    return Decision(outcome, becomes)


def _with(held: Held, challenge: Challenge, lane: Lane) -> Held:
    own = attrs.evolve(held.record.lane(lane), challenge=challenge)
    return attrs.evolve(held, record=with_lane(held.record, lane, own))


def _is_of(success: Success | None, browser: bytes, now: Instant) -> bool:
    """Whether the code was right in that browser moments ago."""
    if success is None or not hmac.compare_digest(success.browser, browser):
        return False
    # Another machine's clock may be ahead.
    return after(success.at, -CLOCK_SKEW) <= now <= after(success.at, LOST_ANSWER_WINDOW)
