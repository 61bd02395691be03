"""Contacts: codes go to phone numbers today, but may go elsewhere later."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Rename columns, which leaves their rows alone, and the indexes named after them."""
    op.alter_column("sends", "phone", new_column_name="contact")
    op.alter_column("audit", "phone", new_column_name="contact")
    op.alter_column("audit", "phone_fingerprint", new_column_name="contact_fingerprint")
    op.alter_column("audit", "prefix_fingerprint", new_column_name="range_fingerprint")
    known = sa.text("contact_fingerprint IS NOT NULL")
    counted = ["contact_fingerprint", "at", "outcome", "range_fingerprint"]
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX sends_by_phone RENAME TO sends_by_contact")
        op.execute("ALTER INDEX audit_by_phone RENAME TO audit_by_contact")
        return
    op.drop_index("sends_by_phone", "sends")
    op.create_index("sends_by_contact", "sends", ["contact", "at"])
    op.drop_index("audit_by_phone", "audit")
    op.create_index("audit_by_contact", "audit", counted, sqlite_where=known)
