from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.cells import Cell
from chalicelib.domain.media import WholeReason
from chalicelib.domain.segments import (
    MAX_CELLS_PER_SEGMENT,
    Segment,
    assign_children,
    default_segment_seconds,
    plan_segments,
    reason_for_one,
)
from tests.fakes.makers import make_cells

TIMEBASE = Fraction(1, 1000)
LENGTHS = st.lists(st.integers(1, 30_000), min_size=1, max_size=200)
HINTS = st.one_of(st.none(), st.fractions(Fraction(1, 100), 100))


def cells_of(lengths: list[int], start_pts: int = 0) -> list[Cell]:
    """Cells of these lengths in ticks, one after the other."""
    cells: list[Cell] = []
    for index, ticks in enumerate(lengths):
        cells.append(Cell(index, start_pts, start_pts + ticks, 0, 0, 0, 0, 1))
        start_pts += ticks
    return cells


@given(lengths=LENGTHS, start_pts=st.integers(-(10**6), 10**6), hint=HINTS)
def test_segments_tile_the_cells_exactly(lengths: list[int], start_pts: int, hint: Fraction | None) -> None:
    cells = cells_of(lengths, start_pts)
    segments = plan_segments(cells, TIMEBASE, hint)
    covered = [cell for segment in segments for cell in range(segment.first_cell, segment.end_cell)]
    assert covered == list(range(len(cells)))
    for index, segment in enumerate(segments):
        own = cells[segment.first_cell : segment.end_cell]
        assert (segment.index, segment.start_pts, segment.end_pts) == (index, own[0].start_pts, own[-1].end_pts)


@given(lengths=LENGTHS, hint=st.fractions(Fraction(1, 100), 100))
def test_every_segment_but_the_last_is_the_shortest_that_is_long_enough(lengths: list[int], hint: Fraction) -> None:
    cells = cells_of(lengths)
    for segment in plan_segments(cells, TIMEBASE, hint)[:-1]:
        is_full = segment.end_cell - segment.first_cell == MAX_CELLS_PER_SEGMENT
        seconds = (segment.end_pts - segment.start_pts) * TIMEBASE
        without_last = (
            seconds - (cells[segment.end_cell - 1].end_pts - cells[segment.end_cell - 1].start_pts) * TIMEBASE
        )
        assert without_last < hint
        assert seconds >= hint or is_full


@given(lengths=LENGTHS)
def test_no_segment_has_more_cells_than_its_index_entry_holds(lengths: list[int]) -> None:
    segments = plan_segments(cells_of(lengths), TIMEBASE, Fraction(10**9))
    assert max(segment.end_cell - segment.first_cell for segment in segments) <= MAX_CELLS_PER_SEGMENT


def test_a_hint_of_two_seconds_gives_segments_of_two_seconds() -> None:
    segments = plan_segments(make_cells(5, ticks=1000), TIMEBASE, Fraction(2))
    assert [(segment.start_pts, segment.end_pts) for segment in segments] == [(0, 2000), (2000, 4000), (4000, 5000)]


def test_a_cell_is_never_cut_however_short_the_hint() -> None:
    assert len(plan_segments(make_cells(3, ticks=60_000), TIMEBASE, Fraction(1, 100))) == 3


def test_nothing_to_plan_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        plan_segments([], TIMEBASE, None)


@pytest.mark.parametrize(("video_seconds", "segment_seconds"), [(4, 2), (32, 2), (160, 10), (960, 60), (86_400, 180)])
def test_without_a_hint_the_length_follows_the_videos(video_seconds: int, segment_seconds: int) -> None:
    cells = cells_of([video_seconds * 1000])
    assert default_segment_seconds(cells, TIMEBASE) == segment_seconds


def test_a_plan_with_several_segments_has_no_reason_for_one() -> None:
    segments = plan_segments(make_cells(2), TIMEBASE, Fraction(1))
    assert reason_for_one(segments, WholeReason.NOT_INDEXED) is None


@pytest.mark.parametrize(
    ("whole", "reason"), [(None, WholeReason.SHORT), (WholeReason.NOT_INDEXED, WholeReason.NOT_INDEXED)]
)
def test_a_plan_with_one_segment_says_why(whole: WholeReason | None, reason: WholeReason) -> None:
    assert reason_for_one(plan_segments(make_cells(1), TIMEBASE, None), whole) is reason


@given(units=st.lists(st.integers(0, 5000), unique=True, min_size=1).map(sorted), children=st.integers(1, 40))
def test_every_unit_has_one_child_and_loads_differ_by_one_at_most(units: list[int], children: int) -> None:
    dealt = assign_children(units, children)
    sizes = [len(child) for child in dealt]
    assert sorted(unit for child in dealt for unit in child) == units
    assert (len(dealt) <= children, min(sizes) > 0, max(sizes) - min(sizes) <= 1) == (True, True, True)


def test_the_beginning_of_the_video_is_dealt_out_first() -> None:
    assert assign_children([0, 1, 2, 3, 4], 2) == ((0, 2, 4), (1, 3))


def test_work_for_no_child_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive but got 0"):
        assign_children([0], 0)


@pytest.mark.parametrize("bad", [(0, 5, 5, 0, 1), (0, 6, 5, 0, 1), (0, 0, 5, 1, 1), (0, 0, 5, 2, 1)])
def test_a_segment_without_time_or_cells_cannot_be_built(bad: tuple[int, int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="a segment must have"):
        Segment(*bad)
