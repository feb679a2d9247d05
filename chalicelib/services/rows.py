"""Rows of blocks, in the order of results: which rows a question asks for, and how they are taken out of a block."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import accumulate
from typing import Any, NamedTuple

from chalicelib.contracts.blocks import Block, BlockRef
from chalicelib.contracts.summary_tree import Wanted
from chalicelib.domain.media import Pts

VALUES_SEARCHED = 3
"""More than these are found faster by looking at every row."""
Place = tuple[Any, ...]
"""Where a row stands in the order of results: its first six fields. `(pts,)` stands before every row of that PTS."""


class Row(NamedTuple):
    """One detection; the first six fields are the order of results, and make its place in it unique."""

    pts: Pts
    ordinal: int
    minus_score: int
    """Ten-thousandths, negative: the surest comes first."""
    label: str
    box: tuple[int, int, int, int]
    """Sixteenths of a pixel."""
    model_index: int
    track_id: int
    """0 = none."""
    frame_index: int | None
    """None until everything before the row's segment is known."""

    @property
    def place(self) -> Place:
        """Where the row stands in the order of results."""
        return self[:6]

    @property
    def score_units(self) -> int:
        """Ten-thousandths."""
        return -self.minus_score


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows of a job; every condition must hold."""

    models: tuple[int, ...]
    """Positions in the job's models, rising."""
    score_floors: tuple[int, ...]
    """For each model of the job: the least score, in ten-thousandths."""
    labels: frozenset[str] | None = None
    from_pts: Pts | None = None
    to_pts: Pts | None = None
    """Exclusive."""
    track_ids: frozenset[int] | None = None

    @property
    def wanted(self) -> Wanted:
        """What to look for in the job's summary tree."""
        return Wanted(self.models, self.score_floors, self.labels, self.from_pts, self.to_pts)

    def may_match(self, ref: BlockRef, model_index: int) -> bool:
        """Whether the block can hold a row that matches, as far as its reference tells."""
        if not self.may_match_time(ref.first_pts, ref.last_pts):
            return False
        floor = self.score_floors[model_index]
        return any(
            best >= floor and (self.labels is None or label in self.labels) for label, (_, best) in ref.labels.items()
        )

    def may_match_time(self, first_pts: Pts, last_pts: Pts) -> bool:
        """Whether any of [first_pts, last_pts] is asked for."""
        is_late_enough = self.from_pts is None or last_pts >= self.from_pts
        return is_late_enough and (self.to_pts is None or first_pts < self.to_pts)


def matching_rows(
    block: Block,
    row_filter: RowFilter,
    model_index: int,
    *,
    after: Place | None,
    track_ids: array[int] | None,
    first_frame_index: int | None,
) -> Iterator[Row]:
    """The rows of a block that match and come after a place, in order (which is how they are stored).

    `track_ids` is the block's id column, `first_frame_index` that of the first frame of its cell.
    """
    floor, asked_ids = row_filter.score_floors[model_index], row_filter.track_ids
    if asked_ids is not None and track_ids is None:
        return
    names, labels, scores = block.labels, block.row_labels, block.row_scores
    pts, ordinals, ranks = block.pts, block.ordinals, block.ranks
    x1, y1, x2, y2 = block.x1, block.y1, block.x2, block.y2
    is_wanted = [row_filter.labels is None or name in row_filter.labels for name in names]
    wanted = [number for number, is_asked in enumerate(is_wanted) if is_asked]
    for frame, row in _candidates(block, row_filter, after, wanted, floor, track_ids):
        if scores[row] < floor or not is_wanted[labels[row]]:
            continue
        found = Row(
            pts[frame],
            ordinals[frame],
            -scores[row],
            names[labels[row]],
            (x1[row], y1[row], x2[row], y2[row]),
            model_index,
            track_ids[row] if track_ids is not None else 0,
            None if first_frame_index is None else first_frame_index + ranks[frame],
        )
        if after is None or found[:6] > after:
            yield found


def _candidates(
    block: Block,
    row_filter: RowFilter,
    after: Place | None,
    wanted: Sequence[int],
    floor: int,
    track_ids: array[int] | None,
) -> Iterator[tuple[int, int]]:
    """(frame, row) of those that can match, in order; columns are searched for what is rare."""
    starts = [bound for bound in (row_filter.from_pts, after[0] if after else None) if bound is not None]
    first = bisect_left(block.pts, max(starts)) if starts else 0
    end = len(block.pts) if row_filter.to_pts is None else bisect_left(block.pts, row_filter.to_pts)
    if row_filter.track_ids is None and row_filter.labels is None:
        yield from _by_frame(block, first, end, floor)
        return
    first_rows = [0, *accumulate(block.counts)]
    bounds = first_rows[first], first_rows[max(first, end)]
    if row_filter.track_ids is not None and track_ids is not None:
        rows = _find(track_ids, row_filter.track_ids, *bounds)
    else:
        rows = _find(block.row_labels, frozenset(wanted), *bounds)
    for row in rows:
        yield bisect_right(first_rows, row) - 1, row


def _by_frame(block: Block, first: int, end: int, floor: int) -> Iterator[tuple[int, int]]:
    row = sum(block.counts[:first])
    for frame in range(first, end):
        first_row, row = row, row + block.counts[frame]
        for number in range(first_row, row):
            # The surest come first.
            if block.row_scores[number] < floor:
                break
            yield frame, number


def _find(column: array[int], values: frozenset[int], first: int, end: int) -> Iterator[int]:
    """Positions of the values in [first, end), rising."""
    if len(values) > VALUES_SEARCHED:
        return (row for row in range(first, end) if column[row] in values)
    return merge(*(_find_one(column, value, first, end) for value in values))


def _find_one(column: array[int], value: int, first: int, end: int) -> Iterator[int]:
    try:
        while True:
            first = column.index(value, first, end) + 1
            yield first - 1
    except ValueError:
        return
