from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.contracts.blocks import BlockRef
from chalicelib.contracts.work_order import OrderKind, WorkOrder
from chalicelib.domain.errors import Conflict, ErrorCode, InvalidRequest, NotFound
from chalicelib.domain.ids import TenantId
from chalicelib.domain.jobs import Job, JobState, Progress
from chalicelib.domain.media import WholeReason
from chalicelib.domain.units import UnitState
from chalicelib.services.dispatch import order_key, owner_of
from chalicelib.services.jobs import cancel_job, get_job, get_progress, list_jobs, retry_job, start_job
from chalicelib.services.ports import ChildState, SubmissionState
from chalicelib.services.uploads import abort_upload
from chalicelib.services.videos import delete_video, get_video, list_videos, source_url
from tests.fakes.make import LIMITS
from tests.fakes.makers import A_FAILURE, TENANT, make_manifest
from tests.services.world import World, make_request, seconds


def order_of(world: World) -> WorkOrder:
    """What the workers of the last submission are told."""
    key = order_key(world.last_batch_job().submission)
    return WorkOrder.from_bytes(world.ports.objects.get(key))


# --- start ------------------------------------------------------------------------------------------------------------


def test_a_job_of_a_video_that_awaits_its_upload_waits() -> None:
    world = World()
    video, _ = world.create()
    job = start_job(world.ports, video, make_request())
    assert (job.state, world.fakes.batch.jobs) == (JobState.PENDING, {})


def test_a_job_of_an_uploaded_video_waits_for_the_probe() -> None:
    world = World()
    assert start_job(world.ports, world.uploaded(), make_request()).state is JobState.PROBING


def test_a_job_of_a_known_video_runs_at_once() -> None:
    world = World()
    job = world.running(cells=6)
    assert (job.state, order_of(world).kind) == (JobState.RUNNING, OrderKind.ANALYZE)


def test_a_job_of_a_rejected_video_is_refused_with_the_cause() -> None:
    world = World()
    video, _ = world.create()
    abort_upload(world.ports, video)
    with pytest.raises(Conflict, match="gave the upload up"):
        start_job(world.ports, world.video(video), make_request())


def test_a_model_that_does_not_exist_is_refused_with_those_that_do() -> None:
    world = World()
    with pytest.raises(InvalidRequest, match="'yolo'; there are: toy"):
        start_job(world.ports, world.uploaded(), make_request(models=("yolo",)))


def test_a_label_of_none_of_the_models_is_refused() -> None:
    world = World()
    with pytest.raises(InvalidRequest, match="unicorn"):
        start_job(world.ports, world.uploaded(), make_request(labels=("person", "unicorn")))


def test_a_job_is_pinned_to_the_models_of_its_start() -> None:
    world = World()
    video, _ = world.create()
    job = start_job(world.ports, video, make_request())
    world.fakes.models.register(make_manifest(version="2", sha256="b" * 64))
    assert [ref.sha256 for ref in world.job(job).models] == ["a" * 64]


def test_the_deadline_of_a_job_that_waits_starts_after_the_wait() -> None:
    world = World()
    video, _ = world.create()
    job = start_job(world.ports, video, make_request())
    assert job.deadline_at == video.upload.expires_at + seconds(LIMITS.job_seconds)


def test_every_job_that_waits_is_started_by_the_probe() -> None:
    world = World()
    video, _ = world.create()
    jobs = [start_job(world.ports, video, make_request()) for _ in range(3)]
    world.fakes.objects.place(video.source.key, b"the bytes of a video")
    world.object_created(video)
    world.run_worker(world.last_batch_job())
    world.changed(video)
    assert [world.job(job).state for job in jobs] == [JobState.RUNNING] * 3


# --- plan and submission ----------------------------------------------------------------------------------------------


def test_segments_are_dealt_out_to_at_most_so_many_children() -> None:
    world = World()
    world.running(cells=6)
    assert world.last_batch_job().submission.children == ((0, 4), (1, 5), (2,), (3,))


def test_every_segment_knows_its_child() -> None:
    world = World()
    job = world.running(cells=6)
    assert [world.unit(job, index).child for index in range(6)] == [0, 1, 2, 3, 0, 1]


def test_the_order_says_all_that_a_worker_must_know() -> None:
    world = World()
    job = world.running(cells=6, score_min=0.5, labels=("dog",))
    order = order_of(world)
    video = world.ports.videos.get(job.tenant, job.video_id)
    assert video is not None
    assert video.index is not None
    assert order.media is not None
    assert (order.pk, order.source.version_id) == (f"{TENANT}#{job.job_id}", video.source.version_id)
    assert (order.media.cells_key, order.score_min, order.labels) == (video.index.cells_key, 0.5, ("dog",))
    assert [model.key for model in order.models] == [f"models/{'a' * 64}.onnx"]


def test_the_order_of_a_finish_has_every_segment() -> None:
    world = World()
    world.running(cells=6)
    for child in range(4):
        world.run_worker(world.last_batch_job(), child)
    world.tick()
    order = order_of(world)
    assert (order.kind, [segment.index for segment in order.segments]) == (OrderKind.FINISH, [0, 1, 2, 3, 4, 5])


def test_a_plan_of_one_segment_says_why() -> None:
    world = World()
    job = world.running(cells=1)
    assert job.plan is not None
    assert (job.plan.segments, job.plan.reason) == (1, WholeReason.SHORT)


def test_a_submission_is_recorded_before_batch_hears_of_it_and_marked_after() -> None:
    world = World()
    job = world.running()
    (submission,) = world.ports.submissions.list(owner_of(job))
    assert (submission.state, submission.batch_job_id) == (SubmissionState.SENT, world.last_batch_job().batch_job_id)


def test_a_job_whose_model_was_replaced_before_it_ran_fails_and_says_so() -> None:
    """It used to stay RUNNING until its deadline, since no work order could be written for it."""
    world = World()
    video = world.uploaded()
    job = start_job(world.ports, video, make_request())
    world.fakes.models.register(make_manifest(sha256="b" * 64))
    world.run_worker(world.last_batch_job())
    world.changed(video)
    failure = world.job(job).failure
    assert failure is not None
    assert (world.job(job).state, failure.code) == (JobState.FAILED, ErrorCode.MODEL_INVALID)


def test_a_job_whose_model_was_replaced_cannot_be_retried() -> None:
    world = World()
    job = partial(world, failed=[1], cells=4)
    world.fakes.models.register(make_manifest(sha256="b" * 64))
    with pytest.raises(Conflict, match="replaced"):
        retry_job(world.ports, job)
    assert world.job(job) == job


# --- progress and end -------------------------------------------------------------------------------------------------


def test_progress_is_counted_from_the_segments() -> None:
    world = World()
    job = world.running(cells=6)
    world.run_worker(world.last_batch_job(), child=0)
    assert get_progress(world.ports, world.job(job)) == Progress(6, 2, 0)


def test_a_job_without_a_plan_has_no_progress() -> None:
    world = World()
    video, _ = world.create()
    assert get_progress(world.ports, start_job(world.ports, video, make_request())) == Progress()


def test_a_job_succeeds_when_every_segment_is_committed() -> None:
    world = World()
    job = world.done(cells=6)
    assert (job.state, world.committed(job)) == (JobState.SUCCEEDED, [0, 1, 2, 3, 4, 5])


def test_a_job_with_some_failed_segments_is_partial() -> None:
    world = World()
    job = world.running(cells=4)
    fail_segment(world, 1)
    world.drain()
    assert (world.job(job).state, world.committed(job)) == (JobState.PARTIAL, [0, 2, 3])


def test_a_job_whose_segments_all_failed_fails_with_their_cause() -> None:
    world = World()
    job = world.running(cells=3)
    for index in range(3):
        fail_segment(world, index)
    world.changed(job)
    failed = world.job(job)
    assert (failed.state, failed.failure) == (JobState.FAILED, A_FAILURE)
    assert [(gap.start_seconds, gap.end_seconds) for gap in failed.missing] == [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)]


def test_a_job_whose_finish_failed_fails_with_its_cause() -> None:
    world = World()
    job = finishing(world)
    fail_finish(world)
    world.changed(job)
    assert (world.job(job).state, world.job(job).failure) == (JobState.FAILED, A_FAILURE)


def test_a_job_that_ended_is_not_due_any_more() -> None:
    world = World()
    world.done()
    assert world.fakes.memory.due == {}


# --- cancel -----------------------------------------------------------------------------------------------------------


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


# --- retry ------------------------------------------------------------------------------------------------------------


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


# --- read and delete --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "job_x", "vid_00000000000000000000000001", "../job"])
def test_what_is_no_id_of_a_job_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        get_job(World().ports, TENANT, name)


def test_another_tenants_job_and_video_are_not_found() -> None:
    world = World()
    job = world.running()
    for read, name in ((get_job, job.job_id), (get_video, job.video_id)):
        with pytest.raises(NotFound, match=f"there is no (job|video) {name}"):
            read(world.ports, TenantId("stranger"), name)


def test_jobs_and_videos_are_listed_newest_first() -> None:
    world = World()
    video = world.ready()
    jobs = [start_job(world.ports, video, make_request()).job_id for _ in range(3)]
    other = world.uploaded()
    listed = [job.job_id for job in list_jobs(world.ports, video, None, 2)]
    assert (listed, [v.video_id for v in list_videos(world.ports, TENANT, None, 9)]) == (
        jobs[:0:-1],
        [other.video_id, video.video_id],
    )


def test_the_source_url_plays_the_version_that_was_accepted() -> None:
    world = World()
    video = world.ready()
    world.fakes.objects.place(video.source.key, b"something else")
    url, expires_at = source_url(world.ports, video)
    assert world.fakes.objects.fetch(url) == b"the bytes of a video"
    assert expires_at == world.now() + seconds(LIMITS.download_seconds)


def test_a_video_without_bytes_has_no_source_url() -> None:
    world = World()
    video, _ = world.create()
    with pytest.raises(Conflict, match="AWAITING_UPLOAD"):
        source_url(world.ports, video)


def test_a_deleted_video_leaves_nothing() -> None:
    world = World()
    job = world.done()
    video = get_video(world.ports, TENANT, job.video_id)
    delete_video(world.ports, video)
    memory = world.fakes.memory
    assert (memory.videos, memory.jobs, memory.units, memory.submissions, memory.due) == ({}, {}, {}, {}, {})
    assert (world.fakes.objects.keys(), world.committed(job)) == (set(), [])


def test_deleting_drops_the_blocks_when_no_other_video_has_the_bytes() -> None:
    world = World()
    jobs = [world.done(), world.done()]
    videos = [get_video(world.ports, TENANT, job.video_id) for job in jobs]
    digest = videos[0].source.content_digest
    world.fakes.results.write_block(TENANT, digest, "block", b"packed")
    left = []
    for video in videos:
        delete_video(world.ports, video)
        left.append(dict(world.ports.results.get_blocks(TENANT, digest, [make_ref("block")])))
    assert left == [{"block": b"packed"}, {}]


def test_deleting_ends_the_jobs_that_run() -> None:
    world = World()
    job = world.running()
    batch_job = world.last_batch_job()
    fence = world.claim(batch_job, 0, 0)
    assert fence is not None
    delete_video(world.ports, get_video(world.ports, TENANT, job.video_id))
    assert (world.end_unit(batch_job.submission, 0, fence), world.committed(job)) == (False, [])
    assert batch_job.terminated_because != ""


def test_deleting_an_imported_video_leaves_the_object_where_it_was() -> None:
    world = World()
    world.fakes.objects.place("a.mp4", b"bytes", bucket="elsewhere")
    video = replace(world.ready(), source=replace(world.ready().source, bucket="elsewhere", key="a.mp4"))
    delete_video(world.ports, video)
    assert world.ports.objects.head("elsewhere", "a.mp4") is not None


def test_events_of_a_deleted_video_bring_nothing_back() -> None:
    world = World()
    job = world.running()
    video = get_video(world.ports, TENANT, job.video_id)
    batch_job = world.last_batch_job()
    delete_video(world.ports, video)
    world.object_created(video)
    world.changed(video)
    world.changed(job)
    world.child_ended(batch_job, 0, exit_code=65)
    assert (world.fakes.memory.videos, world.fakes.memory.jobs, world.fakes.memory.due) == ({}, {}, {})


# --- makers -----------------------------------------------------------------------------------------------------------


def make_ref(sk: str) -> BlockRef:
    return BlockRef(sk, "ab" * 32, 0, 0, 1, 1, {"person": (1, 9000)})


def fail_segment(world: World, index: int) -> None:
    """A worker says that this segment cannot be analysed, ever; its child has more to do, or is done."""
    batch_job = world.last_batch_job()
    (child,) = (i for i, units in enumerate(batch_job.submission.children) if index in units)
    fence = world.claim(batch_job, child, index)
    assert fence is not None
    assert world.end_unit(batch_job.submission, index, fence, A_FAILURE)
    batch_job.children[child] = ChildState.WAITING


def fail_finish(world: World) -> None:
    """A worker says that the finish cannot be done."""
    batch_job = world.last_batch_job()
    assert batch_job.submission.kind is OrderKind.FINISH
    fence = world.claim(batch_job, 0, 0)
    assert fence is not None
    assert world.end_unit(batch_job.submission, 0, fence, A_FAILURE)
    batch_job.children[0] = ChildState.ENDED


def finishing(world: World) -> Job:
    """A job whose finish waits for its worker."""
    job = world.running(cells=4)
    for batch_job, child in world.waiting():
        world.run_worker(batch_job, child)
    world.changed(job)
    return world.job(job)


def partial(world: World, *, failed: list[int], cells: int) -> Job:
    """A job that ended with these segments failed."""
    job = world.running(cells)
    for index in failed:
        fail_segment(world, index)
    world.drain()
    return world.job(job)
