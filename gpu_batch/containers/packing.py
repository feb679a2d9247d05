"""Packing the chunks of a sample table from numpy columns: the bytes unpack to what `pack_chunk` packs, much faster.

Each chunk is a zlib stream of its own, put together from pieces that are deflated apart. Columns that repeat from cell
to cell (time steps, the order of B-frames, flags) are deflated once.

Source: RFC 1950 and RFC 1951; zlib's manual for Z_FULL_FLUSH, after which nothing refers to what came before.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.contracts.sample_table import ChunkHead, frame_chunk

ZLIB_HEADER = b"\x78\x01"
LAST_BLOCK = b"\x03\x00"
"""An empty block that says it is the last."""
MAX_STORED_BYTES = 0xFFFF
REMEMBERED_PIECES = 256


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


class ChunkPacker:
    """Packs runs of samples of one track."""

    def __init__(self, columns: Columns) -> None:
        steps = _steps_of(columns.offsets)
        steps[1:] -= columns.sizes[:-1]
        self._offsets = _bytes_of(columns.offsets, "<i8")
        self._offset_steps = _bytes_of(steps, "<i8")
        self._dts = _bytes_of(columns.dts, "<i8")
        self._dts_steps = _bytes_of(_steps_of(columns.dts), "<i8")
        self._compositions = _bytes_of(columns.pts - columns.dts, "<i8")
        self._sizes = _bytes_of(columns.sizes, "<u4")
        self._flags = _bytes_of(columns.flags, "u1")
        self._descriptions = _bytes_of(columns.descriptions, "u1")
        self._deflate = zlib.compressobj(1, zlib.DEFLATED, -12, 5)
        self._piece_by_content: dict[bytes, bytes] = {}

    def pack(self, head: ChunkHead, first: int, after: int) -> bytes:
        """The chunk that holds the samples [first, after), at least one."""
        # The first row of a step column counts from 0, so that a chunk needs no other.
        own, others = slice(8 * first, 8 * first + 8), slice(8 * first + 8, 8 * after)
        offset_steps = self._offset_steps[others]
        # Without sound between the samples all steps are 0; with it they hardly repeat, and deflating them takes longer
        # than all the rest.
        columns = (
            (self._offsets[own], _stored),
            (offset_steps, _stored if offset_steps.strip(b"\0") else self._remembered),
            (self._dts[own], _stored),
            (self._dts_steps[others], self._remembered),
            (self._compositions[8 * first : 8 * after], self._remembered),
            (self._sizes[4 * first : 4 * after], _stored),
            (self._flags[first:after] + self._descriptions[first:after], self._remembered),
        )
        pieces = [make(content) for content, make in columns]
        check = zlib.adler32(b"".join(content for content, _ in columns)).to_bytes(4)
        return frame_chunk(head, after - first, b"".join((ZLIB_HEADER, *pieces, LAST_BLOCK, check)))

    def _deflated(self, content: bytes) -> bytes:
        """A piece of a deflate stream, whole bytes, that may stand anywhere in one."""
        return self._deflate.compress(content) + self._deflate.flush(zlib.Z_FULL_FLUSH)

    def _remembered(self, content: bytes) -> bytes:
        piece = self._piece_by_content.get(content)
        if piece is None:
            piece = self._deflated(content)
            if len(self._piece_by_content) < REMEMBERED_PIECES:
                self._piece_by_content[content] = piece
        return piece


def _steps_of(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first value, then what each adds to the one before; numpy's diff would copy the column first."""
    steps = values.copy()
    steps[1:] -= values[:-1]
    return steps


def _bytes_of(values: NDArray[Any], dtype: str) -> bytes:
    return np.asarray(values, dtype).tobytes()


def _stored(content: bytes) -> bytes:
    """A piece that is not compressed: sizes hardly shrink, and would take most of the time of a probe."""
    blocks = []
    for start in range(0, len(content), MAX_STORED_BYTES):
        part = content[start : start + MAX_STORED_BYTES]
        blocks += [struct.pack("<BHH", 0, len(part), len(part) ^ 0xFFFF), part]
    return b"".join(blocks)
