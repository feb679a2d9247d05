"""Faults that once broke a promise, each named by what it did."""

from __future__ import annotations

import pytest

from tests.faults.sweep import Sweep
from tests.faults.wire import Fault, Plan


def call_of(sweep: Sweep, process: str, operation: str, nth: int = 0) -> int:
    """The number of a process's nth call of an operation."""
    return [site.number for site in sweep.course.sites if (site.process, site.operation) == (process, operation)][nth]


@pytest.mark.parametrize("nth", range(2))
def test_a_second_try_that_comes_late_does_not_undo_what_came_after_the_first(sweep: Sweep, nth: int) -> None:
    # The first write let others go on: the video was probed. The second one put it back to UPLOADED, for ever.
    number = call_of(sweep, "on_object_created", "dynamodb.PutItem", nth)

    report = sweep.run(Plan(number, Fault.REPLY_LOST_FOR_LONG), sweep.course)

    assert report.broken == (), report.what


def test_a_body_that_breaks_off_is_read_again_before_a_client_hears_of_it(sweep: Sweep) -> None:
    # A request that plans its job reads the cells of the video itself; it used to fail, and was asked again.
    plans = sweep.second_course.plans(Fault.BODY_CUT)

    assert len(plans) >= 1
    assert sweep.broken(plans, sweep.second_course) == []
