from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.contracts.claims import CLOCK_SKEW_SECONDS
from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.budgets import FREE
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.units import Lane, UnitKind, UnitState
from chalicelib.domain.videos import VideoState
from chalicelib.services.dispatch import owner_of, record_submission
from chalicelib.services.jobs import start_job
from chalicelib.services.ports import ChildState, SubmissionState
from chalicelib.services.reconcile import reconcile
from tests.fakes.batch import FakeBatchJob
from tests.fakes.make import LIMITS
from tests.fakes.makers import make_video
from tests.services.world import World, make_request


def code_of(job: Job) -> ErrorCode | None:
    return job.failure.code if job.failure else None


def children_of(batch_job: FakeBatchJob) -> tuple[tuple[int, ...], ...]:
    return batch_job.submission.children


def test_a_worker_that_vanished_is_found_by_its_lease() -> None:
    world = World()
    job = world.running(cells=4)
    batch_job = world.last_batch_job()
    world.claim(batch_job, 1, 1)
    world.tick(LIMITS.reconcile_seconds)
    assert world.unit(job, 1).state is UnitState.OPEN
    assert children_of(world.last_batch_job()) == ((1,),)


def test_a_lease_is_over_only_with_the_margin_for_clocks() -> None:
    world = World(replace(LIMITS, reconcile_seconds=1.0))
    job = world.running(cells=4)
    world.claim(world.last_batch_job(), 1, 1)
    world.tick(LIMITS.lease_seconds + CLOCK_SKEW_SECONDS)
    held = world.unit(job, 1).state
    world.tick(1)
    assert (held, world.unit(job, 1).state) == (UnitState.CLAIMED, UnitState.OPEN)


def test_a_worker_that_wakes_up_after_its_lease_writes_nothing() -> None:
    world = World()
    job = world.running(cells=4)
    batch_job = world.last_batch_job()
    fence = world.claim(batch_job, 1, 1)
    assert fence is not None
    world.tick()
    assert (world.end_unit(batch_job.submission, 1, fence), world.committed(job)) == (False, [])


def test_a_submission_that_was_never_sent_is_sent() -> None:
    world = World()
    job = world.running(cells=4)
    owner = owner_of(job)
    unit = world.unit(job, 0)
    submission_id = SubmissionId("late")
    world.ports.units.requeue(owner, unit, submission=submission_id, child=0, lane=Lane.CPU, blame=0, failure=None)
    record_submission(world.ports, owner, OrderKind.ANALYZE, submission_id, ((0,),), unit.lane, price=FREE)
    world.tick()
    stored = world.ports.submissions.get(owner, submission_id)
    assert stored is not None
    assert (stored.state, world.last_batch_job().submission.submission_id) == (SubmissionState.SENT, submission_id)


def test_a_submission_that_is_just_being_sent_is_not_sent_again() -> None:
    world = World(replace(LIMITS, resend_seconds=120.0))
    job = world.running(cells=4)
    owner, unit = owner_of(job), world.unit(job, 0)
    submission_id = SubmissionId("late")
    world.ports.units.requeue(owner, unit, submission=submission_id, child=0, lane=Lane.CPU, blame=0, failure=None)
    world.fakes.clock.advance(50)
    record_submission(world.ports, owner, OrderKind.ANALYZE, submission_id, ((0,),), unit.lane, price=FREE)
    world.tick(10)
    assert len(world.fakes.batch.jobs) == 2


def test_a_child_whose_end_nobody_told_is_found() -> None:
    world = World()
    job = world.running(cells=4)
    batch_job = world.last_batch_job()
    batch_job.children[2] = ChildState.ENDED
    world.tick()
    assert (children_of(world.last_batch_job()), world.unit(job, 2).attempt) == (((2,),), 0)


def test_a_job_that_batch_forgot_is_submitted_anew() -> None:
    world = World()
    job = world.running(cells=4)
    world.fakes.batch.jobs.clear()
    world.tick()
    assert sorted(index for child in children_of(world.last_batch_job()) for index in child) == [0, 1, 2, 3]
    world.drain()
    assert world.job(job).state is JobState.SUCCEEDED


def test_a_commit_whose_event_was_lost_is_found() -> None:
    world = World()
    job = world.running(cells=4)
    for child in range(4):
        world.run_worker(world.last_batch_job(), child)
    before = world.job(job).state
    world.tick()
    assert (before, world.job(job).state) == (JobState.RUNNING, JobState.FINISHING)


def test_a_probe_whose_event_was_lost_is_found() -> None:
    world = World()
    job = start_job(world.ports, world.uploaded(), make_request())
    world.run_worker(world.last_batch_job())
    world.tick()
    assert world.job(job).state is JobState.RUNNING


def test_a_pass_says_how_long_the_child_waits_that_waits_longest() -> None:
    world = World()
    world.running(cells=4)
    world.fakes.clock.advance(100)
    world.running(cells=4)
    world.fakes.clock.advance(50)

    assert reconcile(world.ports).longest_wait_seconds == 150


def test_a_pass_sees_no_wait_where_every_child_runs() -> None:
    world = World()
    world.running(cells=1)
    world.claim(world.last_batch_job(), 0, 0)
    world.fakes.clock.advance(LIMITS.reconcile_seconds)

    assert reconcile(world.ports).longest_wait_seconds == 0


def test_a_job_that_no_machine_takes_ends_as_no_capacity() -> None:
    world = World()
    job = world.running(cells=4)
    world.tick(LIMITS.queue_seconds - 1)
    before = world.job(job).state
    world.tick()
    assert (before, world.job(job).state, code_of(world.job(job))) == (
        JobState.RUNNING,
        JobState.FAILED,
        ErrorCode.NO_CAPACITY,
    )


def test_what_some_machine_works_at_is_not_starved() -> None:
    world = World()
    job = world.running(cells=4)
    world.last_batch_job().children[:] = [ChildState.RUNNING] * 4
    world.tick(LIMITS.queue_seconds + 1)
    assert world.job(job).state is JobState.RUNNING


def test_a_job_past_its_deadline_keeps_what_is_done() -> None:
    world = World(replace(LIMITS, job_seconds=7200, queue_seconds=1e9))
    job = world.running(cells=4)
    world.run_worker(world.last_batch_job(), 0)
    world.tick(12_000)
    finishing = world.job(job).state
    world.drain()
    assert (finishing, world.job(job).state, world.committed(job)) == (JobState.FINISHING, JobState.PARTIAL, [0])
    failure = world.unit(job, 1).failure
    assert failure is not None
    assert failure.code is ErrorCode.TIMEOUT


def test_a_job_past_its_deadline_with_nothing_done_fails() -> None:
    world = World(replace(LIMITS, job_seconds=7200, queue_seconds=1e9))
    job = world.running(cells=4)
    world.tick(12_000)
    assert (world.job(job).state, code_of(world.job(job))) == (JobState.FAILED, ErrorCode.TIMEOUT)


def test_a_finish_past_its_deadline_fails() -> None:
    world = World(replace(LIMITS, job_seconds=7200, queue_seconds=1e9))
    job = world.running(cells=4)
    for child in range(4):
        world.run_worker(world.last_batch_job(), child)
    world.changed(job)
    world.tick(12_000)
    assert (world.job(job).state, code_of(world.job(job))) == (JobState.FAILED, ErrorCode.TIMEOUT)


def test_an_owner_that_fails_does_not_keep_the_others_waiting() -> None:
    world = World()
    job = world.running(cells=4)
    broken = make_video(video_id=world.ports.ids.make("vid"), state=VideoState.READY)
    world.ports.videos.add(broken, world.now())
    stuck = start_job(world.ports, world.ready(), make_request())
    world.fakes.memory.jobs[owner_of(stuck)] = replace(
        world.job(stuck), video_id=broken.video_id, state=JobState.PROBING
    )
    for child in range(4):
        world.run_worker(world.fakes.batch.jobs["batch-2"], child)
    world.tick()
    assert world.job(job).state is JobState.FINISHING


def test_a_pass_looks_at_what_is_due_and_at_nothing_else() -> None:
    world = World()
    world.running(cells=4)
    looked_at = [reconcile(world.ports).looked_at, world.tick(LIMITS.reconcile_seconds), world.tick(1)]
    assert looked_at == [0, 1, 0]


@pytest.mark.parametrize("kind", [UnitKind.PROBE, UnitKind.FINISH])
def test_a_late_second_look_does_not_open_a_step_that_ended(kind: UnitKind) -> None:
    """It used to leave an open unit behind that nobody was going to claim."""
    world = World()
    video = world.ready()
    job = start_job(world.ports, video, make_request())
    world.drain()
    owner = owner_of(video if kind is UnitKind.PROBE else job)
    step = world.ports.units.get(owner, kind)
    assert step is not None
    assert not world.ports.units.open_step(owner, replace(step, state=UnitState.OPEN))
