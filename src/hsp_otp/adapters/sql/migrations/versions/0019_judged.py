"""How the guard against toll fraud judged an ask, and the price of its message."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the columns; rows without them are of asks that nobody judged."""
    op.add_column("audit", sa.Column("block_fingerprint", sa.Text()))
    op.add_column("audit", sa.Column("price", sa.BigInteger()))
    for name in ("spent_by", "verdict", "reasons", "known_by"):
        op.add_column("audit", sa.Column(name, sa.Text()))
