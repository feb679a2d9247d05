"""A walk over the rows of a job in the order of results, that reads the blocks it needs and no others.

A walk has a budget of blocks. One whose budget is spent ends early and says so; its `position` goes on from there, and
may lie many blocks after the last row that matched. A position is JSON: [segment, place], where place is None at the
start of a segment, `[pts]` before the rows of a PTS, or the six fields of `Row` that order rows, after a row.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import BlockRef, unpack_block
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.tracks import unpack_track_ids
from chalicelib.domain.errors import NotFound
from chalicelib.domain.jobs import Job
from chalicelib.domain.videos import Video
from chalicelib.services.dispatch import owner_of
from chalicelib.services.ports import Ports
from chalicelib.services.rows import Place, Row, RowFilter, matching_rows

BLOCKS_PER_PAGE = 48
BLOCKS_PER_READ = 8
INDEX_ENTRIES_PER_PAGE = 200
INDEX_ENTRIES_PER_READ = 20


class Walk:
    """One walk; `rows` may be called once."""

    def __init__(
        self, ports: Ports, job: Job, video: Video, row_filter: RowFilter, *, blocks_budget: int = BLOCKS_PER_PAGE
    ) -> None:
        """The walk over the rows of a job that `row_filter` lets through; `video` is the job's."""
        self.is_exhausted = False
        """Whether the walk stopped because of its budget and not at the end."""
        self.position: list[Any] = [0, None]
        """Where to go on: after the last row that was given, or later."""
        self._ports = ports
        self._job = job
        self._content_digest = video.source.content_digest
        self._filter = row_filter
        self._blocks_left = blocks_budget
        self._batch_size = 1
        self._bodies: dict[_Wanted, tuple[bytes, bytes | None]] = {}
        self._bases: Sequence[int | None] | None = None

    @property
    def blocks_left(self) -> int:
        """What is left of the budget; negative when it was too small to get on."""
        return self._blocks_left

    def rows(self, position: list[Any] | None = None) -> Iterator[Row]:
        """The rows that match, from the start or from where another walk with the same filter stopped.

        Raises:
            NotFound: blocks of the job were removed.
        """
        if self._job.plan is None or not self._filter.models:
            return
        self._bases = self._ports.results.get_bases(self._job.tenant, self._job.job_id)
        first, after = (position[0], _place(position[1])) if position else (self._first_segment(), None)
        self.position = [first, list(after) if after else None]
        reached: list[tuple[Row, int, Iterator[Row]]] = []
        opened = 0
        must_reach: Place | None = None
        for entry in self._entries(first):
            if self._filter.to_pts is not None and entry.start_pts >= self._filter.to_pts:
                break
            if entry.segment != first:
                after = None
                self.position = [entry.segment, None]
            wanted = deque(self._wanted(entry, after))
            # A page that stopped where it started would never end: what lies there is read whatever the budget.
            if wanted and must_reach is None:
                must_reach = max(after or (), (wanted[0].ref.first_pts,))
            while wanted or reached:
                # A row comes when every block that may hold an earlier one is open.
                if reached and not (wanted and wanted[0].ref.first_pts <= reached[0][0].pts):
                    row, number, rest = reached[0]
                    self.position = [entry.segment, list(row.place)]
                    yield row
                    if (following := next(rest, None)) is not None:
                        heapq.heapreplace(reached, (following, number, rest))
                    else:
                        heapq.heappop(reached)
                    continue
                before: Place = (wanted[0].ref.first_pts,)
                if wanted[0] not in self._bodies and self._blocks_left <= 0 and before > (must_reach or ()):
                    self.is_exhausted = True
                    self.position = [entry.segment, list(before)]
                    return
                rows = self._open(wanted, after)
                if (earliest := next(rows, None)) is not None:
                    opened += 1
                    heapq.heappush(reached, (earliest, opened, rows))

    def _first_segment(self) -> int:
        if self._filter.from_pts is None or self._job.plan is None:
            return 0
        return self._ports.units.find_segment(owner_of(self._job), self._job.plan.segments, self._filter.from_pts)

    def _entries(self, first: int) -> Iterator[IndexEntry]:
        job = self._job
        for _ in range(INDEX_ENTRIES_PER_PAGE // INDEX_ENTRIES_PER_READ):
            entries = self._ports.results.list_index(job.tenant, job.job_id, first, INDEX_ENTRIES_PER_READ)
            yield from entries
            if len(entries) < INDEX_ENTRIES_PER_READ:
                return
            first = entries[-1].segment + 1
        self.is_exhausted, self.position = True, [first, None]

    def _wanted(self, entry: IndexEntry, after: Place | None) -> list[_Wanted]:
        """The blocks of a segment that can hold rows that match and come after a place, in order of their first."""
        found: list[_Wanted] = []
        base = self._bases[entry.segment] if self._bases else None
        for model in self._filter.models:
            frame_index = base
            for cell in entry.cells_by_model[model]:
                for number, ref in enumerate(cell.blocks):
                    is_done = after is not None and ref.last_pts < after[0]
                    if not is_done and self._filter.may_match(ref, model):
                        key = table_keys.track_ids(cell.cell, model, number)
                        found.append(_Wanted(ref, model, key, frame_index))
                if frame_index is not None:
                    frame_index += cell.frames_shown
        return sorted(found, key=lambda wanted: wanted.ref.first_pts)

    def _open(self, wanted: deque[_Wanted], after: Place | None) -> Iterator[Row]:
        """The rows of the first of the wanted blocks, which leaves the queue."""
        if wanted[0] not in self._bodies:
            self._read(list(wanted)[: max(1, min(self._batch_size, self._blocks_left))])
            # Small reads first: most pages end within a block or two.
            self._batch_size = min(self._batch_size * 2, BLOCKS_PER_READ)
        block = wanted.popleft()
        packed, packed_ids = self._bodies.pop(block)
        return matching_rows(
            unpack_block(packed),
            self._filter,
            block.model,
            after=after,
            track_ids=unpack_track_ids(packed_ids) if packed_ids else None,
            first_frame_index=block.first_frame_index,
        )

    def _read(self, batch: Sequence[_Wanted]) -> None:
        job, results = self._job, self._ports.results
        self._blocks_left -= len(batch)
        packed = results.get_blocks(job.tenant, self._content_digest, [wanted.ref for wanted in batch])
        ids = results.get_track_ids(job.tenant, job.job_id, [wanted.track_key for wanted in batch])
        for wanted in batch:
            if wanted.ref.sk not in packed:
                raise NotFound(f"results of job {job.job_id} were removed", hint="Start a new job on this video")
            self._bodies[wanted] = packed[wanted.ref.sk], ids.get(wanted.track_key)


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """A block that must be read."""

    ref: BlockRef
    model: int
    track_key: str
    first_frame_index: int | None
    """Of its cell."""


def _place(form: list[Any] | None) -> Place | None:
    if form is None or len(form) == 1:
        return tuple(form) if form else None
    pts, ordinal, minus_score, label, box, model_index = form
    return (pts, ordinal, minus_score, label, tuple(box), model_index)
