"""Rows of blocks, in the order of results: which rows a question asks for, and how they are taken out of a block."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chalicelib.contracts.blocks import Block, BlockRef
from chalicelib.contracts.summary_tree import Wanted
from chalicelib.domain.media import Pts

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
    track_ids: Sequence[int] | None,
    first_frame_index: int | None,
) -> Iterator[Row]:
    """The rows of a block that match and come after a place, in order (which is how they are stored).

    `track_ids` is the block's id column, `first_frame_index` that of the first frame of its cell.
    """
    floor, asked_ids = row_filter.score_floors[model_index], row_filter.track_ids
    if asked_ids is not None and track_ids is None:
        return
    names = block.labels
    is_wanted = [row_filter.labels is None or name in row_filter.labels for name in names]
    starts = [bound for bound in (row_filter.from_pts, after[0] if after else None) if bound is not None]
    first = bisect_left(block.pts, max(starts)) if starts else 0
    end = len(block.pts) if row_filter.to_pts is None else bisect_left(block.pts, row_filter.to_pts)
    row = sum(block.counts[:first])
    labels, scores = block.row_labels, block.row_scores
    for frame in range(first, end):
        first_row, row = row, row + block.counts[frame]
        pts = block.pts[frame]
        is_new = after is None or pts > after[0]
        for number in range(first_row, row):
            if scores[number] < floor or not is_wanted[labels[number]]:
                continue
            if asked_ids is not None and (track_ids is None or track_ids[number] not in asked_ids):
                continue
            found = Row(
                pts,
                block.ordinals[frame],
                -scores[number],
                names[labels[number]],
                (block.x1[number], block.y1[number], block.x2[number], block.y2[number]),
                model_index,
                track_ids[number] if track_ids is not None else 0,
                None if first_frame_index is None else first_frame_index + block.ranks[frame],
            )
            if is_new or after is None or found[:6] > after:
                yield found
