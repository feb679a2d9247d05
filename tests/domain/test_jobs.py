from __future__ import annotations

import pytest

from chalicelib.domain.errors import ErrorCode, Failure
from chalicelib.domain.jobs import MAX_MISSING_RANGES, TERMINAL_JOB_STATES, JobState, MissingRange, join_missing
from tests.fakes.makers import make_job


@pytest.mark.parametrize("state", list(JobState))
def test_a_job_is_terminal_in_its_four_ends_and_nowhere_else(state: JobState) -> None:
    ends = {JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED}
    assert make_job(state=state).is_terminal is (state in ends)


def test_a_job_that_is_being_cancelled_has_not_ended() -> None:
    assert JobState.CANCELLING not in TERMINAL_JOB_STATES


def test_jobs_can_be_compared_and_hashed_though_a_summary_cannot() -> None:
    job = make_job(summary={"labels": []})
    assert (job == make_job(summary={"labels": []}), len({job, make_job(summary={"labels": []})})) == (True, 1)


def gap(start: float, end: float, code: ErrorCode = ErrorCode.DAMAGED_RANGES) -> MissingRange:
    return MissingRange(start, end, Failure(code, f"from {start}", "hint"))


def test_neighbouring_ranges_with_one_cause_are_one() -> None:
    joined = join_missing([gap(0, 1), gap(1, 2), gap(3, 4)])
    assert [(missing.start_seconds, missing.end_seconds) for missing in joined] == [(0, 2), (3, 4)]


def test_neighbouring_ranges_with_other_causes_stay_apart() -> None:
    assert len(join_missing([gap(0, 1), gap(1, 2, ErrorCode.TIMEOUT)])) == 2


def test_however_many_ranges_there_are_the_last_one_reaches_the_end() -> None:
    joined = join_missing([gap(2 * i, 2 * i + 1) for i in range(MAX_MISSING_RANGES + 100)])
    assert (len(joined), joined[-1].end_seconds) == (MAX_MISSING_RANGES, 2 * (MAX_MISSING_RANGES + 99) + 1)
