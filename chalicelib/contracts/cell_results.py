"""What is stored of one cell for one analysis: the item of its first block, with references to the others.

The head is written last and only once (`attribute_not_exists`), so whoever reads it finds everything that it refers to;
further blocks are named by their bytes, so that two workers that race can not mix their results. A head holds

    pk, sk          table_keys.partition(tenant, content_digest), table_keys.block_head(analysis, cell)
    kind            "BLOCK"
    request_id      who wrote it, so that a lost reply is told from a lost race
    frames_shown    frames of the cell as shown, sampled or not
    frames_analyzed those that the model saw
    damage          list of [start_pts, end_pts, detail]: GOPs that were left out whole
    body            the first block; absent when no frame was analysed
    refs            zlib stream of JSON: list of BlockRef.to_json() of the further blocks, in time order; absent when
                    there are none. Packed, since a video that is one cell (no index) may have thousands
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

from chalicelib.contracts.blocks import BlockRef, make_ref, unpack_block
from chalicelib.domain.media import Pts


@dataclass(frozen=True, slots=True)
class DamagedRange:
    """Frames of [start_pts, end_pts) that were left out because their GOP is damaged."""

    start_pts: Pts
    end_pts: Pts
    detail: str


@dataclass(frozen=True, slots=True)
class CellResult:
    """The result of one cell for one analysis, without the blocks' bytes."""

    cell: int
    frames_shown: int
    frames_analyzed: int
    damage: tuple[DamagedRange, ...]
    blocks: tuple[BlockRef, ...]

    def to_json(self) -> dict[str, Any]:
        """Form for items and the job's index."""
        return {
            "cell": self.cell,
            "frames_shown": self.frames_shown,
            "frames_analyzed": self.frames_analyzed,
            "damage": [[gap.start_pts, gap.end_pts, gap.detail] for gap in self.damage],
            "blocks": [ref.to_json() for ref in self.blocks],
        }

    def to_item(self) -> dict[str, Any]:
        """The attributes of a head, but for its key and body."""
        form = self.to_json()
        further = form.pop("blocks")[1:]
        refs = zlib.compress(json.dumps(further, separators=(",", ":")).encode(), 9) if further else None
        return form | ({"refs": refs} if refs else {})

    @staticmethod
    def from_item(item: dict[str, Any]) -> CellResult:
        """The result of a head, with its key and its body.

        Raises:
            BadBlock: the body is damaged, or of a later version.
        """
        first = [make_ref(unpack_block(item["body"]), item["body"], item["sk"]).to_json()] if "body" in item else []
        further = json.loads(zlib.decompress(item["refs"])) if "refs" in item else []
        return CellResult.from_json({**item, "blocks": first + further})

    @staticmethod
    def from_json(form: dict[str, Any]) -> CellResult:
        """The result that `to_json` wrote; other keys of an item are passed over."""
        return CellResult(
            form["cell"],
            form["frames_shown"],
            form["frames_analyzed"],
            tuple(DamagedRange(*gap) for gap in form["damage"]),
            tuple(BlockRef.from_json(ref) for ref in form["blocks"]),
        )
