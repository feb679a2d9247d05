from __future__ import annotations

import pytest

from chalicelib.domain.jobs import TERMINAL_JOB_STATES, JobState
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
