"""Networks of clients and charges of requests, because limits hold for networks too."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from hsp_otp.domain.names import ClientAddress

revision = "0007"
down_revision = "0006"

_PAGE = 1_000


def upgrade() -> None:
    """Add the columns, fill in the networks, and create two indexes on them."""
    op.add_column("audit", sa.Column("network", sa.Text(), comment="of the client"))
    op.add_column(
        "audit",
        sa.Column("charged", sa.Text(), comment="scopes of limits, with spaces in between"),
    )
    op.add_column("sends", sa.Column("network", sa.Text(), comment="of the client"))
    for name in ("audit", "sends"):
        _fill_in(name)
    charged = sa.text("charged IS NOT NULL")
    op.create_index(
        "audit_by_network",
        "audit",
        ["network", "at"],
        postgresql_where=charged,
        sqlite_where=charged,
    )
    op.drop_index("sends_by_client", "sends")
    op.create_index("sends_by_network", "sends", ["network", "at"])


def _fill_in(name: str) -> None:
    """Fill in client by client, while the indexes by client still exist."""
    connection = op.get_bind()
    table = sa.table(name, sa.column("client", sa.Text), sa.column("network", sa.Text))
    filling = sa.update(table).where(table.c.client == sa.bindparam("one", type_=sa.Text))
    for page in _clients(connection, table):
        values = [{"one": one, "of": ClientAddress(one).network} for one in page]
        connection.execute(filling.values(network=sa.bindparam("of")), values)


def _clients(connection: sa.Connection, table: sa.TableClause) -> Iterator[list[str]]:
    last = ""
    while True:
        page = (
            sa.select(table.c.client)
            .where(table.c.client > last)
            .distinct()
            .order_by(table.c.client)
            .limit(_PAGE)
        )
        found = list(connection.execute(page).scalars())
        if not found:
            return
        last = found[-1]
        yield found
