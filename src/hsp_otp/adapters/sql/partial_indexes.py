"""
The indexes of only some rows of the tables, for migrations.

To read their conditions, the library loads both dialects, which no other process needs: 3 MB and a
twentieth of a start on SQLite.
"""

from typing import Final

from sqlalchemy import Index, MetaData, Table

from hsp_otp.adapters.sql.tables import audit, metadata, sends, users


def _index_of(
    table: Table, name: str, *columns: str, known: str | None = None, unique: bool = False
) -> Index:
    """An index of the rows in which *known*, by default the first of its columns, is not null."""
    where = table.c[known or columns[0]].is_not(None)
    return Index(
        name,
        *(table.c[column] for column in columns),
        unique=unique,
        postgresql_where=where,
        sqlite_where=where,
    )


INDEXES: Final = (
    _index_of(users, "ix_users_phone_number", "phone_number"),
    _index_of(
        sends,
        "sends_by_message",
        *("sender", "provider_message_id"),
        known="provider_message_id",
    ),
    _index_of(sends, "sends_by_verification", "verification_id", "at"),
    _index_of(sends, "sends_by_app", "app_id", "at"),
    _index_of(audit, "audit_by_flood", "flood_key", unique=True),
    # The index contains all columns that queries aggregate, so they do not read the table.
    _index_of(
        audit, "audit_by_contact", "contact_fingerprint", "at", "outcome", "range_fingerprint"
    ),
    _index_of(audit, "audit_by_verification", "verification_id", "at"),
    # For a store of counts that has lost its data.
    _index_of(audit, "audit_by_network", "network", "at", known="charged"),
)


COMPLETE: Final[MetaData] = metadata
"""The tables with all their indexes, those of this module included."""
