"""The services that routes and pages call, and what stands beside them."""

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
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.deliveries import Receipts
from hsp_otp.ports.messages import Sentences
from hsp_otp.ports.sender import Sender
from hsp_otp.ports.sender_stats import SenderLately

if TYPE_CHECKING:
    from hsp_otp.adapters.opentelemetry.spans import Spans


@attrs.frozen(kw_only=True)
class Dashboard:
    """
    Where operators look.

    Attributes:
        keys: The ring of their sessions.
        look: What there is to show of a stretch of time.
        story: The latest rows of the number of these fingerprints.
        senders: What each sender of this machine did lately.
    """

    operators: Operators
    keys: KeyRing
    look: Callable[[Stretch], Awaitable[Look]]
    story: Callable[[tuple[str, ...]], Awaitable[Sequence[Entry]]]
    senders: Callable[[], Sequence[SenderLately]]


@attrs.frozen(kw_only=True)
class Services:
    """
    Everything that answers requests, put together.

    Attributes:
        senders: Whoever takes messages, by channel.
        take_receipt: Notes what a sender reports of a message.
        receipts: What reads a provider's reports, by its name, where they are asked for.
        key_set: The public keys of access tokens, as a JWK set.
        csrf_keys: The ring of CSRF tokens.
        page_keys: The ring of what pages remember in cookies.
        database_answers: Whether the SQL database takes what requests write.
        redis_answers: The same of Redis, where there is one.
        answered: Told of every request's route, method, status and seconds, where somebody counts.
        spans: Makes those of requests, where traces are on.
        dashboard: Where operators look, where they may.
    """

    settings: Settings
    clock: Clock
    messages: Sentences
    journeys: Journeys
    senders: Mapping[Channel, Sender]
    take_receipt: Callable[[str, str, DeliveryState], Awaitable[Noted | UnknownMessage]]
    receipts: Mapping[str, Receipts]
    key_set: Mapping[str, Any]
    csrf_keys: KeyRing
    page_keys: KeyRing
    database_answers: Callable[[], Awaitable[bool]]
    redis_answers: Callable[[], Awaitable[bool]] | None = None
    answered: Callable[[str, str, int, float], None] | None = None
    spans: "Spans | None" = None
    dashboard: "Dashboard | None" = None
