"""The one place that moves videos and jobs on: reads what is, decides the next step, takes it.

Safe to call at any time and any number of times. Called when something changed (an upload, a commit, a child job that
ended) and by the reconciler for whatever was missed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from chalicelib.contracts.sample_table import unpack_cells
from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.budgets import FREE
from chalicelib.domain.errors import DomainError, ErrorCode, Failure, NotFound
from chalicelib.domain.ids import JobId, SubmissionId, TenantId, VideoId
from chalicelib.domain.jobs import Job, JobState, MissingRange, PlanFacts, join_missing
from chalicelib.domain.segments import assign_children, plan_segments, reason_for_one
from chalicelib.domain.units import Unit, UnitKind, UnitState
from chalicelib.domain.videos import Video, VideoState
from chalicelib.services.broken_off import usage_of_units
from chalicelib.services.budgets import settle
from chalicelib.services.calibration import learn
from chalicelib.services.dispatch import find_lost_model, manifests_of, owner_of, record_submission, send
from chalicelib.services.estimates import estimate_plan
from chalicelib.services.lanes import choose_analysis_lane, choose_finish_lane, choose_probe_lane
from chalicelib.services.ports import Ports, VersionConflict
from chalicelib.services.pricing import price_probe
from chalicelib.services.reuse import Reuse, find_reuse_of_plan, find_waiting
from chalicelib.services.take_over import take_over
from chalicelib.services.version_moves import follow_end

logger = Logger(service="reelscan", child=True)

JOBS_PER_READ = 50
SEGMENTS_PER_READ = 200
CANCELLED = Failure(
    ErrorCode.CANCELLED, "the job was cancelled by a request", "Start a new job; what was committed is stored"
)
TIMEOUT_HINT = "Retry the job, or start one with coarser sampling; a deployment can raise its job_seconds"


def advance_video(ports: Ports, tenant: TenantId, video_id: VideoId) -> None:
    """Send the probe of an uploaded video; tell the jobs of one that is known or rejected."""
    video = ports.videos.get(tenant, video_id)
    if video is None:
        return
    if video.state is VideoState.UPLOADED:
        probe = ports.units.get(owner_of(video), UnitKind.PROBE)
        if probe is not None and probe.state is UnitState.FAILED and probe.failure:
            reject_video(ports, video, probe.failure)
            return
        _start_step(ports, video, UnitKind.PROBE, SubmissionId("probe"))
    if video.state is not VideoState.AWAITING_UPLOAD:
        _advance_jobs(ports, video)
    if video.state in (VideoState.READY, VideoState.REJECTED):
        settle(ports, owner_of(video))


def advance_job(ports: Ports, tenant: TenantId, job_id: JobId) -> None:
    """Take every step that the job can take now."""
    job = ports.jobs.get(tenant, job_id)
    while job is not None and not job.is_terminal:
        try:
            moved = _step(ports, job)
        except VersionConflict:
            # Somebody else moved it: decide again from what they left.
            moved = ports.jobs.get(tenant, job_id)
        if moved is None or (moved.state is job.state and moved.version == job.version):
            return
        job = moved
    if job is not None:
        conclude_job(ports, job)


def conclude_job(ports: Ports, job: Job) -> None:
    """What the end of a job brings: `latest` follows, what it reserved is settled, rates are learned; safe to repeat.

    Jobs that waited for its results go on. As long as anything is reserved the schedule comes by, so `latest` is moved
    first: no end is lost.
    """
    try:
        follow_end(ports, job)
    except NotFound:
        logger.info("ended job is gone", job_id=job.job_id)
    if settle(ports, owner_of(job)):
        learn(ports, job)
    for waiting in find_waiting(ports, job):
        advance_job(ports, waiting.tenant, waiting.job_id)


def due_after(ports: Ports) -> datetime:
    """When the reconciler should look at something that is under way."""
    return ports.clock.now() + timedelta(seconds=ports.limits.reconcile_seconds)


def reject_video(ports: Ports, video: Video, failure: Failure) -> None:
    """End a video that cannot be analysed, and its jobs with it."""
    ports.videos.save(replace(video, state=VideoState.REJECTED, failure=failure), None)
    logger.info("video rejected", video_id=video.video_id, code=failure.code, detail=failure.detail)
    _advance_jobs(ports, video)


def fail_job(ports: Ports, job: Job, failure: Failure) -> Job:
    """End a job as FAILED; its open segments end with it."""
    end_open_units(ports, job, UnitState.FAILED, failure)
    logger.info("job failed", job_id=job.job_id, code=failure.code, detail=failure.detail)
    return ports.jobs.save(_broken_off(ports, job, JobState.FAILED, failure), None)


def _broken_off(ports: Ports, job: Job, state: JobState, failure: Failure) -> Job:
    """The job as it ends when no worker does; its units have ended."""
    usage = usage_of_units(ports, job)
    return replace(job, state=state, failure=failure, finished_at=ports.clock.now(), usage=usage)


def end_open_units(ports: Ports, job: Job, state: UnitState, failure: Failure | None) -> None:
    """End every unit of the job that is not terminal; what its workers still write is refused from now on."""
    owner = owner_of(job)
    for _ in range(10):  # a heartbeat or commit between read and write refuses ours: look again
        finish = ports.units.get(owner, UnitKind.FINISH)
        units = [*ports.units.list_open(owner), *([finish] if finish and not finish.is_terminal else [])]
        if not units:
            return
        for unit in units:
            ports.units.end(owner, unit, state=state, fence=ports.ids.make("fnc"), failure=failure)


def _advance_jobs(ports: Ports, video: Video) -> None:
    after: JobId | None = None
    while jobs := ports.jobs.list_for_video(video.tenant, video.video_id, after, JOBS_PER_READ):
        for job in jobs:
            if job.state in (JobState.PENDING, JobState.PROBING):
                advance_job(ports, video.tenant, job.job_id)
        after = jobs[-1].job_id


def _step(ports: Ports, job: Job) -> Job | None:
    """One step; the job as it is then (unchanged when there is none to take)."""
    if job.state is JobState.CANCELLING:
        end_open_units(ports, job, UnitState.CANCELLED, None)
        return ports.jobs.save(_broken_off(ports, job, JobState.CANCELLED, CANCELLED), None)
    if ports.clock.now() >= job.deadline_at:
        return _time_out(ports, job)
    match job.state:
        case JobState.PENDING | JobState.PROBING:
            return _await_video(ports, job)
        case JobState.RUNNING:
            return _await_segments(ports, job)
        case JobState.FINISHING:
            finish = ports.units.get(owner_of(job), UnitKind.FINISH)
            if finish is not None and finish.state is UnitState.FAILED and finish.failure:
                return fail_job(ports, job, finish.failure)
            _start_step(ports, job, UnitKind.FINISH, SubmissionId(f"finish-{job.version}"))
    return job


def _await_video(ports: Ports, job: Job) -> Job:
    video = ports.videos.get(job.tenant, job.video_id)
    if video is None:
        return fail_job(
            ports, job, Failure(ErrorCode.SOURCE_GONE, f"video {job.video_id} was deleted", "Upload it again")
        )
    match video.state:
        case VideoState.REJECTED if video.failure:
            return fail_job(ports, job, video.failure)
        case VideoState.UPLOADED if job.state is JobState.PENDING:
            return ports.jobs.save(replace(job, state=JobState.PROBING), due_after(ports))
        case VideoState.READY:
            return _start(ports, job, video)
    return job


def _start(ports: Ports, job: Job, video: Video) -> Job:
    """Plan the job and send its segments, unless there is a job whose results it can take over.

    The plan is pure, so a second run of this writes the same items.
    """
    if video.index is None or video.media is None:
        raise DomainError(f"video {video.video_id} is READY but has no index")
    if lost := find_lost_model(ports, job):
        return fail_job(ports, job, lost)
    cells = unpack_cells(ports.objects.get(video.index.cells_key))
    segments = plan_segments(cells, video.media.timebase, job.request.segment_seconds)
    plan = PlanFacts(len(segments), len(cells), reason_for_one(segments, video.index.whole_reason))
    reuse = find_reuse_of_plan(ports, video, job.request, manifests_of(ports, job), segments)
    if taken := take_over(ports, job, video, segments, plan, reuse):
        return taken
    if like := _find_ahead(ports, job, reuse):
        logger.info("job waits for one that is like it", job_id=job.job_id, like=like.job_id)
        return job
    # The same that the quote was made for: it depends on nothing that changes.
    lane = choose_analysis_lane(ports, video, job.request.sampling, manifests_of(ports, job))
    quote = job.quote
    if quote is None or not quote.children:
        # Quoted as one that takes results over, and there was nothing to take: workers must be paid for.
        manifests = manifests_of(ports, job)
        quote = estimate_plan(ports, video, job.request, manifests, segments, may_take_over=False)
    children = assign_children(range(len(segments)), quote.children)
    child_by_index = {index: child for child, indices in enumerate(children) for index in indices}
    submission_id = SubmissionId("analyze")
    units = [
        (
            segment,
            Unit(
                UnitKind.SEGMENT,
                segment.index,
                UnitState.OPEN,
                submission=submission_id,
                child=child_by_index[segment.index],
                lane=lane,
            ),
        )
        for segment in segments
    ]
    owner = owner_of(job)
    ports.units.add_segments(owner, units)
    ports.results.add_reference(job.tenant, video.source.content_digest, video.video_id)
    submission = record_submission(
        ports, owner, OrderKind.ANALYZE, submission_id, children, lane, price=quote.price, job=job
    )
    started = ports.jobs.save(replace(job, state=JobState.RUNNING, plan=plan, quote=quote), due_after(ports))
    logger.info(
        "job planned",
        job_id=job.job_id,
        segments=len(segments),
        cells=len(cells),
        reason=plan.reason,
        children=len(children),
    )
    send(ports, submission)
    return started


def _find_ahead(ports: Ports, job: Job, reuse: Reuse) -> Job | None:
    """An older job that will leave the results of this one; after half of its time the job does its work itself."""
    patience_seconds = ports.limits.job_seconds / 2
    if ports.clock.now() + timedelta(seconds=patience_seconds) >= job.deadline_at:
        return None
    return next((like for like in reuse.under_way if like.job_id < job.job_id), None)


def _await_segments(ports: Ports, job: Job) -> Job:
    owner = owner_of(job)
    if ports.units.has_open(owner):
        return job
    total = job.plan.segments if job.plan else 0
    _, failed = ports.units.count(owner)
    if failed < total:
        return ports.jobs.save(replace(job, state=JobState.FINISHING), due_after(ports))
    missing = failed_ranges(ports, job)
    return fail_job(ports, replace(job, missing=missing), missing[0].failure)


def failed_ranges(ports: Ports, job: Job) -> tuple[MissingRange, ...]:
    """The ranges of failed segments, with their causes, in order."""
    video = ports.videos.get(job.tenant, job.video_id)
    timebase = video.media.timebase if video and video.media else None
    ranges: list[MissingRange] = []
    after = -1
    while page := ports.units.list_segments(owner_of(job), after, SEGMENTS_PER_READ):
        for segment, unit in page:
            if unit.state is UnitState.FAILED and unit.failure and timebase:
                ranges.append(
                    MissingRange(float(segment.start_pts * timebase), float(segment.end_pts * timebase), unit.failure)
                )
        after = page[-1][0].index
    return join_missing(ranges)


def _time_out(ports: Ports, job: Job) -> Job:
    """What is not done by the deadline has failed; what is done is kept."""
    failure = Failure(ErrorCode.TIMEOUT, f"the job was not done by {job.deadline_at.isoformat()}", TIMEOUT_HINT)
    _, failed_before = ports.units.count(owner_of(job))
    end_open_units(ports, job, UnitState.FAILED, failure)
    _, failed = ports.units.count(owner_of(job))
    has_results = job.state is JobState.RUNNING and job.plan is not None and failed < job.plan.segments
    if not has_results:
        return fail_job(ports, job, failure)
    grace = timedelta(seconds=ports.limits.job_seconds)
    logger.info("job timed out", job_id=job.job_id, segments_failed=failed - failed_before)
    return ports.jobs.save(
        replace(job, deadline_at=ports.clock.now() + grace, state=JobState.FINISHING), due_after(ports)
    )


def _start_step(ports: Ports, thing: Video | Job, kind: UnitKind, submission_id: SubmissionId) -> None:
    """Open the probe or finish of this video or job, and send it, unless it is under way."""
    owner = owner_of(thing)
    lane = choose_finish_lane(ports, thing) if isinstance(thing, Job) else choose_probe_lane(ports, thing)
    if not ports.units.open_step(owner, Unit(kind, 0, UnitState.OPEN, submission=submission_id, lane=lane)):
        return
    if isinstance(thing, Job):
        # Paid for with the analysis: what was analysed can always be finished.
        submission = record_submission(
            ports, owner, OrderKind.FINISH, submission_id, ((0,),), lane, price=FREE, job=thing
        )
    else:
        price = price_probe(ports, thing.tenant, lane)
        submission = record_submission(ports, owner, OrderKind.PROBE, submission_id, ((0,),), lane, price=price)
    send(ports, submission)
