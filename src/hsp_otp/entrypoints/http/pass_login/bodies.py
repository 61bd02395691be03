"""The bodies of requests and answers of pass login."""

import msgspec

from hsp_otp.entrypoints.http.sessions.bodies import RedeemedBody


class PassRequest(msgspec.Struct):
    """A pass code, of the form HSP-1234-5678."""

    pass_code: str | None = None


class SendRequest(PassRequest):
    """
    A pass code.

    `device_token` is that of the latest sign-in on this device; `work` is what solves the work of
    an answer `work_required`, as its library puts it; `channel` is `voice` for a call.
    """

    device_token: str | None = None
    work: str | None = None
    channel: str | None = None


class VerifyRequest(msgspec.Struct):
    """A pass code, the code that was sent, and the challenge that the code belongs to."""

    pass_code: str | None = None
    otp: str | None = None
    challenge_id: str | None = None
    device_token: str | None = None


class FoundBody(msgspec.Struct, kw_only=True):
    """A usable pass, and the masked number to which a code would be sent."""

    valid: bool = True
    phone_masked: str


class RefusedBody(msgspec.Struct, kw_only=True):
    """A pass that cannot be used; the answer is a 200 and not an error."""

    valid: bool = False
    error: str
    message: str
    request_id: str


class SentBody(msgspec.Struct, kw_only=True):
    """
    A code is on its way.

    `expires_in` is the code's lifetime and `resend_in` the wait before another, both in seconds.
    """

    sent: bool = True
    phone_masked: str
    expires_in: int
    resend_in: int | msgspec.UnsetType = msgspec.UNSET
    challenge_id: str


class SignedInBody(RedeemedBody, kw_only=True):
    """The code was right, and the holder of the pass is signed in."""

    device_token: str
