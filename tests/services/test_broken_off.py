"""A job that ends without a finish says what its units took."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.units import UnitKind
from chalicelib.domain.usage import NOTHING, JobUsage, Usage
from chalicelib.services.budgets import set_budget
from chalicelib.services.dispatch import owner_of
from chalicelib.services.jobs import cancel_job, retry_job, start_job
from tests.fakes.make import LIMITS
from tests.fakes.makers import TENANT
from tests.services.failures import fail_finish, fail_segment, finishing
from tests.services.world import World, make_request

SEGMENT = Usage(cpu=3.0, start=1.0, children=1, frames=50)
FINISH = Usage(cpu=2.0, start=1.5, children=1)


def told(world: World, job: Job, usage: Usage = SEGMENT) -> None:
    """Every segment that was begun says what it took, as its worker writes it."""
    units = world.fakes.memory.units[owner_of(job)]
    for name, unit in units.items():
        if unit.kind is UnitKind.SEGMENT and unit.attempt:
            units[name] = replace(unit, usage=usage)


def test_a_cancelled_job_took_what_its_workers_did_until_then() -> None:
    world = World()
    job = world.running(cells=4)
    batch_job = world.last_batch_job()
    world.run_worker(batch_job, child=0)
    world.claim(batch_job, 1, 1)
    told(world, job)
    cancelled = cancel_job(world.ports, world.job(job))
    assert cancelled.usage == JobUsage(SEGMENT + SEGMENT, NOTHING, share=0.5)


def test_a_job_of_which_every_segment_failed_took_what_that_took() -> None:
    world = World()
    job = world.running(cells=4)
    for index in range(4):
        fail_segment(world, index)
    told(world, job)
    world.drain()
    failed = world.job(job)
    assert (failed.state, failed.usage) == (JobState.FAILED, JobUsage(SEGMENT + SEGMENT + SEGMENT + SEGMENT))


def test_a_job_whose_finish_failed_took_that_too() -> None:
    world = World()
    job = finishing(world)
    told(world, job)
    fail_finish(world)
    units = world.fakes.memory.units[owner_of(job)]
    units[UnitKind.FINISH, 0] = replace(units[UnitKind.FINISH, 0], usage=FINISH)
    world.changed(job)
    failed = world.job(job)
    assert failed.usage is not None
    assert (failed.state, failed.usage.finish, failed.usage.cpu_seconds) == (JobState.FAILED, FINISH, 14.0)


def test_a_job_that_found_no_machine_took_nothing() -> None:
    world = World()
    job = world.running(cells=4)
    world.tick(LIMITS.job_seconds + 1)
    failed = world.job(job)
    assert (failed.failure and failed.failure.code, failed.usage) == (ErrorCode.NO_CAPACITY, JobUsage(share=0.0))


def test_a_job_that_no_budget_lets_start_took_nothing() -> None:
    world = World()
    video, _ = world.create()
    job = start_job(world.ports, video, make_request())
    world.fakes.objects.place(video.source.key, b"the bytes of a video")
    world.object_created(video)
    set_budget(world.ports, TENANT, 1)
    world.drain()
    failed = world.job(job)
    assert (failed.failure and failed.failure.code, failed.usage) == (ErrorCode.LIMIT_EXCEEDED, JobUsage(share=0.0))


def test_a_job_that_was_retried_and_cancelled_took_both_times() -> None:
    world = World()
    job = world.running(cells=2)
    for index in range(2):
        fail_segment(world, index)
    told(world, job)
    world.drain()
    retry_job(world.ports, world.job(job))
    world.run_worker(world.last_batch_job(), child=0)
    told(world, job, SEGMENT + SEGMENT)
    cancelled = cancel_job(world.ports, world.job(job))
    assert cancelled.usage is not None
    assert cancelled.usage.cpu_seconds == 12.0
