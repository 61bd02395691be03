"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audit",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(),
            nullable=False,
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("flow", sa.Text(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("pass_code", sa.Text(), nullable=True, comment="masked"),
        sa.Column("phone", sa.Text(), nullable=True, comment="masked"),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("phone_fingerprint", sa.Text(), nullable=True),
        sa.Column("prefix_fingerprint", sa.Text(), nullable=True),
        sa.Column("sender", sa.Text(), nullable=True),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "count", sa.BigInteger(), nullable=False, comment="requests that this row stands for"
        ),
        sa.Column(
            "flood_key",
            sa.Text(),
            nullable=True,
            comment="one row a minute, client, action and outcome",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("flood_key"),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("audit_by_client", ["client", "at"], unique=False)
        batch_op.create_index("audit_by_outcome", ["outcome", "at"], unique=False)
        batch_op.create_index("audit_by_phone", ["phone_fingerprint", "at"], unique=False)

    op.create_table(
        "records",
        sa.Column(
            "key",
            # Ordered by bytes, as on SQLite; other collations ignore punctuation.
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
            comment="kind, colon, what it is filed under",
        ),
        sa.Column("body", sa.Text(), nullable=False, comment="JSON"),
        sa.Column(
            "version", sa.BigInteger(), nullable=False, comment="1 at first, 1 more at every change"
        ),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "sends",
        sa.Column("challenge_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False, comment="E.164"),
        sa.Column("client", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("challenge_id"),
    )
    with op.batch_alter_table("sends", schema=None) as batch_op:
        batch_op.create_index("sends_by_client", ["client", "at"], unique=False)
        batch_op.create_index("sends_by_phone", ["phone", "at"], unique=False)

    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False, comment="lower case"),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("phone_number", sa.Text(), nullable=True, comment="E.164"),
        sa.Column(
            "is_verified", sa.Boolean(), nullable=False, comment="has proved the number once"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_users_phone_number"), ["phone_number"], unique=False)

    op.create_table(
        "passes",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column(
            "payment_status",
            sa.Text(),
            nullable=False,
            comment="paid, pending, refunded, cancelled",
        ),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="active; expired once a sign-in found it so",
        ),
        sa.Column("plan_name", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
        ),
        sa.PrimaryKeyConstraint("code"),
    )
    with op.batch_alter_table("passes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_passes_user_id"), ["user_id"], unique=False)
