"""Units of work in memory: the service's side (the port) and the worker's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.contracts.claims import CLOCK_SKEW_SECONDS
from chalicelib.domain.errors import Failure
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.media import Pts
from chalicelib.domain.segments import Segment
from chalicelib.domain.side_steps import SideStep, StepName
from chalicelib.domain.units import SIDE_KINDS, Lane, Unit, UnitKind, UnitState
from chalicelib.services.ports import Owner
from tests.fakes.memory import Memory, UnitName


class FakeUnitStore:
    """The port `UnitStore`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def add_segments(self, owner: Owner, segments: Sequence[tuple[Segment, Unit]]) -> None:
        for segment, unit in segments:
            self._memory.segments.setdefault(owner, {}).setdefault(segment.index, segment)
            self._units(owner).setdefault((UnitKind.SEGMENT, segment.index), unit)

    def open_step(self, owner: Owner, unit: Unit) -> bool:
        stored = self._units(owner).get((unit.kind, 0))
        opened_as = self._memory.opened_as.get((owner, unit.kind))
        if stored is not None and (not stored.is_terminal or opened_as == unit.submission):
            return False
        self._units(owner)[unit.kind, 0] = unit
        self._memory.opened_as[owner, unit.kind] = unit.submission
        return True

    def get(self, owner: Owner, kind: UnitKind, index: int = 0) -> Unit | None:
        return self._units(owner).get((kind, index))

    def list_segments(self, owner: Owner, after: int, limit: int) -> Sequence[tuple[Segment, Unit]]:
        segments = sorted(self._memory.segments.get(owner, {}).items())
        wanted = [segment for index, segment in segments if index > after][:limit]
        return [(segment, self._units(owner)[UnitKind.SEGMENT, segment.index]) for segment in wanted]

    def find_segment(self, owner: Owner, total: int, pts: Pts) -> int:
        segments = self._memory.segments.get(owner, {})
        return max((index for index in range(total) if segments[index].start_pts <= pts), default=0)

    def list_open(self, owner: Owner) -> Sequence[Unit]:
        return [unit for unit in self._segment_units(owner) if not unit.is_terminal]

    def has_open(self, owner: Owner) -> bool:
        return bool(self.list_open(owner))

    def count(self, owner: Owner) -> tuple[int, int]:
        failed = [unit for unit in self._segment_units(owner) if unit.state is UnitState.FAILED]
        return len(self.list_open(owner)), len(failed)

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
        if not self._is_as_seen(owner, seen):
            return False
        self._units(owner)[_name(seen)] = replace(
            self._units(owner)[_name(seen)],
            state=UnitState.OPEN,
            attempt=seen.attempt + blame,
            fence="",
            lease_until=0.0,
            submission=submission,
            child=child,
            lane=lane,
            failure=failure,
        )
        return True

    def end(self, owner: Owner, seen: Unit, *, state: UnitState, fence: str, failure: Failure | None) -> bool:
        if not self._is_as_seen(owner, seen):
            return False
        ended = replace(self._units(owner)[_name(seen)], state=state, fence=fence, lease_until=0.0, failure=failure)
        self._units(owner)[_name(seen)] = ended
        self._memory.side_step_ended(owner, ended)
        return True

    def reopen(
        self, owner: Owner, *, submission: SubmissionId, children: int, lane: Lane, attempts: int
    ) -> Sequence[int]:
        reopened = [
            unit for unit in self._segment_units(owner) if not unit.is_terminal or unit.state is UnitState.FAILED
        ]
        for position, unit in enumerate(reopened):
            if unit.state is UnitState.CLAIMED:
                continue
            self._units(owner)[_name(unit)] = replace(
                unit,
                state=UnitState.OPEN,
                attempts_allowed=unit.attempt + attempts,
                fence="",
                lease_until=0.0,
                submission=submission,
                child=position % children,
                lane=lane,
                failure=None,
            )
        return [unit.index for unit in reopened]

    def add_side_step(self, owner: Owner, step: SideStep, due_at: datetime) -> bool:
        name = _name(step.unit)
        if name in self._units(owner):
            return False
        self._units(owner)[name] = step.unit
        self._memory.side_steps.setdefault(owner, {})[name] = step
        self._memory.set_due(owner, due_at, step.step_name)
        return True

    def get_side_step(self, owner: Owner, name: StepName) -> SideStep | None:
        step = self._memory.side_steps.get(owner, {}).get((name.kind, name.name))
        return step and replace(step, unit=self._units(owner)[name.kind, name.name])

    def list_side_steps(self, owner: Owner, kind: UnitKind) -> Sequence[SideStep]:
        names = sorted(str(name) for of_kind, name in self._memory.side_steps.get(owner, {}) if of_kind is kind)
        steps = (self.get_side_step(owner, StepName(kind, name)) for name in names)
        return [step for step in steps if step is not None]

    def drop_side_step(self, owner: Owner, name: StepName) -> None:
        self._memory.side_steps.get(owner, {}).pop((name.kind, name.name), None)
        self._units(owner).pop((name.kind, name.name), None)
        self._memory.set_due(owner, None, name)

    def _units(self, owner: Owner) -> dict[UnitName, Unit]:
        return self._memory.units.setdefault(owner, {})

    def _segment_units(self, owner: Owner) -> list[Unit]:
        units = [unit for (kind, _), unit in self._units(owner).items() if kind is UnitKind.SEGMENT]
        return sorted(units, key=lambda unit: unit.index)

    def _is_as_seen(self, owner: Owner, seen: Unit) -> bool:
        stored = self._units(owner).get(_name(seen))
        return stored is not None and (stored.state, stored.fence, stored.attempt) == (
            seen.state,
            seen.fence,
            seen.attempt,
        )


class FakeClaims:
    """The worker's side of the same units: what `contracts/claims.py` builds for `gpu_batch/aws.py`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._claims = 0

    def claim(
        self, owner: Owner, kind: UnitKind, index: int | str, *, claimed_by: str, now: float, lease_seconds: float
    ) -> str | None:
        """The fence of a new claim; None when the unit is not to be had."""
        unit = self._memory.units.get(owner, {}).get((kind, index))
        if unit is None or unit.is_exhausted():
            return None
        is_stale = unit.state is UnitState.CLAIMED and unit.lease_until < now - CLOCK_SKEW_SECONDS
        if unit.state is not UnitState.OPEN and not is_stale:
            return None
        self._claims += 1
        fence = f"fnc_{self._claims}"
        self._memory.units[owner][kind, index] = replace(
            unit,
            state=UnitState.CLAIMED,
            attempt=unit.attempt + 1,
            fence=fence,
            lease_until=now + lease_seconds,
            claimed_by=claimed_by,
            claimed_for=unit.submission,
        )
        return fence

    def keep(
        self, owner: Owner, kind: UnitKind, index: int | str, fence: str, *, now: float, lease_seconds: float
    ) -> bool:
        """Whether the lease was extended."""
        unit = self._held(owner, kind, index, fence)
        if unit is not None:
            self._memory.units[owner][kind, index] = replace(unit, lease_until=now + lease_seconds)
        return unit is not None

    def release(self, owner: Owner, kind: UnitKind, index: int | str, fence: str, *, refund: int) -> bool:
        """Whether the unit was given back."""
        unit = self._held(owner, kind, index, fence)
        if unit is not None:
            allowed = unit.attempts_allowed + refund
            self._memory.units[owner][kind, index] = replace(
                unit, state=UnitState.OPEN, attempts_allowed=allowed, lease_until=0.0
            )
        return unit is not None

    def end(
        self,
        owner: Owner,
        kind: UnitKind,
        index: int | str,
        fence: str,
        state: UnitState,
        failure: Failure | None = None,
    ) -> bool:
        """Whether the unit ended by this claim, now or before."""
        unit = self._held(owner, kind, index, fence)
        stored = self._memory.units.get(owner, {}).get((kind, index))
        if stored is not None and (stored.fence, stored.state) == (fence, state):
            return True
        if unit is not None:
            ended = replace(unit, state=state, failure=failure, lease_until=0.0)
            self._memory.units[owner][kind, index] = ended
            self._memory.side_step_ended(owner, ended)
        return unit is not None

    def _held(self, owner: Owner, kind: UnitKind, index: int | str, fence: str) -> Unit | None:
        unit = self._memory.units.get(owner, {}).get((kind, index))
        return unit if unit and unit.state is UnitState.CLAIMED and unit.fence == fence else None


def _name(unit: Unit) -> UnitName:
    return (unit.kind, unit.name if unit.kind in SIDE_KINDS else unit.index)
