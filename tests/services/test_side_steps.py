"""Work beside a finished job: it ends whatever happens to its workers, and the job does not notice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.contracts.claims import CLOCK_SKEW_SECONDS
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.errors import Conflict, DependencyFailed, ErrorCode
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.side_steps import SideStep, SideStepState, StepName
from chalicelib.domain.units import MAX_ATTEMPTS, UnitKind
from chalicelib.services.dispatch import order_key, owner_of
from chalicelib.services.ports import Batch, Submission
from chalicelib.services.side_steps import start_side_step
from chalicelib.services.videos import delete_video
from tests.fakes.batch import FakeBatchJob
from tests.fakes.make import LIMITS
from tests.fakes.makers import A_FAILURE, make_manifest
from tests.services.world import World

NAME = StepName(UnitKind.EXPORT, "exp_1")
LEASE_IS_OVER = LIMITS.lease_seconds + CLOCK_SKEW_SECONDS + 1


def started(world: World, job: Job, name: StepName = NAME) -> FakeBatchJob:
    """A side step that was sent: what Batch was told."""
    assert start_side_step(world.ports, job, name, {"format": "csv"}) is not None
    return world.last_batch_job()


def step_of(world: World, job: Job, name: StepName = NAME) -> SideStep:
    step = world.ports.units.get_side_step(owner_of(job), name)
    assert step is not None
    return step


def work_on(world: World, batch_job: FakeBatchJob) -> str:
    fence = world.claim(batch_job, 0, 0)
    assert fence is not None
    return fence


def code_of(step: SideStep) -> ErrorCode | None:
    return step.unit.failure.code if step.unit.failure else None


def test_a_side_step_is_queued_then_runs_then_succeeds() -> None:
    world = World()
    job = world.done()
    batch_job = started(world, job)
    states = [step_of(world, job).state]
    fence = work_on(world, batch_job)
    states.append(step_of(world, job).state)
    world.end_unit(batch_job.submission, 0, fence)
    states.append(step_of(world, job).state)
    assert states == [SideStepState.QUEUED, SideStepState.RUNNING, SideStepState.SUCCEEDED]


def test_its_worker_is_told_what_to_do() -> None:
    world = World()
    job = world.done()
    batch_job = started(world, job)
    order = WorkOrder.from_bytes(world.ports.objects.get(order_key(batch_job.submission)))
    told = (order.kind, order.step, order.parameters, order.job_id, len(order.segments))
    assert told == ("export", "exp_1", {"format": "csv"}, job.job_id, 6)


def test_the_job_does_not_notice() -> None:
    world = World()
    job = world.done()
    started(world, job)
    world.drain()
    assert world.job(job) == job


def test_a_side_step_is_started_once() -> None:
    world = World()
    job = world.done()
    started(world, job)
    assert start_side_step(world.ports, job, NAME, {"format": "coco"}) is None
    assert step_of(world, job).parameters == {"format": "csv"}


def test_a_job_has_any_number_of_side_steps() -> None:
    world = World()
    job = world.done()
    names = [StepName(UnitKind.TRACKS, "0001"), StepName(UnitKind.TRACKS, "0002"), NAME]
    for name in names:
        started(world, job, name)
    world.drain()
    assert [step_of(world, job, name).state for name in names] == [SideStepState.SUCCEEDED] * 3


def test_a_job_that_has_not_finished_has_no_side_steps() -> None:
    world = World()
    job = world.running()
    with pytest.raises(Conflict, match="must have finished"):
        start_side_step(world.ports, job, NAME, {})


def test_a_model_that_was_removed_refuses_the_side_step() -> None:
    world = World()
    job = world.done()
    world.fakes.models.unregister(make_manifest())
    with pytest.raises(Conflict, match="was removed after"):
        start_side_step(world.ports, job, NAME, {})


@pytest.mark.parametrize("is_told", [True, False])
def test_a_worker_that_dies_is_replaced(is_told: bool) -> None:
    world = World()
    job = world.done()
    batch_job = started(world, job)
    work_on(world, batch_job)
    if is_told:
        world.child_ended(batch_job, exit_code=137)
    else:
        world.tick(LEASE_IS_OVER + LIMITS.reconcile_seconds)
    assert len(world.fakes.batch.jobs) > 3
    world.drain()
    assert step_of(world, job).state is SideStepState.SUCCEEDED
    assert step_of(world, job).unit.attempt == 2


def test_a_step_that_kills_every_worker_fails_with_its_cause() -> None:
    world = World()
    job = world.done()
    started(world, job)
    for _ in range(MAX_ATTEMPTS):
        batch_job = world.last_batch_job()
        work_on(world, batch_job)
        world.child_ended(batch_job, exit_code=137)
    step = step_of(world, job)
    assert (step.state, code_of(step)) == (SideStepState.FAILED, ErrorCode.ATTEMPTS_EXHAUSTED)
    assert world.job(job) == job


def test_a_worker_that_cannot_even_start_ends_the_step() -> None:
    world = World()
    job = world.done()
    started(world, job)
    for _ in range(MAX_ATTEMPTS):
        world.child_ended(world.last_batch_job(), exit_code=1)
    assert code_of(step_of(world, job)) is ErrorCode.ATTEMPTS_EXHAUSTED


def test_an_end_that_is_told_twice_changes_nothing() -> None:
    world = World()
    job = world.done()
    batch_job = started(world, job)
    world.run_worker(batch_job)
    before = step_of(world, job)
    for _ in range(2):
        world.tell_of_end(batch_job)
    assert step_of(world, job) == before
    assert world.last_batch_job() is batch_job


def test_the_late_end_of_a_worker_that_was_replaced_does_not_disturb_the_next() -> None:
    world = World()
    job = world.done()
    first = started(world, job)
    work_on(world, first)
    world.tick(LEASE_IS_OVER + LIMITS.reconcile_seconds)
    second = world.last_batch_job()
    fence = work_on(world, second)
    world.child_ended(first, exit_code=137)
    assert world.end_unit(second.submission, 0, fence)


class MuteBatch:
    """A Batch that cannot be reached."""

    def __init__(self, batch: Batch) -> None:
        self.describe, self.terminate = batch.describe, batch.terminate

    def submit(self, submission: Submission, order_uri: str) -> str:
        raise DependencyFailed(f"no way to submit {submission.submission_id} of {order_uri}")


def test_a_submission_that_batch_never_heard_of_is_sent_later() -> None:
    world = World()
    job = world.done()
    ports = world.ports
    world.ports = replace(ports, batch=MuteBatch(ports.batch))
    assert start_side_step(world.ports, job, NAME, {}) is not None
    world.ports = ports
    world.drain()
    assert step_of(world, job).state is SideStepState.SUCCEEDED


def test_a_step_whose_request_died_before_it_recorded_a_submission_is_done() -> None:
    world = World()
    job = world.done()
    started(world, job)
    world.fakes.batch.jobs.popitem()
    del world.fakes.memory.submissions[owner_of(job)][step_of(world, job).unit.submission]
    world.drain()
    assert step_of(world, job).state is SideStepState.SUCCEEDED


def test_a_step_that_is_not_done_by_its_deadline_fails() -> None:
    world = World()
    job = world.done()
    started(world, job)
    world.tick(LIMITS.job_seconds + 1)
    assert code_of(step_of(world, job)) is ErrorCode.TIMEOUT
    assert not world.fakes.memory.due


def test_a_step_that_no_machine_takes_fails() -> None:
    world = World()
    job = world.done()
    started(world, job)
    world.tick(LIMITS.queue_seconds + 1)
    assert code_of(step_of(world, job)) is ErrorCode.NO_CAPACITY


def test_a_step_of_a_job_that_was_retried_fails_and_never_succeeds() -> None:
    world = World()
    job = world.done()
    batch_job = started(world, job)
    fence = work_on(world, batch_job)
    world.fakes.memory.jobs[owner_of(job)] = replace(job, state=JobState.RUNNING, finished_at=None)
    assert not world.end_unit(batch_job.submission, 0, fence)
    world.child_ended(batch_job)
    assert code_of(step_of(world, job)) is ErrorCode.CONFLICT


def test_a_step_whose_model_is_gone_fails() -> None:
    world = World()
    job = world.done()
    started(world, job)
    world.fakes.models.unregister(make_manifest())
    world.tick()
    assert code_of(step_of(world, job)) is ErrorCode.MODEL_INVALID


def test_a_worker_that_fails_for_good_is_not_replaced() -> None:
    world = World()
    job = world.done()
    batch_job = started(world, job)
    world.end_unit(batch_job.submission, 0, work_on(world, batch_job), A_FAILURE)
    world.child_ended(batch_job, exit_code=65)
    assert step_of(world, job).unit.failure == A_FAILURE
    assert world.last_batch_job() is batch_job


def test_deleting_the_video_ends_its_steps_and_stops_their_workers() -> None:
    world = World()
    job = world.done()
    batch_job = started(world, job)
    fence = work_on(world, batch_job)
    video = world.ports.videos.get(job.tenant, job.video_id)
    assert video is not None
    delete_video(world.ports, video)
    assert not world.end_unit(batch_job.submission, 0, fence)
    assert batch_job.terminated_because == "the job was deleted"
    memory = world.fakes.memory
    assert (memory.side_steps, memory.due) == ({}, {})


def test_a_step_that_was_recorded_while_its_job_was_deleted_is_removed() -> None:
    world = World()
    job = world.done()
    started(world, job)
    del world.fakes.memory.jobs[owner_of(job)]
    world.tick()
    assert world.ports.units.list_side_steps(owner_of(job), UnitKind.EXPORT) == []
    assert not world.fakes.memory.due
