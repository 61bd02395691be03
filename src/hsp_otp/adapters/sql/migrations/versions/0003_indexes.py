"""Indexes by time, for the purge, and indexes without rows that are never searched for."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

PARTIAL = (
    ("audit_by_phone", "audit", ["phone_fingerprint", "at"], "phone_fingerprint"),
    ("sends_by_message", "sends", ["sender", "provider_message_id"], "provider_message_id"),
    ("ix_users_phone_number", "users", ["phone_number"], "phone_number"),
)


def upgrade() -> None:
    """Create the indexes."""
    op.create_index("audit_by_time", "audit", ["at"])
    op.create_index("sends_by_time", "sends", ["at"])
    for name, table, columns, known in PARTIAL:
        where = sa.column(known).is_not(None)
        op.drop_index(name, table)
        op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)
    if op.get_bind().dialect.name != "postgresql":
        return
    # On PostgreSQL every row without a key would have an entry; SQLite keeps its constraint.
    op.drop_constraint("audit_flood_key_key", "audit", type_="unique")
    op.create_index(
        "audit_by_flood",
        "audit",
        ["flood_key"],
        unique=True,
        postgresql_where=sa.column("flood_key").is_not(None),
    )
    # Records are rewritten often. With free space on their page, no index has to change.
    op.execute("ALTER TABLE records SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02)")
