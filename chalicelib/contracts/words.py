"""Columns of small numbers, summed up many rows at a time.

Python takes as long to add two numbers as to add two integers of a hundred digits. So a column is worked on as a few
long integers that have a field for each of many rows. Fields are little-endian, as are all machines that this runs on.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import isqrt
from typing import NamedTuple

ROWS_PER_LAYER = 3
"""Per row of the grid in `running_sums`; what was found to be fastest."""


class Differences(NamedTuple):
    """A column of differences from row to row, each in a field that holds `(difference >> shift) + bias`."""

    typecode: str
    """Of an array of such fields, unsigned."""
    fields: bytes | bytearray
    bias: int
    shift: int


class _Lane(NamedTuple):
    """A column as a grid, and where its fields lie in a layer."""

    grid: array[int]
    first: int
    end: int


def running_sums(columns: Sequence[Differences], rows: int) -> list[array[int]]:
    """For each column and row, in fields of the same size, the sum of the differences down to that row.

    Each sum must be positive and below half of what the field can hold.

    Raises:
        OverflowError: some are not.
    """
    # The rows stand in a grid: `across` stretches, side by side, of `down` rows. A layer, one row of the grid, is a
    # long integer, and layers add up to the sums within each stretch. Where a stretch starts follows from the whole
    # sums of those before it.
    down = isqrt(rows // ROWS_PER_LAYER) + 1
    across = -(-rows // down)
    layers = [0] * down
    lanes: list[_Lane] = []
    width = 0
    for typecode, fields, bias, shift in columns:
        grid = array(typecode, bytes(fields))
        grid.extend(array(typecode, [bias]) * (down * across - rows))
        biases = every_field(bias, across, grid.itemsize)
        for row in range(down):
            layers[row] += int.from_bytes(grid[row::down].tobytes(), "little") - biases << 8 * width + shift
        end = width + grid.itemsize * across
        lanes.append(_Lane(grid, width, end))
        width = end
    # A total may be negative: with its sign bit's worth on top none borrows from the one beside it.
    more = sum(every_field(_sign(grid), across, grid.itemsize) << 8 * first for grid, first, _ in lanes)
    totals = (sum(layers) + more).to_bytes(width, "little")
    starts = int.from_bytes(b"".join(_starts(lane, totals) for lane in lanes), "little")
    summed = [at.to_bytes(width, "little") for at in accumulate(layers, initial=starts)][1:]
    for grid, first, end in lanes:
        for row, layer in enumerate(summed):
            grid[row::down] = array(grid.typecode, layer[first:end])
    return [lane.grid[:rows] for lane in lanes]


def _starts(lane: _Lane, totals: bytes) -> bytes:
    """The sums of the stretches before each stretch."""
    code, sign = lane.grid.typecode, _sign(lane.grid)
    sums = accumulate([total - sign for total in array(code, totals[lane.first : lane.end])], initial=0)
    return array(code, list(sums)[:-1]).tobytes()


def _sign(column: array[int]) -> int:
    return 1 << 8 * column.itemsize - 1


def every_field(value: int, fields: int, size: int) -> int:
    """The long integer that has `value` in each of its fields of `size` bytes."""
    return int.from_bytes(value.to_bytes(size, "little") * fields, "little")


@lru_cache(maxsize=1)
def ramp() -> bytes:
    """0, 1, 2, … in fields of two bytes."""
    return array("H", range(1 << 16)).tobytes()
