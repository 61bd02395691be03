"""The audit trail."""

from typing import Protocol

from hsp_otp.domain.audit import AuditRow, Row


class AuditTrail(Protocol):
    """Keeps rows in the SQL database."""

    async def write(self, *rows: Row) -> None:
        """
        Keep *rows*; they are committed when this returns.

        Audit rows, and those of messages handed over, that cannot be written now are kept
        aside, counted, logged and tried again: they never fail the request that they tell of.

        Raises:
            Unavailable: The database did not answer for a row that the request depends on,
                a send or a sign-in.
        """
        ...

    async def note(self, row: AuditRow) -> None:
        """
        Keep the row of a request that a store did not answer for.

        As `write`, but where the database does not take it within half a second, it is kept aside
        or on its way when this returns: such a request has waited for long enough.
        """
        ...
