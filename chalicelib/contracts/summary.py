"""The summary of a job: per label how often, when, how sure.

A fold over blocks in order of time; its state is plain JSON.

The form, in the JOB item and in the API:

    {"frames_shown", "frames_analyzed", "frames_inferred", "detections", "tracks",
     "labels": [{"label", "detections", "tracks", "first_seconds", "last_seconds", "score_max",
                 "ranges": [[start, end], …]}, …]}

Labels come in order of detections, most first. A range is a time in which the label is seen without a pause longer than
`gap_seconds`; `frames_inferred` is less than `frames_analyzed` when stored results were used. What sampling left out
is `frames_shown` minus `frames_analyzed`; a job on keyframes near a grid also has `points`, the grid's, and
`points_skipped`, those without a keyframe near them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from chalicelib.contracts.blocks import SCORE_UNITS, Block
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.media import Pts

MAX_RANGES = 20
"""Per label; the closest are joined. Keeps the JOB item far below 400 KB with 80 labels."""


class SummaryFold:
    """Sums up blocks, pushed in order of time for each model."""

    def __init__(
        self, *, floors: Sequence[int], labels: Sequence[str], timebase: Fraction, gap_seconds: Fraction
    ) -> None:
        self._floors = floors
        """By model: the score, in ten-thousandths, from which a row counts."""
        self._labels = frozenset(labels)
        self._timebase = timebase
        self._gap_ticks = gap_seconds / timebase
        self.state: dict[str, Any] = {}
        """By label: [detections, best score, [[first_pts, last_pts], …]]."""

    def push(self, block: Block, model: int) -> None:
        """Count the rows of a block."""
        row = 0
        for frame, count in enumerate(block.counts):
            for score, label in zip(
                block.row_scores[row : row + count], block.row_labels[row : row + count], strict=True
            ):
                name = block.labels[label]
                if score >= self._floors[model] and (not self._labels or name in self._labels):
                    self._count(name, block.pts[frame], score)
            row += count

    def result(
        self, tracks: list[TrackRow], *, frames_shown: int, frames_analyzed: int, frames_inferred: int
    ) -> dict[str, Any]:
        """The summary."""
        tracks_by_label: dict[str, int] = {}
        for track in tracks:
            tracks_by_label[track.label] = tracks_by_label.get(track.label, 0) + 1
        seen = [(name, *entry[:2], self._joined(entry[2])) for name, entry in self.state.items()]
        labels = [
            {
                "label": name,
                "detections": detections,
                "tracks": tracks_by_label.get(name, 0),
                "first_seconds": self._seconds(ranges[0][0]),
                "last_seconds": self._seconds(ranges[-1][1]),
                "score_max": best / SCORE_UNITS,
                "ranges": [[self._seconds(first), self._seconds(last)] for first, last in self._bounded(ranges)],
            }
            for name, detections, best, ranges in sorted(seen, key=lambda label: (-label[1], label[0]))
        ]
        return {
            "frames_shown": frames_shown,
            "frames_analyzed": frames_analyzed,
            "frames_inferred": frames_inferred,
            "detections": sum(label["detections"] for label in labels),
            "tracks": len(tracks),
            "labels": labels,
        }

    def _count(self, name: str, pts: Pts, score: int) -> None:
        entry = self.state.setdefault(name, [0, 0, []])
        entry[0] += 1
        entry[1] = max(entry[1], score)
        ranges: list[list[Pts]] = entry[2]
        # Several models come one after the other within a segment, so a row may lie in or before the last range, or
        # between two: what it brings together is joined at the end.
        for known in reversed(ranges):
            if known[0] - self._gap_ticks <= pts <= known[1] + self._gap_ticks:
                known[0], known[1] = min(known[0], pts), max(known[1], pts)
                return
            if pts > known[1]:
                break
        ranges.append([pts, pts])
        ranges.sort()

    def _joined(self, ranges: list[list[Pts]]) -> list[list[Pts]]:
        """In order, with more than the gap between one and the next."""
        joined: list[list[Pts]] = []
        for first, last in sorted(ranges):
            if joined and first - joined[-1][1] <= self._gap_ticks:
                joined[-1][1] = max(joined[-1][1], last)
            else:
                joined.append([first, last])
        return joined

    def _bounded(self, ranges: list[list[Pts]]) -> list[list[Pts]]:
        """At most `MAX_RANGES`, made by closing the shortest gaps."""
        ranges = [list(known) for known in ranges]
        while len(ranges) > MAX_RANGES:
            gap = min(range(1, len(ranges)), key=lambda i: ranges[i][0] - ranges[i - 1][1])
            ranges[gap - 1][1] = ranges.pop(gap)[1]
        return ranges

    def _seconds(self, pts: Pts) -> float:
        return round(float(pts * self._timebase), 6)
