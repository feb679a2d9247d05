"""The plan: which cells make a segment, and which child job takes which segments.

Pure, so that planning twice gives the same plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from chalicelib.domain.cells import Cell
from chalicelib.domain.media import Pts, WholeReason

MAX_CELLS_PER_SEGMENT = 64
"""Keeps the index entry of a segment, committed in one transaction, far below DynamoDB's 400 KB item."""
SHORTEST_DEFAULT_SECONDS = 2
LONGEST_DEFAULT_SECONDS = 180
DEFAULT_SEGMENTS = 16
"""Without a hint a video is cut into about this many segments: enough to spread and to show progress, few enough to
commit cheaply."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of cells that is claimed and committed together: PTS in [start_pts, end_pts)."""

    index: int
    start_pts: Pts
    end_pts: Pts
    first_cell: int
    end_cell: int
    """One past the last cell."""

    def __post_init__(self) -> None:
        if not self.start_pts < self.end_pts:
            raise ValueError(f"a segment must have start_pts < end_pts but got [{self.start_pts}, {self.end_pts})")
        if not self.first_cell < self.end_cell:
            raise ValueError(f"a segment must have a cell but got [{self.first_cell}, {self.end_cell})")


def plan_segments(cells: Sequence[Cell], timebase: Fraction, segment_seconds: Fraction | None) -> tuple[Segment, ...]:
    """Runs of whole cells, each the shortest that lasts `segment_seconds` or more; the last may be shorter.

    The segments tile the cells exactly and in order. Without a hint the length follows the video's.
    """
    if not cells:
        raise ValueError("cells must not be empty")
    target_ticks = (segment_seconds or default_segment_seconds(cells, timebase)) / timebase
    segments: list[Segment] = []
    first = 0
    for position, cell in enumerate(cells):
        is_long_enough = cell.end_pts - cells[first].start_pts >= target_ticks
        is_full = position + 1 - first >= MAX_CELLS_PER_SEGMENT
        if is_long_enough or is_full or position + 1 == len(cells):
            segments.append(Segment(len(segments), cells[first].start_pts, cell.end_pts, first, position + 1))
            first = position + 1
    return tuple(segments)


def default_segment_seconds(cells: Sequence[Cell], timebase: Fraction) -> Fraction:
    """How long a segment is when nobody says."""
    return default_seconds_of((cells[-1].end_pts - cells[0].start_pts) * timebase)


def default_seconds_of(duration: Fraction) -> Fraction:
    """How long a segment of a video of so many seconds is when nobody says."""
    return min(max(duration / DEFAULT_SEGMENTS, Fraction(SHORTEST_DEFAULT_SECONDS)), Fraction(LONGEST_DEFAULT_SECONDS))


def reason_for_one(segments: Sequence[Segment], whole_reason: WholeReason | None) -> WholeReason | None:
    """Why a plan has only one segment; None when it has several."""
    if len(segments) > 1:
        return None
    return whole_reason or WholeReason.SHORT


def assign_children(units: Sequence[int], max_children: int) -> tuple[tuple[int, ...], ...]:
    """Which child job takes which segments: dealt out in turn, so that the first results are of the beginning."""
    if max_children < 1:
        raise ValueError(f"max_children must be positive but got {max_children}")
    count = min(len(units), max_children)
    return tuple(tuple(units[child::count]) for child in range(count))
