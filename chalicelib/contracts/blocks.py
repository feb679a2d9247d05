"""Blocks: packed detections of one model in one cell, found by what made them.

Immutable; written by the worker, read by the service. A cell's detections are one block, or several in time order
when one would pass 64 KB. Decoded, a block has these columns:

    labels                names that occur in this block, sorted
    pts, ordinals         of each frame; frames come by (pts, ordinal), also those without a row
    ranks                 of the frame among the shown frames of its cell, from 0
    counts                number of rows of the frame
    flags                 1 = the model filled all its rows, there may be more
    row_labels            position in `labels`; rows come frame by frame, then by score descending, label name, box
    row_scores            ten-thousandths
    x1, y1, x2, y2        sixteenths of a pixel

Bytes are of format 2 (`block_format_2`), or of format 1 (`block_format_1`) where values do not fit into that one; both
are zlib streams that start with `block_columns.HEADER`.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from chalicelib.contracts import block_format_1, block_format_2
from chalicelib.contracts.block_columns import HEADER, MAGIC, BadBlock, Block, planes, unplane
from chalicelib.domain.media import Pts

__all__ = [
    "BOX_UNITS",
    "FLAG_OVERFLOW",
    "FORMAT",
    "MAX_BLOCK_BYTES",
    "SCORE_UNITS",
    "BadBlock",
    "Block",
    "BlockRef",
    "analysis_id",
    "make_ref",
    "pack_block",
    "planes",
    "unpack_block",
    "unplane",
]

FORMAT = block_format_2.FORMAT
READER_BY_FORMAT = {block_format_1.FORMAT: block_format_1.read, block_format_2.FORMAT: block_format_2.read}
MAX_BLOCK_BYTES = 64 * 1024
"""A longer block is split by time, so that a page of results reads a bounded number of bytes."""
SCORE_UNITS = 10_000
BOX_UNITS = 16
FLAG_OVERFLOW = 1


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
    return block_format_2.pack(block) or block_format_1.pack(block)


def unpack_block(packed: bytes) -> Block:
    """The columns of a block.

    Raises:
        BadBlock: damaged bytes, or a format of a later version.
    """
    try:
        raw = zlib.decompress(packed)
        magic, version, _, label_count, numerator, denominator, frames, rows = HEADER.unpack_from(raw)
    except (zlib.error, struct.error) as error:
        raise BadBlock(f"a block must be a zlib stream with a header but got {len(packed)} other bytes") from error
    reader = READER_BY_FORMAT.get(version)
    if magic != MAGIC or reader is None:
        raise BadBlock(f"a block must be of format 1 or 2 but got {magic!r} {version}; read it with a newer reelscan")
    try:
        return reader(raw, label_count, Fraction(numerator, denominator), frames, rows)
    except BadBlock:
        raise
    except (struct.error, ValueError, ArithmeticError, IndexError) as error:
        raise BadBlock(f"the columns of a block must be as its header says but are not: {error}") from error


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
