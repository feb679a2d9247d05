"""`client.budget`."""

from __future__ import annotations

from typing import TypeVar

from reelscan.records import Budget as BudgetRecord
from reelscan.resources.base import Part
from reelscan.worlds import World, operation

W_co = TypeVar("W_co", bound=World, covariant=True)


class BudgetOfMonth(Part[W_co]):
    """What a month may cost."""

    @operation
    async def get(self) -> BudgetRecord:
        """What this month may cost, has cost, and what is reserved."""
        return await self._connection.get("/budget", BudgetRecord, "budget")

    @operation
    async def set(self, monthly_usd: float | None) -> BudgetRecord:
        """What each month may cost from now on; None is no bound of your own.

        Raises:
            Forbidden: the token has no scope `reelscan/budget`.
        """
        return await self._connection.put("/budget", {"monthly_usd": monthly_usd}, BudgetRecord, "budget")
