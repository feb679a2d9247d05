"""The wire of quotes, budgets and receipts. Money is in dollars of the price list, as numbers to the nano-dollar."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.domain.budgets import MAX_USD

Usd = Annotated[float, Field(ge=0, le=MAX_USD, allow_inf_nan=False)]


class CostForm(BaseModel):
    """As all forms of the API: unknown fields are refused, and a field with a default may be absent."""

    model_config = ConfigDict(extra="forbid")


class BudgetIn(CostForm):
    """What each month may cost."""

    monthly_usd: Usd | None
    """null: as the deployment has it."""


class BudgetOut(CostForm):
    """What this month (UTC) may cost and has cost, at the prices of the list."""

    month: str
    """As 2026-11."""
    monthly_usd: float | None
    """What the tenant set; null: nothing, so the deployment's cap holds."""
    cap_usd: float | None
    """What holds; null: no cap."""
    committed_usd: float
    """Of what has ended."""
    reserved_usd: float
    """Set aside for what is under way."""
    left_usd: float | None
    """What may still be started; null: as much as is asked for."""
    currency: str
    prices_dated: str


class BudgetEnvelope(CostForm):
    """The budget."""

    budget: BudgetOut


class CostPartsOut(CostForm):
    """Dollars by what they are paid for."""

    workers_usd: float
    functions_usd: float
    tables_usd: float
    objects_usd: float


class QuoteOut(CostForm):
    """What a job would cost, everything done once, and how long it would take."""

    cost_usd: float
    parts: CostPartsOut
    cpu_seconds: float
    """Of workers, process starts included."""
    gpu_seconds: float
    seconds_to_finish: float
    """With no machine warm."""
    lane: str
    children: int
    """Worker processes of the analysis; 0 when stored results answer it."""
    segments: int
    cells: int
    cells_reused: int
    """Of the cells those whose results are stored for every model."""
    is_measured: bool
    """Whether this tenant's finished jobs have told what such work takes; else it is estimated by stated rates."""
    is_counted: bool
    """Whether the frames of the video are counted; else they are estimated from its length."""
    market: str
    """Which price of machines: spot or on_demand."""
    currency: str
    prices_dated: str


class QuoteEnvelope(CostForm):
    """A quote: nothing was started."""

    quote: QuoteOut


class CpuSecondsOut(CostForm):
    """Of a job's workers."""

    quote: float
    actual: float | None = None
    """Once it has ended, when its workers could tell."""


class JobCostOut(CostForm):
    """What a job was to cost, and once it has ended, what it took at the same prices."""

    quote_usd: float
    actual_usd: float | None = None
    parts: CostPartsOut
    """Of what it took, once that is known; else of the quote."""
    cpu_seconds: CpuSecondsOut
    max_cost_usd: float | None = None
    currency: str
    prices_dated: str
