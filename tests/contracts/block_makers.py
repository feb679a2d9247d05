"""Blocks for tests: a small one with every column in use, and any block at all for hypothesis."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from fractions import Fraction

from hypothesis import strategies as st

from chalicelib.contracts.blocks import FLAG_OVERFLOW, Block

Row = tuple[int, int, int, int, int, int]
"""label position, score, x1, y1, x2, y2."""
FrameOf = tuple[int, int, int, int, Sequence[Row]]
"""pts, ordinal, rank, flags, rows."""


def make_block(timebase: Fraction, labels: Sequence[str], frames: Sequence[FrameOf]) -> Block:
    """The columns of these frames."""
    rows = [row for frame in frames for row in frame[4]]
    return Block(
        timebase,
        tuple(labels),
        array("q", [frame[0] for frame in frames]),
        array("H", [frame[1] for frame in frames]),
        array("I", [frame[2] for frame in frames]),
        array("H", [len(frame[4]) for frame in frames]),
        array("B", [frame[3] for frame in frames]),
        array("H", [row[0] for row in rows]),
        array("H", [row[1] for row in rows]),
        *(array("i", [row[side] for row in rows]) for side in range(2, 6)),
    )


def a_block() -> Block:
    """Three frames: two rows, none, one; a repeated PTS, a negative one, a label that is not ASCII."""
    return make_block(
        Fraction(1, 12800),
        ["fahrrad ü", "person"],
        [
            (-512, 0, 0, FLAG_OVERFLOW, [(1, 9876, 0, 16, 320, 4352), (0, 2000, -1, 0, 70_000, 65_537)]),
            (0, 0, 1, 0, []),
            (0, 1, 2, 0, [(1, 1, 3, 4, 5, 6)]),
        ],
    )


def a_walk() -> Block:
    """Seven frames with what chains must cope with: who comes, goes, is missed for a while, or ties with another."""
    return make_block(
        Fraction(1, 12800),
        ["dog", "fahrrad ü", "person"],
        [
            (0, 0, 0, 0, [(2, 9870, 1600, 160, 2240, 3200)]),
            (512, 0, 1, 0, [(2, 9810, 1604, 164, 2248, 3200), (0, 5000, 8000, 4000, 8400, 4400)]),
            (1024, 0, 3, FLAG_OVERFLOW, [(2, 9810, 1612, 160, 2252, 3196)]),
            (1024, 1, 4, 0, []),
            (1600, 0, 6, 0, [(0, 7000, 8040, 4000, 8440, 4400), (2, 7000, 1624, 160, 2260, 3200)]),
            (2048, 0, 7, 0, [(0, 800, 40, 8, 60, 16), (0, 800, 8048, 4004, 8448, 4404), (1, 800, 0, 0, 20_000, 9000)]),
            (2560, 0, 8, 0, [(0, 810, 8056, 4004, 8456, 4404), (0, 810, 48, 8, 68, 16)]),
        ],
    )


def blocks() -> st.SearchStrategy[Block]:
    """Any block that a worker could write, and more."""
    i32 = st.one_of(st.integers(0, 2**15), st.integers(0, 2**20), st.integers(-(2**31), 2**31 - 1))
    u16 = st.integers(0, 2**16 - 1)
    labels = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5, unique=True).map(sorted)

    def with_labels(names: list[str]) -> st.SearchStrategy[Block]:
        row = st.tuples(st.integers(0, len(names) - 1), u16, i32, i32, i32, i32)
        frame = st.tuples(
            st.integers(-(2**61), 2**61), u16, st.integers(0, 2**32 - 1), st.integers(0, 255), st.lists(row, max_size=4)
        )
        timebase = st.builds(Fraction, st.integers(1, 2**20), st.integers(1, 2**20))
        return st.builds(make_block, timebase, st.just(names), st.lists(frame, max_size=6))

    return labels.flatmap(with_labels)
