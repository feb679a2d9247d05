"""Reading results: pages of detections and of tracks.

Detections come in order of (pts, score descending, label, box). A page ends at its limit, or at its budget of blocks:
then it is short, or empty, and has a cursor, which is the position of a walk (`services/walk.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import NamedTuple

from chalicelib.contracts.blocks import BOX_UNITS, SCORE_UNITS
from chalicelib.contracts.summary_tree import Wanted
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.errors import NotFound
from chalicelib.domain.ids import JobId, TenantId
from chalicelib.domain.jobs import Job, ModelRef
from chalicelib.domain.media import Pts
from chalicelib.domain.models import Manifest
from chalicelib.domain.videos import Video
from chalicelib.services.cursors import make_cursor, read_cursor
from chalicelib.services.ports import Ports
from chalicelib.services.rows import Row, RowFilter
from chalicelib.services.track_reader import TrackReader
from chalicelib.services.walk import Walk


@dataclass(frozen=True, slots=True)
class DetectionQuery:
    """Which detections.

    Unset means no restriction, but for `score_min`: unset means the job's, else each model's default threshold.
    """

    label: str | None = None
    model: str | None = None
    from_seconds: Fraction | None = None
    to_seconds: Fraction | None = None
    """Exclusive."""
    score_min: float | None = None
    track_id: int | None = None


class FoundDetection(NamedTuple):
    """One detection, as a client sees it."""

    pts: Pts
    timebase: Fraction
    frame_index: int | None
    model: str
    label: str
    score: float
    box: tuple[float, float, float, float]
    track_id: int | None


def find_detections(
    ports: Ports, job: Job, query: DetectionQuery, *, limit: int, cursor: str | None
) -> tuple[Sequence[FoundDetection], str | None]:
    """One page of detections and the cursor of the next, None at the end.

    Raises:
        InvalidRequest: a cursor that is not of this list.
        NotFound: the video, a model or blocks of the job are gone.
    """
    if job.plan is None:
        return [], None
    video, timebase = video_of(ports, job)
    scope = _detections_scope(job.job_id, query)
    key = ports.limits.cursor_key
    position = read_cursor(key, job.tenant, scope, cursor) if cursor else None
    walk = Walk(ports, job, video, row_filter_of(ports, job, query, timebase))
    rows = list(islice(walk.rows(position), limit))
    found = _to_found(job, timebase, rows)
    is_cut = len(rows) == limit or walk.is_exhausted
    return found, make_cursor(key, job.tenant, scope, walk.position) if is_cut else None


def cursor_at_segment(ports: Ports, tenant: TenantId, job_id: JobId, segment_index: int) -> str:
    """The cursor with which the unfiltered list of detections begins at this segment."""
    scope = _detections_scope(job_id, DetectionQuery())
    return make_cursor(ports.limits.cursor_key, tenant, scope, [segment_index, None])


def _detections_scope(job_id: JobId, query: DetectionQuery) -> str:
    return f"detections|{job_id}|{query!r}"


def find_tracks(
    ports: Ports,
    job: Job,
    *,
    label: str | None,
    from_seconds: Fraction | None,
    to_seconds: Fraction | None,
    limit: int,
    cursor: str | None,
) -> tuple[Sequence[TrackRow], Fraction, str | None]:
    """One page of tracks that are seen in the window, in order of their first frame; timebase; cursor of the next page.

    Raises:
        InvalidRequest: a cursor that is not of this list.
    """
    if job.plan is None:
        return [], Fraction(1), None
    _, timebase = video_of(ports, job)
    scope = f"tracks|{job.job_id}|{job.tracks_version}|{label}|{from_seconds}|{to_seconds}"
    key = ports.limits.cursor_key
    first_chunk, skip = read_cursor(key, job.tenant, scope, cursor) if cursor else (0, 0)
    wanted = Wanted(
        models=tuple(range(len(job.models))),
        score_floors=(0,) * len(job.models),
        labels=None if label is None else frozenset({label}),
        from_pts=first_pts_at(from_seconds, timebase),
        to_pts=first_pts_at(to_seconds, timebase),
    )
    reader = TrackReader(ports, job)
    found: list[TrackRow] = []
    for placed in reader.tracks(wanted, first_chunk, skip):
        if len(found) == limit:
            return found, timebase, make_cursor(key, job.tenant, scope, [placed.chunk, placed.position])
        found.append(placed.track)
    is_cut = reader.next_chunk is not None
    return found, timebase, make_cursor(key, job.tenant, scope, [reader.next_chunk, 0]) if is_cut else None


def row_filter_of(ports: Ports, job: Job, query: DetectionQuery, timebase: Fraction) -> RowFilter:
    """The rows that a question is about, within what the job asked for."""
    labels = frozenset(job.request.labels) or None
    if query.label is not None:
        labels = frozenset({query.label}) & (labels or {query.label})
    is_label_asked = labels is None or bool(labels)
    return RowFilter(
        models=tuple(i for i, ref in enumerate(job.models) if is_label_asked and query.model in (None, ref.name)),
        score_floors=score_floors(ports, job, query.score_min),
        labels=labels,
        from_pts=first_pts_at(query.from_seconds, timebase),
        to_pts=first_pts_at(query.to_seconds, timebase),
        track_ids=None if query.track_id is None else frozenset({query.track_id}),
    )


def score_floors(ports: Ports, job: Job, asked: float | None) -> tuple[int, ...]:
    """For each model of the job the least score, in ten-thousandths: as asked, else the job's, else the model's own.

    Whole units are compared, so that 0.35 means 0.35.

    Raises:
        NotFound: a model is gone.
    """
    least = job.request.score_min if asked is None else asked
    manifests = [_manifest(ports, job.tenant, ref) for ref in job.models]
    return tuple(score_units(manifest.score_default if least is None else least) for manifest in manifests)


def score_units(score: float) -> int:
    """A score in ten-thousandths."""
    return round(score * SCORE_UNITS)


def first_pts_at(seconds: Fraction | None, timebase: Fraction) -> Pts | None:
    """The least PTS that is not before `seconds`."""
    return None if seconds is None else math.ceil(seconds / timebase)


def video_of(ports: Ports, job: Job) -> tuple[Video, Fraction]:
    """The video of a job that has a plan, and its timebase; neither changes any more, so readers share them."""

    def read() -> tuple[Video, Fraction]:
        video = ports.videos.get(job.tenant, job.video_id)
        if video is None or video.media is None:
            raise NotFound(f"the video of job {job.job_id} is gone")
        return video, video.media.timebase

    return ports.polled.get(("video", job.tenant, job.video_id), ports.clock.now(), read)


def _manifest(ports: Ports, tenant: TenantId, ref: ModelRef) -> Manifest:
    def read() -> Manifest | None:
        if manifest := ports.models.get(tenant, ref.sha256):
            return manifest
        # Release 0.1 kept the newest model of a name alone: what it replaced has left nothing but its name.
        return next((model.manifest for model in ports.models.list_versions(tenant, ref.name)), None)

    manifest = ports.polled.get(("model", tenant, ref.sha256), ports.clock.now(), read)
    if manifest is None:
        raise NotFound(f"model {ref.name} is gone")
    return manifest


def _to_found(job: Job, timebase: Fraction, rows: Sequence[Row]) -> list[FoundDetection]:
    models = [model.name for model in job.models]
    return [
        FoundDetection(
            pts,
            timebase,
            frame_index,
            models[model_index],
            label,
            -minus_score / SCORE_UNITS,
            (x1 / BOX_UNITS, y1 / BOX_UNITS, x2 / BOX_UNITS, y2 / BOX_UNITS),
            track_id or None,
        )
        for pts, _, minus_score, label, (x1, y1, x2, y2), model_index, track_id, frame_index in rows
    ]
