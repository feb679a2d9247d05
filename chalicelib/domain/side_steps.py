"""A side step: work beside what has come to rest, any number of times.

Beside a finished job, on its results: one more version of its tracks, or an export. Beside a video that is ready, on
its bytes: a rendition. It is a unit like any other, so it ends whatever happens to its workers. The state of its job or
video never changes because of it. What it reads of a job is what one finish left; when a retry changes that, the step
ends as failed. The bytes of a video never change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.units import SIDE_KINDS, Unit, UnitKind, UnitState


class SideStepState(StrEnum):
    """Where a side step stands, as a client sees it; the last three are terminal."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


STATE_BY_UNIT_STATE = {
    UnitState.OPEN: SideStepState.QUEUED,
    UnitState.CLAIMED: SideStepState.RUNNING,
    UnitState.DONE: SideStepState.SUCCEEDED,
    UnitState.FAILED: SideStepState.FAILED,
    UnitState.CANCELLED: SideStepState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class StepName:
    """Which side step of a video or job."""

    kind: UnitKind
    name: str

    def __post_init__(self) -> None:
        if self.kind not in SIDE_KINDS or not self.name:
            raise ValueError(f"a side step must have a kind of {sorted(SIDE_KINDS)} and a name but got {self}")


@dataclass(frozen=True, slots=True)
class SideStep:
    """One side step, as it stands."""

    unit: Unit
    parameters: dict[str, object] = field(hash=False)
    """What to do, as its worker reads it."""
    created_at: datetime
    deadline_at: datetime
    """A step that is still open then fails as TIMEOUT."""
    job_finished_at: datetime | None = None
    """Of a step of a job: which finish it is about; a job that was retried has another."""
    finished_at: datetime | None = None
    """When its worker ended it; None also when the service did."""
    result: dict[str, object] | None = field(default=None, hash=False)
    """What its worker found, when it succeeded."""

    @property
    def step_name(self) -> StepName:
        """Its name in the video or job."""
        return StepName(self.unit.kind, self.unit.name)

    @property
    def state(self) -> SideStepState:
        """Where it stands, as a client sees it."""
        return STATE_BY_UNIT_STATE[self.unit.state]
