"""Test contacts, and the contacts that have proved themselves and never become one."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Create the tables, and add the columns; nothing of before was for a test contact."""
    op.create_table(
        "test_contacts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("digits", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("test_contacts_by_app", "test_contacts", ["app_id"])
    op.create_table(
        "proved_contacts",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(),
            primary_key=True,
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
    )
    op.create_index("proved_contacts_by_time", "proved_contacts", ["at"])
    op.create_index(
        "proved_contacts_by_contact", "proved_contacts", ["fingerprint", "app_id"], unique=True
    )
    for table in ("verifications", "sends"):
        op.add_column(table, sa.Column("test_contact", sa.Text()))
