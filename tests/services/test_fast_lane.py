"""Units in the fast lane: sent to it once, and handed on to Batch however it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.jobs import JobState
from chalicelib.domain.lanes import FAST_GONE_SECONDS
from chalicelib.domain.units import Lane, UnitKind, UnitState
from chalicelib.domain.videos import VideoState
from chalicelib.services.dispatch import make_order, owner_of
from chalicelib.services.jobs import retry_job
from tests.fakes.make import LIMITS
from tests.services.world import World

FAST = replace(LIMITS, has_fast_lane=True)
ON_GPUS = replace(FAST, analyze_lane=Lane.GPU)


def lanes_of(world: World) -> list[tuple[OrderKind, Lane]]:
    return [(job.submission.kind, job.submission.lane) for job in world.fakes.batch.jobs.values()]


def test_a_short_job_goes_through_the_fast_lane_in_one_child() -> None:
    world = World(FAST)
    job = world.done(cells=6)
    assert job.state is JobState.SUCCEEDED
    assert lanes_of(world) == [(kind, Lane.FAST) for kind in (OrderKind.PROBE, OrderKind.ANALYZE, OrderKind.FINISH)]
    assert [len(batch_job.children) for batch_job in world.fakes.batch.jobs.values()] == [1, 1, 1]


def test_without_a_fast_lane_everything_goes_to_batch() -> None:
    world = World()
    world.done()
    assert {lane for _, lane in lanes_of(world)} == {Lane.CPU}


def test_the_fast_lane_runs_on_cpus_also_where_jobs_are_analysed_on_gpus() -> None:
    world = World(ON_GPUS)
    world.running()
    analysis = world.last_batch_job().submission
    assert (analysis.lane, make_order(world.ports, analysis).provider_class) == (Lane.FAST, "cpu")


def test_the_quote_is_of_the_lane_that_the_job_goes_to() -> None:
    world = World(ON_GPUS)
    job = world.running()
    assert job.quote is not None
    assert (job.quote.lane, job.quote.finish_lane, job.quote.children) == (Lane.FAST, Lane.FAST, 1)
    assert (job.quote.gpu_seconds, job.quote.seconds_to_finish < 30) == (0.0, True)


@pytest.mark.parametrize("exit_code", [75, 143, 137, 1, None])
def test_a_segment_that_the_fast_lane_did_not_end_goes_on_in_the_cpu_lane(exit_code: int | None) -> None:
    world = World(ON_GPUS)
    job = world.running(cells=4)
    invocation = world.last_batch_job()
    world.claim(invocation, 0, 0)
    world.child_ended(invocation, 0, exit_code)
    after = world.last_batch_job().submission
    assert (after.lane, after.children) == (Lane.CPU, ((0,), (1,), (2,), (3,)))
    assert make_order(world.ports, after).provider_class == "cpu"
    assert {world.unit(job, index).lane for index in range(4)} == {Lane.CPU}
    world.drain()
    assert world.job(job).state is JobState.SUCCEEDED


def test_a_probe_that_lambda_never_started_goes_on_in_the_cpu_lane() -> None:
    world = World(FAST)
    video = world.uploaded()
    world.child_ended(world.last_batch_job(), 0, None)
    assert world.last_batch_job().submission.lane is Lane.CPU
    world.run_worker(world.last_batch_job())
    assert world.video(video).state is VideoState.READY


def test_the_end_of_a_twin_takes_nothing_from_the_one_that_is_at_work() -> None:
    world = World(FAST)
    job = world.running(cells=2)
    invocation = world.last_batch_job()
    fence = world.claim(invocation, 0, 0)
    assert fence is not None
    world.claim(invocation, 0, 1)
    world.tell_of_end(invocation, 0, exit_code=0)
    assert world.last_batch_job() is invocation
    assert world.end_unit(invocation.submission, 0, fence)
    assert world.unit(job, 0).state is UnitState.DONE


def test_a_lost_event_is_made_up_for_when_nothing_can_be_running_any_more() -> None:
    world = World(FAST)
    world.uploaded()
    invocation = world.last_batch_job()
    world.fakes.batch.jobs.pop(invocation.batch_job_id)
    world.tick(FAST_GONE_SECONDS - 1)
    assert world.fakes.batch.jobs == {}
    world.tick()
    assert [lane for _, lane in lanes_of(world)] == [Lane.CPU]


def test_a_claim_of_the_fast_lane_is_over_with_its_lease() -> None:
    world = World(FAST)
    job = world.running(cells=1)
    world.claim(world.last_batch_job(), 0, 0)
    world.tick()
    assert (world.last_batch_job().submission.lane, world.unit(job, 0).attempt) == (Lane.CPU, 1)


def test_a_retry_stays_with_the_class_of_provider_and_out_of_the_fast_lane() -> None:
    world = World(ON_GPUS)
    job = world.running(cells=1)
    for _ in range(4):
        batch_job = world.last_batch_job()
        world.claim(batch_job, 0, 0)
        world.child_ended(batch_job, 0, 137)
    assert world.job(job).state is JobState.FAILED
    retry_job(world.ports, world.job(job))
    again = world.last_batch_job().submission
    assert (again.lane, make_order(world.ports, again).provider_class) == (Lane.CPU, "cpu")
    world.drain()
    assert world.job(job).state is JobState.SUCCEEDED


def test_a_finish_that_died_in_the_fast_lane_goes_on_in_the_cpu_lane() -> None:
    world = World(FAST)
    job = world.running(cells=2)
    world.run_worker(world.last_batch_job())
    world.changed(job)
    finish = world.last_batch_job()
    assert (finish.submission.kind, finish.submission.lane) == (OrderKind.FINISH, Lane.FAST)
    world.claim(finish, 0, 0)
    world.child_ended(finish, 0, 137)
    unit = world.ports.units.get(owner_of(job), UnitKind.FINISH)
    assert (world.last_batch_job().submission.lane, unit and unit.lane) == (Lane.CPU, Lane.CPU)


def test_what_the_fast_lane_is_paid_is_committed_and_nothing_stays_reserved() -> None:
    world = World(FAST)
    job = world.done(cells=3)
    total = world.ports.ledgers.get_total(job.tenant, job.job_id)
    assert job.quote is not None
    assert (total.reserved_nano_usd, total.committed_nano_usd) == (0, job.quote.cost_nano_usd)
