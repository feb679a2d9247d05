"""A sample of single faults where probe, analysis and finish go to the fast lane; all of them: `-m slow`."""

from __future__ import annotations

import random

import pytest

from tests.faults.sweep import Sweep
from tests.faults.wire import Fault

SEED = 20261126
PER_FAULT = 2
EVENTS = 4


def test_the_whole_job_goes_through_the_fast_lane_and_ends_as_through_batch(fast_sweep: Sweep) -> None:
    calls = [site.operation for site in fast_sweep.course.sites]
    assert (calls.count("lambda.Invoke"), calls.count("batch.SubmitJob")) == (3, 0)
    assert fast_sweep.quiet_course.outcome == fast_sweep.course.outcome


@pytest.mark.parametrize("fault", Fault)
def test_no_fault_of_an_invocation_breaks_a_promise(fast_sweep: Sweep, fault: Fault) -> None:
    course = fast_sweep.course
    plans = [plan for plan in course.plans(fault) if course.sites[plan.number].operation == "lambda.Invoke"]

    assert fast_sweep.broken(plans, course) == []


# A worker is the same in every lane, and its faults are tried in `test_single_faults`.
@pytest.mark.slow
@pytest.mark.parametrize("fault", Fault)
def test_a_single_fault_of_a_worker_breaks_no_promise(fast_sweep: Sweep, fault: Fault) -> None:
    course = fast_sweep.course
    plans = [plan for plan in course.plans(fault) if course.sites[plan.number].process.startswith("worker")]

    assert fast_sweep.broken(random.Random(SEED).sample(plans, PER_FAULT), course) == []


def test_a_fault_of_an_event_breaks_no_promise(fast_sweep: Sweep) -> None:
    plans = random.Random(SEED).sample(fast_sweep.course.event_plans(), EVENTS)

    assert fast_sweep.broken(plans, fast_sweep.course) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", Fault)
def test_no_call_breaks_a_promise(fast_sweep: Sweep, fault: Fault) -> None:
    assert fast_sweep.broken(fast_sweep.course.plans(fault), fast_sweep.course) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_event_breaks_a_promise(fast_sweep: Sweep) -> None:
    assert fast_sweep.broken(fast_sweep.course.event_plans(), fast_sweep.course) == []
