from __future__ import annotations

import pytest

from chalicelib.domain.errors import Conflict
from chalicelib.domain.jobs import JobState
from chalicelib.services.dispatch import owner_of
from chalicelib.services.jobs import cancel_job, start_job
from tests.services.failures import finishing
from tests.services.world import World, make_request


def test_a_job_that_waits_is_cancelled_at_once() -> None:
    world = World()
    video, _ = world.create()
    job = start_job(world.ports, video, make_request())
    assert cancel_job(world.ports, job).state is JobState.CANCELLED


def test_a_cancelled_job_does_not_start_when_its_video_comes() -> None:
    world = World()
    video, _ = world.create()
    job = start_job(world.ports, video, make_request())
    cancel_job(world.ports, job)
    world.fakes.objects.place(video.source.key, b"the bytes of a video")
    world.object_created(video)
    world.drain()
    assert (world.job(job).state, world.ports.units.count(owner_of(job))) == (JobState.CANCELLED, (0, 0))


def test_nothing_is_committed_after_a_cancel() -> None:
    world = World()
    job = world.running(cells=4)
    batch_job = world.last_batch_job()
    world.run_worker(batch_job, child=0)
    fence = world.claim(batch_job, 1, 1)
    assert fence is not None
    cancelled = cancel_job(world.ports, world.job(job))
    has_committed = world.end_unit(batch_job.submission, 1, fence)
    assert (cancelled.state, has_committed, world.committed(job)) == (JobState.CANCELLED, False, [0])


def test_nothing_is_claimed_after_a_cancel() -> None:
    world = World()
    cancel_job(world.ports, world.running(cells=4))
    assert world.claim(world.last_batch_job(), 2, 2) is None


def test_a_cancel_frees_the_machines() -> None:
    world = World()
    job = world.running(cells=4)
    cancel_job(world.ports, job)
    assert world.last_batch_job().terminated_because == f"job {job.job_id} was cancelled"


def test_a_finish_that_runs_when_the_job_is_cancelled_ends_nothing() -> None:
    world = World()
    job = finishing(world)
    batch_job = world.last_batch_job()
    fence = world.claim(batch_job, 0, 0)
    assert fence is not None
    cancelled = cancel_job(world.ports, world.job(job))
    assert (cancelled.state, world.end_unit(batch_job.submission, 0, fence)) == (JobState.CANCELLED, False)


def test_cancelling_again_changes_nothing() -> None:
    world = World()
    cancelled = cancel_job(world.ports, world.running())
    assert cancel_job(world.ports, cancelled) == cancelled


def test_a_job_that_ended_cannot_be_cancelled() -> None:
    world = World()
    with pytest.raises(Conflict, match="SUCCEEDED"):
        cancel_job(world.ports, world.done())


def test_a_cancel_that_comes_after_the_last_read_of_an_ended_job_is_refused() -> None:
    world = World()
    job = world.running()
    world.drain()
    with pytest.raises(Conflict, match="SUCCEEDED"):
        cancel_job(world.ports, job)


def test_a_cancelled_job_stays_cancelled_whatever_batch_says_later() -> None:
    world = World()
    job = world.running(cells=4)
    cancelled = cancel_job(world.ports, job)
    for child in range(4):
        world.child_ended(world.last_batch_job(), child, exit_code=143)
    world.changed(job)
    world.drain()
    assert world.job(job) == cancelled
