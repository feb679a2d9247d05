"""What the routes of budget answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What this month (UTC) may cost and has cost, at the prices of the list."""

    month: str
    monthly_usd: float | None
    cap_usd: float | None
    committed_usd: float
    reserved_usd: float
    left_usd: float | None
    currency: str
    prices_dated: str


class BudgetForm(TypedDict):
    """What each month may cost."""

    monthly_usd: float | None
