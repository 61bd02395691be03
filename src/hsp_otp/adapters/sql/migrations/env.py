"""Runs migrations inside the transaction that the caller has begun."""

from alembic import context

import hsp_otp.adapters.sql.partial_indexes  # noqa: F401 - adds them to the tables
from hsp_otp.adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=False,  # the caller's transaction contains everything
)
context.run_migrations()
