"""Which boxes belong on which frame of the video, for frames that were sampled and those in between."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.domain.media import Pts
from chalicelib.domain.models import ModelTask
from gpu_batch.exports.drawing import Mark
from gpu_batch.exports.facts import ExportFacts, ExportFrame, ExportRow

MAX_BETWEEN_SECONDS = 2
"""Samples further apart say nothing about where a thing was between them."""


class MarksByFrame:
    """Walks samples beside the frames of a video, both in order of time.

    A sampled frame has its own detections, and no others. Between two samples that are close together, a track that
    both of them show moves in a straight line.
    """

    def __init__(self, facts: ExportFacts, samples: Iterator[ExportFrame]) -> None:
        self._samples = samples
        self._is_classifier = [model.task is ModelTask.CLASSIFICATION for model in facts.models]
        self._is_thinned = facts.sampling.get("kind") != "every_frame"
        self._max_ticks = MAX_BETWEEN_SECONDS / facts.timebase
        self._before: ExportFrame | None = None
        self._after: ExportFrame | None = next(samples, None)

    def take(self, pts: Pts, ordinal: int) -> list[Mark]:
        """The marks of the next frame."""
        while self._after is not None and (self._after.pts, self._after.ordinal) <= (pts, ordinal):
            self._before, self._after = self._after, next(self._samples, None)
        before, after = self._before, self._after
        if before is None:
            return []
        if (before.pts, before.ordinal) == (pts, ordinal):
            return [self._to_mark(row) for row in before.rows]
        if not self._is_thinned or after is None or after.pts - before.pts > self._max_ticks:
            return []
        part = (pts - before.pts) / max(after.pts - before.pts, 1)
        row_by_track = {row.track_id: row for row in after.rows if row.track_id is not None}
        return [_between(row, row_by_track[row.track_id], part) for row in before.rows if row.track_id in row_by_track]

    def _to_mark(self, row: ExportRow) -> Mark:
        is_of_frame = self._is_classifier[row.model]
        return Mark(row.box, row.label, row.score, row.track_id, is_of_frame=is_of_frame)


def _between(row: ExportRow, after: ExportRow, part: float) -> Mark:
    left, top, right, bottom = (one + (other - one) * part for one, other in zip(row.box, after.box, strict=True))
    return Mark((left, top, right, bottom), row.label, row.score, row.track_id, is_between=True)
