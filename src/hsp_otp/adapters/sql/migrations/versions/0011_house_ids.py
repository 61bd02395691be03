"""The house's own ids of users."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the id; users without one are known by the one that the service has drawn."""
    op.add_column("users", sa.Column("house_id", sa.Text, comment="the house's own id"))
    op.create_index("ix_users_house_id", "users", ["house_id"], unique=True)
