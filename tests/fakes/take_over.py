"""Results of one job taken over by another, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.domain.jobs import Job
from chalicelib.domain.units import UnitKind
from chalicelib.services.ports import Owner
from chalicelib.services.take_over_port import StoredResults, TakenSegment
from tests.fakes.memory import Memory
from tests.fakes.results import FakeResultStore

ROOTS = frozenset({table_keys.SEGMENT_TREE, table_keys.track_tree(0)})


class FakeTakeOverStore:
    """The port `TakeOverStore`."""

    def __init__(self, memory: Memory, results: FakeResultStore) -> None:
        self._memory = memory
        self._results = results

    def read_results(self, source: Job, *, max_items: int, max_bytes: int) -> StoredResults | None:
        items = self._results.items_of_finish(source.tenant, source.job_id)
        if len(items) > max_items or sum(len(item["body"]) for item in items) > max_bytes:
            return None
        return StoredResults(
            {item["segment"]: item for item in items if item["kind"] == "INDEX"},
            [item for item in items if item["sk"] in ROOTS],
            [item for item in items if item["kind"] != "INDEX" and item["sk"] not in ROOTS],
        )

    def write(self, target: Job, items: Sequence[Item], segments: Sequence[TakenSegment]) -> bool:
        owner = Owner(target.tenant, target.job_id)
        stored, units = self._memory.jobs.get(owner), self._memory.units.setdefault(owner, {})
        if stored is None or stored.version != target.version:
            return False
        if any((UnitKind.SEGMENT, one.segment.index) in units for one in segments):
            return False
        for one in segments:
            units[UnitKind.SEGMENT, one.segment.index] = one.unit
            self._memory.segments.setdefault(owner, {})[one.segment.index] = one.segment
        for item in [*items, *(one.entry for one in segments)]:
            self._results.put_item(target.tenant, target.job_id, item)
        return True

    def finish(self, ended: Job, source: Job, items: Sequence[Item], segments: Sequence[TakenSegment]) -> bool:
        there = self._memory.jobs.get(Owner(source.tenant, source.job_id))
        may_be_taken = there is not None and (there.made, there.finished_at) == (source.made, source.finished_at)
        if not may_be_taken or not self.write(ended, items, segments):
            return False
        owner = Owner(ended.tenant, ended.job_id)
        self._memory.jobs[owner] = replace(ended, version=ended.version + 1)
        self._memory.set_due(owner, None)
        return True
