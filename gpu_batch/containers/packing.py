"""Packing the chunks of a sample table from numpy columns: the bytes unpack to what `pack_chunk` packs, much faster.

Each chunk is a zlib stream of its own, put together from pieces that are deflated apart. Columns that repeat from cell
to cell (time steps, the order of B-frames, flags) are deflated once.

Source: RFC 1950 and RFC 1951; zlib's manual for Z_FULL_FLUSH, after which nothing refers to what came before.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Piece: TypeAlias = bytes | memoryview
Int64s: TypeAlias = NDArray[np.int64]

ZLIB_HEADER = b"\x78\x01"
LAST_BLOCK = b"\x03\x00"
"""An empty block that says it is the last."""
MAX_STORED_BYTES = 0xFFFF
REMEMBERED_PIECES = 256
BLOCK_SAMPLES = 1 << 13
"""Their columns are made at a time: they stay in the processor's cache, and their memory is used again, which spares
the page faults of columns as long as the video."""
_STORED = struct.Struct("<BHH")
_STORED_INT64 = struct.Struct("<BHHq")


@dataclass(frozen=True, slots=True)
class Columns:
    """One row for each sample of a track, in decode order."""

    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    dts: NDArray[np.int64]
    pts: NDArray[np.int64]
    flags: NDArray[np.uint8]
    """`SampleFlag`."""
    descriptions: NDArray[np.int64]

    def between(self, first: int, after: int) -> Columns:
        """The samples [first, after)."""
        rows = slice(first, after)
        return Columns(
            self.offsets[rows],
            self.sizes[rows],
            self.dts[rows],
            self.pts[rows],
            self.flags[rows],
            self.descriptions[rows],
        )


def pack_columns(columns: Columns, firsts: Sequence[int], afters: Sequence[int]) -> Iterator[list[Piece]]:
    """For each run of samples [first, after), at least one: the zlib stream of a chunk, in pieces to be joined.

    Neither `firsts` nor `afters` may fall.
    """
    deflater = _Deflater()
    start = 0
    while start < len(firsts):
        base = firsts[start]
        stop = max(start + 1, bisect_right(afters, base + BLOCK_SAMPLES))
        block = _Block(columns.between(base, afters[stop - 1]), deflater)
        in_block = np.array((firsts[start:stop], afters[start:stop])) - base
        yield from block.pack(*in_block)
        start = stop


class _Block:
    """The columns of some samples as they stand in a chunk, all but the first rows of steps."""

    def __init__(self, columns: Columns, deflater: _Deflater) -> None:
        self._columns = columns
        self._deflater = deflater
        self._steps = columns.offsets.copy()
        self._steps[1:] -= columns.offsets[:-1]
        self._steps[1:] -= columns.sizes[:-1]
        dts_steps = columns.dts.copy()
        dts_steps[1:] -= columns.dts[:-1]
        self._offset_steps = _bytes_of(self._steps, "<i8")
        self._dts_steps = _bytes_of(dts_steps, "<i8")
        self._compositions = _bytes_of(columns.pts - columns.dts, "<i8")
        self._sizes = _bytes_of(columns.sizes, "<u4")
        self._flags = _bytes_of(columns.flags, "u1")
        self._descriptions = _bytes_of(columns.descriptions, "u1")

    def pack(self, firsts: Int64s, afters: Int64s) -> Iterator[list[Piece]]:
        """See `pack_columns`."""
        # The first row of a step column counts from 0, so that a chunk needs no other.
        offsets, dts = self._columns.offsets[firsts].tolist(), self._columns.dts[firsts].tolist()
        moves = np.flatnonzero(self._steps)
        has_moves = (np.searchsorted(moves, firsts + 1) < np.searchsorted(moves, afters)).tolist()
        for run in zip(firsts.tolist(), afters.tolist(), offsets, dts, has_moves, strict=True):
            yield self._pack_one(*run)

    def _pack_one(self, first: int, after: int, offset: int, dts: int, has_moves: bool) -> list[Piece]:  # noqa: FBT001
        deflate, adler32 = self._deflater.deflate, zlib.adler32
        own_offset, own_dts = _stored_int64(offset), _stored_int64(dts)
        others = slice(8 * first + 8, 8 * after)
        offset_steps, sizes = self._offset_steps[others], self._sizes[4 * first : 4 * after]
        dts_steps, compositions = bytes(self._dts_steps[others]), bytes(self._compositions[8 * first : 8 * after])
        marks = bytes(self._flags[first:after]) + bytes(self._descriptions[first:after])
        check = adler32(offset_steps, adler32(own_offset[_STORED.size :]))
        check = adler32(dts_steps, adler32(own_dts[_STORED.size :], check))
        check = adler32(marks, adler32(sizes, adler32(compositions, check)))
        return [
            ZLIB_HEADER,
            own_offset,
            # Without sound between the samples all steps are 0; with it they hardly repeat, and deflating them takes
            # longer than all the rest.
            *(_stored(offset_steps) if has_moves else (deflate(bytes(offset_steps)),)),
            own_dts,
            deflate(dts_steps),
            deflate(compositions),
            *_stored(sizes),
            deflate(marks),
            LAST_BLOCK,
            check.to_bytes(4),
        ]


class _Deflater:
    """Makes pieces of a deflate stream, whole bytes, that may stand anywhere in one; remembers what it made of what."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(1, zlib.DEFLATED, -12, 5)
        self._piece_by_content: dict[bytes, bytes] = {}

    def deflate(self, content: bytes) -> bytes:
        piece = self._piece_by_content.get(content)
        if piece is None:
            piece = self._stream.compress(content) + self._stream.flush(zlib.Z_FULL_FLUSH)
            if len(self._piece_by_content) < REMEMBERED_PIECES:
                self._piece_by_content[content] = piece
        return piece


def _bytes_of(values: NDArray[Any], dtype: str) -> memoryview:
    return np.ascontiguousarray(values, dtype).view(np.uint8).data


def _stored_int64(value: int) -> bytes:
    return _STORED_INT64.pack(0, 8, 8 ^ 0xFFFF, value)


def _stored(content: memoryview) -> Sequence[Piece]:
    """Pieces that are not compressed: sizes hardly shrink, and would take most of the time of a probe."""
    if len(content) <= MAX_STORED_BYTES:
        return _STORED.pack(0, len(content), len(content) ^ 0xFFFF), content
    pieces: list[Piece] = []
    for start in range(0, len(content), MAX_STORED_BYTES):
        part = content[start : start + MAX_STORED_BYTES]
        pieces += _STORED.pack(0, len(part), len(part) ^ 0xFFFF), part
    return pieces
