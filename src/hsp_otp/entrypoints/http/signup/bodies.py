"""The bodies of requests and answers of signup."""

import msgspec

from hsp_otp.domain.signup import NEXT_STEP


class CsrfBody(msgspec.Struct):
    """The token that every other request of signup has in a header; the cookie has it as well."""

    csrf_token: str


class SignupSendRequest(msgspec.Struct):
    """
    A phone number, and the session if this sends again or corrects the number.

    `channel` is `voice` for a call.
    """

    phone: str | None = None
    session_id: str | None = None
    device_token: str | None = None
    work: str | None = None
    channel: str | None = None


class SignupVerifyRequest(msgspec.Struct):
    """A signup session and the code that was sent."""

    session_id: str | None = None
    otp_code: str | None = None
    device_token: str | None = None


class SignupSentBody(msgspec.Struct, kw_only=True):
    """
    A code is on its way.

    `expires_in` is the code's lifetime and `resend_in` the wait before another, both in seconds.
    """

    success: bool = True
    message: str
    session_id: str
    phone_masked: str
    expires_in: int
    resend_in: int | msgspec.UnsetType = msgspec.UNSET


class ProvedBody(msgspec.Struct, kw_only=True):
    """The number is verified; `proof` shows this to the backend of the next steps."""

    success: bool = True
    message: str
    next_step: int = NEXT_STEP
    proof: str
    device_token: str
