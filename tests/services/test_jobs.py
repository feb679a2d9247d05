from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.contracts.work_order import OrderKind, WorkOrder
from chalicelib.domain.costs import BOOT_SECONDS
from chalicelib.domain.errors import Conflict, DependencyFailed, ErrorCode, InvalidRequest
from chalicelib.domain.jobs import JobState, Progress
from chalicelib.domain.media import WholeReason
from chalicelib.domain.models import ModelTask
from chalicelib.domain.units import Lane
from chalicelib.services.dispatch import order_key, owner_of
from chalicelib.services.jobs import get_progress, retry_job, start_job
from chalicelib.services.ports import Submission, SubmissionState
from chalicelib.services.uploads import abort_upload
from tests.fakes.batch import FakeBatch
from tests.fakes.make import LIMITS
from tests.fakes.makers import A_FAILURE, TENANT, make_manifest
from tests.services.failures import fail_finish, fail_segment, finishing, partial
from tests.services.world import World, make_request, seconds


def order_of(world: World) -> WorkOrder:
    """What the workers of the last submission are told."""
    key = order_key(world.last_batch_job().submission)
    return WorkOrder.from_bytes(world.ports.objects.get(key))


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


def test_a_model_of_a_task_that_jobs_cannot_run_is_refused_at_the_start() -> None:
    world = World()
    task = ModelTask.CLIP_CLASSIFICATION
    world.fakes.models.register(make_manifest("deeds", task=task, max_detections=None, nms_iou=None, clip_frames=8))
    with pytest.raises(InvalidRequest, match="'deeds' must be for classification or detection but is for clip_class"):
        start_job(world.ports, world.uploaded(), make_request(models=("toy", "deeds")))


def test_a_job_may_have_detectors_and_classifiers_and_says_which_is_which() -> None:
    world = World()
    task = ModelTask.CLASSIFICATION
    world.fakes.models.register(make_manifest("scenes", task=task, max_detections=None, nms_iou=None))
    job = start_job(world.ports, world.uploaded(), make_request(models=("toy", "scenes")))
    assert [(ref.name, ref.task) for ref in world.job(job).models] == [("toy", "detection"), ("scenes", task)]


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
    # Not alike, or they would wait for the first.
    jobs = [start_job(world.ports, video, make_request(score_min=score)) for score in (0.5, 0.6, 0.7)]
    world.fakes.objects.place(video.source.key, b"the bytes of a video")
    world.object_created(video)
    world.run_worker(world.last_batch_job())
    world.changed(video)
    assert [world.job(job).state for job in jobs] == [JobState.RUNNING] * 3


def test_segments_are_dealt_out_to_at_most_so_many_children() -> None:
    world = World()
    world.running(cells=6)
    assert world.last_batch_job().submission.children == ((0, 4), (1, 5), (2,), (3,))


@pytest.mark.parametrize("lane", [Lane.CPU, Lane.GPU])
def test_a_short_video_boots_one_machine(lane: Lane) -> None:
    world = World(replace(LIMITS, boot_seconds=BOOT_SECONDS, analyze_lane=lane))
    job = world.running(cells=6)
    assert world.last_batch_job().submission.children == ((0, 1, 2, 3, 4, 5),)
    assert [world.unit(job, index).child for index in range(6)] == [0] * 6
    assert job.quote is not None
    assert job.quote.children == 1


def test_segments_that_are_done_again_boot_one_machine() -> None:
    world = World(replace(LIMITS, boot_seconds=BOOT_SECONDS))
    job = world.running(cells=6)
    world.child_ended(world.last_batch_job(), exit_code=1)
    assert world.last_batch_job().submission.children == ((0, 1, 2, 3, 4, 5),)
    assert world.job(job).state is JobState.RUNNING


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


def test_a_job_whose_model_was_removed_before_it_ran_fails_and_says_so() -> None:
    """It used to stay RUNNING until its deadline, since no work order could be written for it."""
    world = World()
    video = world.uploaded()
    job = start_job(world.ports, video, make_request())
    world.fakes.models.unregister(make_manifest())
    world.run_worker(world.last_batch_job())
    world.changed(video)
    failure = world.job(job).failure
    assert failure is not None
    assert (world.job(job).state, failure.code) == (JobState.FAILED, ErrorCode.MODEL_INVALID)


def test_a_job_whose_model_was_removed_cannot_be_retried() -> None:
    world = World()
    job = partial(world, failed=[1], cells=4)
    world.fakes.models.unregister(make_manifest())
    with pytest.raises(Conflict, match="was removed"):
        retry_job(world.ports, job)
    assert world.job(job) == job


def test_a_job_is_retried_with_its_own_model_after_the_name_has_others() -> None:
    world = World()
    job = partial(world, failed=[1], cells=4)
    world.fakes.models.register(make_manifest(version="2"))
    world.fakes.models.register(make_manifest(sha256="b" * 64))
    retry_job(world.ports, job)
    order = WorkOrder.from_bytes(world.ports.objects.get(order_key(world.last_batch_job().submission)))
    assert [model.manifest["sha256"] for model in order.models] == ["a" * 64]


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
    assert [(gap.start_seconds, gap.end_seconds) for gap in failed.missing] == [(0.0, 6.0)]


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


class RefusingBatch(FakeBatch):
    def submit(self, submission: Submission, order_uri: str) -> str:
        raise DependencyFailed("Batch says no")


def test_a_job_that_batch_refuses_at_first_is_not_made_a_second_time() -> None:
    world = World()
    video = world.ready(cells=2)
    fakes = world.ports
    world.ports = replace(fakes, batch=RefusingBatch())
    job = start_job(world.ports, video, make_request())
    world.ports = fakes
    assert job.state is JobState.RUNNING
    world.drain()
    assert world.job(job).state is JobState.SUCCEEDED
