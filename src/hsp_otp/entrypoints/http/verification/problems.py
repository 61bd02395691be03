"""The error answers about verifications."""

from typing import Final, assert_never

import attrs

from hsp_otp.domain.apps import AppNotFound
from hsp_otp.domain.challenge_outcomes import Exhausted, Locked, WrongCode
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.quota import Limit, Refusal
from hsp_otp.domain.verification_record import Status
from hsp_otp.domain.verification_request import Flaw, Unacceptable
from hsp_otp.entrypoints.http.problems import (
    MALFORMED_OTP,
    MISSING_FIELDS,
    Problem,
    answers_of,
    of_check,
)
from hsp_otp.flows.verification_outcomes import (
    InProgress,
    MalformedCode,
    Mismatch,
    NotDelivered,
    NotFound,
    Over,
    Refused,
)

INVALID_IDEMPOTENCY_KEY: Final = Problem(400, "invalid_idempotency_key")
INVALID_CLIENT_IP: Final = Problem(400, Flaw.CLIENT.value)
INVALID_EMAIL: Final = Problem(400, Flaw.EMAIL.value)

_IN_PROGRESS_SECONDS: Final = 1


def of_app(outcome: AppNotFound) -> Problem:
    """Return the problem of a request for an app that its key does not act for."""
    return Problem(404, outcome.word)


def of_start(
    outcome: Unacceptable | InProgress | Mismatch | Refused | NotDelivered,
) -> Problem:
    """Return the problem of a code that was not sent."""
    match outcome:
        case Unacceptable():
            return Problem(400, outcome.word)
        case InProgress():
            return Problem(409, outcome.word, retry_seconds=_IN_PROGRESS_SECONDS)
        case Mismatch():
            return Problem(422, outcome.word)
        case Refused():
            why = outcome.why
            limit = why.name if isinstance(why, Refusal) else None
            return attrs.evolve(of_check(why), next=outcome.next, limit=limit)
        case NotDelivered():
            return Problem(
                400, outcome.word, resend_at=outcome.resend_at, replayed=outcome.replayed
            )
        case _:
            assert_never(outcome)


def of_resend(
    outcome: Unacceptable
    | InProgress
    | Mismatch
    | Refused
    | NotDelivered
    | NotFound
    | Over
    | Exhausted,
) -> Problem:
    """Return the problem of a code that was not sent again."""
    match outcome:
        case NotFound() | Over():
            return of_cancel(outcome)
        case Exhausted():
            return of_check(outcome)
        case _:
            return of_start(outcome)


def of_verification_check(
    outcome: NotFound | MalformedCode | WrongCode | Over | Exhausted | Locked | Refusal,
) -> Problem:
    """Return the problem of a presented code that proved nothing."""
    match outcome:
        case MalformedCode():
            return MALFORMED_OTP
        case NotFound() | Over():
            return of_cancel(outcome)
        case _:
            return of_check(outcome)


def of_cancel(outcome: NotFound | Over) -> Problem:
    """Return the problem of a verification that cannot be ended."""
    match outcome:
        case NotFound():
            return of_get(outcome)
        case Over():
            return Problem(
                400,
                outcome.word,
                resend_at=outcome.resend_at,
                verification_status=outcome.status.value,
            )
        case _:
            assert_never(outcome)


def of_get(outcome: NotFound) -> Problem:
    """Return the problem of a verification that is not there."""
    return Problem(404, outcome.word)


def of_standing(outcome: Unacceptable) -> Problem:
    """Return the problem of a start that would be malformed."""
    return of_start(outcome)


_LIMITS: Final = (
    *(Limit.CONTACT_SENDS, Limit.MAILBOX_SENDS, Limit.APP, Limit.CLIENT, Limit.NAMED),
    Limit.COOLDOWN,
    *(Limit.RANGE, Limit.REGION, Limit.SPEND),
)
_ONLY_OF_STARTS: Final = (Flaw.LOCALE, Flaw.APP_HASH, Flaw.METADATA, Flaw.TRANSACTION)


def facts_of(*flaws: Flaw) -> dict[type, list[dict[str, object]]]:
    """Return what the outcomes of verifications may carry, for the document."""
    reasons = [Refusal(one, Instant(0)) for one in _LIMITS]
    return {
        Unacceptable: [{"flaw": flaw} for flaw in flaws],
        Refused: [{"why": why, "next": {}} for why in (*reasons, Locked(None))],
        Over: [{"status": Status.EXPIRED}],
    }


START_REFUSALS: Final = (
    INVALID_IDEMPOTENCY_KEY,
    *answers_of(of_app),
    *answers_of(of_start, facts=facts_of(*Flaw)),
)
RESEND_REFUSALS: Final = (
    INVALID_IDEMPOTENCY_KEY,
    *answers_of(of_resend, facts=facts_of(Flaw.CHANNEL)),
)
CANCEL_REFUSALS: Final = (INVALID_IDEMPOTENCY_KEY, *answers_of(of_cancel, facts=facts_of()))
GET_REFUSALS: Final = (INVALID_IDEMPOTENCY_KEY, *answers_of(of_get))
CHECK_REFUSALS: Final = (
    INVALID_IDEMPOTENCY_KEY,
    MISSING_FIELDS,
    INVALID_CLIENT_IP,
    *answers_of(of_verification_check, Limit.CLIENT, facts=facts_of()),
)
STANDING_REFUSALS: Final = (
    INVALID_IDEMPOTENCY_KEY,
    *answers_of(of_app),
    *answers_of(
        of_standing, facts=facts_of(*(flaw for flaw in Flaw if flaw not in _ONLY_OF_STARTS))
    ),
)
"""What each route may answer, beside what it answers about keys and bodies; for the document."""
