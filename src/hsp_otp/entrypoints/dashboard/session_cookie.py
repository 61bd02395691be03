"""The session cookie of the operators' dashboard."""

import hmac
from typing import Final

from litestar.datastructures import Cookie

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.operator_sessions import OperatorSession
from hsp_otp.entrypoints.http.browser import cookie, cookie_values
from hsp_otp.entrypoints.http.requests import AnyRequest, services_of
from hsp_otp.entrypoints.services import Dashboard

PATH: Final = "/ops/"

_NAME: Final = "hsp_otp_ops"


def desk_of(request: AnyRequest) -> Dashboard:
    """Return the dashboard's services."""
    desk = services_of(request).dashboard
    assert desk is not None, "the routes need it"  # noqa: S101 - for the type checkers
    return desk


async def session_of(request: AnyRequest) -> OperatorSession | None:
    """
    Return the operator's session of *request*; None if nobody is signed in any more.

    Raises:
        Unavailable: The database did not answer. Sessions that have ended are unknown then, so
            nobody may see anything.
    """
    operators = desk_of(request).operators
    for session in sessions_in(request):
        if not await operators.is_over(session):
            return session
    return None


def sessions_in(request: AnyRequest) -> list[OperatorSession]:
    """Return the sessions in the cookies of *request*, including sessions that are over."""
    ring = desk_of(request).keys
    texts = map(ring.unseal, cookie_values(request, _NAME))
    return [_session(*text.split(".", 4)) for text in texts if text is not None]


def token_of(request: AnyRequest, session: OperatorSession) -> str:
    """Return the CSRF token of *session*, which is valid for no other session."""
    return desk_of(request).keys.fingerprint(_bound_to(session))


def is_token_of(request: AnyRequest, session: OperatorSession, token: str | None) -> bool:
    """Return whether *token* was made for *session*."""
    given = (token or "").encode()
    made = desk_of(request).keys.fingerprints(_bound_to(session))
    return any(hmac.compare_digest(one.encode(), given) for one in made)


def cookie_of(request: AnyRequest, session: OperatorSession) -> Cookie:
    """Make the cookie with *session*, which the browser keeps until it is closed."""
    text = f"{session.began}.{session.used}.{session.id}"
    if session.operator is not None:
        text += f".{session.version}.{session.operator}"
    return _cookie(request, desk_of(request).keys.seal(text))


def dropped(request: AnyRequest) -> Cookie:
    """Make the cookie that deletes the session from the browser of *request*."""
    return _cookie(request, "", max_age=0)


def _session(
    began: str, used: str, name: str, version: str = "", operator: str | None = None
) -> OperatorSession:
    return OperatorSession(name, Instant(int(began)), Instant(int(used)), operator, version)


def _bound_to(session: OperatorSession) -> str:
    return f"csrf token of {session.id}"


def _cookie(request: AnyRequest, value: str, max_age: int | None = None) -> Cookie:
    path = PATH.rstrip("/")
    return cookie(request, _NAME, value, path=path, max_age=max_age, samesite="strict")
