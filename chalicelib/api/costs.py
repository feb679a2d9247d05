"""Routes of budgets, and how quotes and receipts are shown."""

from __future__ import annotations

from typing import Any

from chalicelib.api import cost_schemas
from chalicelib.api.typed import Call, Routes
from chalicelib.domain.budgets import dollars, nano_usd
from chalicelib.domain.costs import Parts, Quote
from chalicelib.domain.errors import Forbidden
from chalicelib.domain.jobs import Job
from chalicelib.domain.receipts import actual_parts
from chalicelib.domain.usage import JobUsage
from chalicelib.services import budgets
from chalicelib.services.budgets import MonthBudget
from chalicelib.services.tenancy import BUDGET_SCOPE

CURRENCY = "USD"

routes = Routes()


@routes.get("/budget", summary="Read what this month may cost and has cost", problems=(401,))
def get_budget(call: Call) -> cost_schemas.BudgetEnvelope:
    """At the prices of the list: what has ended is committed, what is under way is set aside."""
    return _envelope(call, budgets.get_budget(call.ports, call.claims.tenant))


@routes.put("/budget", summary="Set what each month may cost", problems=(400, 401, 403))
def set_budget(call: Call, body: cost_schemas.BudgetIn) -> cost_schemas.BudgetEnvelope:
    """From this month on. Nothing is sent to a worker that could bring the month over it.

    A cap below what is used already takes nothing back; null takes the tenant's own cap away. The token needs the scope
    `reelscan/budget`.
    """
    if BUDGET_SCOPE not in call.claims.scopes:
        raise Forbidden(f"the access token must have the scope {BUDGET_SCOPE} to set the budget")
    monthly = None if body.monthly_usd is None else nano_usd(body.monthly_usd)
    return _envelope(call, budgets.set_budget(call.ports, call.claims.tenant, monthly))


def quote_out(quote: Quote) -> cost_schemas.QuoteOut:
    """A quote."""
    return cost_schemas.QuoteOut(
        cost_usd=dollars(quote.cost_nano_usd),
        parts=parts_out(quote.parts),
        cpu_seconds=round(quote.cpu_seconds, 3),
        gpu_seconds=round(quote.gpu_seconds, 3),
        seconds_to_finish=round(quote.seconds_to_finish, 1),
        lane=quote.lane,
        children=quote.children,
        segments=quote.segments,
        cells=quote.cells,
        cells_reused=quote.cells_reused,
        is_measured=quote.is_measured,
        is_counted=quote.is_counted,
        market="spot" if quote.is_spot else "on_demand",
        currency=CURRENCY,
        prices_dated=quote.prices_dated,
    )


def job_cost_out(job: Job) -> cost_schemas.JobCostOut | None:
    """The receipt of a job, as far as it is known."""
    quote, usage = job.quote, job.usage
    if quote is None:
        return None
    if usage is None and job.reused is not None and job.reused.job_id is not None:
        # Taken over from another job, without any worker.
        usage = JobUsage()
    parts, known = quote.parts, dict[str, Any]()
    cpu_seconds = cost_schemas.CpuSecondsOut(quote=round(quote.cpu_seconds, 3))
    if usage is not None and job.is_terminal:
        parts = actual_parts(quote, usage)
        known["actual_usd"] = dollars(parts.total)
        cpu_seconds = cost_schemas.CpuSecondsOut(quote=cpu_seconds.quote, actual=round(usage.cpu_seconds, 3))
    if job.request.max_cost_nano_usd is not None:
        known["max_cost_usd"] = dollars(job.request.max_cost_nano_usd)
    return cost_schemas.JobCostOut(
        quote_usd=dollars(quote.cost_nano_usd),
        parts=parts_out(parts),
        cpu_seconds=cpu_seconds,
        currency=CURRENCY,
        prices_dated=quote.prices_dated,
        **known,
    )


def parts_out(parts: Parts) -> cost_schemas.CostPartsOut:
    """Dollars by what they are paid for."""
    return cost_schemas.CostPartsOut(
        workers_usd=dollars(parts.workers),
        functions_usd=dollars(parts.functions),
        tables_usd=dollars(parts.tables),
        objects_usd=dollars(parts.objects),
    )


def _envelope(call: Call, found: MonthBudget) -> cost_schemas.BudgetEnvelope:
    ledger = found.ledger
    return cost_schemas.BudgetEnvelope(
        budget=cost_schemas.BudgetOut(
            month=found.month,
            monthly_usd=_known(found.monthly_nano_usd),
            cap_usd=_known(ledger.cap_nano_usd),
            committed_usd=dollars(ledger.committed_nano_usd),
            reserved_usd=dollars(ledger.reserved_nano_usd),
            left_usd=_known(ledger.left_nano_usd),
            currency=CURRENCY,
            prices_dated=call.ports.prices.dated,
        )
    )


def _known(amount_nano_usd: int | None) -> float | None:
    return None if amount_nano_usd is None else dollars(amount_nano_usd)
