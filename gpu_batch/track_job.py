"""Tracks of a job: the tracking fold over its blocks, and the ids that it leaves for the rows of every block.

Each model has a fold of its own. Ids are unique in the job: of `m` models, model i gives the ids i + 1, i + 1 + m, i
+ 1 + 2m, …
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from chalicelib.contracts.blocks import BOX_UNITS, SCORE_UNITS, Block
from chalicelib.contracts.track_ids import IdColumn
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.models import Manifest
from chalicelib.domain.tracking import TrackingParameters
from gpu_batch.tracking import FrameRows, FrameTracks, TrackerParams, TrackFold, TrackSummary

DEFAULTS = TrackingParameters()
NEVER_LOOKED_AT = -1.0
"""A score of rows whose label is not tracked."""


@dataclass(slots=True)
class _OpenColumn:
    """A block of which some frames are not settled yet."""

    counts: list[int]
    ids: list[int] = field(default_factory=list)
    settled: int = 0


class ModelTracks:
    """The tracks of one model in one job."""

    def __init__(
        self,
        manifest: Manifest,
        model_index: int,
        model_count: int,
        *,
        width: int,
        height: int,
        timebase: Fraction,
        parameters: TrackingParameters = DEFAULTS,
    ) -> None:
        self._manifest = manifest
        self._first_id, self._step = model_index + 1, model_count
        self._index_by_label = {name: index for index, name in enumerate(manifest.labels)}
        self._params = tracker_params(manifest, parameters)
        self._ignored = [bool(parameters.labels) and name not in parameters.labels for name in manifest.labels]
        self._fold = TrackFold(self._params, width, height, timebase)
        self._open: dict[int, _OpenColumn] = {}
        """By number of the block, which counts those of the model in the whole job."""
        self._blocks = 0
        self.closed: list[TrackRow] = []
        """Tracks that have ended, in the order of their ends."""

    def push(self, block: Block) -> Iterator[IdColumn]:
        """Take the next block; the columns of blocks that are settled now, in the order in which they were taken."""
        number, self._blocks = self._blocks, self._blocks + 1
        self._open[number] = _OpenColumn(list(block.counts))
        label_of = np.array([self._index_by_label[name] for name in block.labels], np.int64)
        labels = label_of[np.array(block.row_labels, np.int64)] if len(block.row_labels) else np.zeros(0, np.int64)
        scores = np.array(block.row_scores, np.float64) / SCORE_UNITS
        scores[np.array(self._ignored)[labels]] = NEVER_LOOKED_AT
        boxes = (
            np.stack([np.array(side, np.float64) for side in (block.x1, block.y1, block.x2, block.y2)], 1) / BOX_UNITS
        )
        first = 0
        for frame, count in enumerate(block.counts):
            rows = slice(first, first + count)
            first += count
            seen = FrameRows(block.pts[frame], block.ordinals[frame], labels[rows], scores[rows], boxes[rows], number)
            yield from self._settle(self._fold.push(seen))
        self._drain()

    def finish(self) -> Iterator[IdColumn]:
        """The id columns that were still open; every track ends here."""
        yield from self._settle(self._fold.finish())
        self._drain()

    def state(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return {
            "fold": base64.b64encode(self._fold.state()).decode(),
            "blocks": self._blocks,
            "open": [[key, column.counts, column.ids, column.settled] for key, column in self._open.items()],
            "closed": [list(track) for track in self.closed],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where `state()` was taken."""
        self._fold = TrackFold.from_state(self._params, base64.b64decode(state["fold"]))
        self._blocks = state["blocks"]
        self._open = {number: _OpenColumn(counts, ids, settled) for number, counts, ids, settled in state["open"]}
        self.closed = [TrackRow(*track) for track in state["closed"]]

    def _settle(self, frames: Sequence[FrameTracks]) -> Iterator[IdColumn]:
        for frame in frames:
            assert isinstance(frame.key, int)
            column = self._open[frame.key]
            column.ids += [self._job_id(int(track)) if track else 0 for track in frame.ids]
            column.settled += 1
            if column.settled == len(column.counts):
                del self._open[frame.key]
                yield IdColumn(column.counts, column.ids)

    def _drain(self) -> None:
        self.closed += [self._row(track) for track in self._fold.closed_tracks()]

    def _row(self, track: TrackSummary) -> TrackRow:
        return TrackRow(
            self._job_id(track.track_id),
            self._manifest.name,
            self._manifest.labels[track.label],
            track.first_pts,
            track.last_pts,
            track.frames,
            round(track.score_max * SCORE_UNITS),
        )

    def _job_id(self, track_id: int) -> int:
        return (track_id - 1) * self._step + self._first_id


def tracker_params(manifest: Manifest, told: TrackingParameters) -> TrackerParams:
    """All thresholds for a model."""
    usual = TrackerParams(score_high=manifest.score_default)
    hits = told.confirm_hits or min(usual.confirm_hits, told.confirm_frames or usual.confirm_hits)
    lost_seconds = _or(told.lost_seconds, usual.lost_seconds)
    return replace(
        usual,
        score_high=_or(told.score_high, usual.score_high),
        low_score_ratio=_or(told.low_score_ratio, usual.low_score_ratio),
        gate_high=_or(told.iou_min, usual.gate_high),
        gate_low=_or(told.iou_min_low, usual.gate_low),
        confirm_hits=hits,
        confirm_frames=told.confirm_frames or max(usual.confirm_frames, hits),
        lost_seconds=lost_seconds,
        gap_seconds=max(usual.gap_seconds, lost_seconds),
    )


def _or(told: float | None, usual: float) -> float:
    return usual if told is None else told
