"""The rows that are written together with a decision."""

import enum
from typing import TypeAlias

import attrs

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.guard import Debt, KnownBy
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ClientAddress, Language
from hsp_otp.domain.prices import Money
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.verification_record import NamedValue, Status, Verification


class Action(enum.Enum):
    """Actions that callers and operators take, as the audit names them."""

    LOOK_UP = "look_up"
    SEND = "send"
    FALL_BACK = "fall_back"
    CHECK = "check"
    CANCEL = "cancel"
    READ = "read"
    WITHDRAW = "withdraw"
    REFRESH = "refresh"
    EXCHANGE = "exchange"
    REVOKE = "revoke"
    AUTHENTICATE = "authenticate"
    PUT_PASS = "put_pass"  # noqa: S105 - the name of an action
    END_PASS = "end_pass"  # noqa: S105 - the name of an action
    UNLOCK = "unlock"
    LET = "let"
    ERASE = "erase"
    TEST_CONTACT = "test_contact"
    OPS_SIGN_IN = "ops_sign_in"
    OPS_SEARCH = "ops_search"


class Step(enum.Enum):
    """
    What the funnel counts. The last three are requests, each with the word of its outcome.

    Values are stored, and are the names of the figures where they are one.
    """

    OPENED = "opened"
    NUMBER_ENTERED = "number_entered"
    CORRECTED = "corrections"
    RESENT = "resends"
    DELIVERED = "delivered"
    CODE_ENTERED = "code_entered"
    HANDED_OVER = "handed_over"
    LOOK_UP = "look_up"
    SEND = "send"
    CHECK = "check"


class Entered(enum.Enum):
    """What a number is that a code is asked for: the first of a visit, the same, or another."""

    NEW = "new"
    AGAIN = "again"
    CORRECTED = "corrected"


@attrs.frozen(kw_only=True)
class Visit:
    """
    What the funnel counts of a request beside the details of its row. It is not stored there.

    Attributes:
        entered: Of an ask; None if only the slot can tell.
        retried: Of an ask: it repeats one that was to come back with work.
        first_guess: Of a check: no guess at the code was judged before.
    """

    language: Language
    entered: Entered | None = None
    retried: bool = False
    first_guess: bool = False


@attrs.frozen(kw_only=True)
class AuditFacts:
    """
    What the audit tells of a request beside its outcome. Flows add to it what they find out.

    Never holds a code, digest, token, full contact or full pass code.

    Attributes:
        pass_code: Masked.
        contact: Masked.
        region: ISO 3166-1 alpha-2 code of the contact's region.
        contact_fingerprint: Keyed fingerprint of the contact, prefixed with the key's id.
        range_fingerprint: Keyed fingerprint of the contact's range, prefixed with the key's id.
        reason: The operator's reason for the action.
        charged: The scopes of client limits that the request was charged to, repeated once per
            charge. A store of counts that lost its data is refilled from them.
        lane: Of an ask or a guess.
        api_key_id: The id of the API key that the request was made with.
        operator: The name of the operator who acted, or tried to sign in.
        app: The name of the app that an API key was used for.
        verification_id: The verification that the request was about.
        subject_fingerprint: Keyed fingerprint of the user that an app's backend named, prefixed
            with the key's id.
        channel: Of a send; None for text messages of the customers' own journeys.
        block_fingerprint: Keyed fingerprint of the contact's block, prefixed with the key's id.
        visit: None for requests that no visitor makes.
    """

    at: Instant
    flow: Flow | None
    purpose: Purpose | None
    action: Action
    client: ClientAddress | None
    request_id: str | None
    pass_code: str | None = None
    contact: str | None = None
    region: str | None = None
    contact_fingerprint: str | None = None
    range_fingerprint: str | None = None
    reason: str | None = None
    charged: tuple[str, ...] = ()
    lane: Lane | None = None
    api_key_id: str | None = None
    operator: str | None = None
    app: str | None = None
    verification_id: str | None = None
    subject_fingerprint: str | None = None
    channel: Channel | None = None
    block_fingerprint: str | None = None
    visit: Visit | None = attrs.field(default=None, eq=False)


@attrs.frozen(kw_only=True)
class AuditRow:
    """
    One request and its outcome.

    Attributes:
        outcome: The stable word of the outcome, for example ``invalid_otp``.
        retry_at: When a refusal ends; None if nothing was refused, or if only an operator can end
            it.
        folds: True for rows that may arrive in a flood. Rows with the same client, action, outcome
            and number within a minute are stored as a single row, which keeps the first one's
            details and a count. A hundred numbers have such a row; all others share one, which
            names no number.
        sender: The adapter that took the message.
        provider_message_id: The provider's own id for the message.
        price: Of an ask that the guard judged: what its message costs.
        spent_by: The sender whose price it is.
        verdict: Of the guard, as `verdict_word` has it.
        reasons: Of the verdict, as `reasons_text` writes them.
        known_by: Of an ask that was not judged by where its message goes.
    """

    facts: AuditFacts
    outcome: str = attrs.field(validator=attrs.validators.min_len(1))
    retry_at: Instant | None = None
    folds: bool = False
    sender: str | None = None
    provider_message_id: str | None = None
    price: Money | None = None
    spent_by: str | None = None
    verdict: str | None = None
    reasons: str | None = None
    known_by: KnownBy | None = None


@attrs.frozen(kw_only=True)
class SendRow:
    """
    One admitted send. It is written before its message goes out, so that the limits on sends can be
    rebuilt from the database.

    Attributes:
        id: The challenge that the message is for, or, of an app, an id of its own.
        slot: The slot as text, which may contain a full contact.
        contact: The contact in the form that limits count.
        sent_to: Its canonical form, if that differs.
        client: ``unknown`` if an app's backend did not name it.
        language: Of the message.
        verification_id: Of an app: the verification that the message is for.
        values: Of an app: what its named limits count.
        request: Of an app: keyed fingerprint of the request with an idempotency key, prefixed with
            the key's id.
        test_contact: The id of the test contact that nothing was sent to: no limit counts it.
    """

    id: str
    at: Instant
    flow: Flow
    purpose: Purpose
    slot: str = attrs.field(repr=False)
    contact: str = attrs.field(repr=False)
    sent_to: str | None = attrs.field(default=None, repr=False)
    client: ClientAddress
    lane: Lane = Lane.OTHERS
    language: Language | None = None
    channel: Channel = Channel.SMS
    verification_id: str | None = None
    app_id: str | None = None
    values: tuple[NamedValue, ...] = ()
    request: str | None = None
    test_contact: str | None = None


@attrs.frozen(kw_only=True)
class DebtRow:
    """
    Records who owes an admitted send, so that ledgers can be counted again. It is written before
    the message goes out, and names no contact.

    Attributes:
        send_id: The id of that send.
        account: The flow, or the app.
        range: The range of the number.
        client: None if an app's backend did not name it.
    """

    send_id: str
    at: Instant
    account: str
    range: str
    client: ClientAddress | None
    debt: Debt
    price: Money


@attrs.frozen(kw_only=True)
class SignInRow:
    """
    The changes that a sign-in makes to the user and the pass. Writing the row twice is harmless.

    Attributes:
        pass_code: In full.
        pass_ended: The pass has expired and is to be marked so.
    """

    user_id: str
    pass_code: str = attrs.field(repr=False)
    pass_ended: bool


@attrs.frozen(kw_only=True)
class HandedOverRow:
    """
    Records that a provider took the message of an admitted send. Receipts find the send through it.

    Attributes:
        send_id: The id of that send.
    """

    send_id: str
    sender: str
    provider_message_id: str | None


@attrs.frozen(kw_only=True)
class UnsentRow:
    """
    Records that no sender took the message of an app's send.

    Attributes:
        send_id: The id of that send.
    """

    send_id: str
    at: Instant


@attrs.frozen(kw_only=True)
class PaidRow:
    """
    Records that nobody owes a send any more; the first that is recorded stays.

    Attributes:
        is_verified: Whether a code was right, or else a message did not arrive.
    """

    send_id: str
    at: Instant
    is_verified: bool


@attrs.frozen(kw_only=True)
class EndedRow:
    """Records the end of a verification; the first end that is recorded stays."""

    verification_id: str
    status: Status
    at: Instant


@attrs.frozen(kw_only=True)
class ProvedRow:
    """
    Records that a contact has proved itself in an app, by a code that was sent to it.

    Attributes:
        fingerprint: Keyed fingerprint of the contact, prefixed with the key's id.
    """

    app_id: str
    fingerprint: str
    at: Instant


@attrs.frozen(kw_only=True)
class StepRow:
    """
    Visitors who reached a step of the funnel, without anything about who they are.

    Attributes:
        day: The instant at which the day begins, in UTC.
        word: The outcome of a request; empty for other steps.
        region: Of the number, if one is known.
        language: None for what was stored before languages were.
    """

    day: Instant
    flow: Flow
    step: Step
    word: str = ""
    region: str | None = None
    language: Language | None
    count: int = 1


LateRow: TypeAlias = AuditRow | HandedOverRow | UnsentRow | PaidRow | EndedRow | StepRow
"""Rows that report what has happened. They may be written late, and nothing waits for them."""

Row: TypeAlias = LateRow | SendRow | DebtRow | SignInRow | Verification | ProvedRow
