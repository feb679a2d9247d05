"""Routes of results."""

from __future__ import annotations

from chalice.app import Blueprint

from chalicelib.api import schemas
from chalicelib.api.present import detections_out, track_out
from chalicelib.api.schemas import fraction
from chalicelib.api.typed import Call, Routes
from chalicelib.services import jobs, results

results_blueprint = Blueprint(__name__)
routes = Routes(results_blueprint)


@routes.get("/jobs/{job_id}/detections", summary="Find detections", problems=(400, 401, 404))
def find_detections(call: Call, job_id: str, query: schemas.DetectionsQuery) -> schemas.DetectionsPage:
    """By label, model, time (`from` ≤ t < `to`, seconds), score and track.

    Segments are readable as soon as they are done; frame numbers and track ids come when the job has finished. A page
    reads a bounded amount, whatever the length of the video: it may be shorter than `limit`, or empty, and still have
    a `next_cursor`. Go on until there is none.
    """
    job = jobs.get_job_to_read(call.ports, call.claims.tenant, job_id)
    asked = results.DetectionQuery(
        label=query.label,
        model=query.model,
        from_seconds=fraction(query.from_),
        to_seconds=fraction(query.to),
        score_min=query.score_min,
        track_id=query.track_id,
    )
    found, cursor = results.find_detections(call.ports, job, asked, limit=query.limit, cursor=query.cursor)
    return detections_out(found, cursor)


@routes.get("/jobs/{job_id}/tracks", summary="Find tracks", problems=(400, 401, 404, 409))
def find_tracks(call: Call, job_id: str, query: schemas.TracksQuery) -> schemas.TracksPage:
    """Tracks that are seen in the window, in order of their first frame; there are none before the job has finished.

    A page reads a bounded amount: it may be short, or empty, and still have a `next_cursor`.
    """
    job = jobs.get_job_to_read(call.ports, call.claims.tenant, job_id)
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
