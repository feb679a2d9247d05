"""A diff: what two analyses of the same video found, put beside each other; sums that add up.

Job a is the one that is compared with (the old one), b the one that is compared (the new one). Two frames are the same
when their (pts, ordinal) is. Only frames that both jobs looked at are compared; `domain/box_matching.py` says which of
their detections are the same thing. What a has and b lacks is *removed*, the other way round *added*; a matched pair
that overlaps little has *moved*, and is matched all the same.

Frames that only one of the jobs looked at are counted apart, and what they hold is neither added nor removed. Parts of
the video that one of the jobs lacks (segments that failed, or are not there yet) are *missing*, and are left out whole.

Every sum is a whole number, so that the diffs of parts, in any order, add up to the diff of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from fractions import Fraction
from typing import Any

from chalicelib.domain.box_matching import MILLION
from chalicelib.domain.media import Pts

SCORE_UNITS = 10_000

PtsRange = tuple[Pts, Pts]
"""[start_pts, end_pts)."""


@dataclass(frozen=True, slots=True)
class DiffSums:
    """Counts of the detections of frames that both jobs looked at."""

    a_count: int = 0
    b_count: int = 0
    matched: int = 0
    """Pairs; those that moved are among them."""
    moved: int = 0
    iou_sum: int = 0
    """Of the pairs, in millionths."""
    score_change_sum: int = 0
    """Of the pairs: the score of b less that of a, in ten-thousandths."""

    def __add__(self, other: DiffSums) -> DiffSums:
        return DiffSums(*map(int.__add__, astuple(self), astuple(other)))

    @property
    def added(self) -> int:
        """Detections of b without one of a."""
        return self.b_count - self.matched

    @property
    def removed(self) -> int:
        """Detections of a without one of b."""
        return self.a_count - self.matched

    @property
    def agreement(self) -> float:
        """Dice: 2 · matched / (a + b); 1 when neither found anything."""
        both = self.a_count + self.b_count
        return 2 * self.matched / both if both else 1.0

    @property
    def mean_iou(self) -> float | None:
        """Of the pairs; None without any."""
        return self.iou_sum / (self.matched * MILLION) if self.matched else None

    @property
    def mean_score_change(self) -> float | None:
        """Of the pairs, b less a; None without any."""
        return self.score_change_sum / (self.matched * SCORE_UNITS) if self.matched else None


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """How many frames were looked at."""

    both: int = 0
    only_a: int = 0
    only_b: int = 0

    def __add__(self, other: FrameCounts) -> FrameCounts:
        return FrameCounts(self.both + other.both, self.only_a + other.only_a, self.only_b + other.only_b)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The length of a video, [start_pts, end_pts), in equal ranges; whole ticks of its timebase all the way."""

    start_pts: Pts
    end_pts: Pts
    timebase: Fraction
    ranges: int

    def __post_init__(self) -> None:
        if not 1 <= self.ranges <= self.end_pts - self.start_pts:
            raise ValueError(f"ranges must be 1 to {self.end_pts - self.start_pts} ticks but got {self.ranges}")

    def range_of(self, pts: Pts) -> int:
        """The range that a frame is in; what lies before or after the video is in its first or last one."""
        number = (pts - self.start_pts) * self.ranges // (self.end_pts - self.start_pts)
        return min(max(number, 0), self.ranges - 1)

    def start_of(self, number: int) -> Pts:
        """The first PTS of a range; that of the one after the last is the end."""
        # Rounded up, so that `range_of` of it is the range and of the PTS before it another one.
        return self.start_pts - (-number * (self.end_pts - self.start_pts) // self.ranges)

    def clip(self, start_pts: Pts, end_pts: Pts) -> PtsRange | None:
        """The part of a range that is in the video."""
        start, end = max(start_pts, self.start_pts), min(end_pts, self.end_pts)
        return (start, end) if start < end else None


@dataclass(frozen=True, slots=True)
class Diff:
    """The sums of a diff, or of a part of it; `+` adds parts of one video, and diffs of many videos.

    Parts of one video keep its timeline. The sum over several videos has none, nor ranges that are missing, but their
    seconds.
    """

    labels: Mapping[str, DiffSums] = field(default_factory=dict)
    """Of every label that occurs."""
    frames: FrameCounts = FrameCounts()
    timeline: Timeline | None = None
    over_time: tuple[DiffSums, ...] = ()
    """All labels together, for each range of the timeline."""
    missing_a: tuple[PtsRange, ...] = ()
    """What a has no results of, in order of time; neighbours are one."""
    missing_b: tuple[PtsRange, ...] = ()
    missing_seconds_a: Fraction = Fraction(0)
    missing_seconds_b: Fraction = Fraction(0)
    is_of_many: bool = False
    """Whether it is of several timelines, and so has none."""

    def __add__(self, other: Diff) -> Diff:
        one, two = self.timeline, other.timeline
        is_of_many = self.is_of_many or other.is_of_many or (one is not None and two is not None and one != two)
        labels = {label: _sums(self, label) + _sums(other, label) for label in sorted({*self.labels, *other.labels})}
        return Diff(
            labels,
            self.frames + other.frames,
            None if is_of_many else one or two,
            () if is_of_many else _add_over_time(self.over_time, other.over_time),
            () if is_of_many else join_ranges([*self.missing_a, *other.missing_a]),
            () if is_of_many else join_ranges([*self.missing_b, *other.missing_b]),
            self.missing_seconds_a + other.missing_seconds_a,
            self.missing_seconds_b + other.missing_seconds_b,
            is_of_many,
        )

    @property
    def total(self) -> DiffSums:
        """All labels together."""
        return sum(self.labels.values(), DiffSums())

    @property
    def agreement(self) -> float:
        """Of all labels together: 1 when nothing was added or removed."""
        return self.total.agreement

    def to_json(self) -> dict[str, Any]:
        """Compact form, of whole numbers and text."""
        line = self.timeline
        return {
            "labels": {label: list(astuple(sums)) for label, sums in sorted(self.labels.items())},
            "frames": list(astuple(self.frames)),
            "timeline": line and [line.start_pts, line.end_pts, str(line.timebase), line.ranges],
            "over_time": [list(astuple(sums)) for sums in self.over_time],
            "missing": [[list(gap) for gap in gaps] for gaps in (self.missing_a, self.missing_b)],
            "missing_seconds": [str(self.missing_seconds_a), str(self.missing_seconds_b)],
            "is_of_many": self.is_of_many,
        }

    @staticmethod
    def from_json(form: Mapping[str, Any]) -> Diff:
        """The diff that `to_json` wrote."""
        line = form["timeline"]
        missing_a, missing_b = (tuple((int(start), int(end)) for start, end in gaps) for gaps in form["missing"])
        seconds_a, seconds_b = map(Fraction, form["missing_seconds"])
        return Diff(
            {label: _sums_of(numbers) for label, numbers in form["labels"].items()},
            FrameCounts(*map(int, form["frames"])),
            Timeline(int(line[0]), int(line[1]), Fraction(line[2]), int(line[3])) if line else None,
            tuple(_sums_of(numbers) for numbers in form["over_time"]),
            missing_a,
            missing_b,
            seconds_a,
            seconds_b,
            form["is_of_many"],
        )


NO_DIFF = Diff()
"""What sums begin with."""


def join_ranges(ranges: Iterable[PtsRange]) -> tuple[PtsRange, ...]:
    """Ranges in order of time, neighbours joined."""
    joined: list[PtsRange] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _sums(diff: Diff, label: str) -> DiffSums:
    return diff.labels.get(label) or DiffSums()


def _sums_of(numbers: Iterable[Any]) -> DiffSums:
    # DynamoDB gives whole numbers back as decimals.
    return DiffSums(*map(int, numbers))


def _add_over_time(one: Sequence[DiffSums], two: Sequence[DiffSums]) -> tuple[DiffSums, ...]:
    if not one or not two:
        return tuple(one or two)
    return tuple(first + second for first, second in zip(one, two, strict=True))
