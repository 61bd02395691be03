"""The funnel: how many visitors reach each step, by day, country and language."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the table, and the language of messages, by which deliveries are counted."""
    op.add_column("sends", sa.Column("language", sa.Text, comment="of the message"))
    big = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "funnel",
        sa.Column("id", big, sa.Identity(), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("flow", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("word", sa.Text, nullable=False),
        sa.Column("region", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "funnel_by_day",
        "funnel",
        ["at", "flow", "step", "word", "region", "language", "shard"],
        unique=True,
    )
    # Of the time before, the audit knows the requests, but neither languages nor visits.
    op.execute(
        'INSERT INTO funnel (at, flow, step, word, region, language, shard, "count") '
        "SELECT at - at % 86400000000, flow, action, outcome, coalesce(region, ''), '', 0, "
        'sum("count") FROM audit '
        "WHERE flow IS NOT NULL AND action IN ('look_up', 'send', 'check') "
        "GROUP BY 1, 2, 3, 4, 5"
    )
