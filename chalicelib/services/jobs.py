"""Starting, watching, cancelling and retrying jobs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from datetime import timedelta

from aws_lambda_powertools import Logger

from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.budgets import Price
from chalicelib.domain.errors import Conflict, DependencyFailed, InvalidRequest, NotFound
from chalicelib.domain.ids import JobId, RunId, SubmissionId, TenantId, VideoId, is_id
from chalicelib.domain.jobs import Job, JobRequest, JobState, ModelRef, PipelineRef, Progress
from chalicelib.domain.lanes import lane_after
from chalicelib.domain.models import TASKS_OF_JOBS, Manifest
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import MAX_ATTEMPTS, Unit, UnitKind, UnitState
from chalicelib.domain.videos import Video, VideoState
from chalicelib.services.advance import advance_job, due_after
from chalicelib.services.budgets import check, settle
from chalicelib.services.dispatch import find_lost_model, owner_of, record_submission, send
from chalicelib.services.estimates import estimate_job
from chalicelib.services.models import resolve_model
from chalicelib.services.ports import Owner, Ports, Submission, SubmissionState, VersionConflict
from chalicelib.services.pricing import children_again, price_again, price_finish

logger = Logger(service="reelscan", child=True)

SEGMENTS_PER_READ = 500


def start_job(
    ports: Ports, video: Video, request: JobRequest, *, job_id: JobId | None = None, run_id: RunId | None = None
) -> Job:
    """Record a job for `video`, which starts as soon as the video is known.

    With a `job_id` that was made before, it may be asked for again after a crash: there is one job of that id.

    Raises:
        Conflict: the video was rejected, or a model of the request's pipeline is gone.
        InvalidRequest: a model or label that does not exist.
        LimitExceeded: it would cost more than it may; nothing was recorded.
        VersionConflict: there is a job with this id.
    """
    if video.state is VideoState.REJECTED and video.failure:
        raise Conflict(f"video {video.video_id} was rejected: {video.failure.detail}", hint=video.failure.hint)
    manifests = resolve_models(ports, video.tenant, request)
    quote = estimate_job(ports, video, request, manifests) if video.state is VideoState.READY else None
    check(ports, video.tenant, quote.cost_nano_usd if quote else 0, job_cap=request.max_cost_nano_usd)
    now = ports.clock.now()
    job = Job(
        tenant=video.tenant,
        job_id=job_id or JobId(ports.ids.make("job")),
        video_id=video.video_id,
        state=JobState.PENDING,
        request=request,
        models=pin_models(manifests),
        created_at=now,
        # The wait for an upload has its own end; the job's clock starts when the bytes may be there.
        deadline_at=max(now, video.upload.expires_at) + timedelta(seconds=ports.limits.job_seconds),
        quote=quote,
        run_id=run_id,
    )
    ports.jobs.add(job, due_after(ports))
    logger.info("job created", job_id=job.job_id, video_id=video.video_id, models=list(request.models))
    if video.state is not VideoState.AWAITING_UPLOAD:
        _advance_if_possible(ports, job)
        return ports.jobs.get(job.tenant, job.job_id) or job
    return job


def resolve_models(ports: Ports, tenant: TenantId, request: JobRequest) -> Sequence[Manifest]:
    """The manifests that a request names, or that its pipeline has, after checking that it can be done.

    Raises:
        Conflict: a model of the pipeline was removed.
        InvalidRequest: an unknown model, two of one name, one of a task that jobs cannot run, or a label that none of
            the models has.
    """
    if request.pipeline is not None:
        return _models_of_pipeline(ports, tenant, request.pipeline)
    manifests: list[Manifest] = []
    for name in request.models:
        manifest = resolve_model(ports, tenant, name)
        if any(manifest.name == other.name for other in manifests):
            raise InvalidRequest(
                f"the models of a job must have distinct names but {manifest.name!r} comes twice",
                hint="Start a job for each version, and compare the jobs",
            )
        if manifest.task not in TASKS_OF_JOBS:
            raise InvalidRequest(
                f"model {name!r} must be for {' or '.join(sorted(TASKS_OF_JOBS))} but is for {manifest.task}",
                hint="GET /models says what each model is for; jobs cannot store the results of this one yet",
            )
        manifests.append(manifest)
    known_labels = {label for manifest in manifests for label in manifest.labels}
    unknown = [label for label in request.labels if label not in known_labels]
    if unknown:
        raise InvalidRequest(f"no model of this job has the labels {unknown}", hint="GET /models lists every label")
    return manifests


def pin_models(manifests: Sequence[Manifest]) -> tuple[ModelRef, ...]:
    """The exact models of a job or pipeline."""
    return tuple(ModelRef(model.name, model.version, model.sha256, model.task) for model in manifests)


def get_job(ports: Ports, tenant: TenantId, job_id: str) -> Job:
    """The job.

    Raises:
        NotFound: this tenant has no such job.
    """
    job = ports.jobs.get(tenant, JobId(job_id)) if is_id("job", job_id) else None
    if job is None:
        raise NotFound(f"there is no job {job_id}")
    return job


def list_jobs(ports: Ports, video: Video, after: str | None, limit: int) -> Sequence[Job]:
    """The video's jobs, newest first."""
    return ports.jobs.list_for_video(video.tenant, VideoId(video.video_id), JobId(after) if after else None, limit)


def watch_job(ports: Ports, tenant: TenantId, job_id: str) -> tuple[Job, Progress]:
    """The job and how far it is, for whoever polls it: up to `poll_seconds` old, one read for all of them.

    Raises:
        NotFound: this tenant has no such job.
    """
    if not is_id("job", job_id):
        raise NotFound(f"there is no job {job_id}")

    def read() -> tuple[Job, Progress]:
        found = ports.jobs.get_with_counts(tenant, JobId(job_id))
        if found is None:
            raise NotFound(f"there is no job {job_id}")
        job, still_open, failed = found
        planned = job.plan.segments if job.plan else 0
        return job, _progress(ports, owner_of(job), job.state, planned, still_open, failed)

    return ports.polled.get((tenant, job_id), ports.clock.now(), read)


def get_job_to_read(ports: Ports, tenant: TenantId, job_id: str) -> Job:
    """The job, for whoever reads its results: one that has ended may be up to `poll_seconds` old.

    One that has not is always read: its end must be seen by the next page.

    Raises:
        NotFound: this tenant has no such job.
    """
    key = _ended_key(tenant, job_id)
    job = ports.polled.get(key, ports.clock.now(), lambda: get_job(ports, tenant, job_id))
    if not job.is_terminal:
        ports.polled.forget(key)
    return job


def forget_job(ports: Ports, tenant: TenantId, job_id: str) -> None:
    """Read the job anew next time: this process has just changed it."""
    ports.polled.forget((tenant, job_id))
    ports.polled.forget(_ended_key(tenant, job_id))


def get_progress(ports: Ports, job: Job) -> Progress:
    """How far the job is, counted from the items of its segments."""
    if job.plan is None:
        return Progress()
    return count_progress(ports, owner_of(job), job.state, job.plan.segments)


def count_progress(ports: Ports, owner: Owner, state: JobState, planned: int) -> Progress:
    """How far a job is that is in this state and has so many segments; of one that succeeded nothing is read."""
    if planned == 0 or state is JobState.SUCCEEDED:
        return Progress(planned, planned, 0)
    return _progress(ports, owner, state, planned, *ports.units.count(owner))


def _progress(ports: Ports, owner: Owner, state: JobState, planned: int, still_open: int, failed: int) -> Progress:
    if planned == 0:
        return Progress()
    if state in (JobState.CANCELLING, JobState.CANCELLED):
        # A cancelled segment has no marker either: what is done must be looked up.
        return Progress(planned, _count_done(ports, owner), failed)
    return Progress(planned, max(0, planned - still_open - failed), failed)


def list_segments(ports: Ports, job: Job, after: int, limit: int) -> Sequence[tuple[Segment, Unit]]:
    """The job's segments with an index greater than `after`, in order; none before it is planned."""
    # What is being taken over is there before the plan, and may come to nothing.
    return [] if job.plan is None else ports.units.list_segments(owner_of(job), after, limit)


def cancel_job(ports: Ports, job: Job) -> Job:
    """End the job; what was committed stays readable, nothing is added. Cancelling again changes nothing.

    Raises:
        Conflict: the job has ended otherwise.
    """
    while job.state is not JobState.CANCELLED:
        if job.is_terminal:
            raise Conflict(f"job {job.job_id} has ended: it is {job.state}")
        try:
            if job.state is not JobState.CANCELLING:
                ports.jobs.save(replace(job, state=JobState.CANCELLING), due_after(ports))
                logger.info("job cancelling", job_id=job.job_id)
        except VersionConflict:
            job = get_job(ports, job.tenant, job.job_id)
            continue
        advance_job(ports, job.tenant, job.job_id)
        _stop_workers(ports, job)
        forget_job(ports, job.tenant, job.job_id)
        return get_job(ports, job.tenant, job.job_id)
    return job


def retry_job(ports: Ports, job: Job) -> Job:
    """Do again what failed, and nothing else: the failed segments, or the finish.

    Raises:
        Conflict: the job has not ended, or nothing of it can be done again.
        LimitExceeded: that would cost more than it may; nothing was changed.
    """
    if job.state not in (JobState.FAILED, JobState.PARTIAL):
        raise Conflict(f"job {job.job_id} has nothing to retry: it is {job.state}")
    if job.plan is None:
        raise Conflict(
            f"job {job.job_id} never started: {job.failure.detail if job.failure else 'its video was not accepted'}",
            hint="Correct the cause, upload the video again and start a new job",
        )
    if lost := find_lost_model(ports, job):
        raise Conflict(lost.detail, hint=lost.hint)
    deadline_at = ports.clock.now() + timedelta(seconds=ports.limits.job_seconds)
    fresh = replace(
        job,
        failure=None,
        missing=(),
        summary=None,
        finished_at=None,
        deadline_at=deadline_at,
        tracks_version=0,
        made=None,
        reused=None,
    )
    # What its last round did not start is free for this one.
    settle(ports, owner_of(job))
    still_open, failed = ports.units.count(owner_of(job))
    if failed or still_open:
        return _retry_segments(ports, fresh, failed + still_open)
    finish = ports.units.get(owner_of(job), UnitKind.FINISH)
    if finish is None or finish.state is not UnitState.FAILED:
        raise Conflict(
            f"job {job.job_id} has no failed segment", hint="Damaged ranges of the file stay damaged; upload it anew"
        )
    # It was tried in its first lane.
    lane = lane_after(finish.lane)
    price = price_again(ports, job, OrderKind.FINISH, lane, units=1, children=1)
    _check_again(ports, job, price, children=1)
    # Named like the one that `advance` opens for the version that is saved below.
    submission_id = SubmissionId(f"finish-{job.version + 1}")
    ports.units.open_step(owner_of(job), Unit(UnitKind.FINISH, 0, UnitState.OPEN, submission=submission_id, lane=lane))
    submission = record_submission(
        ports, owner_of(job), OrderKind.FINISH, submission_id, ((0,),), lane, price=price, job=job
    )
    retried = ports.jobs.save(replace(fresh, state=JobState.FINISHING), due_after(ports))
    return _send_again(ports, retried, submission)


def _models_of_pipeline(ports: Ports, tenant: TenantId, ref: PipelineRef) -> Sequence[Manifest]:
    """The models that were pinned when the version was made, which checked all else."""
    pipeline = ports.pipelines.get(tenant, ref.name, ref.version)
    if pipeline is None:
        raise InvalidRequest(f"there is no pipeline {ref.name}@{ref.version}", hint="GET /pipelines lists them")
    manifests = []
    for pinned in pipeline.models:
        model = ports.models.find(tenant, pinned.sha256)
        if model is None:
            raise Conflict(
                f"model {pinned.name} {pinned.version} ({pinned.sha256[:12]}) of pipeline {ref.name}@{ref.version} was "
                "removed",
                hint="POST /pipelines with the same content makes a version with what the model is now",
            )
        manifests.append(model.manifest)
    return manifests


def _retry_segments(ports: Ports, job: Job, count: int) -> Job:
    owner = owner_of(job)
    # The class of the provider is the job's for good.
    lane = lane_after(job.quote.lane if job.quote else ports.limits.analyze_lane)
    children = children_again(ports, job, lane, count)
    price = price_again(ports, job, OrderKind.ANALYZE, lane, units=count, children=children)
    price = replace(price, finish_nano_usd=price_finish(ports, job))
    _check_again(ports, job, price, children=children)
    finish = ports.units.get(owner, UnitKind.FINISH)
    if finish is not None and finish.state is UnitState.FAILED:
        # The job comes to its finish once more, and must not end by what the last one failed of.
        ports.units.end(owner, finish, state=UnitState.CANCELLED, fence=ports.ids.make("fnc"), failure=None)
    submission_id = SubmissionId(f"retry-{job.version}")
    # Reopened before the job runs again: a running job without open segments would go on to its finish.
    indices = ports.units.reopen(owner, submission=submission_id, children=children, lane=lane, attempts=MAX_ATTEMPTS)
    dealt = tuple(tuple(indices[child::children]) for child in range(children))
    submission = record_submission(ports, owner, OrderKind.ANALYZE, submission_id, dealt, lane, price=price, job=job)
    retried = ports.jobs.save(replace(job, state=JobState.RUNNING), due_after(ports))
    logger.info("job retried", job_id=job.job_id, segments=len(indices))
    return _send_again(ports, retried, submission)


def _check_again(ports: Ports, job: Job, price: Price, *, children: int) -> None:
    check(ports, job.tenant, price.total(children), job_cap=job.request.max_cost_nano_usd, job=job.job_id)


def _send_again(ports: Ports, job: Job, submission: Submission) -> Job:
    forget_job(ports, job.tenant, job.job_id)
    if send(ports, submission):
        return job
    # Others took the money meanwhile: the job ends, and says so.
    advance_job(ports, job.tenant, job.job_id)
    return get_job(ports, job.tenant, job.job_id)


def _ended_key(tenant: TenantId, job_id: str) -> Hashable:
    """Under which an ended job is shared by the readers of its results."""
    return ("ended", tenant, job_id)


def _advance_if_possible(ports: Ports, job: Job) -> None:
    """The job is recorded and due: when its first step cannot be taken now, the reconciler takes it later.

    To fail the request would make its client ask again, for a second job.
    """
    try:
        advance_job(ports, job.tenant, job.job_id)
    except DependencyFailed as error:
        logger.warning("job starts later", job_id=job.job_id, detail=error.failure.detail)


def _count_done(ports: Ports, owner: Owner) -> int:
    done, after = 0, -1
    while page := ports.units.list_segments(owner, after, SEGMENTS_PER_READ):
        done += sum(unit.state is UnitState.DONE for _, unit in page)
        after = page[-1][0].index
    return done


def _stop_workers(ports: Ports, job: Job) -> None:
    """Free the machines; correctness does not need it, since every fence of the job is bumped."""
    submissions: Sequence[Submission] = ports.submissions.list(owner_of(job))
    for submission in submissions:
        if submission.state is not SubmissionState.SENT:
            continue
        try:
            ports.batch.terminate(submission.batch_job_id, f"job {job.job_id} was cancelled")
        except DependencyFailed as error:
            logger.warning("worker was not stopped", job_id=job.job_id, detail=error.failure.detail)
