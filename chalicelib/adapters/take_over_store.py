"""Results of one job taken over by another: transactions over both tables in DynamoDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item, item_to_wire, to_wire
from chalicelib.contracts.items import job_to_item, time_to_text, unit_to_item
from chalicelib.domain.jobs import Job
from chalicelib.services.take_over_port import StoredResults, TakenSegment

ROOTS = frozenset({table_keys.SEGMENT_TREE, table_keys.track_tree(0)})


class DynamoTakeOverStore:
    """The port `TakeOverStore`."""

    def __init__(self, meta: Table, results: Table) -> None:
        self._meta = meta
        self._results = results

    def read_results(self, source: Job, *, max_items: int, max_bytes: int) -> StoredResults | None:
        pk = table_keys.partition(source.tenant, source.job_id)
        found: list[Item] = []
        size_bytes = 0
        for prefix in table_keys.prefixes_of_results(tracks_version=0):
            for item in self._results.query(pk, prefix):
                del item["pk"]
                size_bytes += len(item.get("body", b""))
                if len(found) == max_items or size_bytes > max_bytes:
                    return None
                found.append(item)
        return sort_results(found)

    def write(self, target: Job, items: Sequence[Item], segments: Sequence[TakenSegment]) -> bool:
        return self._transact([self._is_as_read(target), *self._entries(target, items, segments)])

    def finish(self, ended: Job, source: Job, items: Sequence[Item], segments: Sequence[TakenSegment]) -> bool:
        job = job_to_item(replace(ended, version=ended.version + 1), None)
        put: dict[str, Any] = {
            "TableName": self._meta.name,
            "Item": item_to_wire(job),
            "ConditionExpression": IS_AS_READ,
            "ExpressionAttributeValues": {":seen": to_wire(ended.version)},
        }
        # Nobody has said that its results are about to go, or has changed how it ended.
        may_be_taken = "made.recipe = :recipe AND finished_at = :finished_at"
        recipe = source.made and source.made.recipe
        finished_at = source.finished_at and time_to_text(source.finished_at)
        check = {
            **self._key_of(source),
            "ConditionExpression": may_be_taken,
            "ExpressionAttributeValues": {":recipe": to_wire(recipe), ":finished_at": to_wire(finished_at)},
        }
        return self._transact([{"ConditionCheck": check}, {"Put": put}, *self._entries(ended, items, segments)])

    def _entries(self, target: Job, items: Sequence[Item], segments: Sequence[TakenSegment]) -> list[dict[str, Any]]:
        pk = table_keys.partition(target.tenant, target.job_id)
        entries = [self._results.put_entry({**item, "pk": pk}) for item in [*items, *(one.entry for one in segments)]]
        for one in segments:
            unit = unit_to_item(pk, table_keys.segment(one.segment.index), one.unit, one.segment)
            # Nobody planned it for a worker, or took it over before.
            entries.append(self._meta.put_entry({**unit, **one.facts}, "attribute_not_exists(pk)"))
        return entries

    def _is_as_read(self, job: Job) -> dict[str, Any]:
        values = {":seen": to_wire(job.version)}
        check = {**self._key_of(job), "ConditionExpression": IS_AS_READ, "ExpressionAttributeValues": values}
        return {"ConditionCheck": check}

    def _key_of(self, job: Job) -> dict[str, Any]:
        key = {"pk": table_keys.partition(job.tenant, job.job_id), "sk": table_keys.JOB}
        return {"TableName": self._meta.name, "Key": item_to_wire(key)}

    def _transact(self, entries: Sequence[dict[str, Any]]) -> bool:
        try:
            self._meta.transact(entries)
        except ConditionFailed:
            return False
        return True


# Nobody moved it on in the meantime: a cancel, a deletion, the deadline, or another try of this.
IS_AS_READ = "version = :seen"


def sort_results(items: Sequence[Item]) -> StoredResults:
    """Items of a finished job's partition by what they are."""
    return StoredResults(
        entry_by_segment={item["segment"]: item for item in items if _is_entry(item)},
        roots=[item for item in items if item["sk"] in ROOTS],
        others=[item for item in items if not _is_entry(item) and item["sk"] not in ROOTS],
    )


def _is_entry(item: Item) -> bool:
    return str(item["sk"]).startswith(table_keys.INDEX_PREFIX)
