from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.contracts.work_order import OrderKind, WorkOrder
from chalicelib.domain.errors import Conflict
from chalicelib.domain.jobs import JobState
from chalicelib.domain.units import UnitState
from chalicelib.services.dispatch import order_key
from chalicelib.services.jobs import retry_job, start_job
from chalicelib.services.uploads import abort_upload
from tests.fakes.make import LIMITS
from tests.services.failures import fail_finish, fail_segment, finishing, partial
from tests.services.world import World, make_request, seconds


def order_of(world: World) -> WorkOrder:
    """What the workers of the last submission are told."""
    key = order_key(world.last_batch_job().submission)
    return WorkOrder.from_bytes(world.ports.objects.get(key))


def test_a_retry_does_the_failed_segments_and_no_others() -> None:
    world = World()
    job = partial(world, failed=[1, 3], cells=5)
    retried = retry_job(world.ports, job)
    assert retried.state is JobState.RUNNING
    assert world.last_batch_job().submission.children == ((1,), (3,))


def test_a_retried_job_ends_like_one_that_never_failed() -> None:
    world = World()
    job = partial(world, failed=[1], cells=4)
    retry_job(world.ports, job)
    world.drain()
    ended = world.job(job)
    assert (ended.state, ended.failure, ended.missing) == (JobState.SUCCEEDED, None, ())
    assert world.committed(job) == [0, 1, 2, 3]


def test_a_retried_segment_has_all_its_attempts_again() -> None:
    world = World()
    job = partial(world, failed=[1], cells=4)
    before = world.unit(job, 1)
    retry_job(world.ports, job)
    after = world.unit(job, 1)
    assert (after.state, after.attempts_allowed - after.attempt, after.attempt) == (UnitState.OPEN, 3, before.attempt)


def test_a_retry_gives_a_new_deadline() -> None:
    world = World()
    job = partial(world, failed=[1], cells=4)
    world.fakes.clock.advance(5000)
    assert retry_job(world.ports, job).deadline_at == world.now() + seconds(LIMITS.job_seconds)


def test_a_failed_finish_is_done_again_alone() -> None:
    world = World()
    job = finishing(world)
    fail_finish(world)
    world.changed(job)
    retried = retry_job(world.ports, world.job(job))
    assert (retried.state, order_of(world).kind) == (JobState.FINISHING, OrderKind.FINISH)
    world.drain()
    assert world.job(job).state is JobState.SUCCEEDED


def test_a_retry_of_segments_forgets_that_the_finish_failed() -> None:
    """A job with a failed segment and a failed finish used to fail again by the old finish, once retried."""
    world = World()
    job = world.running(cells=4)
    fail_segment(world, 1)
    for batch_job, child in world.waiting():
        world.run_worker(batch_job, child)
    world.changed(job)
    fail_finish(world)
    world.changed(job)
    retry_job(world.ports, world.job(job))
    world.drain()
    assert world.job(job).state is JobState.SUCCEEDED


def test_of_two_retries_of_one_failure_the_second_conflicts_and_hinders_nothing() -> None:
    world = World()
    job = partial(world, failed=[1], cells=4)
    retry_job(world.ports, job)
    fence = world.claim(world.last_batch_job(), 0, 1)
    assert fence is not None
    with pytest.raises(Conflict):
        retry_job(world.ports, job)
    assert world.end_unit(world.last_batch_job().submission, 1, fence)


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.RUNNING, JobState.CANCELLED])
def test_a_job_without_a_failure_has_nothing_to_retry(state: JobState) -> None:
    world = World()
    with pytest.raises(Conflict, match="nothing to retry"):
        retry_job(world.ports, replace(world.running(), state=state))


def test_a_partial_job_whose_segments_are_all_there_has_nothing_to_retry() -> None:
    world = World()
    job = replace(world.done(), state=JobState.PARTIAL)
    with pytest.raises(Conflict, match="no failed segment"):
        retry_job(world.ports, job)


def test_a_job_that_never_started_cannot_be_retried() -> None:
    world = World()
    video, _ = world.create()
    job = start_job(world.ports, video, make_request())
    abort_upload(world.ports, video)
    with pytest.raises(Conflict, match="never started"):
        retry_job(world.ports, world.job(job))
