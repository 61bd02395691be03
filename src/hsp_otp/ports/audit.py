"""The audit trail."""

from typing import Protocol

from hsp_otp.domain.audit import AuditRow, Row, StepRow


class AuditTrail(Protocol):
    """Stores rows in the SQL database."""

    async def write(self, *rows: Row) -> None:
        """
        Store *rows*; they are committed when this returns.

        Audit rows and handed-over rows that cannot be written now are set aside, counted, logged
        and retried: they never fail the request that they describe.

        Raises:
            Unavailable: The database did not answer for a row that the request depends on, a send
                or a sign-in.
        """
        ...

    async def note(self, row: AuditRow) -> None:
        """
        Store the row of a request that a store did not answer for.

        Like `write`, but if the database does not take the row within half a second, this returns
        with the row set aside or still being written: such a request has waited long enough.
        """
        ...

    def count(self, row: StepRow) -> None:
        """
        Store a step of the funnel that leaves no audit row, together with others, a second later.

        A process that is killed loses the steps of its last second.
        """
        ...
