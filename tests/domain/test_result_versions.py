"""Laws of the aliases of results: whatever happens, in whatever order, one job is named and the log says why."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import Conflict, InvalidRequest
from chalicelib.domain.ids import JobId
from chalicelib.domain.jobs import STATES_WITH_RESULTS, Job, JobState
from chalicelib.domain.result_versions import (
    LATEST,
    MOVES_KEPT,
    MoveKind,
    ResultVersion,
    check_alias,
    end_of,
    follow,
    promote,
    roll_back,
)
from tests.fakes.makers import NOW, TENANT, VIDEO_ID, make_job

JOBS = 6
UNMOVED = ResultVersion(TENANT, VIDEO_ID, "default", LATEST)


def job(number: int, state: JobState = JobState.SUCCEEDED, *, promote: bool = True) -> Job:
    """Later in order the greater its number."""
    made = make_job(job_id=JobId(f"job_{number:026d}"), state=state)
    return replace(made, request=replace(made.request, promote=promote))


@dataclass(frozen=True)
class Step:
    """Something that happens to the alias: the end of a job, a promotion of it, or a roll back."""

    what: str
    number: int
    state: JobState


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(["end", "promote", "roll back"]),
        st.integers(1, JOBS),
        st.sampled_from([JobState.SUCCEEDED, JobState.PARTIAL]),
    ),
    max_size=80,
)


def take(version: ResultVersion, step: Step) -> ResultVersion:
    """What the step makes of it; one that is refused changes nothing."""
    try:
        match step.what:
            case "end":
                return follow(version, job(step.number, step.state), NOW)
            case "promote":
                return promote(version, job(step.number, step.state), cause="better", by="somebody", at=NOW)
            case _:
                return roll_back(version, cause="worse", by="somebody", at=NOW)
    except Conflict:
        return version


@given(steps)
def test_the_log_explains_what_is_named(taken: list[Step]) -> None:
    """Each move starts where the one before it went, and the last one went to what is named."""
    version = UNMOVED
    for step in taken:
        version = take(version, step)
        pairs = itertools.pairwise(version.moves)
        assert all(before.to_job == after.from_job for before, after in pairs)
        assert version.job_id == (version.moves[-1].to_job if version.moves else None)
        assert all(move.from_job != move.to_job for move in version.moves)
        assert len(version.moves) <= MOVES_KEPT


@given(steps)
def test_a_roll_back_undoes_the_newest_move_forward_that_is_not_undone(taken: list[Step]) -> None:
    """Against a plain stack that is kept beside; the alias has only its log, which is cut."""
    version = UNMOVED
    stack: list[JobId] = []
    for step in taken:
        before, version = version, take(version, step)
        if version.moves == before.moves:
            continue
        if step.what == "roll back":
            assert version.job_id == stack.pop()
        elif before.job_id is not None:
            stack.append(before.job_id)
        # The log may be too short for all of it, never wrong about the rest.
        assert list(version.before) == stack[len(stack) - len(version.before) :]
        assert len(version.before) == len(stack) or len(version.moves) == MOVES_KEPT


@given(st.permutations([(number, state) for number in range(1, 4) for state in sorted(STATES_WITH_RESULTS)] * 2))
def test_ends_come_to_the_same_in_any_order_and_however_often(ends: list[tuple[int, JobState]]) -> None:
    version = UNMOVED
    for number, state in ends:
        version = follow(version, job(number, state), NOW)
    assert version.job_id == job(3).job_id


@given(st.permutations([(1, JobState.SUCCEEDED), (2, JobState.PARTIAL), (3, JobState.FAILED)]))
def test_a_partial_job_never_hides_one_that_succeeded(ends: list[tuple[int, JobState]]) -> None:
    version = UNMOVED
    for number, state in ends:
        version = follow(version, job(number, state), NOW)
    assert version.job_id == job(1).job_id


@given(steps, st.integers(1, JOBS))
def test_an_end_that_is_told_again_never_moves_anything(taken: list[Step], number: int) -> None:
    """Above all not back to a job that somebody rolled back from."""
    version = follow(UNMOVED, job(number), NOW)
    for step in taken:
        version = take(version, step)
    assert follow(version, job(number), NOW).moves == version.moves


def test_the_first_partial_job_is_the_latest_until_one_succeeds() -> None:
    version = follow(UNMOVED, job(1, JobState.PARTIAL), NOW)
    assert version.job_id == job(1).job_id
    assert follow(version, job(2, JobState.PARTIAL), NOW).job_id == job(2).job_id
    assert follow(version, job(2), NOW).job_id == job(2).job_id


def test_a_partial_job_that_a_retry_completed_goes_before_an_older_one_that_succeeded() -> None:
    version = follow(follow(UNMOVED, job(1), NOW), job(2, JobState.PARTIAL), NOW)
    assert version.job_id == job(1).job_id
    assert follow(version, job(2), NOW).job_id == job(2).job_id


@pytest.mark.parametrize("state", sorted(set(JobState) - STATES_WITH_RESULTS))
def test_a_job_without_results_is_never_named(state: JobState) -> None:
    assert follow(UNMOVED, job(1, state), NOW) == UNMOVED
    with pytest.raises(Conflict, match=f"but is {state}"):
        promote(UNMOVED, job(1, state), cause="x", by="y", at=NOW)


def test_a_job_that_is_not_to_be_promoted_waits_for_somebody_who_does() -> None:
    canary = job(2, promote=False)
    version = follow(follow(UNMOVED, job(1), NOW), canary, NOW)
    assert (version.job_id, end_of(canary)) == (job(1).job_id, None)
    assert promote(version, canary, cause="it is good", by="somebody", at=NOW).job_id == canary.job_id


def test_an_older_job_that_ends_late_does_not_undo_a_promotion() -> None:
    version = promote(follow(UNMOVED, job(1), NOW), job(3, promote=False), cause="x", by="y", at=NOW)
    assert follow(version, job(2), NOW).job_id == job(3).job_id
    assert follow(version, job(4), NOW).job_id == job(4).job_id


def test_a_second_roll_back_goes_one_further_back_and_not_forth() -> None:
    version = UNMOVED
    for number in (1, 2, 3):
        version = follow(version, job(number), NOW)
    version = roll_back(version, cause="x", by="y", at=NOW)
    version = roll_back(version, cause="x", by="y", at=NOW)
    assert version.job_id == job(1).job_id
    with pytest.raises(Conflict, match="cannot go further back"):
        roll_back(version, cause="x", by="y", at=NOW)


def test_a_move_says_from_what_to_what_why_by_whom_and_when() -> None:
    later = NOW + timedelta(hours=1)
    version = promote(follow(UNMOVED, job(1), NOW), job(2), cause="fewer false dogs", by="somebody", at=later)
    first, second = version.moves
    assert (first.kind, first.from_job, first.cause, first.by) == (MoveKind.ENDED, None, "the job ended SUCCEEDED", "")
    assert (second.kind, second.from_job, second.to_job) == (MoveKind.PROMOTED, job(1).job_id, job(2).job_id)
    assert (second.cause, second.by, second.at) == ("fewer false dogs", "somebody", later)


def test_naming_the_same_job_again_is_no_move() -> None:
    version = promote(UNMOVED, job(1), cause="x", by="y", at=NOW)
    assert promote(version, job(1), cause="again", by="z", at=NOW) == version


@pytest.mark.parametrize("alias", ["", "Prod", "job_1", "1a", "a#b", "a" * 33, "prod\n", "ä"])
def test_a_name_that_could_be_taken_for_a_job_or_a_key_is_no_alias(alias: str) -> None:
    with pytest.raises(InvalidRequest):
        check_alias(alias)
