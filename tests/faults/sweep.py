"""Runs plans one after the other, and says which of them broke a promise."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from chalicelib.domain.jobs import JobState
from tests.faults.deliveries import EventFault, EventPlan
from tests.faults.promises import Outcome, broken_promises, outcome_of
from tests.faults.wire import Fault, Plan, Site
from tests.faults.world import Rig, a_rig

ON_STREAMS_ONLY = frozenset({Fault.BODY_CUT})


@dataclass(frozen=True)
class Course:
    """A run without faults: what it calls, what it emits, and what comes of it."""

    has_events: bool
    is_second: bool
    """Whether a job like it has succeeded before, whose results it takes over."""
    sites: tuple[Site, ...]
    events: tuple[str, ...]
    outcome: Outcome

    def plans(self, fault: Fault) -> list[Plan]:
        """This fault at every call that it can happen to."""
        return [
            Plan(site.number, fault)
            for site in self.sites
            if fault not in ON_STREAMS_ONLY or site.operation == "s3.GetObject"
        ]

    def event_plans(self) -> list[EventPlan]:
        """Every fault of an event, at every event."""
        return [EventPlan(number, fault) for number in range(len(self.events)) for fault in EventFault]


@dataclass(frozen=True)
class Report:
    """How one plan went."""

    what: str
    seconds: float
    broken: tuple[str, ...]


class Sweep:
    """A rig whose courses are run once, when they are asked for; make it with `a_sweep`."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    @cached_property
    def course(self) -> Course:
        """Every event arrives."""
        return self._run_course(has_events=True)

    @cached_property
    def quiet_course(self) -> Course:
        """No event ever arrives: the schedule does it all."""
        return self._run_course(has_events=False)

    @cached_property
    def second_course(self) -> Course:
        """A job like one that has succeeded."""
        return self._run_course(has_events=True, is_second=True)

    def run(self, plan: Plan | EventPlan, course: Course) -> Report:
        """One run that meets the plan."""
        with (
            contextlib.redirect_stdout(io.StringIO()),
            self._rig.world(plan, has_events=course.has_events, is_second=course.is_second) as world,
        ):
            try:
                ended = world.run()
            except Exception as error:  # noqa: BLE001  Whatever broke is what this looks for.
                return Report(str(plan), 0.0, (f"the run broke off: {error!r}",))
            broken = broken_promises(world, ended, course.outcome)
            if not (world.wire.has_struck or world.deliveries.has_struck):
                broken.append("the fault never struck")
            what = f"{plan}" + (f": {world.wire.hit}" if isinstance(plan, Plan) else f": {course.events[plan.number]}")
            return Report(what, ended.seconds, tuple(broken))

    def broken(self, plans: Iterable[Plan | EventPlan], course: Course) -> list[Report]:
        """The reports of those plans that broke a promise."""
        return [report for plan in plans if (report := self.run(plan, course)).broken]

    def _run_course(self, *, has_events: bool, is_second: bool = False) -> Course:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            self._rig.world(has_events=has_events, is_second=is_second) as world,
        ):
            ended = world.run()
            assert ended.job.state is JobState.SUCCEEDED, f"without a fault the job is {ended.job}"
            sites = tuple(world.wire.sites)
            return Course(has_events, is_second, sites, tuple(world.deliveries.seen), outcome_of(world, ended.job))


@contextmanager
def a_sweep(*, has_fast_lane: bool = False) -> Iterator[Sweep]:
    """A sweep, and what it stands on, until the block ends."""
    with a_rig(has_fast_lane=has_fast_lane) as rig:
        yield Sweep(rig)
