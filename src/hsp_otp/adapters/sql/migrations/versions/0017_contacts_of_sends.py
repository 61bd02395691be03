"""The contact of a verification is stored with its sends only."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Move contacts to the sends that have only the mailbox, and drop the column."""
    op.add_column("sends", sa.Column("sent_to", sa.Text()))
    op.execute(
        "UPDATE sends SET sent_to = (SELECT contact FROM verifications "
        "WHERE verifications.id = sends.verification_id) WHERE EXISTS (SELECT 1 "
        "FROM verifications WHERE verifications.id = sends.verification_id "
        "AND verifications.contact <> sends.contact)"
    )
    op.drop_index("verifications_by_contact", "verifications")
    op.drop_column("verifications", "contact")
