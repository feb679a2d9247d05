from __future__ import annotations

from chalicelib.contracts.claims import CLOCK_SKEW_SECONDS
from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.units import MAX_ATTEMPTS, UnitKind
from chalicelib.domain.videos import VideoState
from chalicelib.services.dispatch import owner_of
from chalicelib.services.jobs import start_job
from tests.fakes.batch import FakeBatchJob
from tests.fakes.make import LIMITS
from tests.services.world import World, make_request

LEASE_IS_OVER = LIMITS.lease_seconds + CLOCK_SKEW_SECONDS + 1


def code_of(job: Job) -> ErrorCode | None:
    return job.failure.code if job.failure else None


def children_of(batch_job: FakeBatchJob) -> tuple[tuple[int, ...], ...]:
    return batch_job.submission.children


def test_a_child_that_did_all_it_was_told_leaves_nothing_to_hand_on() -> None:
    world = World()
    world.running(cells=4)
    batch_job = world.last_batch_job()
    world.run_worker(batch_job, 0)
    world.child_ended(batch_job, 0)
    assert world.last_batch_job() is batch_job


def test_a_claim_whose_holder_died_is_handed_on_at_once_and_alone() -> None:
    world = World()
    job = world.running(cells=6)
    batch_job = world.last_batch_job()
    world.claim(batch_job, 0, 0)
    world.child_ended(batch_job, 0, exit_code=137)
    assert children_of(world.last_batch_job()) == ((0,), (4,))
    assert [world.unit(job, index).attempt for index in (0, 4)] == [1, 0]


def test_a_child_that_died_before_its_claim_is_counted_against_its_first_unit() -> None:
    world = World()
    job = world.running(cells=6)
    world.child_ended(world.last_batch_job(), 0, exit_code=1)
    assert [world.unit(job, index).attempt for index in (0, 4, 1)] == [1, 0, 0]


def test_the_cause_says_what_batch_said() -> None:
    world = World()
    job = world.running(cells=4)
    world.child_ended(world.last_batch_job(), 2, exit_code=137)
    failure = world.unit(job, 2).failure
    assert failure is not None
    assert "exit code 137: Essential exited" in failure.detail


def test_the_same_end_told_twice_is_counted_once() -> None:
    world = World()
    job = world.running(cells=4)
    batch_job = world.last_batch_job()
    world.child_ended(batch_job, 2, exit_code=1)
    world.tell_of_end(batch_job, 2, exit_code=1)
    assert (world.unit(job, 2).attempt, len(world.fakes.batch.jobs)) == (1, 3)


def test_a_unit_that_somebody_else_holds_by_now_is_left_alone() -> None:
    world = World()
    job = world.running(cells=4)
    batch_job = world.last_batch_job()
    world.claim(batch_job, 2, 2)
    world.fakes.clock.advance(LEASE_IS_OVER)
    world.claim(batch_job, 3, 2)
    world.child_ended(batch_job, 2, exit_code=137)
    assert world.unit(job, 2).claimed_by == batch_job.child_id(3)


def test_poison_ends_after_three_attempts_and_its_neighbours_are_unharmed() -> None:
    world = World()
    job = world.running(cells=6)
    deaths = 0
    for _ in range(20):
        for batch_job, child in world.waiting():
            for index in children_of(batch_job)[child]:
                fence = world.claim(batch_job, child, index)
                if fence is None:
                    continue
                if index == 0 and batch_job.submission.kind is OrderKind.ANALYZE:
                    deaths += 1
                    world.child_ended(batch_job, child, exit_code=139)
                    break
                world.end_unit(batch_job.submission, index, fence)
            else:
                world.child_ended(batch_job, child)
    ended = world.job(job)
    failure = world.unit(job, 0).failure
    assert failure is not None
    assert (deaths, failure.code) == (MAX_ATTEMPTS, ErrorCode.ATTEMPTS_EXHAUSTED)
    assert (ended.state, world.committed(job)) == (JobState.PARTIAL, [1, 2, 3, 4, 5])


def test_a_worker_that_cannot_even_start_ends_the_job_after_three_tries_for_each_segment() -> None:
    world = World()
    job = world.running(cells=2)
    deaths = 0
    while world.waiting():
        batch_job, child = world.waiting()[0]
        deaths += 1
        world.child_ended(batch_job, child, exit_code=1)
    assert (deaths, world.job(job).state) == (2 * MAX_ATTEMPTS, JobState.FAILED)
    assert code_of(world.job(job)) is ErrorCode.ATTEMPTS_EXHAUSTED


def test_a_probe_whose_workers_all_die_rejects_the_video() -> None:
    world = World()
    video = world.uploaded()
    job = start_job(world.ports, video, make_request())
    for _ in range(MAX_ATTEMPTS):
        batch_job = world.last_batch_job()
        world.claim(batch_job, 0, 0)
        world.child_ended(batch_job, exit_code=139)
    rejected = world.video(video)
    assert rejected.failure is not None
    assert (rejected.state, rejected.failure.code) == (VideoState.REJECTED, ErrorCode.ATTEMPTS_EXHAUSTED)
    assert world.job(job).state is JobState.FAILED


def test_an_attempt_that_was_cut_short_by_the_machine_does_not_count() -> None:
    world = World()
    job = world.running(cells=2)
    batch_job = world.last_batch_job()
    for _ in range(5):
        fence = world.claim(batch_job, 0, 0)
        assert fence is not None
        world.fakes.claims.release(owner_of(job), UnitKind.SEGMENT, 0, fence, refund=1)
    unit = world.unit(job, 0)
    assert unit.attempts_allowed - unit.attempt == MAX_ATTEMPTS
