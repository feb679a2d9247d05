"""Reading results: through the job's index, the blocks that a page needs and no others.

Rows come in order of (pts, score descending, label, box). A page ends at its limit, or at its budget of blocks: then
it is short, or empty, and has a cursor. A cursor says after which row (or before which segment) to go on; it counts
every row that was looked at, so that a filter that matches nothing still moves on.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import BOX_UNITS, SCORE_UNITS, Block, BlockRef, unpack_block
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.tracks import TrackRow, unpack_track_ids
from chalicelib.domain.errors import NotFound
from chalicelib.domain.ids import JobId, TenantId
from chalicelib.domain.jobs import Job
from chalicelib.domain.media import Pts
from chalicelib.domain.models import Manifest
from chalicelib.services.cursors import make_cursor, read_cursor
from chalicelib.services.dispatch import owner_of
from chalicelib.services.ports import Ports

BLOCKS_PER_PAGE = 48
BLOCKS_PER_READ = 8
INDEX_ENTRIES_PER_PAGE = 200
INDEX_ENTRIES_PER_READ = 20
TRACK_CHUNKS_PER_PAGE = 20


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


@dataclass(frozen=True, slots=True)
class FoundDetection:
    """One detection, as a client sees it."""

    pts: Pts
    timebase: Fraction
    frame_index: int | None
    model: str
    label: str
    score: float
    box: tuple[float, float, float, float]
    track_id: int | None


class Row(NamedTuple):
    """A row on its way to a page; the first fields are the order of results, and make a row's place in it unique."""

    pts: Pts
    ordinal: int
    minus_score: int
    label: str
    box: tuple[int, int, int, int]
    model_index: int
    rank: int
    """Of the frame, among the shown frames of its segment."""
    track_id: int

    @property
    def place(self) -> tuple[Any, ...]:
        """Where the row stands in the order of results."""
        return self[:6]


def find_detections(
    ports: Ports, job: Job, query: DetectionQuery, *, limit: int, cursor: str | None
) -> tuple[Sequence[FoundDetection], str | None]:
    """One page of detections and the cursor of the next, None at the end.

    Raises:
        InvalidRequest: a cursor that is not of this list.
    """
    scan = _Scan(ports, job, query)
    if scan.is_empty:
        return [], None
    scope = _detections_scope(job.job_id, query)
    key = ports.limits.cursor_key
    position = read_cursor(key, job.tenant, scope, cursor) if cursor else None
    found: list[FoundDetection] = []
    next_position: list[Any] | None = None
    for step in scan.steps(position):
        if isinstance(step, FoundDetection):
            found.append(step)
        if len(found) == limit:
            next_position = scan.position
            break
    else:
        next_position = scan.position if scan.is_exhausted else None
    return found, make_cursor(key, job.tenant, scope, next_position) if next_position else None


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
    video = ports.videos.get(job.tenant, job.video_id)
    if video is None or video.media is None:
        return [], Fraction(1), None
    timebase = video.media.timebase
    scope = f"tracks|{job.job_id}|{label}|{from_seconds}|{to_seconds}"
    key = ports.limits.cursor_key
    chunk_number, skip = read_cursor(key, job.tenant, scope, cursor) if cursor else (0, 0)
    found: list[TrackRow] = []
    chunks = ports.results.list_tracks(job.tenant, job.job_id, chunk_number, TRACK_CHUNKS_PER_PAGE)
    for chunk in chunks:
        for position, track in enumerate(chunk):
            if position < skip or (label is not None and track.label != label):
                continue
            if from_seconds is not None and track.last_pts * timebase < from_seconds:
                continue
            if to_seconds is not None and track.first_pts * timebase >= to_seconds:
                continue
            if len(found) == limit:
                return found, timebase, make_cursor(key, job.tenant, scope, [chunk_number, position])
            found.append(track)
        chunk_number, skip = chunk_number + 1, 0
    is_cut = len(chunks) == TRACK_CHUNKS_PER_PAGE
    return found, timebase, make_cursor(key, job.tenant, scope, [chunk_number, 0]) if is_cut else None


class _Scan:
    """A walk over the rows of a job in the order of results, that stops when its budget of reads is spent."""

    def __init__(self, ports: Ports, job: Job, query: DetectionQuery) -> None:
        self.is_exhausted = False
        """Whether the walk stopped because of its budget and not at the end."""
        self.position: list[Any] = [0, None]
        """[segment, place of the last row that was looked at in it, or None]."""
        self._ports = ports
        self._job = job
        self._query = query
        self._blocks_left = BLOCKS_PER_PAGE
        self._manifests = [_manifest(ports, ref.name) for ref in job.models]
        self._models = [i for i, ref in enumerate(job.models) if query.model in (None, ref.name)]
        self._labels = set(job.request.labels)
        if query.label is not None:
            self._labels = {query.label} & (self._labels or {query.label})
        has_label = bool(self._labels) or (query.label is None and not job.request.labels)
        self.is_empty = job.plan is None or not self._models or not has_label
        if self.is_empty:
            return
        video = ports.videos.get(job.tenant, job.video_id)
        if video is None or video.media is None:
            raise NotFound(f"the video of job {job.job_id} is gone")
        self._timebase = video.media.timebase
        self._content_digest = video.source.content_digest
        self._from_pts = _first_pts_at(query.from_seconds, self._timebase)
        self._to_pts = _first_pts_at(query.to_seconds, self._timebase)
        self._bases = ports.results.get_bases(job.tenant, job.job_id)

    def steps(self, position: list[Any] | None) -> Iterator[FoundDetection | None]:
        """Rows that match, and None for each that was looked at and does not."""
        first, after = (position[0], _place(position[1])) if position else (self._first_segment(), None)
        self.position = [first, list(after) if after else None]
        for entry in self._entries(first):
            if self._to_pts is not None and entry.start_pts >= self._to_pts:
                return
            if entry.segment != first:
                self.position = [entry.segment, None]
            resume_pts = after[0] if after is not None else None
            streams = [self._rows(entry, model, resume_pts) for model in self._models]
            for row in heapq.merge(*streams):
                if self.is_exhausted:
                    return
                if after is not None and row.place <= after:
                    continue
                self.position = [entry.segment, list(row.place)]
                yield self._to_found(entry, row) if self._matches(row) else None
            if self.is_exhausted:
                return
            after = None

    def _first_segment(self) -> int:
        if self._from_pts is None or self._job.plan is None:
            return 0
        return self._ports.units.find_segment(owner_of(self._job), self._job.plan.segments, self._from_pts)

    def _entries(self, first: int) -> Iterator[IndexEntry]:
        job = self._job
        for _ in range(INDEX_ENTRIES_PER_PAGE // INDEX_ENTRIES_PER_READ):
            entries = self._ports.results.list_index(job.tenant, job.job_id, first, INDEX_ENTRIES_PER_READ)
            yield from entries
            if len(entries) < INDEX_ENTRIES_PER_READ:
                return
            first = entries[-1].segment + 1
        self.is_exhausted, self.position = True, [first, None]

    def _rows(self, entry: IndexEntry, model: int, resume_pts: Pts | None) -> Iterator[Row]:
        """Rows of one model in one segment, in order; ends early, and says so, when the budget is spent."""
        wanted: list[_WantedBlock] = []
        frames_before = 0
        for cell in entry.cells_by_model[model]:
            for number, ref in enumerate(cell.blocks):
                is_done = resume_pts is not None and ref.last_pts < resume_pts
                if not is_done and self._may_match(ref, model):
                    wanted.append(_WantedBlock(ref, table_keys.track_ids(cell.cell, model, number), frames_before))
            frames_before += cell.frames_shown
        # Small reads first: most pages end within a block or two.
        batch_size = 1
        while wanted:
            batch, wanted = wanted[:batch_size], wanted[batch_size:]
            if len(batch) > self._blocks_left:
                self.is_exhausted = True
                return
            self._blocks_left -= len(batch)
            yield from self._read(batch, model)
            batch_size = min(batch_size * 2, BLOCKS_PER_READ)

    def _read(self, batch: Sequence[_WantedBlock], model: int) -> Iterator[Row]:
        job, results = self._job, self._ports.results
        packed = results.get_blocks(job.tenant, self._content_digest, [wanted.ref for wanted in batch])
        ids = results.get_track_ids(job.tenant, job.job_id, [wanted.track_key for wanted in batch])
        for wanted in batch:
            if wanted.ref.sk not in packed:
                raise NotFound(f"results of job {job.job_id} were removed", hint="Start a new job on this video")
            packed_ids = ids.get(wanted.track_key)
            track_ids = unpack_track_ids(packed_ids) if packed_ids else None
            yield from block_rows(unpack_block(packed[wanted.ref.sk]), model, wanted.frames_before, track_ids)

    def _may_match(self, ref: BlockRef, model: int) -> bool:
        """Whether the block can hold a row that matches, as far as its reference tells."""
        if self._from_pts is not None and ref.last_pts < self._from_pts:
            return False
        if self._to_pts is not None and ref.first_pts >= self._to_pts:
            return False
        floor = self._score_floor(model)
        return any(
            best >= floor for label, (_, best) in ref.labels.items() if not self._labels or label in self._labels
        )

    def _matches(self, row: Row) -> bool:
        if self._labels and row.label not in self._labels:
            return False
        if self._from_pts is not None and row.pts < self._from_pts:
            return False
        if self._to_pts is not None and row.pts >= self._to_pts:
            return False
        if self._query.track_id is not None and row.track_id != self._query.track_id:
            return False
        return -row.minus_score >= self._score_floor(row.model_index)

    def _score_floor(self, model: int) -> int:
        """Ten-thousandths; the comparison is with whole units, so that 0.35 means 0.35."""
        asked = self._query.score_min
        if asked is None:
            asked = self._job.request.score_min
        if asked is None:
            asked = self._manifests[model].score_default
        return score_units(asked)

    def _to_found(self, entry: IndexEntry, row: Row) -> FoundDetection:
        base = self._bases[entry.segment] if self._bases else None
        return FoundDetection(
            pts=row.pts,
            timebase=self._timebase,
            frame_index=None if base is None else base + row.rank,
            model=self._job.models[row.model_index].name,
            label=row.label,
            score=-row.minus_score / SCORE_UNITS,
            box=tuple(side / BOX_UNITS for side in row.box),  # type: ignore[arg-type]
            track_id=row.track_id or None,
        )


class _WantedBlock(NamedTuple):
    ref: BlockRef
    track_key: str
    frames_before: int
    """Shown frames of the segment before the block's cell."""


def block_rows(block: Block, model_index: int, frames_before: int, track_ids: Sequence[int] | None) -> Iterator[Row]:
    """The rows of a block, in the order of results (which is how they are stored)."""
    row = 0
    for frame, count in enumerate(block.counts):
        for _ in range(count):
            yield Row(
                block.pts[frame],
                block.ordinals[frame],
                -block.row_scores[row],
                block.labels[block.row_labels[row]],
                (block.x1[row], block.y1[row], block.x2[row], block.y2[row]),
                model_index,
                frames_before + block.ranks[frame],
                track_ids[row] if track_ids is not None else 0,
            )
            row += 1


def score_units(score: float) -> int:
    """A score in ten-thousandths."""
    return round(score * SCORE_UNITS)


def _place(form: list[Any] | None) -> tuple[Any, ...] | None:
    if form is None:
        return None
    pts, ordinal, minus_score, label, box, model_index = form
    return (pts, ordinal, minus_score, label, tuple(box), model_index)


def _first_pts_at(seconds: Fraction | None, timebase: Fraction) -> Pts | None:
    """The least PTS that is not before `seconds`."""
    return None if seconds is None else math.ceil(seconds / timebase)


def _manifest(ports: Ports, name: str) -> Manifest:
    manifest = ports.models.get(name)
    if manifest is None:
        raise NotFound(f"model {name} is gone")
    return manifest
