"""An index for the latest send of a slot, for a store of slots that has lost its data."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the index."""
    op.create_index("sends_by_slot", "sends", ["slot", "at"])
