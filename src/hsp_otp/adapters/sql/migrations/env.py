"""Runs migrations inside the transaction that the caller has begun."""

from alembic import context

from hsp_otp.adapters.sql.partial_indexes import COMPLETE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=COMPLETE,
    render_as_batch=True,
    transactional_ddl=False,  # the caller's transaction contains everything
)
context.run_migrations()
