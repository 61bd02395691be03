"""The budgets of money, by accounts and regions."""

from collections.abc import Callable, Mapping
from typing import Protocol

from hsp_otp.domain.budgets import Budget, BudgetKey
from hsp_otp.domain.decision import Decision, O


class Budgets(Protocol):
    """
    Stores one budget per key, in the SQL database, whichever store holds the challenges.

    Each method raises Unavailable if the database does not answer.
    """

    async def transition(
        self, key: BudgetKey, decide: Callable[[Budget], Decision[Budget, O]]
    ) -> O:
        """
        Replace the budget of *key*, an empty one if there is none, with the result of *decide*.

        Makes the same promises as `SlotRepository.transition`.
        """
        ...

    async def of_account(self, account: str) -> Mapping[BudgetKey, Budget]:
        """Every budget of *account*."""
        ...
