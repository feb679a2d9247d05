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
