"""Error answers (RFC 9457), and the problems that all flows share."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar, assert_never, get_args, get_type_hints

import attrs
import msgspec
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler

from hsp_otp.domain.api_keys import Forbidden, Unauthorized
from hsp_otp.domain.challenge_outcomes import (
    Exhausted,
    Locked,
    MalformedWork,
    NoLiveCode,
    WrongCode,
)
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import Instant, seconds_until
from hsp_otp.domain.names import ENGLISH
from hsp_otp.domain.quota import OF_GUARD, Limit, Refusal
from hsp_otp.entrypoints.http.languages import told
from hsp_otp.entrypoints.services import Services
from hsp_otp.flows.otp import NotSent, Undelivered, WorkPosed
from hsp_otp.ports.proof_of_work import Work

T = TypeVar("T")

MEMBER: Final = "member"
"""Among a route's options: the member of its answers that says false in every refusal."""

REPLAYED: Final = "Idempotent-Replayed"
"""The header of answers to a request whose idempotency key has been used before."""

UNAVAILABLE_RETRY_SECONDS = 2


class WorkBody(msgspec.Struct):
    """An ALTCHA challenge, version 2: its libraries solve it as it is."""

    parameters: dict[str, str | int | dict[str, int]]
    signature: str


class ProblemBody(msgspec.Struct, rename={"type_": "type"}):
    """
    A problem by RFC 9457, with additional members of the flow.

    Seconds: `retry_after_seconds` until the same request may succeed, `resend_in` until a new
    code may be asked for, `next` until each channel may be used (null: only an operator can
    unlock), `work_seconds` that a phone needs for `work`. `live` says whether the code that was
    sent last is still good. `limit` is the app's name of a limit. `other_ways` are the words of
    other ways to verify, of which there are none yet.
    """

    type_: str
    title: str
    status: int
    detail: str
    error: str
    message: str
    request_id: str
    valid: bool | msgspec.UnsetType = msgspec.UNSET
    sent: bool | msgspec.UnsetType = msgspec.UNSET
    success: bool | msgspec.UnsetType = msgspec.UNSET
    retry_after_seconds: int | msgspec.UnsetType = msgspec.UNSET
    live: bool | msgspec.UnsetType = msgspec.UNSET
    next: dict[str, int | None] | msgspec.UnsetType = msgspec.UNSET
    other_ways: list[str] | msgspec.UnsetType = msgspec.UNSET
    limit: str | msgspec.UnsetType = msgspec.UNSET
    verification_status: str | msgspec.UnsetType = msgspec.UNSET
    resend_in: int | msgspec.UnsetType = msgspec.UNSET
    attempts_remaining: int | msgspec.UnsetType = msgspec.UNSET
    next_step: int | msgspec.UnsetType = msgspec.UNSET
    work: WorkBody | msgspec.UnsetType = msgspec.UNSET
    work_seconds: int | msgspec.UnsetType = msgspec.UNSET


@attrs.frozen
class Problem:
    """
    The facts of an error answer.

    Attributes:
        error: The error word, stable and machine-readable.
        sentence: The id of another sentence than the word's.
        retry_at: When the same request may succeed.
        live: Of a wait for the next code, whether the last one is still good.
        resend_at: When a new code may be requested.
        attempts_remaining: Guesses left for the challenge.
        next_step: The step at which a signup continues.
        work: The work to do before the same request may succeed.
        reason: An English sentence for the developer who made the request, in place of the word's.
        asks_for_support: Nobody but support can help.
        retry_seconds: When to repeat the request, if no limit makes it wait.
        next: When each channel may be used; None if only an operator can unlock.
        limit: The app's name of the limit.
        other_ways: Where no message is sent: the words of other ways to verify.
        verification_status: What has become of the verification.
        replayed: An earlier request with the same idempotency key met the same.
    """

    status: int
    error: str
    retry_at: Instant | None = None
    resend_at: Instant | None = None
    attempts_remaining: int | None = None
    next_step: int | None = None
    work: Work | None = None
    reason: str | None = None
    live: bool | None = None
    sentence: str = ""
    asks_for_support: bool = False
    retry_seconds: int | None = None
    next: Mapping[Channel, Instant | None] | None = None
    limit: str | None = None
    other_ways: tuple[str, ...] | None = None
    verification_status: str | None = None
    replayed: bool = False


UNAVAILABLE = Problem(503, "unavailable", retry_seconds=UNAVAILABLE_RETRY_SECONDS)
INTERNAL_ERROR = Problem(500, "internal_error")
MALFORMED = Problem(400, "malformed_request")
UNAUTHORIZED = Problem(401, Unauthorized.word)
NOT_FOUND = Problem(404, "not_found")
MISSING_FIELDS = Problem(400, "missing_fields")
CHANNEL_NOT_AVAILABLE = Problem(400, "channel_not_available")
MALFORMED_OTP = Problem(400, "malformed_otp")

_BY_STATUS = {
    400: MALFORMED,
    404: NOT_FOUND,
    405: Problem(405, "method_not_allowed"),
    413: Problem(413, "body_too_large"),
    415: Problem(415, "unsupported_media_type"),
}


def of_status(status: int) -> Problem:
    """Return the problem of an error below 500 that the HTTP library raised."""
    return _BY_STATUS.get(status, MALFORMED)


def answers_of(
    mapping: Callable[..., T],
    *limits: Limit,
    facts: Mapping[type, Sequence[Mapping[str, Any]]] | None = None,
) -> list[T]:
    """
    What *mapping* answers to each of the outcomes that its first parameter names.

    The outcomes carry no other facts than these, which change neither status nor word.

    Args:
        limits: Those that a `Refusal` may name.
        facts: What other outcomes may carry, where the word depends on it.
    """
    outcome = next(iter(get_type_hints(mapping).values()))
    shapes: dict[Any, Sequence[Mapping[str, Any]]] = {
        Refusal: [{"limit": one} for one in limits],
        **(facts or {}),
    }
    found: list[T] = []
    for kind in get_args(outcome) or (outcome,):
        names = [field.name for field in attrs.fields(kind)]
        found += [
            mapping(kind(**dict.fromkeys(names) | dict(shape))) for shape in shapes.get(kind, [{}])
        ]
    return found


def members_of(handlers: Iterable[HTTPRouteHandler]) -> dict[str, str]:
    """The member that says false in every refusal, by the path of its route or its template."""
    return {
        re.sub(r":\w+}", "}", path): handler.opt[MEMBER]
        for handler in handlers
        for path in handler.paths
        if handler.opt.get(MEMBER)
    }


def of_refusal(refusal: Refusal) -> Problem:
    """Return the problem of a request that a limit refuses."""
    sentence = "resend_later" if refusal.live is False else ""
    return Problem(
        429,
        refusal.word,
        refusal.retry_at,
        live=refusal.live,
        sentence=sentence,
        other_ways=() if refusal.limit in OF_GUARD else None,
    )


def of_key(outcome: Unauthorized | Forbidden | Refusal) -> Problem:
    """Return the problem of a request without an API key that may be used for it."""
    match outcome:
        case Unauthorized():
            return UNAUTHORIZED
        case Forbidden():
            return Problem(403, outcome.word)
        case Refusal():
            return of_refusal(outcome)
        case _:
            assert_never(outcome)


def of_ask(outcome: NotSent) -> Problem:
    """Return the problem of a code that was not sent, in any flow."""
    match outcome:
        case Refusal():
            return of_refusal(outcome)
        case Locked():
            return Problem(429, outcome.word, outcome.retry_at, asks_for_support=True)
        case Undelivered():
            sentence = "sms_refused" if outcome.for_good else ""
            if outcome.by_call:
                sentence = "call_refused" if outcome.for_good else "call_failed"
            return Problem(400, outcome.word, resend_at=outcome.resend_at, sentence=sentence)
        case MalformedWork():
            return MALFORMED
        case WorkPosed():
            return Problem(429, outcome.word, work=outcome.work)
        case _:
            assert_never(outcome)


def of_check(outcome: Refusal | Locked | WrongCode | NoLiveCode | Exhausted) -> Problem:
    """Return the problem of a presented code that proved nothing, in any flow."""
    match outcome:
        case Refusal():
            return of_refusal(outcome)
        case Locked():
            return Problem(429, outcome.word, outcome.retry_at, asks_for_support=True)
        case WrongCode():
            return Problem(
                400,
                outcome.word,
                resend_at=outcome.resend_at,
                attempts_remaining=outcome.attempts_remaining,
            )
        case NoLiveCode() | Exhausted():
            return Problem(400, outcome.word, resend_at=outcome.resend_at)
        case _:
            assert_never(outcome)


def waits_of(instants: Mapping[Channel, Instant | None], now: Instant) -> dict[str, int | None]:
    """Return the whole seconds until each of *instants*, by the channels' words."""
    return {
        channel.value: None if at is None else seconds_until(at, now)
        for channel, at in instants.items()
    }


def work_of(work: Work) -> dict[str, Any]:
    """What a client solves."""
    return {"parameters": work.parameters, "signature": work.signature}


def _told(request: Request[Any, Any, Any], problem: Problem) -> tuple[str, dict[str, str]]:
    if problem.reason is None:
        return told(request, problem.sentence or problem.error)
    return problem.reason, {"Content-Language": ENGLISH}


_AS_THEY_ARE: Final = (
    *("live", "attempts_remaining", "next_step", "limit", "verification_status", "other_ways"),
)
"""Members of a problem that its answer tells as they are."""


def _members(problem: Problem, now: Instant) -> dict[str, Any]:
    """The members that only some problems have."""
    told: dict[str, Any] = {}
    if problem.retry_at is not None:
        told["retry_after_seconds"] = seconds_until(problem.retry_at, now)
    if problem.resend_at is not None:
        told["resend_in"] = seconds_until(problem.resend_at, now)
    if problem.next is not None:
        told["next"] = waits_of(problem.next, now)
    for name in _AS_THEY_ARE:
        if getattr(problem, name) is not None:
            told[name] = getattr(problem, name)
    if problem.work is not None:
        told["work"] = work_of(problem.work)
        told["work_seconds"] = problem.work.seconds
    return told


def _headers(problem: Problem, wait: int | None) -> dict[str, str]:
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if problem.status == HTTPStatus.UNAUTHORIZED:
        # The problem of keys names no error: most of these requests present none (RFC 6750, 3.1).
        named = "" if problem is UNAUTHORIZED else ' error="invalid_token"'
        headers["WWW-Authenticate"] = f"Bearer{named}"
    if problem.replayed:
        headers[REPLAYED] = "true"
    return headers


def answer(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    """
    Create the answer for *problem*: RFC 9457, with additional members of the flow.

    If the flow answers a refusal with 200, the answer is plain JSON.
    """
    services: Services = request.app.state.services
    message, headers = _told(request, problem)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": message,
    }
    if problem.status == HTTPStatus.OK:
        body = {}
    members: Mapping[str, str] = request.app.state.members
    scope: Any = request.scope
    member = members.get(scope["path"]) or members.get(scope.get("path_template"))
    if member:
        body[member] = False
    body |= {
        "error": problem.error,
        "message": message,
        "request_id": request.scope["state"]["request_id"],
    }
    body |= _members(problem, services.clock.now())
    headers |= _headers(problem, body.get("retry_after_seconds", problem.retry_seconds))
    request.scope["state"]["outcome"] = problem.error
    ok = problem.status == HTTPStatus.OK
    return Response(
        body,
        status_code=problem.status,
        media_type="application/json" if ok else "application/problem+json",
        headers=headers,
    )
