"""The sender and the delivery state of each send's message."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; existing sends have no state."""
    op.add_column("sends", sa.Column("sender", sa.Text()))
    op.add_column("sends", sa.Column("provider_message_id", sa.Text()))
    op.add_column(
        "sends",
        sa.Column(
            "state", sa.Text(), comment="queued, sent, delivered, undelivered, failed, blocked"
        ),
    )
    op.create_index("sends_by_message", "sends", ["sender", "provider_message_id"])
