"""The error answers to Twilio's clients."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import attrs
import msgspec
from litestar import Response

from hsp_otp.domain.apps import AppNotFound
from hsp_otp.domain.challenge_outcomes import Exhausted, Locked
from hsp_otp.domain.instant import seconds_until
from hsp_otp.domain.names import ENGLISH
from hsp_otp.domain.quota import Limit, Refusal
from hsp_otp.domain.verification_record import Status
from hsp_otp.domain.verification_request import Flaw, Unacceptable
from hsp_otp.entrypoints.http.api_keys import KEY_REFUSALS
from hsp_otp.entrypoints.http.problems import (
    MALFORMED,
    MALFORMED_OTP,
    MISSING_FIELDS,
    REPLAYED,
    UNAUTHORIZED,
    Problem,
    answers_of,
)
from hsp_otp.entrypoints.http.requests import AnyRequest, services_of
from hsp_otp.entrypoints.http.verification import problems as native
from hsp_otp.flows.verification_outcomes import (
    InProgress,
    Mismatch,
    NotDelivered,
    NotFound,
    Over,
    Refused,
)

_MORE_INFO: Final = "https://www.twilio.com/docs/errors/{code}"


class FaultDetails(msgspec.Struct, kw_only=True):
    """
    What this service adds to an error.

    Attributes:
        error: The word that the service's own API has for it.
        retry_after_seconds: Until the same request may succeed.
        resend_in: Seconds until a new code may be asked for.
        status: What has become of the verification.
    """

    error: str
    request_id: str
    retry_after_seconds: int | msgspec.UnsetType = msgspec.UNSET
    resend_in: int | msgspec.UnsetType = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET


class FaultBody(msgspec.Struct):
    """
    An error.

    It has neither `type` nor `title`: with them, Twilio's clients raise what nobody catches.
    """

    code: int
    message: str
    more_info: str
    status: int
    details: FaultDetails

    @classmethod
    def of(cls, fault: "Fault", sentence: str, details: FaultDetails) -> "FaultBody":
        """Create the body for *fault*; waits stand in it because the clients drop headers."""
        message = sentence
        if details.retry_after_seconds is not msgspec.UNSET:
            message += f" Try again {_in(details.retry_after_seconds)}."
        if details.resend_in is not msgspec.UNSET:
            message += f" A new code can be sent {_in(details.resend_in)}."
        more_info = _MORE_INFO.format(code=fault.code)
        return cls(fault.code, message, more_info, fault.problem.status, details)


@attrs.frozen
class Fault:
    """
    The facts of an error answer.

    Attributes:
        code: Twilio's, or 20000 and the status where Twilio has none.
        problem: With the status that Twilio's clients get.
    """

    code: int
    problem: Problem


_BY_WORD: Final[Mapping[str, tuple[int, int]]] = {
    "malformed_request": (400, 60200),
    "unauthorized": (401, 20003),
    "forbidden": (403, 20403),
    "not_found": (404, 20404),
    "method_not_allowed": (405, 20405),
    "body_too_large": (413, 20413),
    "unsupported_media_type": (415, 20415),
    "internal_error": (500, 20500),
    "unavailable": (503, 20503),
    "app_not_found": (404, 20404),
    "invalid_idempotency_key": (400, 60200),
    "idempotency_in_progress": (409, 20409),
    "idempotency_mismatch": (400, 60200),
    "to_required": (400, 60200),
    "invalid_phone": (400, 60200),
    "invalid_email": (400, 60200),
    "region_not_allowed": (403, 60605),
    "client_ip_required": (400, 60200),
    "channel_not_available": (400, 60223),
    "purpose_not_available": (400, 60200),
    "invalid_subject": (400, 60200),
    "invalid_client_ip": (400, 60200),
    "invalid_locale": (400, 60200),
    "invalid_app_hash": (400, 60200),
    "invalid_limits": (400, 60200),
    "invalid_metadata": (400, 60200),
    "transaction_not_allowed": (400, 60200),
    "missing_fields": (400, 60200),
    "malformed_otp": (400, 60200),
    "locked_out": (429, 60202),
    "too_many_attempts": (429, 60202),
    "phone_rate_limited": (429, 60203),
    "email_rate_limited": (429, 60203),
    "resend_too_soon": (429, 60212),
    "rate_limited": (429, 20429),
    "app_rate_limited": (429, 20429),
    "named_limit": (429, 20429),
    "range_rate_limited": (429, 60410),
    "region_rate_limited": (429, 60410),
    "spend_limited": (429, 20429),
    "delivery_failed": (503, 20503),
    "verification_not_found": (404, 20404),
    "otp_expired": (404, 20404),
}
"""The status and Twilio's code of each word."""


def fault_of(problem: Problem) -> Fault:
    """Return the fault that *problem* is to Twilio's clients."""
    status, code = _BY_WORD[problem.error]
    return Fault(code, attrs.evolve(problem, status=status))


def _told(status: int, code: int, problem: Problem, reason: str | None = None) -> Fault:
    return Fault(code, attrs.evolve(problem, status=status, reason=reason))


UNAUTHENTICATED: Final = _told(401, 20003, UNAUTHORIZED, "Authenticate")
NO_CHANNEL: Final = _told(400, 60200, MISSING_FIELDS, "The parameter Channel is missing.")
UNKNOWN_CHANNEL: Final = _told(
    400, 60200, Problem(400, Flaw.CHANNEL.value), "Channel is none of sms, call, email, whatsapp "
    "and auto.",
)  # fmt: skip
SEND_DIGITS: Final = _told(
    400, 60200, MALFORMED, "SendDigits is not supported: extensions cannot be dialled."
)
CUSTOM_NAME: Final = _told(
    400, 60200, MALFORMED, "CustomFriendlyName cannot stand in a text message."
)
CUSTOM_CODE: Final = _told(
    403, 60204, Problem(403, "forbidden"), "CustomCode is not accepted: this service draws codes."
)
APPROVAL: Final = _told(
    403, 60204, Problem(403, "forbidden"), "Only the right code approves a verification."
)
NO_STATUS: Final = _told(400, 60200, MALFORMED, "Status has to be canceled.")
HALF_TRANSACTION: Final = _told(
    400, 60206, MISSING_FIELDS, "Amount and Payee are required together."
)
NO_CODE: Final = _told(400, 60200, MISSING_FIELDS, "The parameter Code is missing.")
CODE_LENGTH: Final = _told(400, 60200, MALFORMED_OTP, "Code has to have 4 to 10 characters.")
NOTHING_TO_CHECK: Final = _told(
    400, 60221, MISSING_FIELDS, "Either To or VerificationSid is required."
)
NO_MAIL: Final = _told(
    400, 60217, Problem(400, Flaw.CHANNEL.value), "No sender of e-mail is configured."
)
SERVICES_ARE_FIXED: Final = _told(
    403, 20403, Problem(403, "forbidden"), "Services are apps, which an operator imports with "
    "hsp-otp apps import.",
)  # fmt: skip


def of_key(problem: Problem) -> Fault:
    """Return the fault of a request without an API key that may be used for it."""
    return UNAUTHENTICATED if problem is UNAUTHORIZED else fault_of(problem)


def of_app(outcome: AppNotFound) -> Fault:
    """Return the fault of a service that the key does not act for."""
    return fault_of(native.of_app(outcome))


def of_start(
    outcome: Unacceptable | InProgress | Mismatch | Refused | NotDelivered,
) -> Fault:
    """Return the fault of a code that was not sent."""
    match outcome:
        case Unacceptable(Flaw.NOT_TEXTED):
            return Fault(60205, attrs.evolve(native.of_start(outcome), status=403))
        case Unacceptable(Flaw.TRANSACTION):
            return HALF_TRANSACTION
        case _:
            return fault_of(native.of_start(outcome))


def of_check(outcome: NotFound | Over | Exhausted | Locked | Refusal) -> Fault:
    """Return the fault of a code that was not judged."""
    return fault_of(native.of_verification_check(outcome))


def of_status(outcome: NotFound | Over) -> Fault:
    """Return the fault of a verification that is not there, or is over."""
    return fault_of(native.of_cancel(outcome))


def status_word(status: Status) -> str:
    """Return the status of a verification as Twilio's clients know it."""
    return "deleted" if status is Status.REPLACED else status.value


SERVICE_FAULTS: Final = (fault_of(native.INVALID_IDEMPOTENCY_KEY), *answers_of(of_app))

START_FAULTS: Final = (
    *(NO_CHANNEL, UNKNOWN_CHANNEL, SEND_DIGITS, CUSTOM_NAME, CUSTOM_CODE, NO_MAIL),
    *SERVICE_FAULTS,
    *answers_of(of_start, facts=native.facts_of(*(one for one in Flaw if one is not Flaw.SUBJECT))),
)
CHECK_FAULTS: Final = (
    *(NO_CODE, CODE_LENGTH, NOTHING_TO_CHECK),
    *SERVICE_FAULTS,
    *answers_of(of_check, Limit.CLIENT, facts=native.facts_of()),
)
FETCH_FAULTS: Final = (*SERVICE_FAULTS, *answers_of(of_status, facts=native.facts_of()))
UPDATE_FAULTS: Final = (APPROVAL, NO_STATUS, *FETCH_FAULTS)
KEY_FAULTS: Final = tuple(of_key(one) for one in KEY_REFUSALS)
"""What each route may answer; for the document."""


_UNNAMED: Final = re.compile(r"(?!/[A-Z]{2}[0-9a-f]{32}(?:/|\Z))/[^/]*[^A-Za-z/][^/]*")
"""Parts of a path that may name somebody: they are neither words nor ids."""


def not_offered(path: str) -> str:
    """Return the message about a *path* without a route."""
    told = _UNNAMED.sub("/…", path.removeprefix("/v2"))
    return f"The requested resource {told or '/'} is not offered by hsp-otp."


def tell(request: AnyRequest, problem: Problem) -> Response[Any]:
    """Answer a request that no route has answered."""
    if problem.error == "not_found":
        problem = attrs.evolve(problem, reason=not_offered(request.scope["path"]))
    return answer(request, fault_of(problem))


def answer(request: AnyRequest, fault: Fault) -> Response[Any]:
    """Create the answer for *fault*."""
    problem, services = fault.problem, services_of(request)
    request.scope["state"]["outcome"] = problem.error
    now, wait = services.clock.now(), problem.retry_seconds
    if problem.retry_at is not None:
        wait = seconds_until(problem.retry_at, now)
    details = FaultDetails(error=problem.error, request_id=request.scope["state"]["request_id"])
    headers: dict[str, str] = {"Content-Language": ENGLISH}
    if wait is not None:
        details.retry_after_seconds = wait
        headers["Retry-After"] = str(wait)
    if problem.resend_at is not None:
        details.resend_in = seconds_until(problem.resend_at, now)
    if problem.verification_status is not None:
        details.status = status_word(Status(problem.verification_status))
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="hsp-otp"'
    if problem.replayed:
        headers[REPLAYED] = "true"
    word = problem.sentence or problem.error
    sentence = problem.reason or services.messages.explain(word, ENGLISH)
    body = FaultBody.of(fault, sentence, details)
    return Response(body, status_code=problem.status, headers=headers)


def _in(seconds: int) -> str:
    return f"in {seconds} second{'' if seconds == 1 else 's'}" if seconds else "now"
