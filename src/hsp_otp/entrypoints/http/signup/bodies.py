"""What requests and answers of signup carry."""

import msgspec

from hsp_otp.domain.signup import NEXT_STEP


class SignupSendRequest(msgspec.Struct):
    """A phone number; with its session, to send again or to correct the number."""

    phone: str | None = None
    session_id: str | None = None


class SignupVerifyRequest(msgspec.Struct):
    """A signup session with the code that was sent."""

    session_id: str | None = None
    otp_code: str | None = None


class SignupSentBody(msgspec.Struct, kw_only=True):
    """
    A code is on its way.

    Seconds: `expires_in` is the code's lifetime, `resend_in` the wait before another.
    """

    success: bool = True
    message: str
    session_id: str
    phone_masked: str
    expires_in: int
    resend_in: int | msgspec.UnsetType = msgspec.UNSET


class ProvedBody(msgspec.Struct, kw_only=True):
    """The number is proved; `proof` says so to the backend of the next steps."""

    success: bool = True
    message: str
    next_step: int = NEXT_STEP
    proof: str
