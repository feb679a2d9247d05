"""INDEX: what the commit of a segment made readable. Readers of results start here and nowhere else.

One item per segment in table `results`: pk, sk (table_keys.index_entry), kind "INDEX", start_pts, end_pts,
frames_shown, and `body`, a zlib stream of JSON {"models": [[CellResult.to_json(), …], …]}: one list of cells, in order,
for each model in the order of the job.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.contracts.cell_results import CellResult
from chalicelib.domain.media import Pts


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
        form = {"models": [[cell.to_json() for cell in cells] for cells in self.cells_by_model]}
        return {
            "pk": table_keys.partition(tenant, job_id),
            "sk": table_keys.index_entry(self.segment),
            "kind": "INDEX",
            "segment": self.segment,
            "start_pts": self.start_pts,
            "end_pts": self.end_pts,
            "frames_shown": self.frames_shown,
            "body": zlib.compress(json.dumps(form, separators=(",", ":")).encode(), 6),
        }

    @staticmethod
    def from_item(item: dict[str, Any]) -> IndexEntry:
        """The entry of an item."""
        form = json.loads(zlib.decompress(item["body"]))
        return IndexEntry(
            item["segment"],
            item["start_pts"],
            item["end_pts"],
            item["frames_shown"],
            tuple(tuple(CellResult.from_json(cell) for cell in cells) for cells in form["models"]),
        )
