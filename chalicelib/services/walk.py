"""A walk over the rows of a job in the order of results, that reads the blocks it needs and no others.

A walk has a budget of blocks. One whose budget is spent ends early and says so; its `position` goes on from there, and
may lie many blocks after the last row that matched. A position is JSON: [segment, place], where place is None at the
start of a segment, `[pts]` before the rows of a PTS, or the six fields of `Row` that order rows, after a row.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import BlockRef
from chalicelib.contracts.track_ids import TrackIds
from chalicelib.domain.errors import NotFound
from chalicelib.domain.jobs import Job
from chalicelib.domain.models import ModelTask
from chalicelib.domain.videos import Video
from chalicelib.services.decoded_blocks import decoded_block
from chalicelib.services.index_reader import IndexedSegment, IndexReader
from chalicelib.services.ports import Ports
from chalicelib.services.rows import Place, Row, RowFilter, matching_rows
from chalicelib.services.track_reader import TrackReader

BLOCKS_PER_PAGE = 16
"""Of 64 KB at most: 8 read units each, and what their track ids take."""
BLOCKS_PER_READ = 8


class Walk:
    """One walk; `rows` may be called once."""

    def __init__(
        self, ports: Ports, job: Job, video: Video, row_filter: RowFilter, *, blocks_budget: int = BLOCKS_PER_PAGE
    ) -> None:
        """The walk over the rows of a job that `row_filter` lets through; `video` is the job's."""
        self.is_exhausted = False
        """Whether the walk stopped because of its budget and not at the end."""
        self._position: list[Any] = [0, None]
        self._given: tuple[int, Row] | None = None
        """The row that was given last, with its segment; None when `_position` is later."""
        self._ports = ports
        self._job = job
        self._content_digest = video.source.content_digest
        self._filter = row_filter
        self._blocks_left = blocks_budget
        self._batch_size = 1
        self._bodies: dict[_Wanted, bytes] = {}
        self._track_ids: dict[tuple[int, int], TrackIds] = {}
        """By segment and model; of the segments that are being read."""
        self._has_tracks = False

    @property
    def position(self) -> list[Any]:
        """Where to go on: after the last row that was given, or later."""
        if self._given is None:
            return self._position
        segment, row = self._given
        return [segment, list(row.place)]

    @property
    def blocks_left(self) -> int:
        """What is left of the budget; negative when it was too small to get on."""
        return self._blocks_left

    def rows(self, position: list[Any] | None = None) -> Iterator[Row]:
        """The rows that match, from the start or from where another walk with the same filter stopped.

        Raises:
            NotFound: blocks of the job were removed.
        """
        if self._job.plan is None or not self._filter.models or not self._narrow_to_tracks():
            return
        first, after = (position[0], _place(position[1])) if position else (None, None)
        self._position = position or [0, None]
        index = IndexReader(self._ports, self._job, self._filter.wanted)
        self._has_tracks = index.is_finished and self._job.has_tracks
        reached: list[tuple[Row, int, Iterator[Row]]] = []
        opened: list[_Wanted] = []
        must_reach: Place | None = None
        for batch in index.batches(first):
            self._track_ids.clear()
            wanted = deque(block for indexed in batch for block in self._wanted(indexed, after))
            # A page that stopped where it started would never end: what lies there is read whatever the budget.
            if wanted and must_reach is None:
                must_reach = max(after or (), (wanted[0].ref.first_pts,))
            while wanted or reached:
                # A row comes when every block that may hold an earlier one is open.
                if reached and not (wanted and wanted[0].ref.first_pts <= reached[0][0].pts):
                    row, number, rest = reached[0]
                    self._given = (opened[number].segment, row)
                    yield row
                    if (following := next(rest, None)) is not None:
                        heapq.heapreplace(reached, (following, number, rest))
                    else:
                        heapq.heappop(reached)
                    continue
                before: Place = (wanted[0].ref.first_pts,)
                if wanted[0] not in self._bodies and self._blocks_left <= 0 and before > (must_reach or ()):
                    self._stop([wanted[0].segment, list(before)])
                    return
                opened.append(wanted[0])
                rows = self._open(wanted, after)
                if (earliest := next(rows, None)) is not None:
                    heapq.heappush(reached, (earliest, len(opened) - 1, rows))
        if index.next_segment is not None:
            self._stop([index.next_segment, None])

    def _stop(self, position: list[Any]) -> None:
        self.is_exhausted, self._position, self._given = True, position, None

    def _narrow_to_tracks(self) -> bool:
        """Ask only for the models and the time in which the tracks are seen; False when there are none."""
        asked = self._filter.track_ids
        tracks = None if asked is None else TrackReader(self._ports, self._job).find(asked)
        if tracks is None:
            return True
        if not tracks:
            # A stricter job lists fewer tracks than its rows, asked for with a lower score, have.
            return self._job.request.score_min is not None
        models = {track.model for track in tracks}
        from_pts = min(track.first_pts for track in tracks)
        to_pts = max(track.last_pts for track in tracks) + 1
        self._filter = replace(
            self._filter,
            models=tuple(index for index in self._filter.models if self._job.models[index].name in models),
            from_pts=from_pts if self._filter.from_pts is None else max(self._filter.from_pts, from_pts),
            to_pts=to_pts if self._filter.to_pts is None else min(self._filter.to_pts, to_pts),
        )
        return bool(self._filter.models)

    def _wanted(self, indexed: IndexedSegment, after: Place | None) -> list[_Wanted]:
        """The blocks of a segment that can hold rows that match and come after a place, in order of their first."""
        found: list[_Wanted] = []
        entry, frames_before = indexed
        for model in self._filter.models:
            frame_index, blocks_before = frames_before, 0
            for cell in entry.cells_by_model[model]:
                for position, ref in enumerate(cell.blocks, blocks_before):
                    is_done = after is not None and ref.last_pts < after[0]
                    if not is_done and self._filter.may_match(ref, model):
                        found.append(_Wanted(ref, entry.segment, model, position, frame_index))
                blocks_before += len(cell.blocks)
                if frame_index is not None:
                    frame_index += cell.frames_shown
        return sorted(found, key=lambda wanted: wanted.ref.first_pts)

    def _open(self, wanted: deque[_Wanted], after: Place | None) -> Iterator[Row]:
        """The rows of the first of the wanted blocks, which leaves the queue."""
        if wanted[0] not in self._bodies:
            self._read(list(wanted)[: max(1, min(self._batch_size, self._blocks_left))])
            # Small reads first: most pages end within a block or two.
            self._batch_size = min(self._batch_size * 2, BLOCKS_PER_READ)
        place = wanted.popleft()
        block = decoded_block(self._bodies.pop(place))
        ids = self._track_ids.get((place.segment, place.model))
        return matching_rows(
            block,
            self._filter,
            place.model,
            after=after,
            track_ids=ids.of_block(place.position, block.counts) if ids is not None else None,
            first_frame_index=place.first_frame_index,
        )

    def _read(self, batch: Sequence[_Wanted]) -> None:
        job, results = self._job, self._ports.results
        self._blocks_left -= len(batch)
        packed = results.get_blocks(job.tenant, self._content_digest, [wanted.ref for wanted in batch])
        for wanted in batch:
            if wanted.ref.sk not in packed:
                raise NotFound(f"results of job {job.job_id} were removed", hint="Start a new job on this video")
            self._bodies[wanted] = packed[wanted.ref.sk]
        if self._has_tracks:
            # Labels of whole frames are on no track, so there is nothing to read.
            self._read_track_ids([block for block in batch if job.models[block.model].task is ModelTask.DETECTION])

    def _read_track_ids(self, batch: Sequence[_Wanted]) -> None:
        """The ids of these blocks: one item for a segment and model, unless it holds very many rows."""
        job = self._job
        while True:
            part_by_ids = {}
            for wanted in batch:
                ids = self._track_ids.setdefault((wanted.segment, wanted.model), TrackIds())
                if not ids.reaches(wanted.position):
                    part = table_keys.track_ids(job.tracks_version, wanted.segment, wanted.model, ids.parts)
                    part_by_ids[ids] = part
            if not part_by_ids:
                return
            found = self._ports.results.get_track_ids(job.tenant, job.job_id, list(part_by_ids.values()))
            for ids, part in part_by_ids.items():
                ids.add(found.get(part))


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """A block that must be read."""

    ref: BlockRef
    segment: int
    model: int
    position: int
    """Among the blocks of its model in the segment."""
    first_frame_index: int | None
    """Of its cell."""


def _place(form: list[Any] | None) -> Place | None:
    if form is None or len(form) == 1:
        return tuple(form) if form else None
    pts, ordinal, minus_score, label, box, model_index = form
    return (pts, ordinal, minus_score, label, tuple(box), model_index)
