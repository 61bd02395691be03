"""What investigating asks for: until when, since when, and tallies out of indexes alone."""

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
    """Add two columns; of rows from before nobody knows. Make two indexes anew."""
    op.add_column("audit", sa.Column("retry_at", sa.BigInteger(), comment="when a refusal ends"))
    op.add_column(
        "sends", sa.Column("state_at", sa.BigInteger(), comment="when a receipt last moved it")
    )
    for name, columns in WIDER.items():
        op.drop_index(name, "audit")
        op.create_index(name, "audit", columns)
