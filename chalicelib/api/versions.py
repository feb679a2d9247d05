"""Routes of versions of results: a video's results by alias or job, and moving an alias."""

from __future__ import annotations

from chalicelib.api import version_schemas
from chalicelib.api.pages import listed_after, next_cursor
from chalicelib.api.present import detections_json, result_version_out, track_out
from chalicelib.api.results import detection_query
from chalicelib.api.schemas import fraction
from chalicelib.api.typed import Answer, Call, Routes
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.jobs import DEFAULT_PIPELINE, Job
from chalicelib.services import jobs, result_versions, results, tracks, videos
from chalicelib.services.cursors import make_cursor, read_cursor

routes = Routes()

VersionQuery = version_schemas.VersionDetectionsQuery | version_schemas.VersionTracksQuery


@routes.get(
    "/videos/{video_id}/detections",
    summary="Find detections of a version",
    answers=version_schemas.VersionDetectionsPage,
    problems=(400, 401, 404, 409),
)
def find_version_detections(call: Call, video_id: str, query: version_schemas.VersionDetectionsQuery) -> Answer:
    """As `GET /jobs/{job_id}/detections` has them, of the job that `version` names.

    That is an alias of the `pipeline` (`latest`, of jobs without a pipeline, unless said otherwise) or the id of a job.
    The pages that a cursor leads to are of the same job, even if the alias moves meanwhile.
    """
    job, cursor = _resolve(call, video_id, "detections", query)
    seen = tracks.at_version(call.ports, job, query.track_version)
    found, inner = results.find_detections(call.ports, seen, detection_query(query), limit=query.limit, cursor=cursor)
    following = _wrap(call, video_id, "detections", query, job, inner)
    return Answer(detections_json(found, following, job_id=job.job_id))


@routes.get("/videos/{video_id}/tracks", summary="Find tracks of a version", problems=(400, 401, 404, 409))
def find_version_tracks(
    call: Call, video_id: str, query: version_schemas.VersionTracksQuery
) -> version_schemas.VersionTracksPage:
    """As `GET /jobs/{job_id}/tracks` has them, of the job that `version` names; see the detections of a version.

    `track_version` is that job's version of its tracks; unset, its current one.
    """
    job, cursor = _resolve(call, video_id, "tracks", query)
    found, timebase, inner = results.find_tracks(
        call.ports,
        tracks.at_version(call.ports, job, query.track_version),
        label=query.label,
        from_seconds=fraction(query.from_),
        to_seconds=fraction(query.to),
        limit=query.limit,
        cursor=cursor,
    )
    return version_schemas.VersionTracksPage(
        job_id=job.job_id,
        items=[track_out(track, timebase) for track in found],
        next_cursor=_wrap(call, video_id, "tracks", query, job, inner),
    )


@routes.get("/videos/{video_id}/versions", summary="List the aliases of a video's results", problems=(400, 401, 404))
def list_result_versions(
    call: Call, video_id: str, query: version_schemas.VersionsQuery
) -> version_schemas.ResultVersionsPage:
    """Which job each names, and its newest moves: from what to what, why, by whom and when.

    `latest` is there as soon as a job has ended with results; the others are made by naming a job.
    """
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    scope = f"versions|{video.video_id}|{query.pipeline}"
    after = listed_after(call, scope, query.cursor)
    place = None if after is None else (after.partition("#")[0], after.partition("#")[2])
    found = result_versions.list_versions(call.ports, video, query.pipeline, place, query.limit)
    cursor = next_cursor(call, scope, [f"{one.pipeline_name}#{one.alias}" for one in found], query.limit)
    return version_schemas.ResultVersionsPage(items=[result_version_out(one) for one in found], next_cursor=cursor)


@routes.put(
    "/videos/{video_id}/versions/{alias}", summary="Let an alias name a job", problems=(400, 401, 404, 409, 413)
)
def promote(
    call: Call, video_id: str, alias: str, body: version_schemas.PromoteIn
) -> version_schemas.ResultVersionEnvelope:
    """At once, for everybody who reads by the alias. The job must have results; naming it again changes nothing."""
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    job = jobs.get_job(call.ports, call.claims.tenant, body.job_id)
    if body.pipeline not in (None, job.pipeline_name):
        raise InvalidRequest(f"job {job.job_id} must be of pipeline {body.pipeline} but is of {job.pipeline_name}")
    moved = result_versions.promote(call.ports, video, job, alias=alias, cause=body.cause, by=call.claims.subject)
    return version_schemas.ResultVersionEnvelope(version=result_version_out(moved))


@routes.post(
    "/videos/{video_id}/versions/{alias}/rollback",
    summary="Let an alias name what it named before",
    problems=(400, 401, 404, 409),
)
def roll_back(
    call: Call, video_id: str, alias: str, body: version_schemas.RollBackIn
) -> version_schemas.ResultVersionEnvelope:
    """Undoes the newest move forward that is not undone yet: a second roll back goes one further back, never forth."""
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    pipeline = body.pipeline or DEFAULT_PIPELINE
    moved = result_versions.roll_back(
        call.ports, video, pipeline, alias=alias, cause=body.cause, by=call.claims.subject
    )
    return version_schemas.ResultVersionEnvelope(version=result_version_out(moved))


def _resolve(call: Call, video_id: str, kind: str, query: VersionQuery) -> tuple[Job, str | None]:
    """The job whose results are read, and the cursor in its own list."""
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    if query.cursor is None:
        return result_versions.get_version(call.ports, video, query.version, query.pipeline), None
    key, scope = call.ports.limits.cursor_key, _scope(video_id, kind, query)
    job_id, inner = read_cursor(key, call.claims.tenant, scope, query.cursor)
    return jobs.get_job_to_read(call.ports, call.claims.tenant, job_id), inner


def _wrap(call: Call, video_id: str, kind: str, query: VersionQuery, job: Job, inner: str | None) -> str | None:
    """A cursor that holds the job too."""
    if inner is None:
        return None
    key, scope = call.ports.limits.cursor_key, _scope(video_id, kind, query)
    return make_cursor(key, call.claims.tenant, scope, [job.job_id, inner])


def _scope(video_id: str, kind: str, query: VersionQuery) -> str:
    return f"version|{kind}|{video_id}|{query.pipeline}|{query.version}"
