"""Laws of budgets under any order of jobs, prices, caps, failures, retries, lost replies and months."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chalicelib.domain.budgets import Ledger, ReservationState, month_of
from chalicelib.domain.errors import Conflict, DependencyFailed, LimitExceeded
from chalicelib.domain.ids import JobId
from chalicelib.domain.jobs import Job
from chalicelib.services import budgets
from chalicelib.services.jobs import cancel_job, retry_job, start_job
from tests.fakes.costs import FakeLedgerStore
from tests.fakes.makers import A_FAILURE, TENANT
from tests.services.world import World, make_request

BIG = 10**9


@dataclass
class Unreliable:
    """Ledgers some of whose answers are lost: the write is done, and the caller hears of a failure."""

    store: FakeLedgerStore
    losses: list[bool] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Any] = getattr(self.store, name)
        if name not in ("reserve", "settle", "rest"):
            return call

        def lossy(*arguments: Any, **named: Any) -> Any:
            answer = call(*arguments, **named)
            if self.losses and self.losses.pop():
                raise DependencyFailed("the answer was lost")
            return answer

        return lossy


class BudgetMachine(RuleBasedStateMachine):
    """One tenant that starts jobs under caps which change."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.lossy = Unreliable(self.world.fakes.ledgers)
        self.world.ports = replace(self.world.ports, ledgers=self.lossy)
        self.world.cells = 3
        self.jobs: list[JobId] = []
        self.most_allowed: dict[str, int | None] = {}
        self.world.uploaded()
        self.drain()

    @rule(amount=st.none() | st.integers(0, 3 * BIG), losses=st.lists(st.booleans(), max_size=3))
    def set_cap(self, amount: int | None, losses: list[bool]) -> None:
        month = month_of(self.world.now())
        used = (self.world.fakes.ledgers.get_month(TENANT, month) or Ledger()).used_nano_usd
        budgets.set_budget(self.world.ports, TENANT, amount)
        # What is used already may be above a cap that is lowered, and nothing may be added to it then.
        self.most_allowed[month] = None if amount is None else max(amount, used)
        self.lossy.losses = losses

    @rule(percent=st.integers(1, 500))
    def change_prices(self, percent: int) -> None:
        units = self.world.fakes.ports.prices.units
        changed = {name: price * percent // 100 for name, price in units.to_json().items()}
        prices = replace(self.world.ports.prices, units=type(units)(**changed))
        self.world.ports = replace(self.world.ports, prices=prices)

    @rule(cap=st.none() | st.integers(0, BIG), losses=st.lists(st.booleans(), max_size=4))
    def start(self, cap: int | None, losses: list[bool]) -> None:
        video = next(iter(self.world.fakes.memory.videos.values()))
        self.lossy.losses = losses
        with suppress(LimitExceeded, DependencyFailed):
            self.jobs.append(start_job(self.world.ports, video, make_request(max_cost_nano_usd=cap)).job_id)

    @rule(data=st.data(), fails=st.booleans(), dies=st.booleans())
    def work(self, data: st.DataObject, fails: bool, dies: bool) -> None:
        """One child does its units, or fails at the first, or dies with it."""
        waiting = self.world.waiting()
        if not waiting:
            return
        batch_job, child = data.draw(st.sampled_from(waiting))
        if dies or fails:
            index = batch_job.submission.children[child][0]
            fence = self.world.claim(batch_job, child, index)
            if fails and fence is not None:
                self.world.end_unit(batch_job.submission, index, fence, A_FAILURE)
        else:
            self.world.run_worker(batch_job, child)
        try:
            self.world.child_ended(batch_job, child, 1 if dies or fails else 0)
        except DependencyFailed:
            return

    @rule(data=st.data(), wants_cancel=st.booleans())
    def touch(self, data: st.DataObject, wants_cancel: bool) -> None:
        """A client cancels or retries some job."""
        if not self.jobs:
            return
        job = self.stored(data.draw(st.sampled_from(self.jobs)))
        try:
            (cancel_job if wants_cancel else retry_job)(self.world.ports, job)
        except (Conflict, LimitExceeded, DependencyFailed):
            return

    @rule(days=st.sampled_from([0, 0, 0, 31]))
    def time_passes(self, days: int) -> None:
        self.world.fakes.clock.advance(days * 86_400)
        self.world.tick()

    @rule()
    def drain(self) -> None:
        """Everything comes to its end."""
        self.lossy.losses = []
        self.world.drain(200)
        for ledger in (*self.ledgers.months.values(), *self.ledgers.totals.values()):
            assert ledger.reserved_nano_usd == 0
        assert not [due for due in self.world.fakes.memory.due if due.is_costs]

    @property
    def ledgers(self) -> FakeLedgerStore:
        return self.world.fakes.ledgers

    def stored(self, job_id: JobId) -> Job:
        job = self.world.fakes.ports.jobs.get(TENANT, job_id)
        assert job is not None
        return job

    @invariant()
    def no_month_goes_over_its_cap(self) -> None:
        for (_, month), ledger in self.ledgers.months.items():
            allowed = self.most_allowed.get(month, ledger.cap_nano_usd)
            assert allowed is None or ledger.used_nano_usd <= allowed

    @invariant()
    def no_job_goes_over_its_own_cap(self) -> None:
        for job_id in self.jobs:
            cap = self.stored(job_id).request.max_cost_nano_usd
            assert cap is None or self.ledgers.get_total(TENANT, job_id).used_nano_usd <= cap

    @invariant()
    def ledgers_are_the_sums_of_their_items(self) -> None:
        months: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for one in self.ledgers.reservations.values():
            is_open = one.state is ReservationState.OPEN
            for sums in (months[one.month], totals[one.owner]):
                sums[0] += one.nano_usd if is_open else 0
                sums[1] += one.committed_nano_usd
            assert 0 <= one.committed_nano_usd <= one.nano_usd
        for (_, month), ledger in self.ledgers.months.items():
            assert [ledger.reserved_nano_usd, ledger.committed_nano_usd] == months[month]
        for (_, owner), ledger in self.ledgers.totals.items():
            assert [ledger.reserved_nano_usd, ledger.committed_nano_usd] == totals[owner]

    @invariant()
    def batch_was_told_nothing_that_is_not_paid_for(self) -> None:
        for batch_job in self.world.fakes.batch.jobs.values():
            sent = batch_job.submission
            if sent.price.total(len(sent.children)):
                assert (TENANT, sent.owner.name, sent.submission_id) in self.ledgers.reservations


TestBudgets = BudgetMachine.TestCase
TestBudgets.settings = settings(
    max_examples=60, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
