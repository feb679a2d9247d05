"""Block format 1: columns row by row, absolute. Still written where format 2 does not reach; see `blocks`.

A zlib stream of the header (`block_columns.HEADER`, format = 1) and, little-endian,

    L × (H length, UTF-8 bytes)              label names that occur in this block, sorted
    F × q   pts: the first one, then each one's difference to the one before   ┐
    F × H   ordinal among frames of the same pts                               │
    F × I   rank of the frame among the shown frames of its cell, from 0       │ frames, by (pts, ordinal);
    F × H   number of rows                                                     │ also those without a row
    F × B   flags: 1 = the model filled all its rows, there may be more        ┘
    R × H   label, as position in the list of names                            ┐
    R × H   score in ten-thousandths                                           │ rows, frame by frame; in a frame by
    R × i   x1, then all y1, all x2, all y2: sixteenths of a pixel             ┘ score descending, label name, box

Every column of k-byte numbers is stored as k planes (all first bytes, all second bytes, …), which zlib packs far
better.
"""

from __future__ import annotations

import zlib
from array import array
from fractions import Fraction
from itertools import accumulate

from chalicelib.contracts.block_columns import (
    HEADER,
    MAGIC,
    BadBlock,
    Block,
    deltas,
    pack_labels,
    planes,
    unpack_labels,
    unplane,
)

FORMAT = 1


def pack(block: Block) -> bytes:
    """The block as bytes; any block at all."""
    parts = [
        HEADER.pack(
            MAGIC,
            FORMAT,
            0,
            len(block.labels),
            block.timebase.numerator,
            block.timebase.denominator,
            len(block.pts),
            len(block.row_labels),
        ),
        pack_labels(block.labels),
        planes(array("q", deltas(block.pts))),
        *(planes(column) for column in (block.ordinals, block.ranks, block.counts, block.flags)),
        *(planes(column) for column in (block.row_labels, block.row_scores, block.x1, block.y1, block.x2, block.y2)),
    ]
    return zlib.compress(b"".join(parts), 6)


def read(raw: bytes, label_count: int, timebase: Fraction, frames: int, rows: int) -> Block:
    """The columns of an unpacked block.

    Raises:
        BadBlock, struct.error, ValueError, ArithmeticError: they are not as the header says.
    """
    labels, offset = unpack_labels(raw, HEADER.size, label_count)
    columns = []
    for typecode, count in (*((code, frames) for code in "qHIHB"), *((code, rows) for code in "HHiiii")):
        size = array(typecode).itemsize * count
        columns.append(unplane(typecode, raw[offset : offset + size]))
        offset += size
    if offset != len(raw):
        raise BadBlock(f"a block must be {offset} bytes long when unpacked but got {len(raw)}")
    steps, *others = columns
    return Block(timebase, labels, array("q", accumulate(steps)), *others)
