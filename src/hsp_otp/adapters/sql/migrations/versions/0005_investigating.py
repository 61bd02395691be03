"""Columns and indexes for investigations: ends of refusals, times of receipts, and totals."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

WIDER = {
    "audit_by_client": ["client", "at", "outcome", "count"],
    "audit_by_outcome": [
        *("outcome", "at", "client", "prefix_fingerprint", "phone_fingerprint", "region")
    ],
}


def upgrade() -> None:
    """Add two columns, which are unknown for existing rows, and widen two indexes."""
    op.add_column("audit", sa.Column("retry_at", sa.BigInteger(), comment="when a refusal ends"))
    op.add_column(
        "sends", sa.Column("state_at", sa.BigInteger(), comment="when a receipt last moved it")
    )
    for name, columns in WIDER.items():
        op.drop_index(name, "audit")
        op.create_index(name, "audit", columns)
