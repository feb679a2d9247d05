"""The columns of a block as they are when decoded, and columns of numbers as planes of bytes."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

MAGIC = b"RSB1"
HEADER = struct.Struct("<4sBBHIIII")
"""Of every format: magic, format, 0, labels, numerator and denominator of the timebase, frames, rows."""


class BadBlock(ValueError):
    """The bytes are not a block of a format that this reader knows."""


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of a block, decoded: frames (length F) and rows (length R). Units are in the docstring of `blocks`."""

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
        if not _is_below(self.row_labels, len(self.labels)):
            raise BadBlock(f"row_labels must be positions in {len(self.labels)} labels but got {max(self.row_labels)}")

    def label_statistics(self) -> dict[str, tuple[int, int]]:
        """By label: number of rows, and best score in ten-thousandths."""
        counts = [0] * len(self.labels)
        best = [0] * len(self.labels)
        for label, score in zip(self.row_labels, self.row_scores, strict=True):
            counts[label] += 1
            if score > best[label]:
                best[label] = score
        return {name: (counts[i], best[i]) for i, name in enumerate(self.labels) if counts[i]}


def _is_below(column: array[int], limit: int) -> bool:
    """Whether every number of two bytes is; for up to 256 without a look at each."""
    raw = little_endian(column).tobytes()
    if limit <= 1 << 8 and not raw[1::2].strip(b"\0"):
        return not raw[::2].translate(None, bytes(range(limit)))
    return max(column, default=-1) < limit


def pack_labels(labels: Sequence[str]) -> bytes:
    """Names, each behind its length."""
    names = [name.encode() for name in labels]
    return b"".join(struct.pack("<H", len(name)) + name for name in names)


def unpack_labels(raw: bytes, offset: int, count: int) -> tuple[tuple[str, ...], int]:
    """`count` names that start at `offset`, and where they end."""
    labels = []
    for _ in range(count):
        (length,) = struct.unpack_from("<H", raw, offset)
        labels.append(raw[offset + 2 : offset + 2 + length].decode())
        offset += 2 + length
    return tuple(labels), offset


def planes(column: array[int]) -> bytes:
    """A column as planes of bytes: all first bytes, all second bytes, …; little-endian."""
    raw = little_endian(column).tobytes()
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
    return little_endian(column)


def deltas(values: Sequence[int]) -> Iterator[int]:
    """The first value, then each one's difference to the one before."""
    previous = 0
    for value in values:
        yield value - previous
        previous = value


def little_endian(column: array[int]) -> array[int]:
    """The column with its bytes in little-endian order."""
    if sys.byteorder == "little":
        return column
    swapped = array(column.typecode, column)
    swapped.byteswap()
    return swapped
