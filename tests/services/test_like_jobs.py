"""Of jobs that are alike and asked for at once, one is paid for; the others wait, and take its results over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.ids import TenantId
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.videos import Video
from chalicelib.services.dispatch import owner_of
from chalicelib.services.jobs import cancel_job, start_job
from chalicelib.services.ports import Owner
from tests.fakes.make import LIMITS
from tests.services.failures import fail_segment
from tests.services.world import World, make_request

CELLS = 4


def twins(world: World, count: int = 2) -> tuple[Video, list[Job]]:
    """Jobs that are alike, asked for one after the other while the first runs."""
    video = world.ready(CELLS)
    return video, [start_job(world.ports, video, make_request()) for _ in range(count)]


def analyses(world: World) -> int:
    """How many jobs were sent to workers."""
    return sum(batch_job.submission.submission_id == "analyze" for batch_job in world.fakes.batch.jobs.values())


def states(world: World, jobs: list[Job]) -> list[JobState]:
    return [world.job(job).state for job in jobs]


def run_workers(world: World, job: Job) -> None:
    """Every worker does what it was told, and Batch tells of each end; the schedule does not come by."""
    for _ in range(2):
        for batch_job, child in world.waiting():
            world.run_worker(batch_job, child)
            world.tell_of_end(batch_job, child)


def test_of_jobs_that_are_alike_one_is_paid_and_the_others_are_over_with_it() -> None:
    world = World()
    _, jobs = twins(world, 4)
    assert states(world, jobs) == [JobState.RUNNING, *[JobState.PENDING] * 3]
    run_workers(world, jobs[0])
    assert states(world, jobs) == [JobState.SUCCEEDED] * 4
    assert analyses(world) == 1
    assert [world.job(job).usage for job in jobs[1:]] == [None] * 3
    receipts = [world.job(job).reused for job in jobs[1:]]
    assert [receipt and receipt.total.frames_inferred for receipt in receipts] == [0, 0, 0]


def test_the_schedule_wakes_who_was_forgotten() -> None:
    world = World()
    _, jobs = twins(world)
    ended = replace(world.job(jobs[0]), state=JobState.FAILED)
    world.ports.jobs.save(ended, None)
    world.tick()
    assert world.job(jobs[1]).state is JobState.RUNNING


def test_a_job_that_waits_for_one_that_is_cancelled_starts() -> None:
    world = World()
    _, jobs = twins(world, 3)
    cancel_job(world.ports, world.job(jobs[0]))
    assert states(world, jobs) == [JobState.CANCELLED, JobState.RUNNING, JobState.PENDING]
    world.drain()
    assert states(world, jobs) == [JobState.CANCELLED, JobState.SUCCEEDED, JobState.SUCCEEDED]


def test_a_job_that_waits_for_one_that_ends_without_all_results_does_its_work() -> None:
    world = World()
    _, jobs = twins(world)
    fail_segment(world, 1)
    world.drain()
    assert states(world, jobs) == [JobState.PARTIAL, JobState.SUCCEEDED]
    assert analyses(world) == 2


def test_a_job_that_waits_can_be_cancelled_and_wakes_nobody_too_early() -> None:
    world = World()
    _, jobs = twins(world, 3)
    cancel_job(world.ports, world.job(jobs[1]))
    assert states(world, jobs) == [JobState.RUNNING, JobState.CANCELLED, JobState.PENDING]
    world.drain()
    assert states(world, jobs) == [JobState.SUCCEEDED, JobState.CANCELLED, JobState.SUCCEEDED]


def test_a_job_waits_no_longer_than_half_of_its_time() -> None:
    world = World()
    _, jobs = twins(world)
    left_seconds = (jobs[1].deadline_at - world.now()).total_seconds()
    world.fakes.clock.advance(left_seconds - LIMITS.job_seconds / 2 - 1)
    world.changed(jobs[1])
    assert world.job(jobs[1]).state is JobState.PENDING
    world.fakes.clock.advance(1)
    world.changed(jobs[1])
    assert world.job(jobs[1]).state is JobState.RUNNING


@pytest.mark.parametrize("request_", [{"score_min": 0.9}, {"tracking": False}, {"promote": False}], ids=str)
def test_only_a_job_with_the_same_results_is_waited_for(request_: dict[str, Any]) -> None:
    world = World()
    video = world.ready(CELLS)
    start_job(world.ports, video, make_request())
    second = start_job(world.ports, video, make_request(**request_))
    # A canary has the same results: what they are for makes no difference.
    assert second.state is (JobState.PENDING if "promote" in request_ else JobState.RUNNING)


def test_jobs_that_waited_for_one_probe_are_paid_once() -> None:
    world = World()
    world.cells = CELLS
    video = world.uploaded()
    jobs = [start_job(world.ports, video, make_request()) for _ in range(3)]
    world.drain()
    assert states(world, jobs) == [JobState.SUCCEEDED] * 3
    assert analyses(world) == 1


def test_the_same_bytes_under_another_name_are_paid_once() -> None:
    world = World()
    jobs = [start_job(world.ports, world.ready(CELLS), make_request()) for _ in range(2)]
    assert states(world, jobs) == [JobState.RUNNING, JobState.PENDING]
    world.drain()
    assert (states(world, jobs), analyses(world)) == ([JobState.SUCCEEDED] * 2, 1)


def test_nobody_waits_for_another_tenant() -> None:
    world = World()
    video, _ = twins(world, 1)
    stranger = replace(world.video(video), tenant=TenantId("stranger"))
    world.ports.videos.add(stranger, None)
    job = start_job(world.ports, stranger, make_request())
    assert job.state is JobState.RUNNING
    assert world.ports.submissions.list(Owner(TenantId("stranger"), job.job_id)) != []


def test_a_job_that_waits_has_nothing_reserved() -> None:
    world = World()
    _, jobs = twins(world)
    assert world.ports.ledgers.list_reservations(jobs[1].tenant, jobs[1].job_id) == []
    assert world.ports.units.count(owner_of(jobs[1])) == (0, 0)
