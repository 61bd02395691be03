"""
The tables. Instants are whole microseconds since 1970, UTC.

`partial_indexes` has the indexes that contain some of the rows only.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("house_id", Text, comment="the house's own id"),
    Column("email", Text, nullable=False, unique=True, comment="lower case"),
    Column("first_name", Text, nullable=False),
    Column("last_name", Text, nullable=False),
    Column("phone_number", Text, comment="E.164"),
    Column("is_verified", Boolean, nullable=False, comment="has proved the number once"),
    Index("ix_users_house_id", "house_id", unique=True),
)

passes = Table(
    "passes",
    metadata,
    Column("code", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("payment_status", Text, nullable=False, comment="paid, pending, refunded, cancelled"),
    Column("status", Text, nullable=False, comment="active; expired once a sign-in found it so"),
    Column("plan_name", Text, nullable=False),
    Column("expires_at", BigInteger),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("made_at", BigInteger, nullable=False),
)

apps = Table(
    "apps",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("rules", Text, nullable=False, comment="JSON"),
    Column("made_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False, comment="with spaces in between"),
    Column("made_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, comment="the beginning of that hour"),
    Column("revoked_at", BigInteger),
    Column("ring_key_id", Text, nullable=False, comment="of the secret key behind the digest"),
    Column("digest", Text, nullable=False, comment="HMAC-SHA-256 of the secret, in hex"),
    Column("app_id", Text, comment="the app that it acts for"),
    Column("account_id", Text, comment="the account for all of whose apps it acts"),
)

test_contacts = Table(
    "test_contacts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("app_id", Text, ForeignKey("apps.id"), nullable=False),
    Column("contact", Text, nullable=False, comment="masked"),
    Column("fingerprint", Text, nullable=False, comment="of the contact"),
    Column("digits", BigInteger, nullable=False, comment="of the code"),
    Column("key_id", Text, nullable=False, comment="of the secret key behind the digest"),
    Column("digest", Text, nullable=False, comment="HMAC-SHA-256 of the code, in hex"),
    Column("reason", Text, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Index("test_contacts_by_app", "app_id"),
)

proved_contacts = Table(
    "proved_contacts",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("at", BigInteger, nullable=False, comment="of the last approval"),
    Column("fingerprint", Text, nullable=False, comment="of the contact"),
    Column("app_id", Text, nullable=False),
    Index("proved_contacts_by_time", "at"),
    Index("proved_contacts_by_contact", "fingerprint", "app_id", unique=True),
)

records = Table(
    "records",
    metadata,
    Column(
        "key",
        Text().with_variant(Text(collation="C"), "postgresql"),
        primary_key=True,
        comment="kind, colon, what it is filed under",
    ),
    Column("body", Text, nullable=False, comment="JSON"),
    Column("version", BigInteger, nullable=False, comment="1 at first, 1 more at every change"),
)

sends = Table(
    "sends",
    metadata,
    Column("id", Text, primary_key=True, comment="of the challenge, or of an app's send"),
    Column("at", BigInteger, nullable=False),
    Column("flow", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("slot", Text, nullable=False),
    Column("contact", Text, nullable=False, comment="as limits count it"),
    Column("sent_to", Text, comment="the canonical contact, if it differs"),
    Column("client", Text, nullable=False),
    Column("network", Text, comment="of the client"),
    Column("lane", Text, comment="known, others"),
    Column("language", Text, comment="of the message"),
    Column("channel", Text, comment="sms if not given"),
    Column("verification_id", Text, comment="of an app's send"),
    Column("app_id", Text),
    Column("named_values", Text, comment="name, colon, fingerprint, with spaces in between"),
    Column("request", Text, comment="fingerprint of a request with an idempotency key"),
    Column("test_contact", Text, comment="the id of the test contact that nothing was sent to"),
    Column("sender", Text),
    Column("provider_message_id", Text),
    Column("state", Text, comment="queued, sent, delivered, undelivered, failed, blocked"),
    Column("state_at", BigInteger, comment="when a receipt last moved it"),
    Index("sends_by_time", "at"),
    Index("sends_by_contact", "contact", "at"),
    Index("sends_by_slot", "slot", "at"),
    Index("sends_by_network", "network", "at"),
)

debts = Table(
    "debts",
    metadata,
    Column("id", Text, primary_key=True, comment="of the send"),
    Column("at", BigInteger, nullable=False),
    Column("account", Text, nullable=False, comment="the flow, or the app's id"),
    Column("range", Text, nullable=False, comment="the number without its last four digits"),
    Column("block", Text, nullable=False, comment="the number without its last six digits"),
    Column("client", Text, comment="null if an app's backend did not name it"),
    Column("network", Text, comment="of the client"),
    Column("debt", Text, nullable=False, comment="client, all, stretch: who owes it"),
    Column("price", BigInteger, nullable=False, comment="micro-dollars"),
    Column("paid", Text, comment="verified, undelivered: why nobody owes it any more"),
    Column("paid_at", BigInteger),
    Index("debts_by_time", "at"),
    Index("debts_by_block", "block", "at"),
    Index("debts_by_network", "network", "at"),
)

verifications = Table(
    "verifications",
    metadata,
    Column("id", Text, primary_key=True, comment="of the challenge"),
    Column("at", BigInteger, nullable=False),
    Column("app_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("subject", Text, comment="as the backend gave it"),
    Column("channel", Text, nullable=False),
    Column("language", Text, nullable=False, comment="of the messages"),
    Column("client", Text, comment="as the backend gave it"),
    Column("named_values", Text, comment="name, colon, fingerprint, with spaces in between"),
    Column("metadata", Text, nullable=False, comment="JSON, as the backend gave it"),
    Column("app_hash", Text, comment="of the Android app"),
    Column("digits", BigInteger, nullable=False, comment="of the code"),
    Column("test_contact", Text, comment="the id of the test contact that it is for"),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended", Text, comment="approved, canceled, failed, replaced, max_attempts_reached"),
    Column("ended_at", BigInteger),
    Index("verifications_by_time", "at"),
    Index("verifications_by_subject", "app_id", "subject"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("flow", Text),
    Column("purpose", Text),
    Column("action", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("client", Text),
    Column("network", Text, comment="of the client"),
    Column("request_id", Text),
    Column("pass_code", Text, comment="masked"),
    Column("contact", Text, comment="masked"),
    Column("region", Text),
    Column("contact_fingerprint", Text),
    Column("range_fingerprint", Text),
    Column("sender", Text),
    Column("provider_message_id", Text),
    Column("reason", Text),
    Column("retry_at", BigInteger, comment="when a refusal ends"),
    Column("count", BigInteger, nullable=False, comment="requests that this row stands for"),
    Column("charged", Text, comment="scopes of limits, with spaces in between"),
    Column("lane", Text, comment="known, others"),
    Column("api_key_id", Text),
    Column("operator", Text, comment="who acted at the operators' page, or tried to sign in"),
    Column("app", Text, comment="its name"),
    Column("verification_id", Text),
    Column("subject_fingerprint", Text, comment="of the user that an app's backend named"),
    Column("channel", Text, comment="of an app's send"),
    Column("block_fingerprint", Text),
    Column("price", BigInteger, comment="of the message, in micro-dollars"),
    Column("spent_by", Text, comment="the sender whose price it is"),
    Column("verdict", Text, comment="free, work:1 to work:6, stretch, refused"),
    Column("reasons", Text, comment="how full groups were, with semicolons in between"),
    Column("known_by", Text, comment="device, number: why no range or block judged the ask"),
    Column("flood_key", Text, comment="one row a minute, client, limit, number and API key"),
    Index("audit_by_time", "at"),
    Index("audit_by_client", "client", "at", "outcome", "count"),
    Index(
        "audit_by_outcome",
        *("outcome", "at", "client", "range_fingerprint", "contact_fingerprint", "region"),
    ),
)

funnel = Table(
    "funnel",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("at", BigInteger, nullable=False, comment="when the day begins"),
    Column("flow", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("word", Text, nullable=False, comment="outcome of a request; empty for other steps"),
    Column("region", Text, nullable=False, comment="empty if no number is known"),
    Column("language", Text, nullable=False, comment="empty if it is not known"),
    Column("shard", BigInteger, nullable=False, comment="spreads the writers"),
    Column("count", BigInteger, nullable=False),
    Index(
        "funnel_by_day",
        *("at", "flow", "step", "word", "region", "language", "shard"),
        unique=True,
    ),
)
