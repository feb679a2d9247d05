"""Columns that mostly rise by the same step, as progressions: the times and ranks of frames.

A column of n numbers is stored as `I` number of progressions P, then in planes

    P × q   the first number, less the last one of the progression before
    P × q   step
    P × I   number of numbers
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence

from chalicelib.contracts.block_columns import BadBlock, planes, unplane

_COUNT = struct.Struct("<I")


def pack_progressions(column: Sequence[int]) -> bytes:
    """The column as bytes.

    Raises:
        OverflowError: a step does not fit into 64 bits.
    """
    firsts: list[int] = []
    steps: list[int] = []
    counts: list[int] = []
    last, step, count = 0, 0, 0
    for value in column:
        if count == 1:
            step, count = value - last, 2
        elif count and value - last == step:
            count += 1
        else:
            if count:
                steps.append(step)
                counts.append(count)
            firsts.append(value - last)
            step, count = 0, 1
        last = value
    if count:
        steps.append(step)
        counts.append(count)
    parts = planes(array("q", firsts)), planes(array("q", steps)), planes(array("I", counts))
    return _COUNT.pack(len(firsts)) + b"".join(parts)


def unpack_progressions(typecode: str, raw: bytes, offset: int, length: int) -> tuple[array[int], int]:
    """A column of `length` numbers that starts at `offset`, and where it ends."""
    (count,) = _COUNT.unpack_from(raw, offset)
    offset += _COUNT.size
    parts: list[Sequence[int]] = []
    for code in "qqI":
        end = offset + array(code).itemsize * count
        # One number is its own planes: by far the most columns are a single progression.
        parts.append(unplane(code, raw[offset:end]) if count != 1 else struct.unpack("<" + code, raw[offset:end]))
        offset = end
    firsts, steps, counts = parts
    if len(counts) != count or sum(counts) != length:
        raise BadBlock(f"progressions must be of {length} numbers but are of {sum(counts)}")
    column: array[int] = array(typecode)
    last = 0
    for rise, step, size in zip(firsts, steps, counts, strict=True):
        first = last + rise
        last = first + step * (size - 1)
        if step:
            column.extend(array(typecode, list(range(first, last + (1 if step > 0 else -1), step))))
        else:
            column.extend(array(typecode, [first]) * size)
    return column, offset
