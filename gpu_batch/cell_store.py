"""Cells of results in the store: what is there already, and how new ones are packed and written.

The same cell analysed the same way always gives the same blocks, so what is found is used as it is, whichever job,
video or attempt wrote it.
"""

from __future__ import annotations

import hashlib
import uuid
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import FLAG_OVERFLOW, MAX_BLOCK_BYTES, Block, BlockRef, make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult, DamagedRange
from chalicelib.domain.media import Pts
from gpu_batch.aws import Cloud
from gpu_batch.models.detect import Rows


@dataclass(frozen=True, slots=True)
class AnalyzedFrame:
    """The rows of one frame of a cell, for one model."""

    pts: Pts
    ordinal: int
    rank: int
    """Among the shown frames of the cell."""
    rows: Rows


@dataclass(slots=True)
class AnalyzedCell:
    """A cell as the pipeline left it, for one model."""

    cell: int
    frames: list[AnalyzedFrame] = field(default_factory=list)
    frames_shown: int = 0
    damage: tuple[DamagedRange, ...] = ()


class CellStore:
    """The results of one analysis (model, preprocessing, sampling, …) of one video's content."""

    def __init__(
        self,
        cloud: Cloud,
        *,
        tenant: str,
        content_digest: str,
        analysis: str,
        labels: Sequence[str],
        timebase: Fraction,
    ) -> None:
        self._cloud = cloud
        self._pk = table_keys.partition(tenant, content_digest)
        self.analysis = analysis
        self._labels = labels
        self._timebase = timebase

    def find(self, cells: Sequence[int]) -> dict[int, CellResult]:
        """Results that are stored already, by cell."""
        keys = [(self._pk, table_keys.block_head(self.analysis, cell)) for cell in cells]
        items = self._cloud.get_many(self._cloud.results_table, keys)
        results = (CellResult.from_item(item) for item in items.values())
        return {result.cell: result for result in results}

    def write(self, analyzed: AnalyzedCell) -> CellResult:
        """Store a cell; the answer is what is stored, which is what the first writer wrote."""
        block = to_block(analyzed.frames, self._labels, self._timebase)
        packed = split_blocks(block) if block else []
        refs: list[BlockRef] = []
        head_sk = table_keys.block_head(self.analysis, analyzed.cell)
        for number, (block, body) in enumerate(packed):
            sha256 = hashlib.sha256(body).hexdigest()
            sk = table_keys.block_part(self.analysis, analyzed.cell, sha256) if number else head_sk
            refs.append(make_ref(block, body, sk))
        parts = [
            {"pk": self._pk, "sk": ref.sk, "kind": "BLOCK_PART", "body": body}
            for ref, (_, body) in zip(refs[1:], packed[1:], strict=True)
        ]
        # Parts are named by their bytes, so it does not matter who writes them; the head, written last, makes them
        # readable.
        self._cloud.put_many(self._cloud.results_table, parts)
        result = CellResult(analyzed.cell, analyzed.frames_shown, len(analyzed.frames), analyzed.damage, tuple(refs))
        head = {
            "pk": self._pk,
            "sk": head_sk,
            "kind": "BLOCK",
            "request_id": uuid.uuid4().hex,
            **result.to_item(),
            **({"body": packed[0][1]} if packed else {}),
        }
        stored = self._cloud.put_first(self._cloud.results_table, head)
        return result if stored["request_id"] == head["request_id"] else CellResult.from_item(stored)


def to_block(frames: Sequence[AnalyzedFrame], labels: Sequence[str], timebase: Fraction) -> Block | None:
    """One block of all frames; None when there are none."""
    if not frames:
        return None
    used = np.unique(np.concatenate([frame.rows.labels for frame in frames]))
    names = sorted(labels[index] for index in used)
    position_by_index = np.zeros(len(labels), np.uint16)
    for index in used:
        position_by_index[index] = names.index(labels[index])
    # Rows come with labels as indices; in a block they are ordered by the label's name where score ties.
    ordered = [_by_name(frame.rows, position_by_index) for frame in frames]
    row_labels, row_scores, boxes = (np.concatenate(column) for column in zip(*ordered, strict=True))
    return Block(
        timebase=timebase,
        labels=tuple(names),
        pts=array("q", [frame.pts for frame in frames]),
        ordinals=array("H", [frame.ordinal for frame in frames]),
        ranks=array("I", [frame.rank for frame in frames]),
        counts=array("H", [len(frame.rows.scores) for frame in frames]),
        flags=array("B", [FLAG_OVERFLOW if frame.rows.overflow else 0 for frame in frames]),
        row_labels=_array("H", row_labels.astype("=u2")),
        row_scores=_array("H", row_scores.astype("=u2")),
        **{
            name: _array("i", np.ascontiguousarray(boxes[:, side]).astype("=i4"))
            for side, name in enumerate(("x1", "y1", "x2", "y2"))
        },
    )


def split_blocks(block: Block) -> list[tuple[Block, bytes]]:
    """The block itself, or its halves in time, and theirs, until each packs to no more than the limit; and its bytes.

    Deterministic.
    """
    packed = pack_block(block)
    if len(block.pts) == 1 or len(packed) <= MAX_BLOCK_BYTES:
        return [(block, packed)]
    middle = len(block.pts) // 2
    return [*split_blocks(_slice(block, 0, middle)), *split_blocks(_slice(block, middle, len(block.pts)))]


def _slice(block: Block, first: int, end: int) -> Block:
    first_row, end_row = sum(block.counts[:first]), sum(block.counts[:end])
    frames: dict[str, Any] = {
        name: getattr(block, name)[first:end] for name in ("pts", "ordinals", "ranks", "counts", "flags")
    }
    columns = ("row_labels", "row_scores", "x1", "y1", "x2", "y2")
    rows: dict[str, Any] = {name: getattr(block, name)[first_row:end_row] for name in columns}
    return Block(block.timebase, block.labels, **frames, **rows)


def _by_name(rows: Rows, position_by_index: np.ndarray[Any, Any]) -> tuple[Any, Any, Any]:
    labels = position_by_index[rows.labels]
    box = rows.boxes
    order = np.lexsort((box[:, 3], box[:, 2], box[:, 1], box[:, 0], labels, -rows.scores.astype(np.int32)))
    return labels[order], rows.scores[order], box[order]


def _array(typecode: str, column: np.ndarray[Any, Any]) -> array[int]:
    result: array[int] = array(typecode)
    result.frombytes(column.tobytes())
    return result
