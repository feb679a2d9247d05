"""Tracks of a job a few at a time: candidates from the list of tracks, and a walk over the rows of those alone.

The state of a query about tracks is bounded by the size of a batch, however many tracks are live at a moment; for that
a block is read again for every batch that has a track in it. Batches follow the list, so their tracks are neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.media import Pts
from chalicelib.domain.query.conditions import Bounds
from chalicelib.domain.query.track_folds import Tally
from chalicelib.services.query_page import Asked, Filling, Source
from chalicelib.services.rows import Row
from chalicelib.services.walk import Walk

TRACKS_PER_BATCH = 40
TRACKS_PER_SEARCH = 1000
"""Looked at for one batch; fixed, so that a batch is the same when it is collected again."""
CHUNKS_PER_READ = 2

ListPlace = tuple[int, int]
"""Chunk, and position in it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some candidates."""

    tracks: tuple[TrackRow, ...]
    next_place: ListPlace | None
    """Where the next batch starts; None: there are no more."""
    beyond_pts: Pts | None = None
    """When the first track starts that is too late."""


class TrackList:
    """The job's tracks in order of (first PTS, id), read in chunks."""

    def __init__(self, source: Source, page: Filling) -> None:
        self._source = source
        self._page = page
        self._chunks: dict[int, list[TrackRow]] = {}
        self._count: int | None = None
        """How many chunks there are, once the last was seen."""

    def from_place(self, place: ListPlace) -> Iterator[tuple[TrackRow, ListPlace]]:
        """Tracks from a place on, each with the place after it."""
        chunk_number, position = place
        while (chunk := self._chunk(chunk_number)) is not None:
            for index in range(position, len(chunk)):
                yield chunk[index], (chunk_number, index + 1)
            chunk_number, position = chunk_number + 1, 0

    def collect(self, start: ListPlace, may_match: Callable[[TrackRow], bool], before_pts: Pts | None = None) -> Batch:
        """The next candidates; `before_pts` ends the list."""
        tracks: list[TrackRow] = []
        place = start
        for looked_at, (track, after) in enumerate(self.from_place(start)):
            if before_pts is not None and track.first_pts >= before_pts:
                return Batch(tuple(tracks), None, track.first_pts)
            if len(tracks) == TRACKS_PER_BATCH or looked_at == TRACKS_PER_SEARCH:
                return Batch(tuple(tracks), place)
            place = after
            if may_match(track):
                tracks.append(track)
        return Batch(tuple(tracks), None)

    def _chunk(self, number: int) -> list[TrackRow] | None:
        if number not in self._chunks and (self._count is None or number < self._count):
            job = self._source.job
            asked = range(number, number + CHUNKS_PER_READ)
            read = self._source.ports.results.get_track_chunks(job.tenant, job.job_id, job.tracks_version, asked)
            self._page.chunks_left -= max(1, len(read))
            self._chunks |= {index: list(chunk) for index, chunk in read.items()}
            if len(read) < CHUNKS_PER_READ:
                self._count = number + len(read)
        return self._chunks.get(number)


def may_match(track: TrackRow, bounds: Bounds) -> bool:
    """Whether a track can have a row within bounds."""
    return (
        (bounds.labels is None or track.label in bounds.labels)
        and (bounds.models is None or track.model in bounds.models)
        and (bounds.tracks is None or track.track_id in bounds.tracks)
        and track.score_max >= bounds.score_floor
        and (bounds.from_pts is None or track.last_pts >= bounds.from_pts)
        and (bounds.to_pts is None or track.first_pts < bounds.to_pts)
    )


def tally_batch(
    source: Source,
    asked: Asked,
    batch: Batch,
    tallies: list[Tally],
    page: Filling,
    *,
    position: Any | None,
    add: Callable[[TrackRow, Tally, Row], Tally],
) -> Any | None:
    """Add the rows of a batch to its tallies by `add`; where to go on when the page's budget is spent, else None."""
    number_by_id = {track.track_id: number for number, track in enumerate(batch.tracks)}
    around = Bounds(from_pts=asked.rows.from_pts, to_pts=asked.rows.to_pts) & Bounds(
        from_pts=min((track.first_pts for track in batch.tracks), default=0),
        to_pts=max((track.last_pts for track in batch.tracks), default=-1) + 1,
    )
    rows = replace(asked.rows, from_pts=around.from_pts, to_pts=around.to_pts, track_ids=frozenset(number_by_id))
    if not batch.tracks or (around.from_pts or 0) >= (around.to_pts or 0):
        return None
    walk = Walk(source.ports, source.job, source.video, rows, blocks_budget=page.blocks_left)
    for row in walk.rows(position):
        number = number_by_id[row.track_id]
        tallies[number] = add(batch.tracks[number], tallies[number], row)
        page.steps_left -= asked.row_steps
        if page.steps_left <= 0:
            page.blocks_left = walk.blocks_left
            return walk.position
    page.blocks_left = walk.blocks_left
    return walk.position if walk.is_exhausted else None
