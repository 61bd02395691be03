"""Sends of codes, as they are stored in the SQL database, whichever store holds the challenges."""

from typing import Protocol

import attrs

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import Slot


@attrs.frozen(kw_only=True)
class SentCode:
    """
    One send of a code.

    Attributes:
        slot: The slot of its challenge.
        challenge_id: The challenge whose code it carries.
        app_id: Of an app's send.
        language: Of the message; None if it is not known.
        provider_message_id: None while it is not known whether a sender took the message.
    """

    slot: Slot = attrs.field(repr=False)
    challenge_id: str
    app_id: str | None
    channel: Channel
    language: Language | None
    provider_message_id: str | None


class Sends(Protocol):
    """Finds sends."""

    async def find(self, send_id: str) -> SentCode | None:
        """
        The send with that id, or None.

        Raises:
            Unavailable: The database did not answer.
        """
        ...
