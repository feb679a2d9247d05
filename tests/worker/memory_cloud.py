"""`gpu_batch.aws.Cloud` in memory: the same promises, without AWS, and with a record of what was asked.

That the real one keeps these promises on DynamoDB's conditions is shown in `tests/ports`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any, cast

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item, item_from_wire, item_to_wire
from chalicelib.contracts.claims import CLOCK_SKEW_SECONDS, UnitKey
from chalicelib.contracts.items import unit_to_item
from chalicelib.contracts.work_order import OrderedSource
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import Unit, UnitKind, UnitState
from gpu_batch.aws import Claim, Cloud, S3Source, Superseded
from gpu_batch.errors import BadInput
from gpu_batch.video.source import BytesSource

Key = tuple[str, str]


class MemorySource(BytesSource):
    """A source that counts, as `S3Source` does."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.requests = 0
        self.bytes_read = 0

    def read(self, offset: int, size: int) -> bytes:
        content = super().read(offset, size)
        self.requests += 1
        self.bytes_read += len(content)
        return content


class MemoryCloud(Cloud):
    """Two tables, a bucket and the bytes of videos."""

    def __init__(self) -> None:
        self.meta_table, self.results_table, self.bucket = "meta", "results", "bucket"
        self.tables: dict[str, dict[Key, Item]] = {"meta": {}, "results": {}}
        self.objects: dict[str, bytes] = {}
        self.videos: dict[str, bytes] = {}
        self.outcomes: list[dict[str, Any]] = []
        """Updates of a VIDEO or JOB that came with the end of a unit, as requests."""
        self.time = 1000.0
        self.before_read: Callable[[str], None] = lambda sk: None
        """Called with the sort key of every item that is read: where a test lets something happen."""
        self._numbers = itertools.count(1)

    def open_unit(self, pk: str, kind: UnitKind, segment: Segment | None = None, name: str = "") -> UnitKey:
        """A unit that may be claimed."""
        key = UnitKey(pk, kind, segment.index if segment else 0, name)
        unit = Unit(kind, key.index, UnitState.OPEN, name=name)
        self.tables["meta"][pk, key.sk] = unit_to_item(pk, key.sk, unit, segment)
        return key

    def unit(self, key: UnitKey) -> Item:
        """The unit's item as it stands."""
        return self.tables["meta"][key.pk, key.sk]

    def items(self, table: str, kind: str) -> list[Item]:
        """Items of one kind, in order of their keys."""
        return [item for _, item in sorted(self.tables[table].items()) if item.get("kind") == kind]

    def claim(self, key: UnitKey, *, claimed_by: str, lease_seconds: float) -> Claim | None:
        item = self.unit(key)
        is_stale = item["state"] == UnitState.CLAIMED and item["lease_until"] < self.time - CLOCK_SKEW_SECONDS
        if not (item["state"] == UnitState.OPEN or is_stale) or item["attempt"] >= item["attempts_allowed"]:
            return None
        fence = f"fnc_{next(self._numbers)}"
        item.update(state=UnitState.CLAIMED, attempt=item["attempt"] + 1, fence=fence, claimed_by=claimed_by)
        item["lease_until"] = self.time + lease_seconds
        return Claim(key, fence, dict(item))

    def keep(self, claim: Claim, *, lease_seconds: float) -> None:
        self._held(claim)["lease_until"] = self.time + lease_seconds

    def release(self, claim: Claim, *, is_drained: bool, failure: Item, usage: Item | None = None) -> None:
        try:
            item = self._held(claim)
        except Superseded:
            return
        item.update(state=UnitState.OPEN, failure=failure, **({"usage": usage} if usage else {}))
        item["attempts_allowed"] += int(is_drained)

    def end(
        self,
        claim: Claim,
        state: UnitState,
        *,
        failure: Item | None = None,
        facts: Item | None = None,
        more: Sequence[dict[str, Any]] = (),
    ) -> None:
        item = self._held(claim)
        checks = [entry["ConditionCheck"] for entry in more if "ConditionCheck" in entry]
        if not all(self._holds(check) for check in checks):
            raise Superseded
        item.update(state=state, failure=failure, **(facts or {}))
        for entry in more:
            if "Put" in entry:
                item = item_from_wire(entry["Put"]["Item"])
                self.tables[entry["Put"]["TableName"]][item["pk"], item["sk"]] = item
            elif "Update" in entry:
                self.outcomes.append(entry["Update"])

    def get(self, table: str, pk: str, sk: str) -> Item | None:
        self.before_read(sk)
        return self.tables[table].get((pk, sk))

    def get_many(self, table: str, keys: Sequence[Key]) -> dict[Key, Item]:
        return {key: self.tables[table][key] for key in keys if key in self.tables[table]}

    def put_many(self, table: str, items: Sequence[Item]) -> None:
        for item in items:
            self.tables[table][item["pk"], item["sk"]] = item_from_wire(item_to_wire(item))

    def delete_from(self, table: str, pk: str, sort_keys: Iterable[str]) -> None:
        for sk in sort_keys:
            if self.tables[table].pop((pk, sk), None) is None:
                return

    def put_first(self, table: str, item: Item) -> Item:
        stored = item_from_wire(item_to_wire(item))
        return self.tables[table].setdefault((item["pk"], item["sk"]), stored)

    def get_object(self, key: str, start: int = 0, size: int | None = None) -> bytes:
        if key not in self.objects:
            raise BadInput(f"object {key} is gone", code=ErrorCode.SOURCE_GONE)
        return self.objects[key][start : None if size is None else start + size]

    def put_object(self, key: str, body: bytes) -> None:
        self.objects[key] = body

    def upload_file(
        self, key: str, file: IO[bytes], *, content_type: str, file_name: str, check: Callable[[], None]
    ) -> None:
        file.seek(0)
        check()
        self.objects[key] = file.read()

    def delete_object(self, key: str) -> None:
        self.objects.pop(key, None)

    def open_source(self, source: OrderedSource) -> S3Source:
        return cast("S3Source", MemorySource(self.videos[source.key]))

    def _holds(self, check: dict[str, Any]) -> bool:
        """Whether the condition of `outcomes.job_unchanged` or `outcomes.video_ready` holds."""
        key, values = item_from_wire(check["Key"]), item_from_wire(check["ExpressionAttributeValues"])
        item = self.tables[check["TableName"]].get((key["pk"], key["sk"]), {})
        if key["sk"] == table_keys.VIDEO:
            return bool(item.get("state") == values[":ready"])
        return "finished_at" in item and bool(item["finished_at"] == values[":finished_at"])

    def _held(self, claim: Claim) -> Item:
        item = self.tables["meta"].get((claim.key.pk, claim.key.sk))
        if item is None or item["state"] != UnitState.CLAIMED or item["fence"] != claim.fence:
            raise Superseded
        return item


def facts_of(outcome: dict[str, Any]) -> Item:
    """What an outcome writes, by attribute."""
    return {name[1:]: value for name, value in item_from_wire(outcome["ExpressionAttributeValues"]).items()}
