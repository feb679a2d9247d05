"""Sums of many rows at a time are the sums of one row after the other."""

from __future__ import annotations

from array import array
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contracts.progressions import pack_progressions, unpack_progressions
from chalicelib.contracts.words import Differences, running_sums


def to_differences(typecode: str, sums: list[int], bias: int) -> Differences:
    steps = [after - before for before, after in zip([0, *sums], sums, strict=False)]
    return Differences(typecode, array(typecode, [step + bias for step in steps]).tobytes(), bias, 0)


@given(st.lists(st.tuples(st.integers(0, 2**15 - 1), st.integers(0, 2**62)), min_size=1, max_size=80))
def test_columns_of_two_sizes_are_summed_side_by_side(rows: list[tuple[int, int]]) -> None:
    small, large = ([row[column] for row in rows] for column in range(2))
    summed = running_sums([to_differences("H", small, 1 << 15), to_differences("Q", large, 1 << 63)], len(rows))
    assert summed == [array("H", small), array("Q", large)]


def test_what_is_summed_may_have_been_shifted() -> None:
    assert running_sums([Differences("Q", array("Q", [5, 5, 3]).tobytes(), 4, 2)], 3) == [array("Q", [4, 8, 4])]


def test_a_negative_sum_is_an_error() -> None:
    with pytest.raises(OverflowError):
        running_sums([Differences("Q", array("Q", [5, 1, 4]).tobytes(), 4, 0)], 3)


@given(st.one_of(st.lists(st.integers(-(2**60), 2**60)), st.lists(st.integers(0, 3), max_size=30)))
def test_a_column_of_progressions_comes_back(column: list[int]) -> None:
    packed = b"before" + pack_progressions(column)
    assert unpack_progressions("q", packed, 6, len(column)) == (array("q", column), len(packed))


@pytest.mark.parametrize(
    ("column", "number"),
    [([], 0), ([7], 1), ([7, 7, 7], 1), (list(accumulate([512] * 30)), 1), ([0, 3, 6, 7, 8], 2), ([0, 5, 4, 9], 2)],
    ids=str,
)
def test_a_column_is_as_few_progressions_as_it_has_steps(column: list[int], number: int) -> None:
    assert pack_progressions(column)[0] == number


def test_the_sums_of_a_column_are_its_accumulation() -> None:
    steps = [index % 7 for index in range(1000)]
    (summed,) = running_sums([Differences("H", array("H", steps).tobytes(), 0, 0)], 1000)
    assert list(summed) == list(accumulate(steps))
