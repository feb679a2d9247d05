"""SEGMENT and STEP items and their markers in DynamoDB; the conditional writes are those of `contracts/claims.py`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.contracts import claims, table_keys
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.items import (
    failure_to_map,
    segment_from_item,
    side_step_from_item,
    side_step_to_item,
    unit_from_item,
    unit_to_item,
)
from chalicelib.domain.errors import Failure
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.media import Pts
from chalicelib.domain.segments import Segment
from chalicelib.domain.side_steps import SideStep, StepName
from chalicelib.domain.units import TERMINAL_UNIT_STATES, Lane, Unit, UnitKind, UnitState
from chalicelib.services.ports import Owner

SEGMENTS_PER_TRANSACTION = 40
"""Two items each. Source: 100 items in a DynamoDB transaction."""


class DynamoUnitStore:
    """The port `UnitStore`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def add_segments(self, owner: Owner, segments: Sequence[tuple[Segment, Unit]]) -> None:
        pk = _pk(owner)
        present = {item["sk"] for item in self._meta.query(pk, table_keys.segment(0)[:4])}
        new = [pair for pair in segments if table_keys.segment(pair[0].index) not in present]
        for start in range(0, len(new), SEGMENTS_PER_TRANSACTION):
            self._add_new(pk, new[start : start + SEGMENTS_PER_TRANSACTION])

    def open_step(self, owner: Owner, unit: Unit) -> bool:
        key = UnitKey(_pk(owner), unit.kind)
        write_id = uuid.uuid4().hex
        item = {**unit_to_item(key.pk, key.sk, unit), "opened_as": unit.submission, "write_id": write_id}
        terminal = {f":terminal{i}": state for i, state in enumerate(sorted(TERMINAL_UNIT_STATES))}
        # A finish that ended is done again when segments were retried, but never for the round that it ended.
        is_over = f"(#state IN ({', '.join(terminal)}) AND opened_as <> :opened_as)"
        # Our own write, whose answer was lost on the way, if nothing happened to it since.
        is_ours = "(write_id = :mine AND #state = :open AND submission = :opened_as)"
        values = {**terminal, ":opened_as": unit.submission, ":mine": write_id, ":open": UnitState.OPEN}
        try:
            self._meta.put(item, f"attribute_not_exists(pk) OR {is_over} OR {is_ours}", values, {"#state": "state"})
        except ConditionFailed:
            return False
        return True

    def get(self, owner: Owner, kind: UnitKind, index: int = 0) -> Unit | None:
        key = UnitKey(_pk(owner), kind, index)
        item = self._meta.get(key.pk, key.sk)
        return unit_from_item(item) if item else None

    def list_segments(self, owner: Owner, after: int, limit: int) -> Sequence[tuple[Segment, Unit]]:
        prefix = table_keys.segment(0)[:4]
        items = self._meta.query(_pk(owner), prefix, from_=table_keys.segment(after + 1), limit=limit)
        return [(segment_from_item(item), unit_from_item(item)) for item in items]

    def find_segment(self, owner: Owner, total: int, pts: Pts) -> int:
        low, high = 0, total - 1
        while low < high:
            middle = (low + high + 1) // 2
            item = self._meta.get(_pk(owner), table_keys.segment(middle))
            if item is not None and item["start_pts"] <= pts:
                low = middle
            else:
                high = middle - 1
        return max(low, 0)

    def list_open(self, owner: Owner) -> Sequence[Unit]:
        pk = _pk(owner)
        markers = [item["sk"].partition("#")[2] for item in self._meta.query(pk, table_keys.OPEN_PREFIX)]
        items = self._meta.get_many([(pk, table_keys.segment(int(index))) for index in markers], is_consistent=True)
        units = sorted((unit_from_item(item) for item in items), key=lambda unit: unit.index)
        return [unit for unit in units if not unit.is_terminal]

    def has_open(self, owner: Owner) -> bool:
        return self._meta.count(_pk(owner), table_keys.OPEN_PREFIX, at_most=1) > 0

    def count(self, owner: Owner) -> tuple[int, int]:
        pk = _pk(owner)
        return (
            self._meta.count(pk, table_keys.OPEN_PREFIX),
            self._meta.count(pk, table_keys.FAILED_PREFIX),
        )

    def requeue(
        self,
        owner: Owner,
        seen: Unit,
        *,
        submission: SubmissionId,
        child: int,
        lane: Lane,
        blame: int,
        failure: Failure | None,
    ) -> bool:
        request = claims.requeue(
            self._meta.name,
            _key(owner, seen),
            seen,
            submission=submission,
            child=child,
            lane=lane,
            blame=blame,
            failure=failure_to_map(failure),
        )
        try:
            self._meta.update(request)
        except ConditionFailed as error:
            # Our own write, whose answer was lost on the way: nobody else has this submission.
            return error.item is not None and error.item["submission"] == submission
        return True

    def end(self, owner: Owner, seen: Unit, *, state: UnitState, fence: str, failure: Failure | None) -> bool:
        entries = claims.end_from_outside(
            self._meta.name, _key(owner, seen), seen, state=state, fence=fence, failure=failure_to_map(failure)
        )
        try:
            self._meta.transact(entries)
        except ConditionFailed:
            return False
        return True

    def reopen(
        self, owner: Owner, *, submission: SubmissionId, children: int, lane: Lane, attempts: int
    ) -> Sequence[int]:
        pk = _pk(owner)
        failed = [int(item["sk"].partition("#")[2]) for item in self._meta.query(pk, table_keys.FAILED_PREFIX)]
        still_open = [unit.index for unit in self.list_open(owner)]
        indices = sorted({*failed, *still_open})
        for position, index in enumerate(indices):
            seen = self.get(owner, UnitKind.SEGMENT, index)
            if seen is None or seen.state not in (UnitState.FAILED, UnitState.OPEN):
                continue
            entries = claims.reopen(
                self._meta.name,
                _key(owner, seen),
                seen,
                submission=submission,
                child=position % children,
                lane=lane,
                attempts=attempts,
            )
            try:
                self._meta.transact(entries)
            except ConditionFailed:
                # Another retry reopened it, and a worker may be at it or done with it.
                continue
        return indices

    def add_side_step(self, owner: Owner, step: SideStep, due_at: datetime) -> bool:
        key = _key(owner, step.unit)
        write_id = uuid.uuid4().hex
        item = {**side_step_to_item(key.pk, key.sk, step, due_at), "write_id": write_id}
        try:
            self._meta.put(item, "attribute_not_exists(pk)")
        except ConditionFailed as error:
            # Our own write, whose answer was lost on the way.
            return error.item is not None and error.item.get("write_id") == write_id
        return True

    def get_side_step(self, owner: Owner, name: StepName) -> SideStep | None:
        item = self._meta.get(_pk(owner), table_keys.side_step(name.kind, name.name))
        return side_step_from_item(item) if item else None

    def list_side_steps(self, owner: Owner, kind: UnitKind) -> Sequence[SideStep]:
        return [side_step_from_item(item) for item in self._meta.query(_pk(owner), table_keys.side_step(kind, ""))]

    def drop_side_step(self, owner: Owner, name: StepName) -> None:
        self._meta.delete(_pk(owner), table_keys.side_step(name.kind, name.name))

    def _add_new(self, pk: str, pairs: Sequence[tuple[Segment, Unit]]) -> None:
        """Segments with their markers, all or none: a marker that came late would outlive its segment."""
        entries = []
        for segment, unit in pairs:
            item = unit_to_item(pk, table_keys.segment(segment.index), unit, segment)
            entries.append(self._meta.put_entry(item, "attribute_not_exists(pk)"))
            entries.append(self._meta.put_entry(_open_marker(pk, segment.index)))
        try:
            self._meta.transact(entries)
        except ConditionFailed:
            # Another run of the same plan wrote one of them in the meantime, and a worker may be at it.
            if len(pairs) > 1:
                for pair in pairs:
                    self._add_new(pk, [pair])


def _pk(owner: Owner) -> str:
    return table_keys.partition(owner.tenant, owner.name)


def _key(owner: Owner, unit: Unit) -> UnitKey:
    return UnitKey(_pk(owner), unit.kind, unit.index, unit.name)


def _open_marker(pk: str, index: int) -> dict[str, str]:
    return {"pk": pk, "sk": table_keys.open_marker(index), "kind": "OPEN"}
