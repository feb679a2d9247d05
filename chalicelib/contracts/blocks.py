"""Blocks: packed detections of one model in one cell, found by what made them.

Immutable; written by the worker, read by the service. A cell's detections are one block, or several in time order
when one would pass 64 KB. Byte layout of a block (format 1, little-endian): a zlib stream of

    4s  magic "RSB1"                         B   format = 1
    B   0 (reserved)                         H   number of labels L
    I   timebase numerator                   I   timebase denominator
    I   number of frames F                   I   number of rows R
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

import hashlib
import json
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from chalicelib.domain.media import Pts

FORMAT = 1
MAX_BLOCK_BYTES = 64 * 1024
"""A longer block is split by time, so that a page of results reads a bounded number of bytes."""
SCORE_UNITS = 10_000
BOX_UNITS = 16
FLAG_OVERFLOW = 1

_HEADER = struct.Struct("<4sBBHIIII")
_MAGIC = b"RSB1"


class BadBlock(ValueError):
    """The bytes are not a block of a format that this reader knows."""


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of a block, decoded: frames (length F) and rows (length R). See the module's docstring for the units."""

    timebase: Fraction
    labels: tuple[str, ...]
    pts: array[int]
    ordinals: array[int]
    ranks: array[int]
    counts: array[int]
    flags: array[int]
    row_labels: array[int]
    row_scores: array[int]
    x1: array[int]
    y1: array[int]
    x2: array[int]
    y2: array[int]

    def __post_init__(self) -> None:
        frame_columns = (self.ordinals, self.ranks, self.counts, self.flags)
        row_columns = (self.row_scores, self.x1, self.y1, self.x2, self.y2)
        if any(len(column) != len(self.pts) for column in frame_columns):
            raise BadBlock(f"every frame column must have {len(self.pts)} entries")
        if any(len(column) != len(self.row_labels) for column in row_columns) or sum(self.counts) != len(
            self.row_labels
        ):
            raise BadBlock(f"every row column must have {len(self.row_labels)} entries, the sum of the frames' counts")
        if max(self.row_labels, default=-1) >= len(self.labels):
            raise BadBlock(f"row_labels must be positions in {len(self.labels)} labels but got {max(self.row_labels)}")

    def label_statistics(self) -> dict[str, tuple[int, int]]:
        """By label: number of rows, and best score in ten-thousandths."""
        counts = [0] * len(self.labels)
        best = [0] * len(self.labels)
        for label, score in zip(self.row_labels, self.row_scores, strict=True):
            counts[label] += 1
            best[label] = max(best[label], score)
        return {name: (counts[i], best[i]) for i, name in enumerate(self.labels) if counts[i]}


@dataclass(frozen=True, slots=True)
class BlockRef:
    """What is known of a block without reading it."""

    sk: str
    """Sort key, in the partition of the video's content."""
    sha256: str
    first_pts: Pts
    last_pts: Pts
    frames: int
    rows: int
    labels: dict[str, tuple[int, int]]
    """By label: number of rows, and best score in ten-thousandths."""

    def to_json(self) -> list[Any]:
        """Compact form for items."""
        labels = {name: list(pair) for name, pair in sorted(self.labels.items())}
        return [self.sk, self.sha256, self.first_pts, self.last_pts, self.frames, self.rows, labels]

    @staticmethod
    def from_json(form: Sequence[Any]) -> BlockRef:
        """The reference that `to_json` wrote."""
        sk, sha256, first_pts, last_pts, frames, rows, labels = form
        return BlockRef(
            sk, sha256, first_pts, last_pts, frames, rows, {name: (pair[0], pair[1]) for name, pair in labels.items()}
        )


def pack_block(block: Block) -> bytes:
    """The block as bytes; the same columns give the same bytes (for one version of zlib)."""
    names = [name.encode() for name in block.labels]
    parts = [
        _HEADER.pack(
            _MAGIC,
            FORMAT,
            0,
            len(names),
            block.timebase.numerator,
            block.timebase.denominator,
            len(block.pts),
            len(block.row_labels),
        ),
        *(struct.pack("<H", len(name)) + name for name in names),
        planes(array("q", _deltas(block.pts))),
        *(planes(column) for column in (block.ordinals, block.ranks, block.counts, block.flags)),
        *(planes(column) for column in (block.row_labels, block.row_scores, block.x1, block.y1, block.x2, block.y2)),
    ]
    return zlib.compress(b"".join(parts), 6)


def unpack_block(packed: bytes) -> Block:
    """The columns of a block.

    Raises:
        BadBlock: damaged bytes, or a format of a later version.
    """
    try:
        raw = zlib.decompress(packed)
        magic, version, _, label_count, numerator, denominator, frames, rows = _HEADER.unpack_from(raw)
    except (zlib.error, struct.error) as error:
        raise BadBlock(f"a block must be a zlib stream with a header but got {len(packed)} other bytes") from error
    if magic != _MAGIC or version != FORMAT:
        raise BadBlock(f"a block must be of format {FORMAT} but got {magic!r} {version}; read it with a newer reelscan")
    try:
        return _read_block(raw, label_count, (numerator, denominator), frames, rows)
    except BadBlock:
        raise
    except (struct.error, ValueError, ArithmeticError) as error:
        raise BadBlock(f"the columns of a block must be as its header says but are not: {error}") from error


def _read_block(raw: bytes, label_count: int, timebase: tuple[int, int], frames: int, rows: int) -> Block:
    offset = _HEADER.size
    labels = []
    for _ in range(label_count):
        (length,) = struct.unpack_from("<H", raw, offset)
        labels.append(raw[offset + 2 : offset + 2 + length].decode())
        offset += 2 + length
    columns = []
    for typecode, count in (*((code, frames) for code in "qHIHB"), *((code, rows) for code in "HHiiii")):
        column = array(typecode)
        size = column.itemsize * count
        columns.append(unplane(typecode, raw[offset : offset + size]))
        offset += size
    if offset != len(raw):
        raise BadBlock(f"a block must be {offset} bytes long when unpacked but got {len(raw)}")
    deltas, *others = columns
    return Block(Fraction(*timebase), tuple(labels), array("q", _sums(deltas)), *others)


def make_ref(block: Block, packed: bytes, sk: str) -> BlockRef:
    """The reference to a block that has at least one frame."""
    digest = hashlib.sha256(packed).hexdigest()
    return BlockRef(
        sk, digest, block.pts[0], block.pts[-1], len(block.pts), len(block.row_labels), block.label_statistics()
    )


def analysis_id(
    *, model_sha256: str, preprocessing: int, sampling: dict[str, Any], provider_class: str, cell_rule: int
) -> str:
    """What made a block, besides the bytes of the video and the cell: part of the block's key, 32 hex digits.

    Blocks with the same key hold the same detections, whichever job asked for them.
    """
    form = {
        "model": model_sha256,
        "preprocessing": preprocessing,
        "sampling": sampling,
        "provider": provider_class,
        "cells": cell_rule,
        "format": FORMAT,
    }
    return hashlib.sha256(json.dumps(form, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def planes(column: array[int]) -> bytes:
    """A column as planes of bytes: all first bytes, all second bytes, …; little-endian."""
    raw = _little_endian(column).tobytes()
    return b"".join(raw[plane :: column.itemsize] for plane in range(column.itemsize))


def unplane(typecode: str, packed: bytes) -> array[int]:
    """The column whose planes are `packed`."""
    column = array(typecode)
    width = column.itemsize
    count = len(packed) // width
    raw = bytearray(len(packed))
    for plane in range(width):
        raw[plane::width] = packed[plane * count : (plane + 1) * count]
    column.frombytes(bytes(raw))
    return _little_endian(column)


def _deltas(values: Sequence[int]) -> Iterator[int]:
    previous = 0
    for value in values:
        yield value - previous
        previous = value


def _sums(deltas: Sequence[int]) -> Iterator[int]:
    total = 0
    for delta in deltas:
        total += delta
        yield total


def _little_endian(column: array[int]) -> array[int]:
    if sys.byteorder == "little":
        return column
    swapped = array(column.typecode, column)
    swapped.byteswap()
    return swapped
