"""An index from which numbers and their ranges can be counted without the table."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Widen the index."""
    op.drop_index("audit_by_phone", "audit")
    known = sa.text("phone_fingerprint IS NOT NULL")
    op.create_index(
        "audit_by_phone",
        "audit",
        ["phone_fingerprint", "at", "outcome", "prefix_fingerprint"],
        postgresql_where=known,
        sqlite_where=known,
    )
