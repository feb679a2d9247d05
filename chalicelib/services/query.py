"""Asking a job, or all videos of a tenant, in the query language (docs/query.md).

A page has a budget of blocks: it may be short, or empty, and still have a cursor. A query whose answer is certain only
at the end (a ranking, a count) gives empty pages until then. A cursor carries the state of the fold, signed; it is good
for the same query only.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from chalicelib.contracts.blocks import BOX_UNITS, SCORE_UNITS
from chalicelib.domain.errors import Conflict, LimitExceeded, NotFound
from chalicelib.domain.ids import JobId, TenantId, VideoId
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.query.ast import (
    Appearances,
    Count,
    Detections,
    Dwells,
    Pairs,
    PerTrack,
    Query,
    ResultKind,
    Tracks,
    kind_of,
    needs_tracks,
)
from chalicelib.domain.query.conditions import find_bounds, names_score
from chalicelib.domain.query.format import format_query
from chalicelib.domain.query.found import Bucket, Found
from chalicelib.domain.query.parse import parse_query
from chalicelib.domain.query.rows import SeenRow
from chalicelib.domain.videos import Video
from chalicelib.services.cursors import make_cursor, read_cursor
from chalicelib.services.ports import Ports
from chalicelib.services.query_counts import count_tracks
from chalicelib.services.query_page import Filling, Source
from chalicelib.services.query_rows import fold_rows
from chalicelib.services.query_track_pairs import pair_tracks
from chalicelib.services.query_tracks import fold_tracks
from chalicelib.services.result_versions import find_newest_latest
from chalicelib.services.results import FoundDetection
from chalicelib.services.walk import BLOCKS_PER_PAGE

MAX_CURSOR_CHARS = 6000
"""A gateway takes URLs of 8 KB."""
VIDEOS_PER_PAGE = 50
VIDEOS_PER_READ = 25
FINISHED = (JobState.SUCCEEDED, JobState.PARTIAL)


@dataclass(frozen=True, slots=True)
class QueryHit:
    """One item of an answer, and where it was found."""

    video_id: VideoId
    job_id: JobId
    timebase: Fraction
    models: tuple[str, ...]
    """Of the job: what the rows of `found` refer to by index."""
    found: Found


@dataclass(frozen=True, slots=True)
class QueryPage:
    """Some items, all of one kind, and how to go on."""

    kind: ResultKind
    items: Sequence[QueryHit]
    next_cursor: str | None


def run_query(
    ports: Ports, job: Job, text: str, *, limit: int, cursor: str | None, blocks_budget: int = BLOCKS_PER_PAGE
) -> QueryPage:
    """One page of the answer of a job.

    Raises:
        InvalidRequest: a text that is no query, or a cursor that is not of this one.
        Conflict: a query about tracks, and the job has not finished.
        LimitExceeded: more is going on at once than a cursor can carry.
        NotFound: the video, a model or blocks of the job are gone.
    """
    query = parse_query(text)
    if needs_tracks(query) and job.state not in FINISHED:
        raise Conflict(
            f"job {job.job_id} has no tracks: it is {job.state}",
            hint="Tracks are there when a job has SUCCEEDED, or ended as PARTIAL",
        )
    # A place among tracks means nothing in another version of them.
    version = job.tracks_version if needs_tracks(query) else ""
    scope = f"query|{job.job_id}|{version}|{format_query(query)}"
    state = _read_state(ports, job.tenant, scope, cursor)
    page = Filling(limit, blocks_budget)
    source = Source(ports, job) if job.plan is not None else None
    if source is None:
        return QueryPage(kind_of(query), [], None)
    state = _answer(source, query, page, state)
    hits = [_to_hit(source, found) for found in page.found]
    return QueryPage(kind_of(query), hits, _write_state(ports, job.tenant, scope, state))


def search(
    ports: Ports,
    tenant: TenantId,
    text: str,
    *,
    limit: int,
    cursor: str | None,
    blocks_budget: int = BLOCKS_PER_PAGE,
) -> QueryPage:
    """One page of the answers of all videos, newest first; each is asked for itself, by the job that `latest` names.

    Of a video with several pipelines that is the newest of the jobs that their `latest` name. Counts of zero are left
    out.

    Raises:
        InvalidRequest: a text that is no query, or a cursor that is not of this one.
        LimitExceeded: more is going on at once than a cursor can carry.
    """
    query = parse_query(text)
    scope = f"search|{format_query(query)}"
    after, job_id, inner = _read_state(ports, tenant, scope, cursor) or (None, None, None)
    page = Filling(limit, blocks_budget)
    hits: list[QueryHit] = []
    if job_id is not None:
        # The job of the last page goes on, even if the video has a newer one by now.
        job = ports.jobs.get(tenant, JobId(job_id))
        inner = _search_job(ports, job, query, page, hits, inner) if job is not None else None
        if inner is not None:
            return _search_page(ports, tenant, query, scope, hits, [after, job_id, inner])
    for looked_at, video in enumerate(_list_videos(ports, tenant, after), start=1):
        if page.is_spent or looked_at > VIDEOS_PER_PAGE:
            return _search_page(ports, tenant, query, scope, hits, [after, None, None])
        after = video.video_id
        job = _job_to_ask(ports, video, query)
        if job is None or not _may_answer(job, query):
            continue
        inner = _search_job(ports, job, query, page, hits, None)
        if inner is not None:
            return _search_page(ports, tenant, query, scope, hits, [after, job.job_id, inner])
    return _search_page(ports, tenant, query, scope, hits, None)


def detection_of(hit: QueryHit, row: SeenRow) -> FoundDetection:
    """A row of a hit as `GET detections` has it."""
    x1, y1, x2, y2 = row.box
    return FoundDetection(
        pts=row.pts,
        timebase=hit.timebase,
        frame_index=row.frame_index,
        model=hit.models[row.model_index],
        label=row.label,
        score=-row.minus_score / SCORE_UNITS,
        box=(x1 / BOX_UNITS, y1 / BOX_UNITS, x2 / BOX_UNITS, y2 / BOX_UNITS),
        track_id=row.track_id or None,
    )


def _search_job(
    ports: Ports, job: Job, query: Query, page: Filling, hits: list[QueryHit], state: Any | None
) -> Any | None:
    """Add the hits of one job; the state to go on with, None at the end, also when the job is being deleted."""
    already = len(page.found)
    try:
        source = Source(ports, job)
        state = _answer(source, query, page, state)
    except NotFound:
        del page.found[already:]
        return None
    is_zero = [isinstance(found, Bucket) and found.count == 0 for found in page.found[already:]]
    page.found[already:] = [found for found, zero in zip(page.found[already:], is_zero, strict=True) if not zero]
    hits += [_to_hit(source, found) for found in page.found[already:]]
    return state


def _search_page(
    ports: Ports, tenant: TenantId, query: Query, scope: str, hits: list[QueryHit], state: Any | None
) -> QueryPage:
    return QueryPage(kind_of(query), hits, _write_state(ports, tenant, scope, state))


def _answer(source: Source, query: Query, page: Filling, state: Any | None) -> Any | None:
    """Fill the page; the state to go on with, None at the end."""
    match query:
        case Tracks() | PerTrack() | Dwells():
            return fold_tracks(source, query, page, state)
        case Count() if isinstance(query.of, Tracks):
            return count_tracks(source, query, page, state)
        case Pairs() if isinstance(query.left, Tracks):
            return pair_tracks(source, query, page, state)
        case Detections() | Appearances() | Count() | Pairs():
            return fold_rows(source, query, page, state)


def _to_hit(source: Source, found: Found) -> QueryHit:
    job = source.job
    return QueryHit(job.video_id, job.job_id, source.timebase, source.scene.models, found)


def _list_videos(ports: Ports, tenant: TenantId, after: str | None) -> Iterator[Video]:
    last = VideoId(after) if after else None
    while True:
        videos = ports.videos.list(tenant, last, VIDEOS_PER_READ)
        yield from videos
        if len(videos) < VIDEOS_PER_READ:
            return
        last = videos[-1].video_id


def _job_to_ask(ports: Ports, video: Video, query: Query) -> Job | None:
    try:
        job = find_newest_latest(ports, video)
    except NotFound:
        # It is being deleted.
        return None
    # One that is retried has no tracks until it has ended again.
    return None if job is not None and needs_tracks(query) and job.state not in FINISHED else job


def _may_answer(job: Job, query: Query) -> bool:
    """Whether the labels of the job's summary, which are those seen above the default threshold, leave a chance."""
    labels = job.summary.get("labels") if job.summary else None
    if not isinstance(labels, list):
        return True
    seen = frozenset(str(entry["label"]) for entry in labels)
    return all(wanted is None or wanted & seen for wanted in _labels_of(query))


def _labels_of(query: Query) -> Iterator[frozenset[str] | None]:
    """For each side the labels of which one must have been seen; None: nothing is known."""
    match query:
        case Count():
            yield from _labels_of(query.of)
        case Pairs():
            yield from _labels_of(query.left)
            yield from _labels_of(query.right)
        case _ if needs_tracks(query) or names_score(query.where):
            yield None
        case _:
            # Which timebase does not matter for labels.
            yield find_bounds(query.where, Fraction(1)).labels


def _read_state(ports: Ports, tenant: TenantId, scope: str, cursor: str | None) -> Any | None:
    if cursor is None:
        return None
    packed: str = read_cursor(ports.limits.cursor_key, tenant, scope, cursor)
    return json.loads(zlib.decompress(base64.b85decode(packed)))


def _write_state(ports: Ports, tenant: TenantId, scope: str, state: Any | None) -> str | None:
    if state is None:
        return None
    packed = base64.b85encode(zlib.compress(json.dumps(state, separators=(",", ":")).encode(), 9)).decode()
    cursor = make_cursor(ports.limits.cursor_key, tenant, scope, packed)
    if len(cursor) > MAX_CURSOR_CHARS:
        raise LimitExceeded(
            f"a cursor must have at most {MAX_CURSOR_CHARS} characters but got {len(cursor)}: too much goes on at once",
            hint="Ask about fewer labels, a shorter within or a shorter gap",
        )
    return cursor
