"""Routes of jobs."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from chalicelib.api import event_schemas, schemas
from chalicelib.api.cost_schemas import QuoteEnvelope
from chalicelib.api.costs import quote_out
from chalicelib.api.pages import listed_after, next_cursor
from chalicelib.api.present import job_event_out, job_out, segment_out
from chalicelib.api.schemas import fraction
from chalicelib.api.typed import Answer, Call, Routes
from chalicelib.domain.budgets import nano_usd
from chalicelib.domain.jobs import Job, JobRequest
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.services import job_events, jobs, pipelines, quotes, videos

routes = Routes()


@routes.post(
    "/videos/{video_id}/jobs",
    summary="Analyse a video",
    status=202,
    answers=schemas.JobEnvelope,
    other_answers={200: QuoteEnvelope},
    problems=(400, 401, 404, 409, 413),
)
def start_job(call: Call, video_id: str, body: schemas.JobIn, query: schemas.StartJobQuery) -> Answer:
    """The job starts when the video is uploaded and probed.

    Asking again on purpose makes a new job; stored results are not paid twice. With `dry_run` the answer is 200 and
    what it would cost (docs/costs.md), and nothing starts; the video must be READY for that.
    """
    if query.dry_run:
        return Answer(quote_job(call, video_id, body), status=200)
    return Answer(begin_job(call, video_id, body))


def begin_job(call: Call, video_id: str, body: schemas.JobIn) -> schemas.JobEnvelope:
    """Start a job."""
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    return _envelope(call, jobs.start_job(call.ports, video, job_request(call, body)))


def quote_job(call: Call, video_id: str, body: schemas.JobIn) -> QuoteEnvelope:
    """What a job would cost."""
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    return QuoteEnvelope(quote=quote_out(quotes.quote_job(call.ports, video, job_request(call, body))))


@routes.get("/videos/{video_id}/jobs", summary="List the jobs of a video, newest first", problems=(400, 401, 404))
def list_jobs(call: Call, video_id: str, query: schemas.PageQuery) -> schemas.JobsPage:
    """Jobs, with their progress."""
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    scope = f"jobs|{video.video_id}"
    found = jobs.list_jobs(call.ports, video, listed_after(call, scope, query.cursor), query.limit)
    items = [job_out(job, jobs.get_progress(call.ports, job)) for job in found]
    return schemas.JobsPage(
        items=items, next_cursor=next_cursor(call, scope, [job.job_id for job in found], query.limit)
    )


@routes.get("/jobs/{job_id}", summary="Read a job", answers=schemas.JobEnvelope, problems=(401, 404))
def get_job(call: Call, job_id: str) -> Answer:
    """Its state, its progress by segment, and the cause and hint of any failure.

    While it runs, `Retry-After` says when to ask again: sooner, the answer may be the same one. Send the `ETag` back as
    `If-None-Match`, and an answer that has not changed is an empty 304.
    """
    job, progress = jobs.watch_job(call.ports, call.claims.tenant, job_id)
    # Whole seconds, as the header has them.
    headers = {} if job.is_terminal else {"Retry-After": str(max(1, ceil(call.ports.limits.poll_seconds)))}
    return Answer(schemas.JobEnvelope(job=job_out(job, progress)), headers)


@routes.get("/jobs/{job_id}/segments", summary="List the segments of a job", problems=(400, 401, 404))
def list_segments(call: Call, job_id: str, query: schemas.PageQuery) -> schemas.SegmentsPage:
    """Segments in order of time, with their attempts and the cause of any failure."""
    job = jobs.get_job(call.ports, call.claims.tenant, job_id)
    scope = f"segments|{job.job_id}"
    after = listed_after(call, scope, query.cursor)
    found = jobs.list_segments(call.ports, job, -1 if after is None else int(after), query.limit)
    cursor = next_cursor(call, scope, [str(segment.index) for segment, _ in found], query.limit)
    return schemas.SegmentsPage(items=[segment_out(segment, unit) for segment, unit in found], next_cursor=cursor)


@routes.get("/jobs/{job_id}/events", summary="List what happened to a job", problems=(400, 401, 404))
def list_events(call: Call, job_id: str, query: event_schemas.EventsQuery) -> event_schemas.JobEventsPage:
    """Its states, and its segments as their results became readable, in order of `seq`.

    Ask again with `after` = the last `seq` that was seen: nothing is missed and nothing comes twice. A segment's
    event is kept for 30 days.
    """
    job = jobs.get_job(call.ports, call.claims.tenant, job_id)
    scope = f"events|{job.job_id}"
    after = listed_after(call, scope, query.cursor)
    found = job_events.list_events(call.ports, job, query.after if after is None else int(after), query.limit)
    cursor = next_cursor(call, scope, [str(event.seq) for event in found], query.limit)
    return event_schemas.JobEventsPage(items=[job_event_out(call.ports, event) for event in found], next_cursor=cursor)


@routes.post("/jobs/{job_id}/cancel", summary="Cancel a job", problems=(400, 401, 404, 409))
def cancel_job(call: Call, job_id: str, body: schemas.Nothing) -> schemas.JobEnvelope:  # noqa: ARG001  no fields
    """What was committed stays readable; nothing appears after it."""
    job = jobs.get_job(call.ports, call.claims.tenant, job_id)
    return _envelope(call, jobs.cancel_job(call.ports, job))


@routes.post(
    "/jobs/{job_id}/retry", summary="Retry what failed of a job", status=202, problems=(400, 401, 404, 409, 413)
)
def retry_job(call: Call, job_id: str, body: schemas.Nothing) -> schemas.JobEnvelope:  # noqa: ARG001  no fields
    """Only the segments that failed are analysed again."""
    job = jobs.get_job(call.ports, call.claims.tenant, job_id)
    return _envelope(call, jobs.retry_job(call.ports, job))


def job_request(call: Call, form: schemas.JobIn) -> JobRequest:
    """What a client asked for, as the domain has it; a pipeline is looked up.

    Raises:
        InvalidRequest: there is no such pipeline.
    """
    max_cost = None if form.max_cost_usd is None else nano_usd(form.max_cost_usd)
    if form.pipeline is None:
        return replace(analysis_request(form), promote=form.promote, max_cost_nano_usd=max_cost)
    pipeline = pipelines.resolve_pipeline(call.ports, call.claims.tenant, form.pipeline)
    return replace(pipeline.job_request, promote=form.promote, max_cost_nano_usd=max_cost)


def analysis_request(form: schemas.AnalysisIn, *, tracker: TrackingParameters | None = None) -> JobRequest:
    """What is told of an analysis, as the domain has it."""
    return JobRequest(
        models=tuple(form.models),
        sampling=Sampling.from_json(form.sampling.model_dump(exclude_none=True)),
        score_min=form.score_min,
        labels=tuple(form.labels or ()),
        segment_seconds=fraction(form.segment_seconds),
        tracking=form.tracking,
        tracker=tracker,
    )


def _envelope(call: Call, job: Job) -> schemas.JobEnvelope:
    return schemas.JobEnvelope(job=job_out(job, jobs.get_progress(call.ports, job)))
