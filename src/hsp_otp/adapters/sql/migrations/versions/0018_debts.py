"""Who owes a message, and since when nobody does."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Create the table; nobody owes what was sent before."""
    op.create_table(
        "debts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("account", "range", "block")),
        *(sa.Column(name, sa.Text()) for name in ("client", "network")),
        sa.Column("debt", sa.Text(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("paid", sa.Text()),
        sa.Column("paid_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("debts_by_time", "debts", ["at"])
    op.create_index("debts_by_block", "debts", ["block", "at"])
    op.create_index("debts_by_network", "debts", ["network", "at"])
