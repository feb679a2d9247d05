"""The frames of a job's results as exports take them, in order of time and in bounded memory."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import groupby

from chalicelib.contracts import table_keys
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.track_ids import TrackIds
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.units import UnitState
from gpu_batch.aws import Cloud
from gpu_batch.exports.facts import ExportFrame, ExportRow
from gpu_batch.exports.request import ExportOrder
from gpu_batch.job_results import JobResults, ResultBlock

_ModelFrame = tuple[int, int, int, int, list[ExportRow]]
"""pts, ordinal, rank among the shown frames of the segment, position of the model, rows."""


class JobFrames:
    """Every sampled frame of a job with the rows that an export wants of it."""

    def __init__(self, cloud: Cloud, order: WorkOrder, export: ExportOrder, results: JobResults) -> None:
        self._cloud = cloud
        self._order = order
        self._export = export
        self._results = results
        self._labels = frozenset(export.labels)

    def count_shown(self) -> int | None:
        """Shown frames of the video; None when a part of it is missing."""
        keys = [(self._order.pk, table_keys.segment(segment.index)) for segment in self._order.segments]
        units = self._cloud.get_many(self._cloud.meta_table, keys)
        if any(units.get(key, {}).get("state") != UnitState.DONE for key in keys):
            return None
        return sum(int(unit["frames_shown"]) for unit in units.values())

    def read(self) -> Iterator[ExportFrame]:
        """The frames, in order of (pts, ordinal)."""
        sampled_index = 0
        # Frames shown before a segment; after one without results nobody knows.
        base: int | None = 0
        for _, entry in self._results.entries():
            if entry is None:
                base = None
                continue
            streams = [self._frames(entry, model) for model in range(len(self._order.models))]
            merged = heapq.merge(*streams, key=lambda frame: frame[:4])
            for (pts, ordinal), same in groupby(merged, key=lambda frame: frame[:2]):
                of_models = list(same)
                rows = [row for frame in of_models for row in frame[4]]
                # As the API orders the detections of a frame.
                rows.sort(key=lambda row: (-row.score_units, row.label, row.box_units, row.model))
                index = None if base is None else base + of_models[0][2]
                yield ExportFrame(pts, ordinal, index, sampled_index, tuple(rows))
                sampled_index += 1
            base = None if base is None else base + entry.frames_shown

    def _frames(self, entry: IndexEntry, model: int) -> Iterator[_ModelFrame]:
        frames_before: dict[int, int] = {}
        total = 0
        for cell in entry.cells_by_model[model]:
            frames_before[cell.cell] = total
            total += cell.frames_shown
        ids = TrackIds()
        for position, found in enumerate(self._results.blocks(entry, model)):
            if self._export.tracks_version is not None:
                self._read_ids(ids, entry.segment, model, position, self._export.tracks_version)
            yield from self._frames_of_block(
                found, frames_before[found.cell], ids.of_block(position, found.block.counts)
            )

    def _frames_of_block(
        self, found: ResultBlock, frames_before: int, ids: Sequence[int] | None
    ) -> Iterator[_ModelFrame]:
        block, floor = found.block, self._export.score_floors[found.model]
        is_wanted_model = found.model in self._export.model_positions
        row = 0
        for frame, count in enumerate(block.counts):
            rows = []
            for position in range(row, row + count):
                label = block.labels[block.row_labels[position]]
                score = block.row_scores[position]
                if not is_wanted_model or score < floor or (self._labels and label not in self._labels):
                    continue
                box = (block.x1[position], block.y1[position], block.x2[position], block.y2[position])
                track_id = (ids[position] or None) if ids is not None else None
                rows.append(ExportRow(found.model, label, score, box, track_id))
            row += count
            rank = frames_before + block.ranks[frame]
            yield block.pts[frame], block.ordinals[frame], rank, found.model, rows

    def _read_ids(self, ids: TrackIds, segment: int, model: int, position: int, version: int) -> None:
        """Read on until the ids of the block at that position are known, or there are no more."""
        while not ids.reaches(position):
            sk = table_keys.track_ids(version, segment, model, ids.parts)
            item = self._cloud.get(self._cloud.results_table, self._order.pk, sk)
            ids.add(item["body"] if item else None)
