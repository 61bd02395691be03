"""Who took a send's message, and what became of it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; sends from before have no state."""
    op.add_column("sends", sa.Column("sender", sa.Text()))
    op.add_column("sends", sa.Column("provider_message_id", sa.Text()))
    op.add_column(
        "sends",
        sa.Column("state", sa.Text(), comment="queued, sent, delivered, undelivered, failed"),
    )
    op.create_index("sends_by_message", "sends", ["sender", "provider_message_id"])
