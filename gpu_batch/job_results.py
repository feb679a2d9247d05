"""What the segments of a job committed, in order of time and in bounded memory: for finish, re-tracking and exports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.blocks import Block, BlockRef, unpack_block
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.segments import Segment
from gpu_batch.aws import Cloud
from gpu_batch.errors import BadInput

BLOCKS_PER_READ = 16


class ResultBlock(NamedTuple):
    """One block of one model, and where it belongs."""

    segment: int
    model: int
    """Position in the job's list of models."""
    cell: int
    number: int
    """Position among the blocks of its cell."""
    ref: BlockRef
    block: Block


class JobResults:
    """Reads what a job committed. `check` is called before every read, as the lease wants it."""

    def __init__(self, cloud: Cloud, order: WorkOrder, check: Callable[[], None]) -> None:
        self._cloud = cloud
        self._order = order
        self._check = check
        self._blocks_pk = table_keys.partition(order.tenant, order.source.content_digest)

    def entries(self, first: int = 0) -> Iterator[tuple[Segment, IndexEntry | None]]:
        """The job's segments from `first` on, in order, each with its committed results; None when it has none."""
        for segment in self._order.segments[first:]:
            yield segment, self.entry(segment.index)

    def entry(self, segment: int) -> IndexEntry | None:
        """The committed results of one segment."""
        self._check()
        item = self._cloud.get(self._cloud.results_table, self._order.pk, table_keys.index_entry(segment))
        return IndexEntry.from_item(item) if item else None

    def unit(self, segment: int) -> Item:
        """The item of a segment as a unit of work; empty when there is none."""
        return self._cloud.get(self._cloud.meta_table, self._order.pk, table_keys.segment(segment)) or {}

    def blocks(self, entry: IndexEntry, model: int) -> Iterator[ResultBlock]:
        """The blocks of one model in one segment, in order of time; at most `BLOCKS_PER_READ` are held.

        Raises:
            BadInput: a block was removed (SOURCE_GONE).
        """
        places = [
            (cell.cell, number, ref) for cell in entry.cells_by_model[model] for number, ref in enumerate(cell.blocks)
        ]
        for first in range(0, len(places), BLOCKS_PER_READ):
            self._check()
            batch = places[first : first + BLOCKS_PER_READ]
            keys = [(self._blocks_pk, ref.sk) for _, _, ref in batch]
            items = self._cloud.get_many(self._cloud.results_table, keys)
            for key, (cell, number, ref) in zip(keys, batch, strict=True):
                if key not in items:
                    raise BadInput(f"block {ref.sk} was removed", code=ErrorCode.SOURCE_GONE, hint="Start a new job")
                yield ResultBlock(entry.segment, model, cell, number, ref, unpack_block(items[key]["body"]))
