"""Every fault at every call and every event of a whole job: `make test-slow ARGS="-k test_every_fault"`."""

from __future__ import annotations

import pytest

from tests.faults.sweep import Sweep
from tests.faults.wire import Fault

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SCHEDULE = "reconcile"


@pytest.mark.parametrize("fault", Fault)
def test_no_call_breaks_a_promise(sweep: Sweep, fault: Fault) -> None:
    assert sweep.broken(sweep.course.plans(fault), sweep.course) == []


@pytest.mark.parametrize("fault", Fault)
def test_no_call_of_a_take_over_breaks_a_promise(sweep: Sweep, fault: Fault) -> None:
    assert sweep.broken(sweep.second_course.plans(fault), sweep.second_course) == []


def test_no_event_of_a_take_over_breaks_a_promise(sweep: Sweep) -> None:
    assert sweep.broken(sweep.second_course.event_plans(), sweep.second_course) == []


@pytest.mark.parametrize("fault", Fault)
def test_no_call_of_the_schedule_breaks_a_promise(sweep: Sweep, fault: Fault) -> None:
    course = sweep.quiet_course
    plans = [plan for plan in course.plans(fault) if course.sites[plan.number].process == SCHEDULE]

    assert sweep.broken(plans, course) == []


def test_no_event_breaks_a_promise(sweep: Sweep) -> None:
    assert sweep.broken(sweep.course.event_plans(), sweep.course) == []
