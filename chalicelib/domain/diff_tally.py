"""Adding up a diff, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from chalicelib.domain.box_matching import MatchRules, SeenBox, match_boxes
from chalicelib.domain.diff import Diff, DiffSums, FrameCounts, PtsRange, Timeline, join_ranges
from chalicelib.domain.media import Pts

BoxesByLabel = Mapping[str, Sequence[SeenBox]]
"""What one job found in one frame."""

_A, _B, _MATCHED, _MOVED, _IOU, _SCORE_CHANGE = range(6)
"""Positions of the fields of `DiffSums` in a list of six."""
_WHOLE = 1_000_000
"""An IoU of 1, in millionths."""


class DiffTally:
    """The sums of what it was shown so far."""

    def __init__(self, timeline: Timeline, rules: MatchRules) -> None:
        """Nothing yet."""
        self.frames_both = 0
        self.frames_only_a = 0
        self.frames_only_b = 0
        self._timeline = timeline
        self._rules = rules
        self._labels: dict[str, list[int]] = {}
        self._over_time = [[0] * 6 for _ in range(timeline.ranges)]
        self._missing: tuple[list[PtsRange], list[PtsRange]] = ([], [])

    def compare(self, pts: Pts, a: BoxesByLabel, b: BoxesByLabel) -> int:
        """Add a frame that both jobs looked at; how many comparisons it took."""
        over_time = self._over_time[self._timeline.range_of(pts)]
        steps = 1
        for label, boxes_a in a.items():
            boxes_b = b.get(label, ())
            steps += len(boxes_a) * len(boxes_b) + 1
            self._add(label, over_time, boxes_a, boxes_b)
        for label, boxes_b in b.items():
            if label not in a:
                self._add(label, over_time, (), boxes_b)
        return steps

    def count(self, pts: Pts, label: str, number: int, *, in_a: bool, in_b: bool) -> None:
        """Add detections around `pts` that need no comparison: the same ones in both jobs, or in only one of them."""
        for sums in (self._sums_of(label), self._over_time[self._timeline.range_of(pts)]):
            sums[_A] += number * in_a
            sums[_B] += number * in_b
            if in_a and in_b:
                sums[_MATCHED] += number
                sums[_IOU] += number * _WHOLE

    def miss(self, start_pts: Pts, end_pts: Pts, *, in_a: bool, in_b: bool) -> None:
        """Add a part of the video that one of the jobs lacks, or both."""
        gap = self._timeline.clip(start_pts, end_pts)
        if gap is not None:
            for gaps, is_missing in zip(self._missing, (in_a, in_b), strict=True):
                if is_missing:
                    gaps.append(gap)

    def to_diff(self) -> Diff:
        """The sums."""
        missing_a, missing_b = map(join_ranges, self._missing)
        timebase = self._timeline.timebase
        return Diff(
            {label: DiffSums(*sums) for label, sums in sorted(self._labels.items())},
            FrameCounts(self.frames_both, self.frames_only_a, self.frames_only_b),
            self._timeline,
            tuple(DiffSums(*sums) for sums in self._over_time),
            missing_a,
            missing_b,
            _seconds(missing_a, timebase),
            _seconds(missing_b, timebase),
        )

    def _add(self, label: str, over_time: list[int], a: Sequence[SeenBox], b: Sequence[SeenBox]) -> None:
        matched = moved = iou = score_change = 0
        if a and b:
            for match in match_boxes(a, b, self._rules):
                matched += 1
                moved += match.is_moved
                iou += match.iou
                score_change += b[match.b][0] - a[match.a][0]
        for sums in (self._sums_of(label), over_time):
            sums[_A] += len(a)
            sums[_B] += len(b)
            sums[_MATCHED] += matched
            sums[_MOVED] += moved
            sums[_IOU] += iou
            sums[_SCORE_CHANGE] += score_change

    def _sums_of(self, label: str) -> list[int]:
        sums = self._labels.get(label)
        if sums is None:
            sums = self._labels[label] = [0] * 6
        return sums


def _seconds(gaps: Sequence[PtsRange], timebase: Fraction) -> Fraction:
    return sum((end - start for start, end in gaps), 0) * timebase
