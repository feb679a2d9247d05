"""INDEX: what the commit of a segment made readable. Readers of results start here, or at the tree above it.

One item per segment in table `results`: pk, sk (table_keys.index_entry), kind "INDEX", start_pts, end_pts,
frames_shown, and `body`. It is written in a transaction, where each KB costs double, so a body (format 2) is a zlib
stream of columns: JSON, a zero byte, then the SHA-256 of every block, 32 bytes each. The JSON is

    [2, labels, model, …]      labels: the names that occur, sorted; then for each model in the order of the job
    model: [analysis,          first part of the blocks' keys
            cells,             number of each cell: the first one, then each one's difference to the one before
            frames_shown, frames_analyzed, blocks            of each cell; blocks: how many
            damage,            list of [position of the cell, start_pts, end_pts, detail]
            starts, lengths    of each block: first_pts less the last_pts of the one before, last_pts less first_pts
            frames, rows       of each block; rows less the sum of its counts
            counts,            label by label, then block by block: rows, null = none
            bests,             of the counts that are not null: best score in ten-thousandths
            keys,              of blocks that are not keyed as table_keys says: {position: key}
            digests]           of blocks whose digest is not one: {position: digest}; zeros stand in its place

Format 1 was a zlib stream of JSON {"models": [[CellResult.to_json(), …], …]}; it is still read.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import BlockRef
from chalicelib.contracts.cell_results import CellResult, DamagedRange
from chalicelib.domain.media import Pts

FORMAT = 2
DIGEST_BYTES = 32

_IS_DIGEST = re.compile(r"[0-9a-f]{64}").fullmatch


class BadIndexEntry(ValueError):
    """The body is of a format that this reader does not know."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """The results of one committed segment."""

    segment: int
    start_pts: Pts
    end_pts: Pts
    frames_shown: int
    cells_by_model: tuple[tuple[CellResult, ...], ...]

    def to_item(self, tenant: str, job_id: str) -> dict[str, Any]:
        """The item, as plain values."""
        return {
            "pk": table_keys.partition(tenant, job_id),
            "sk": table_keys.index_entry(self.segment),
            "kind": "INDEX",
            "segment": self.segment,
            "start_pts": self.start_pts,
            "end_pts": self.end_pts,
            "frames_shown": self.frames_shown,
            "body": _pack(self.cells_by_model),
        }

    @staticmethod
    def from_item(item: dict[str, Any]) -> IndexEntry:
        """The entry of an item.

        Raises:
            BadIndexEntry: a format of a later version.
        """
        return IndexEntry(
            item["segment"], item["start_pts"], item["end_pts"], item["frames_shown"], _unpack(item["body"])
        )


def _pack(cells_by_model: Sequence[Sequence[CellResult]]) -> bytes:
    refs = [ref for cells in cells_by_model for cell in cells for ref in cell.blocks]
    labels = sorted({label for ref in refs for label in ref.labels})
    form = [FORMAT, labels, *(_columns(cells, labels) for cells in cells_by_model)]
    digests = b"".join(bytes.fromhex(ref.sha256) if _IS_DIGEST(ref.sha256) else bytes(DIGEST_BYTES) for ref in refs)
    # Escapes keep the zero byte for the end of the JSON.
    return zlib.compress(json.dumps(form, separators=(",", ":")).encode() + b"\0" + digests, 9)


def _columns(cells: Sequence[CellResult], labels: Sequence[str]) -> list[Any]:
    placed = [(cell.cell, number, ref) for cell in cells for number, ref in enumerate(cell.blocks)]
    refs = [ref for _, _, ref in placed]
    analysis = refs[0].sk.partition("#")[0] if refs else ""
    keys = [ref.sk if ref.sk != _key(analysis, cell, number, ref.sha256) else None for cell, number, ref in placed]
    digests = [None if _IS_DIGEST(ref.sha256) else ref.sha256 for ref in refs]
    statistics = [ref.labels.get(label) for label in labels for ref in refs]
    return [
        analysis,
        _differences([cell.cell for cell in cells]),
        [cell.frames_shown for cell in cells],
        [cell.frames_analyzed for cell in cells],
        [len(cell.blocks) for cell in cells],
        [[at, gap.start_pts, gap.end_pts, gap.detail] for at, cell in enumerate(cells) for gap in cell.damage],
        [ref.first_pts - before for ref, before in zip(refs, [0, *(ref.last_pts for ref in refs)], strict=False)],
        [ref.last_pts - ref.first_pts for ref in refs],
        [ref.frames for ref in refs],
        [ref.rows - sum(count for count, _ in ref.labels.values()) for ref in refs],
        [pair and pair[0] for pair in statistics],
        [pair[1] for pair in statistics if pair],
        {at: key for at, key in enumerate(keys) if key is not None},
        {at: digest for at, digest in enumerate(digests) if digest is not None},
    ]


def _unpack(body: bytes) -> tuple[tuple[CellResult, ...], ...]:
    text, _, digests = zlib.decompress(body).partition(b"\0")
    form = json.loads(text)
    if isinstance(form, dict):
        return tuple(tuple(CellResult.from_json(cell) for cell in cells) for cells in form["models"])
    version, labels, *models = form
    if version != FORMAT:
        raise BadIndexEntry(
            f"an index entry must be of format 1 or {FORMAT} but got {version}; read it with a newer reelscan"
        )
    hexes = iter(digests[at : at + DIGEST_BYTES].hex() for at in range(0, len(digests), DIGEST_BYTES))
    return tuple(tuple(_cells(columns, labels, hexes)) for columns in models)


def _cells(columns: list[Any], labels: Sequence[str], hexes: Iterator[str]) -> Iterator[CellResult]:
    analysis, differences, shown, analyzed, blocks, damage, *of_blocks, keys, digests = columns
    refs = _refs(of_blocks, labels)
    at = 0
    for position, cell in enumerate(accumulate(differences)):
        named = []
        for number in range(blocks[position]):
            sha256 = next(hexes)
            sha256 = digests.get(str(at), sha256)
            sk = keys.get(str(at)) if str(at) in keys else _key(analysis, cell, number, sha256)
            named.append(BlockRef(sk, sha256, *next(refs)))
            at += 1
        gaps = tuple(DamagedRange(*gap[1:]) for gap in damage if gap[0] == position)
        yield CellResult(cell, shown[position], analyzed[position], gaps, tuple(named))


def _refs(columns: list[Any], labels: Sequence[str]) -> Iterator[tuple[Pts, Pts, int, int, dict[str, tuple[int, int]]]]:
    """Of each block: first and last PTS, frames, rows, statistics of its labels."""
    starts, lengths, frames, rows, counts, bests = columns
    labels_by_block: list[dict[str, tuple[int, int]]] = [{} for _ in starts]
    following = iter(bests)
    for position, label in enumerate(labels):
        for of_block, count in zip(labels_by_block, counts[position * len(starts) :], strict=False):
            if count is not None:
                of_block[label] = (count, next(following))
    before = 0
    for at, start in enumerate(starts):
        first = before + start
        before = first + lengths[at]
        of_block = labels_by_block[at]
        yield first, before, frames[at], rows[at] + sum(count for count, _ in of_block.values()), of_block


def _key(analysis: str, cell: int, number: int, sha256: str) -> str:
    return table_keys.block_part(analysis, cell, sha256) if number else table_keys.block_head(analysis, cell)


def _differences(values: Sequence[int]) -> list[int]:
    return [value - before for value, before in zip(values, [0, *values], strict=False)]
