"""Packing the chunks of a sample table from numpy columns: the bytes unpack to what `pack_chunk` packs, much faster.

Each chunk is a zlib stream of its own, put together from pieces that are deflated apart. Columns that repeat from cell
to cell (time steps, the order of B-frames, flags) are deflated once.

Source: RFC 1950 and RFC 1951; zlib's manual for Z_FULL_FLUSH, after which nothing refers to what came before.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.contracts.sample_table import ChunkHead, frame_chunk

ZLIB_HEADER = b"\x78\x01"
LAST_BLOCK = b"\x03\x00"
"""An empty block that says it is the last."""
REMEMBERED_PIECES = 256


@dataclass(frozen=True, slots=True)
class Columns:
    """One row for each sample of a track, in decode order."""

    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    dts: NDArray[np.int64]
    pts: NDArray[np.int64]
    flags: NDArray[np.int64]
    """`SampleFlag`."""
    descriptions: NDArray[np.int64]


class ChunkPacker:
    """Packs runs of samples of one track."""

    def __init__(self, columns: Columns) -> None:
        steps = columns.offsets.copy()
        steps[1:] -= columns.offsets[:-1] + columns.sizes[:-1]
        self._offsets = columns.offsets
        self._offset_steps = steps.astype("<i8", copy=False)
        self._dts = columns.dts
        self._dts_steps = np.diff(columns.dts, prepend=0).astype("<i8", copy=False)
        self._compositions = (columns.pts - columns.dts).astype("<i8", copy=False)
        self._sizes = columns.sizes.astype("<u4")
        self._marks = (columns.flags.astype(np.uint8), columns.descriptions.astype(np.uint8))
        self._deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._remembered: dict[bytes, bytes] = {}

    def pack(self, head: ChunkHead, first: int, after: int) -> bytes:
        """The chunk that holds the samples [first, after)."""
        rows = slice(first, after)
        if first == after:
            return frame_chunk(head, 0, zlib.compress(b""))
        # The first row of a step column counts from 0, so that a chunk needs no other.
        start = (
            self._offsets[first : first + 1].astype("<i8").tobytes() + self._offset_steps[first + 1 : after].tobytes()
        )
        parts = (
            (start + self._dts[first : first + 1].astype("<i8").tobytes(), False),
            (self._dts_steps[first + 1 : after].tobytes(), True),
            (self._compositions[rows].tobytes(), True),
            (self._sizes[rows].tobytes(), False),
            (b"".join(column[rows].tobytes() for column in self._marks), True),
        )
        pieces = [self._remember(part) if repeats else self._piece(part) for part, repeats in parts]
        check = zlib.adler32(b"".join(part for part, _ in parts)).to_bytes(4)
        return frame_chunk(head, after - first, b"".join((ZLIB_HEADER, *pieces, LAST_BLOCK, check)))

    def _piece(self, content: bytes) -> bytes:
        """A piece of a deflate stream, whole bytes, that stands anywhere in one."""
        return self._deflate.compress(content) + self._deflate.flush(zlib.Z_FULL_FLUSH)

    def _remember(self, content: bytes) -> bytes:
        piece = self._remembered.get(content)
        if piece is None:
            piece = self._piece(content)
            if len(self._remembered) < REMEMBERED_PIECES:
                self._remembered[content] = piece
        return piece
