"""The tracks of a job, through the summary tree of their chunks."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from chalicelib.contracts import table_keys
from chalicelib.contracts.summary_tree import Wanted
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.jobs import Job
from chalicelib.services.ports import Ports
from chalicelib.services.tree_reader import TreeReader

CHUNKS_PER_PAGE = 8
"""Chunks, and nodes below the root."""
CHUNKS_PER_TRACK = 4
"""A track is in one chunk, but the ids of others may reach over it."""
TRACKS_PER_LOOK_UP = 8


class PlacedTrack(NamedTuple):
    """A track and where it stands: number of the chunk, position in it."""

    chunk: int
    position: int
    track: TrackRow


class TrackReader:
    """One reading of the tracks of a job."""

    def __init__(self, ports: Ports, job: Job) -> None:
        """The tracks of a job that has finished, in the version that it names."""
        self._ports = ports
        self._job = job
        self._tree = TreeReader(ports, job, table_keys.track_tree(job.tracks_version), budget=CHUNKS_PER_PAGE)

    @property
    def next_chunk(self) -> int | None:
        """Where to go on, when the budget ended the reading."""
        return self._tree.next_leaf

    def tracks(self, wanted: Wanted, first_chunk: int, skip: int) -> Iterator[PlacedTrack]:
        """The tracks that match, but for those before position `skip` of the first chunk."""
        job = self._job
        for batch in self._tree.batches(wanted, first_chunk):
            numbers = [leaf.number for leaf in batch]
            chunks = self._ports.results.get_track_chunks(job.tenant, job.job_id, job.tracks_version, numbers)
            for number in numbers:
                for position, track in enumerate(chunks.get(number, ())):
                    is_left = number > first_chunk or position >= skip
                    if is_left and _matches(track, wanted):
                        yield PlacedTrack(number, position, track)

    def find(self, track_ids: Collection[int]) -> list[TrackRow] | None:
        """The tracks with these ids; None when that takes too many reads."""
        if len(track_ids) > TRACKS_PER_LOOK_UP:
            return None
        numbers: set[int] = set()
        for track_id in track_ids:
            # Ids are dealt out to models in turn (gpu_batch/track_job.py).
            model_index = (track_id - 1) % len(self._job.models)
            found = self._tree.find_track(model_index, track_id, at_most=CHUNKS_PER_TRACK)
            if found is None:
                return None
            numbers.update(found)
        if not numbers:
            return []
        job = self._job
        chunks = self._ports.results.get_track_chunks(job.tenant, job.job_id, job.tracks_version, sorted(numbers))
        return [track for chunk in chunks.values() for track in chunk if track.track_id in track_ids]


def _matches(track: TrackRow, wanted: Wanted) -> bool:
    if wanted.labels is not None and track.label not in wanted.labels:
        return False
    is_late_enough = wanted.from_pts is None or track.last_pts >= wanted.from_pts
    return is_late_enough and (wanted.to_pts is None or track.first_pts < wanted.to_pts)
