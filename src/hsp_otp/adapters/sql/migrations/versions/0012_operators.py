"""Operators: who signed in at the operators' page, and searched."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the operator's name; rows without one are of the shared password, or of nobody."""
    op.add_column("audit", sa.Column("operator", sa.Text))
