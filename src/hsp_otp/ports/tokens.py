"""Access tokens."""

from typing import Protocol

import attrs

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import Purpose


@attrs.frozen(kw_only=True)
class Access:
    """
    What an access token says.

    Attributes:
        user_id: Its subject.
        family_id: The sign-in it belongs to.
        token_id: Unique, random.
    """

    user_id: str
    family_id: str
    token_id: str
    purpose: Purpose
    issued_at: Instant
    expires_at: Instant


class AccessTokens(Protocol):
    """Signs access tokens."""

    def sign(self, access: Access) -> str:
        """The signed token, to be shown to nobody but its client."""
        ...
