"""A sample of single faults, spread over every kind; `test_every_fault.py` has them all."""

from __future__ import annotations

import json
import random

import pytest

from tests.faults.deliveries import EventPlan
from tests.faults.sweep import Course, Sweep
from tests.faults.toys import FRAMES, ROWS_PER_FRAME
from tests.faults.wire import Fault, Plan

SEED = 20261121
EVENTS = 4


def draw_plans(sweep: Sweep) -> list[tuple[Course, Plan | EventPlan]]:
    """The same plans at every run, for as long as the product makes the same calls."""
    dice = random.Random(SEED)
    drawn: list[tuple[Course, Plan | EventPlan]] = []
    for number, fault in enumerate(Fault):
        # Where the schedule does it all, and where results are taken over, in turn.
        other = sweep.second_course if number % 2 else sweep.quiet_course
        drawn += [(course, dice.choice(course.plans(fault))) for course in (sweep.course, other)]
    drawn += [(sweep.course, plan) for plan in dice.sample(sweep.course.event_plans(), EVENTS)]
    return drawn


@pytest.mark.parametrize("number", range(2 * len(Fault) + EVENTS))
def test_a_single_fault_breaks_no_promise(sweep: Sweep, number: int) -> None:
    course, plan = draw_plans(sweep)[number]

    report = sweep.run(plan, course)

    assert report.broken == (), report.what


def test_the_undisturbed_job_has_something_to_lose(sweep: Sweep) -> None:
    outcome = sweep.course.outcome

    found = [len(json.loads(page)["items"]) for page in (outcome.detections, outcome.tracks)]

    assert found == [ROWS_PER_FRAME * FRAMES, ROWS_PER_FRAME]


def test_a_second_job_has_the_results_of_the_first(sweep: Sweep) -> None:
    first, second = sweep.course.outcome, sweep.second_course.outcome

    assert (second.detections, second.tracks) == (first.detections, first.tracks)
    assert second.summary == {**first.summary, "frames_inferred": 0}


def test_the_schedule_alone_brings_a_job_to_its_end(sweep: Sweep) -> None:
    assert sweep.quiet_course.outcome == sweep.course.outcome
