"""Routes of results."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.api import schemas, track_schemas
from chalicelib.api.present import detections_json, detections_out, track_out, track_version_out
from chalicelib.api.schemas import fraction
from chalicelib.api.typed import Answer, Call, Routes
from chalicelib.domain.jobs import Job
from chalicelib.services import jobs, results, tracks

routes = Routes()


@routes.get(
    "/jobs/{job_id}/detections",
    summary="Find detections",
    answers=schemas.DetectionsPage,
    problems=(400, 401, 404, 409),
)
def find_detections(call: Call, job_id: str, query: schemas.DetectionsQuery) -> Answer:
    """By label, model, time (`from` ≤ t < `to`, seconds), score and track.

    Segments are readable as soon as they are done; frame numbers and track ids come when the job has finished. A page
    reads a bounded amount, whatever the length of the video: it may be shorter than `limit`, or empty, and still have
    a `next_cursor`. Go on until there is none. `track_id` is of the
    job's current version of its tracks, or of `track_version`.
    """
    return Answer(detections_json(*_find_detections(call, job_id, query)))


def detections_page(call: Call, job_id: str, query: schemas.DetectionsQuery) -> schemas.DetectionsPage:
    """The answer of `find_detections`, for other protocols."""
    return detections_out(*_find_detections(call, job_id, query))


@routes.get("/jobs/{job_id}/tracks", summary="Find tracks", problems=(400, 401, 404, 409))
def find_tracks(call: Call, job_id: str, query: schemas.TracksQuery) -> schemas.TracksPage:
    """Tracks that are seen in the window, in order of their first frame; there are none before the job has finished.

    Of the job's current version, which is 0 unless a later one was made current, or of `version`. A page reads a
    bounded amount: it may be short, or empty, and still have a `next_cursor`.
    """
    job = _job_at(call, job_id, query.version)
    found, timebase, cursor = results.find_tracks(
        call.ports,
        job,
        label=query.label,
        from_seconds=fraction(query.from_),
        to_seconds=fraction(query.to),
        limit=query.limit,
        cursor=query.cursor,
    )
    return schemas.TracksPage(items=[track_out(track, timebase) for track in found], next_cursor=cursor)


@routes.post(
    "/jobs/{job_id}/tracks", summary="Track a job's detections again", status=202, problems=(400, 401, 404, 409, 413)
)
def start_tracks(call: Call, job_id: str, body: track_schemas.TracksIn) -> track_schemas.TrackVersionEnvelope:
    """A new version of the tracks of a finished job, from its stored detections: no frame is decoded again.

    It runs beside the job, whose state does not change. Versions that are there stay as they are.
    """
    job = jobs.get_job(call.ports, call.claims.tenant, job_id)
    parameters = track_schemas.tracking_parameters(body)
    started = tracks.start_tracks(call.ports, job, parameters, make_current=body.make_current)
    return track_schemas.TrackVersionEnvelope(tracks=track_version_out(started))


@routes.get("/jobs/{job_id}/track-versions", summary="List the versions of a job's tracks", problems=(401, 404))
def list_track_versions(call: Call, job_id: str) -> track_schemas.TrackVersionsPage:
    """Each with its state, the parameters that were told, and the cause of any failure."""
    job = jobs.get_job(call.ports, call.claims.tenant, job_id)
    versions = tracks.list_track_versions(call.ports, job)
    return track_schemas.TrackVersionsPage(items=[track_version_out(version) for version in versions], next_cursor=None)


def detection_query(form: schemas.DetectionsQuery) -> results.DetectionQuery:
    """Which detections a client asked for, as the use case has it."""
    return results.DetectionQuery(
        label=form.label,
        model=form.model,
        from_seconds=fraction(form.from_),
        to_seconds=fraction(form.to),
        score_min=form.score_min,
        track_id=form.track_id,
    )


def _job_at(call: Call, job_id: str, version: int | None) -> Job:
    return tracks.at_version(call.ports, jobs.get_job_to_read(call.ports, call.claims.tenant, job_id), version)


def _find_detections(
    call: Call, job_id: str, query: schemas.DetectionsQuery
) -> tuple[Sequence[results.FoundDetection], str | None]:
    job = _job_at(call, job_id, query.track_version)
    return results.find_detections(call.ports, job, detection_query(query), limit=query.limit, cursor=query.cursor)
