"""The rows that are written with a decision: audit, sends and sign-ins."""

import enum
from typing import TypeAlias

import attrs

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.purposes import Flow, Purpose


class Action(enum.Enum):
    """What was asked of the service, by callers and by operators."""

    LOOK_UP = "look_up"
    SEND = "send"
    CHECK = "check"
    WITHDRAW = "withdraw"
    REFRESH = "refresh"
    REVOKE = "revoke"
    UNLOCK = "unlock"
    ERASE = "erase"
    OPS_SIGN_IN = "ops_sign_in"
    OPS_SEARCH = "ops_search"


@attrs.frozen(kw_only=True)
class AuditRow:
    """
    One request and what became of it. Holds no code, digest, token, full contact or pass code.

    Attributes:
        outcome: The stable word of the outcome, for example ``invalid_otp``.
        pass_code: Masked.
        contact: Masked.
        region: ISO 3166-1 alpha-2 code of the contact's region.
        contact_fingerprint: Keyed fingerprint of the contact, its key's id in front.
        range_fingerprint: The same of the range that it is in.
        sender: The adapter that took the message.
        provider_message_id: The provider's own name for the message.
        reason: Why an operator did it.
        retry_at: When a refusal ends; None where there is none, or where only an operator ends it.
        charged: The scopes of what is counted for clients that the request was charged to, each as
            often as it was; a store of counts that forgot is filled again from them.
        folds: One of what may be a flood. Those of one client, action and outcome within a minute
            are kept as a single row, which tells of the first and counts them all.
    """

    at: Instant
    flow: Flow | None
    purpose: Purpose | None
    action: Action
    outcome: str
    client: ClientAddress | None
    request_id: str | None
    pass_code: str | None = None
    contact: str | None = None
    region: str | None = None
    contact_fingerprint: str | None = None
    range_fingerprint: str | None = None
    sender: str | None = None
    provider_message_id: str | None = None
    reason: str | None = None
    retry_at: Instant | None = None
    charged: tuple[str, ...] = ()
    folds: bool = False


@attrs.frozen(kw_only=True)
class SendRow:
    """
    One admitted send, written before its message goes out, so that the limits on sends can
    be rebuilt from the database.

    Attributes:
        challenge_id: The challenge that the message is for; unique.
        slot: As text, which may hold a full contact too.
        contact: In its canonical form.
    """

    challenge_id: str
    at: Instant
    flow: Flow
    purpose: Purpose
    slot: str = attrs.field(repr=False)
    contact: str = attrs.field(repr=False)
    client: ClientAddress


@attrs.frozen(kw_only=True)
class SignInRow:
    """
    What a sign-in leaves at the user and the pass. Writing it twice changes nothing more.

    Attributes:
        pass_code: In full.
        pass_ended: The pass is past its end and is to be marked expired.
    """

    user_id: str
    pass_code: str = attrs.field(repr=False)
    pass_ended: bool


@attrs.frozen(kw_only=True)
class HandedOverRow:
    """
    A provider took the message of an admitted send; receipts find the send by this.

    Attributes:
        challenge_id: The send's.
    """

    challenge_id: str
    sender: str
    provider_message_id: str | None


LateRow: TypeAlias = AuditRow | HandedOverRow
"""Rows that tell of what has happened; they may come late, and nothing waits for them."""

Row: TypeAlias = LateRow | SendRow | SignInRow
