"""Who is signed in at the operator's page, by a cookie that only we can have written."""

from typing import Final

from litestar.datastructures import Cookie

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.operators import OperatorSession
from hsp_otp.entrypoints.http.bodies import AnyRequest, house_of
from hsp_otp.entrypoints.http.csrf import is_secure
from hsp_otp.entrypoints.ops.desk import OpsDesk
from hsp_otp.ports.failures import Unavailable

PATH: Final = "/ops/"

_NAME: Final = "hsp_otp_ops"


def desk_of(request: AnyRequest) -> OpsDesk:
    """Where the operator of *request* looks."""
    desk = house_of(request).ops
    assert desk is not None, "there are routes to it"  # noqa: S101 - for the type checkers
    return desk


async def session_of(request: AnyRequest) -> OperatorSession | None:
    """
    Whose *request* it is; None where nobody is signed in, or no longer.

    While the database does not answer, nobody can say who signed out: whoever has a cookie whose
    time is not up is believed, and sees what stands in no database.
    """
    session = _read(request)
    if session is None:
        return None
    operators = desk_of(request).operators
    try:
        over = await operators.is_over(session)
    except Unavailable:
        over = False
    return None if over else session


def cookie_of(request: AnyRequest, session: OperatorSession) -> Cookie:
    """What makes the browser of *request* bring *session* along, until it is closed."""
    text = f"{session.began}.{session.used}.{session.id}"
    return _cookie(request, desk_of(request).keys.seal(text))


def dropped(request: AnyRequest) -> Cookie:
    """What makes the browser of *request* forget."""
    return _cookie(request, "", max_age=0)


def _read(request: AnyRequest) -> OperatorSession | None:
    text = desk_of(request).keys.unseal(request.cookies.get(_name(request), ""))
    if text is None:
        return None
    began, used, name = text.split(".")
    return OperatorSession(name, Instant(int(began)), Instant(int(used)))


def _cookie(request: AnyRequest, value: str, max_age: int | None = None) -> Cookie:
    secure = is_secure(request)
    return Cookie(
        _name(request),
        value=value,
        # The prefix wants the whole host; without it the page alone is enough.
        path="/" if secure else PATH.rstrip("/"),
        max_age=max_age,
        httponly=True,
        samesite="strict",
        secure=secure,
    )


def _name(request: AnyRequest) -> str:
    """By https no neighbouring host can have planted it."""
    return f"__Host-{_NAME}" if is_secure(request) else _NAME
