"""Lanes: whether a device was known that asked or guessed."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the lane; rows without one are of devices that nobody knew."""
    op.add_column("sends", sa.Column("lane", sa.Text))
    op.add_column("audit", sa.Column("lane", sa.Text))
