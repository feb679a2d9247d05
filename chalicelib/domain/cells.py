"""Cells: the smallest unit of stored results, cut from the keyframe list of a video by a fixed rule.

The rule knows nothing of jobs or machines, so the same file always has the same cells, and blocks that one job stored
answer the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from chalicelib.domain.media import Pts

CELL_RULE = 3
"""Number of the rule below; part of the key of stored results, so it rises with every change to what is cut where."""
MAX_CELLS = 4096
"""Cells per video: bounds the list that a Lambda reads to plan a job."""
CELLS_PER_SHORT_VIDEO = 32
"""A video shorter than this many full-length cells gets shorter cells, so that it can still be cut."""
FULL_CELL_SECONDS = 20
"""What a block costs whatever is in it is paid for that often; and a page decodes at least one block whole."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One or more whole GOPs: PTS in [start_pts, end_pts), and where what they need lies.

    Cells tile the shown timeline: the first starts at the first shown frame, the last ends after the last one.
    """

    index: int
    start_pts: Pts
    end_pts: Pts
    table_offset: int
    """Where the cell's chunk starts in the sample-table object (`contracts/sample_table.py`)."""
    table_size: int
    byte_start: int
    """First byte in the source that decoding the cell needs."""
    byte_end: int
    """One past the last such byte, the leading pictures of the next cell's keyframe included."""
    frames: int
    """Shown frames."""

    def __post_init__(self) -> None:
        if self.end_pts <= self.start_pts:
            raise ValueError(f"end_pts must be after start_pts {self.start_pts} but got {self.end_pts}")
        if self.byte_end < self.byte_start:
            raise ValueError(f"byte_end must be at least byte_start {self.byte_start} but got {self.byte_end}")


def cut_cells(keyframe_pts: Sequence[Pts], end_pts: Pts, timebase: Fraction) -> list[int]:
    """Positions in `keyframe_pts` at which a cell starts; the first is always 0.

    A cell lasts at least `span / 32`, at most 20 s before it may end (longer only where a GOP is), where span is last
    minus first keyframe; and no video has more than `MAX_CELLS`. The last cell ends at `end_pts` and may be shorter.

    Args:
        keyframe_pts: strictly rising, at least one.
        end_pts: after the last shown frame.
        timebase: seconds per tick.
    """
    if not keyframe_pts:
        raise ValueError("keyframe_pts must have at least one entry but got none")
    span = keyframe_pts[-1] - keyframe_pts[0]
    minimum = min(Fraction(span, CELLS_PER_SHORT_VIDEO), FULL_CELL_SECONDS / timebase)
    # The cells but the last are at least `minimum` long, so this many ticks never make more than MAX_CELLS of them.
    minimum = max(minimum, Fraction(max(end_pts - keyframe_pts[0], 0), MAX_CELLS))
    # Ticks are whole, so rounding up changes nothing but the speed.
    whole_minimum = ceil(minimum)
    starts = [0]
    for position, pts in enumerate(keyframe_pts):
        if position and pts - keyframe_pts[starts[-1]] >= whole_minimum:
            starts.append(position)
    return starts
