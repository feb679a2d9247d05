"""What the segments of a job say of how they were done: a fold for the finish, whose state is plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.items import made_to_map
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.recipes import recipe_of
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.reuse import Made, ModelReuse, ReuseReceipt


class ReceiptFold:
    """Sums up the facts of commits: `analyses` and `reuse` of the items of segments (`gpu_batch/segment_step.py`)."""

    def __init__(self, models: int) -> None:
        self._by_model: list[ModelReuse] | None = [ModelReuse() for _ in range(models)]
        """None: some segment was committed by a release that did not say."""
        self._analyses: list[str] | None = None
        self._is_uniform = True
        """Whether all segments so far were done, and in one way."""

    def push(self, entry: IndexEntry, unit: Mapping[str, Any]) -> None:
        """Take the next segment that was committed, with its item."""
        facts, analyses = unit.get("reuse"), unit.get("analyses")
        if self._analyses is None:
            self._analyses = analyses
        self._is_uniform &= analyses is not None and analyses == self._analyses
        if facts is None or self._by_model is None:
            self._by_model = None
            return
        for index, (cells, (found, inferred)) in enumerate(zip(entry.cells_by_model, facts, strict=True)):
            frames = sum(cell.frames_analyzed for cell in cells)
            self._by_model[index] += ModelReuse(len(cells), found, frames, inferred)

    def miss(self) -> None:
        """The next segment has no results."""
        self._is_uniform = False

    def made(self, order: WorkOrder) -> Item | None:
        """How the job came about, if a job that is alike may take its results over."""
        if not self._is_uniform or not self._analyses or self._by_model is None:
            return None
        return made_to_map(Made(recipe_of(order, self._analyses), tuple(self._analyses)))

    def receipt(self) -> Item | None:
        """What was reused, if every segment says so."""
        return None if self._by_model is None else ReuseReceipt(tuple(self._by_model)).to_json()

    def state(self) -> dict[str, Any]:
        """Everything, as JSON."""
        by_model = None if self._by_model is None else ReuseReceipt(tuple(self._by_model)).to_json()
        return {"by_model": by_model, "analyses": self._analyses, "is_uniform": self._is_uniform}

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Go on from where `state()` was taken; None: nothing is known of what came before."""
        if state is None:
            self._by_model, self._is_uniform = None, False
            return
        by_model = state["by_model"]
        self._by_model = None if by_model is None else list(ReuseReceipt.from_json(by_model).by_model)
        self._analyses, self._is_uniform = state["analyses"], state["is_uniform"]
