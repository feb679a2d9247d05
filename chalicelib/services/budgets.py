"""Caps that hold: money is set aside before Batch hears of anything, and settled when it is over.

`reserve` is called by `dispatch.send` and nowhere else, so nothing is sent past it. What a submission may cost is
recorded with it: asking again, after a reply was lost or a process died, asks for the same. Its month is that of its
recording, whenever it is sent.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from aws_lambda_powertools import Logger

from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.budgets import (
    Budget,
    Ledger,
    Reservation,
    ReservationState,
    Verdict,
    month_of,
    text_of,
)
from chalicelib.domain.errors import LimitExceeded
from chalicelib.domain.ids import JobId, TenantId
from chalicelib.domain.units import NO_SUBMISSION, Unit, UnitKind
from chalicelib.services.ports import Owner, Ports, Submission

logger = Logger(service="reelscan", child=True)

SETTLE_SECONDS = 300
"""Whatever is reserved is looked at this often, should the event of its end be lost."""
SEGMENTS_PER_READ = 500
MONTH_HINT = "Raise the cap with PUT /budget, or wait for the next month (UTC)"
JOB_HINT = "Start a new job with a higher max_cost_usd; what is done is stored, and not paid again"


@dataclass(frozen=True, slots=True)
class MonthBudget:
    """A tenant's month, and what it set for all of them."""

    month: str
    monthly_nano_usd: int | None
    """What the tenant set; None: nothing, so the deployment's cap holds."""
    ledger: Ledger


def get_budget(ports: Ports, tenant: TenantId) -> MonthBudget:
    """This month's cap, what is spent and what is set aside."""
    month = month_of(ports.clock.now())
    budget = ports.ledgers.get_budget(tenant)
    ledger = ports.ledgers.get_month(tenant, month) or Ledger(budget.cap(ports.limits.monthly_nano_usd))
    return MonthBudget(month, budget.monthly_nano_usd, ledger)


def set_budget(ports: Ports, tenant: TenantId, monthly_nano_usd: int | None) -> MonthBudget:
    """Set what each month may cost, from this one on; None: as the deployment has it.

    A cap below what is used already stops what is not sent yet, and takes back nothing.
    """
    budget = Budget(monthly_nano_usd)
    cap = budget.cap(ports.limits.monthly_nano_usd)
    ports.ledgers.set_budget(tenant, budget, month_of(ports.clock.now()), cap)
    logger.info("budget set", tenant=tenant, monthly_nano_usd=monthly_nano_usd)
    return get_budget(ports, tenant)


def check(ports: Ports, tenant: TenantId, nano_usd: int, *, job_cap: int | None, job: JobId | None = None) -> None:
    """Refuse what could not be reserved now, before anything of it is recorded. Nothing is set aside.

    Raises:
        LimitExceeded: the month's cap, or the job's, does not allow it.
    """
    spent = ports.ledgers.get_total(tenant, job) if job else Ledger()
    total = Ledger(job_cap, spent.reserved_nano_usd, spent.committed_nano_usd)
    if not total.allows(nano_usd):
        raise _refusal(Verdict.OVER_JOB, nano_usd, total, "")
    month = get_budget(ports, tenant)
    if not month.ledger.allows(nano_usd):
        raise _refusal(Verdict.OVER_MONTH, nano_usd, month.ledger, month.month)


def reserve(ports: Ports, submission: Submission) -> bool:
    """Set aside what the submission may cost, once; whether a cap holds for it.

    Raises:
        LimitExceeded: a cap does not allow it; nothing was set aside.
        DependencyFailed: too many others reserve for this tenant at this moment.
    """
    owner, month = submission.owner, month_of(submission.created_at)
    nano_usd = submission.price.total(len(submission.children))
    if not nano_usd:
        # Paid ahead, or recorded before there were budgets.
        ledger = ports.ledgers.get_month(owner.tenant, month) or Ledger()
        return submission.job_cap_nano_usd is not None or ledger.cap_nano_usd is not None
    found = ports.ledgers.reserve(
        Reservation(owner.tenant, owner.name, submission.submission_id, month, nano_usd),
        default_cap_nano_usd=ports.limits.monthly_nano_usd,
        job_cap_nano_usd=submission.job_cap_nano_usd,
        due_at=ports.clock.now() + timedelta(seconds=SETTLE_SECONDS),
    )
    if found.verdict is not Verdict.RESERVED:
        is_of_job = found.verdict is Verdict.OVER_JOB
        raise _refusal(found.verdict, nano_usd, found.total if is_of_job else found.month, month)
    return submission.job_cap_nano_usd is not None or found.month.cap_nano_usd is not None


def settle(ports: Ports, owner: Owner) -> bool:
    """Commit what was started of everything that is over, and free the rest; whether there was any. Safe to repeat."""
    reservations = ports.ledgers.list_reservations(owner.tenant, owner.name)
    still_open = [one for one in reservations if one.state is ReservationState.OPEN]
    has_settled = False
    listed = ports.submissions.list(owner) if still_open else ()
    submissions = {submission.submission_id: submission for submission in listed}
    for reservation in still_open:
        submission = submissions.get(reservation.submission_id)
        # What was deleted before it was settled can tell nothing: all of it counts.
        committed = _started(ports, submission) if submission else reservation.nano_usd
        if committed is not None and ports.ledgers.settle(reservation, min(committed, reservation.nano_usd)):
            has_settled = True
            logger.info(
                "reservation settled",
                owner=owner.name,
                submission=reservation.submission_id,
                reserved_nano_usd=reservation.nano_usd,
                committed_nano_usd=committed,
            )
    if reservations:
        ports.ledgers.rest(owner.tenant, owner.name)
    return has_settled


def _started(ports: Ports, submission: Submission) -> int | None:
    """Nano-dollars of what was started of a submission; None while it is not over."""
    owner, price, children = submission.owner, submission.price, submission.children
    if submission.kind is OrderKind.ANALYZE:
        job = ports.jobs.get(owner.tenant, JobId(owner.name))
        if job is None:
            return price.total(len(children))
        if not job.is_terminal:
            return None
        finish = ports.units.get(owner, UnitKind.FINISH) if price.finish_nano_usd else None
        is_finish_started = finish is not None and finish.attempt > 0
        return price.started(children, _claimed(ports, submission), is_finish_started=is_finish_started)
    unit = _only_unit(ports, submission)
    if unit is None:
        return price.total(len(children))
    if not unit.is_terminal and unit.submission == submission.submission_id:
        return None
    return price.started(children, {0} if _is_started(unit, submission) else (), is_finish_started=False)


def _claimed(ports: Ports, submission: Submission) -> Collection[int]:
    started: set[int] = set()
    after = -1
    while page := ports.units.list_segments(submission.owner, after, SEGMENTS_PER_READ):
        started |= {unit.index for _, unit in page if _is_started(unit, submission)}
        after = page[-1][0].index
    return started


def _is_started(unit: Unit, submission: Submission) -> bool:
    """Whether a worker of this submission claimed the unit. One that was handed on is taken for claimed before."""
    if unit.submission == submission.submission_id:
        return unit.claimed_for == submission.submission_id
    return unit.submission != NO_SUBMISSION


def _only_unit(ports: Ports, submission: Submission) -> Unit | None:
    if submission.step is not None:
        step = ports.units.get_side_step(submission.owner, submission.step)
        return step.unit if step else None
    return ports.units.get(submission.owner, UnitKind(submission.kind.upper()))


def _refusal(verdict: Verdict, nano_usd: int, ledger: Ledger, month: str) -> LimitExceeded:
    cap, left = text_of(ledger.cap_nano_usd or 0), text_of(ledger.left_nano_usd or 0)
    if verdict is Verdict.OVER_JOB:
        return LimitExceeded(
            f"this may cost {text_of(nano_usd)}, but {left} is left of the job's max_cost_usd of {cap}", hint=JOB_HINT
        )
    return LimitExceeded(
        f"this may cost {text_of(nano_usd)}, but {left} is left of the budget of {cap} for {month}", hint=MONTH_HINT
    )
