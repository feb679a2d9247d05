"""The rule that cuts keyframes into cells."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.cells import MAX_CELLS, Cell, cut_cells

TIMEBASE = Fraction(1, 1000)

keyframe_lists = st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=200, unique=True).map(sorted)


def every(ticks: int, count: int) -> list[int]:
    return [index * ticks for index in range(count)]


@given(keyframe_lists, st.integers(1, 10**6))
def test_cells_start_with_the_first_keyframe_and_at_keyframes_in_order(keyframes: list[int], last: int) -> None:
    starts = cut_cells(keyframes, keyframes[-1] + last, TIMEBASE)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert set(starts) <= set(range(len(keyframes)))


@given(keyframe_lists, st.integers(1, 10**6))
def test_no_cell_but_the_last_is_shorter_than_the_rule_allows(keyframes: list[int], last: int) -> None:
    starts = cut_cells(keyframes, keyframes[-1] + last, TIMEBASE)
    shortest = min(Fraction(keyframes[-1] - keyframes[0], 32), Fraction(20_000))
    assert all(keyframes[after] - keyframes[start] >= shortest for start, after in pairwise(starts))


def test_a_short_video_has_a_cell_for_each_gop() -> None:
    assert cut_cells(every(1000, 10), 10_000, TIMEBASE) == list(range(10))


def test_a_long_video_has_cells_of_twenty_seconds() -> None:
    starts = cut_cells(every(1000, 1200), 1_200_000, TIMEBASE)
    assert starts == list(range(0, 1200, 20))


def test_a_gop_longer_than_a_cell_is_a_cell() -> None:
    assert cut_cells(every(30_000, 20), 600_000, TIMEBASE) == list(range(20))


def test_a_day_of_video_keeps_within_the_most_cells() -> None:
    starts = cut_cells(every(1000, 86_400), 86_400_000, TIMEBASE)
    assert MAX_CELLS / 2 < len(starts) <= MAX_CELLS


def test_two_keyframes_are_two_cells() -> None:
    assert cut_cells([0, 40], 80, TIMEBASE) == [0, 1]


def test_no_keyframe_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        cut_cells([], 10, TIMEBASE)


def test_a_cell_must_last() -> None:
    with pytest.raises(ValueError, match="end_pts must be after start_pts 5"):
        Cell(0, 5, 5, 0, 0, 0, 0, 0)


def test_a_cell_must_not_end_before_its_bytes_start() -> None:
    with pytest.raises(ValueError, match="byte_end must be at least"):
        Cell(0, 5, 6, 0, 0, 10, 9, 0)
