"""The bodies of requests and answers of pass login."""

import msgspec

from hsp_otp.domain.instant import SECOND
from hsp_otp.entrypoints.http.sessions.bodies import PassBody, UserBody
from hsp_otp.flows.pass_login import SignedIn


class PassRequest(msgspec.Struct):
    """A pass code, of the form HSP-1234-5678."""

    pass_code: str | None = None


class SendRequest(PassRequest):
    """
    A pass code.

    `device_token` is that of the latest sign-in on this device; `work` is what solves the work of
    an answer `work_required`, as its library puts it.
    """

    device_token: str | None = None
    work: str | None = None


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


class SignedInBody(msgspec.Struct, kw_only=True, rename={"pass_": "pass"}):
    """The code was right, and the holder of the pass is signed in."""

    success: bool = True
    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105 - the kind of token
    expires_in: int
    user: UserBody
    pass_: PassBody
    device_token: str

    @classmethod
    def of_sign_in(cls, outcome: SignedIn) -> "SignedInBody":
        """Create the body for *outcome*."""
        return cls(
            access_token=outcome.grant.access_token,
            refresh_token=outcome.grant.refresh_token,
            expires_in=outcome.grant.expires_in // SECOND,
            user=UserBody.of(outcome.signed_in),
            pass_=PassBody.of(outcome.signed_in, outcome.at),
            device_token=outcome.device_token,
        )
