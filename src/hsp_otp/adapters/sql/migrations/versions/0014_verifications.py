"""Verifications: sends get ids of their own, and several of them may have one code."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """
    Rename the id of sends, which leaves their rows alone: so far it is that of the challenge.

    Then add the columns of apps' sends, the verifications, and the audit's columns about them.
    """
    op.alter_column("sends", "challenge_id", new_column_name="id")
    for name in ("channel", "verification_id", "app_id", "named_values", "request"):
        op.add_column("sends", sa.Column(name, sa.Text))
    for name in ("app", "verification_id", "subject_fingerprint", "channel"):
        op.add_column("audit", sa.Column(name, sa.Text))
    op.create_table(
        "verifications",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("app_id", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("contact", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("client", sa.Text),
        sa.Column("named_values", sa.Text),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("app_hash", sa.Text),
        sa.Column("digits", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.Text),
        sa.Column("ended_at", sa.BigInteger),
    )
    op.create_index("verifications_by_time", "verifications", ["at"])
    op.create_index("verifications_by_contact", "verifications", ["contact"])
    op.create_index("verifications_by_subject", "verifications", ["app_id", "subject"])
    for table, name, column in (
        ("sends", "sends_by_verification", "verification_id"),
        ("sends", "sends_by_app", "app_id"),
        ("audit", "audit_by_verification", "verification_id"),
    ):
        known = sa.text(f"{column} IS NOT NULL")
        op.create_index(name, table, [column, "at"], postgresql_where=known, sqlite_where=known)
