"""The services that routes and pages call."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.delivery import DeliveryState, Noted, UnknownMessage
from hsp_otp.domain.keys import KeyRing
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.flows.assembly import Journeys
from hsp_otp.flows.operators import Operators
from hsp_otp.flows.overview import Look, Stretch
from hsp_otp.ports.audit_queries import Entry
from hsp_otp.ports.calls import CallControl, CallTexts
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.deliveries import Receipts
from hsp_otp.ports.messages import Sentences
from hsp_otp.ports.sandbox import Outbox, TurnableClock
from hsp_otp.ports.sender import Senders
from hsp_otp.ports.sender_stats import SenderLately

if TYPE_CHECKING:
    from hsp_otp.adapters.opentelemetry.spans import Spans


@attrs.frozen(kw_only=True)
class Dashboard:
    """
    The services of the operators' page.

    Attributes:
        keys: The key ring for operators' sessions.
        look: Collects the data to show for a period.
        story: Finds the latest rows of the number with the given fingerprints.
        senders: Returns recent statistics of each sender on this machine.
    """

    operators: Operators
    keys: KeyRing
    look: Callable[[Stretch], Awaitable[Look]]
    story: Callable[[tuple[str, ...]], Awaitable[Sequence[Entry]]]
    senders: Callable[[], Sequence[SenderLately]]


@attrs.frozen(kw_only=True)
class Sandbox:
    """
    The services of development mode alone.

    Attributes:
        clock: The clock of all other services.
    """

    outbox: Outbox
    clock: TurnableClock


@attrs.frozen(kw_only=True)
class Services:
    """
    All services that answer requests.

    Attributes:
        senders: The senders of messages, by channel.
        take_receipt: Records a sender's report about a message.
        receipts: The readers of delivery receipts by provider name, for providers that are asked
            for them.
        calls: What controls calls, by the name of the provider that makes them.
        key_set: The public keys of access tokens, as a JWK set.
        csrf_keys: The key ring for CSRF tokens.
        page_keys: The key ring for the state that pages keep in cookies.
        database_answers: Checks that the SQL database accepts writes.
        redis_answers: Checks the same of Redis; None without Redis.
        answered: Counts a request by its route, method, status and seconds; None without metrics.
        spans: Makes the spans of requests; None without traces.
        dashboard: The services of the operators' page; None without the page.
        sandbox: The services of development mode; None in production.
    """

    settings: Settings
    clock: Clock
    messages: Sentences
    journeys: Journeys
    senders: Mapping[Channel, Senders]
    take_receipt: Callable[[str, str, DeliveryState], Awaitable[Noted | UnknownMessage]]
    receipts: Mapping[str, Receipts]
    calls: Mapping[str, CallControl]
    call_texts: CallTexts
    key_set: Mapping[str, Any]
    csrf_keys: KeyRing
    page_keys: KeyRing
    database_answers: Callable[[], Awaitable[bool]]
    redis_answers: Callable[[], Awaitable[bool]] | None = None
    answered: Callable[[str, str, int, float], None] | None = None
    spans: "Spans | None" = None
    dashboard: "Dashboard | None" = None
    sandbox: Sandbox | None = None
