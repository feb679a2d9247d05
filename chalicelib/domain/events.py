"""What happens to a job, as small facts in one order: a client that has seen `seq` n asks for what came after it.

`seq` counts from 1 without a gap within one job, and is given when the event is recorded (services/job_events.py). An
event's `origin` names the change that it tells of; one origin is recorded once, however often its change is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.errors import Failure
from chalicelib.domain.ids import JobId, TenantId, VideoId
from chalicelib.domain.jobs import JobState
from chalicelib.domain.media import Pts


class JobEventKind(StrEnum):
    """What an event tells."""

    JOB_STATE_CHANGED = "JOB_STATE_CHANGED"
    SEGMENT_COMMITTED = "SEGMENT_COMMITTED"
    """The results of a range can be read from now on."""


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How often a label was found; counts what is stored, down to the model's floor."""

    label: str
    detections: int
    score_max: float


@dataclass(frozen=True, slots=True)
class CommittedRange:
    """A segment whose results can be read: frames of [start_pts, end_pts), and what was found in them."""

    segment_index: int
    start_pts: Pts
    end_pts: Pts
    start_seconds: float
    end_seconds: float
    labels: tuple[LabelCount, ...]
    """Most detections first."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One event of one job: of a new state, or of a range that was committed."""

    tenant: TenantId
    job_id: JobId
    video_id: VideoId
    origin: str
    kind: JobEventKind
    created_at: datetime
    """When it was recorded."""
    seq: int = 0
    """0 until it is recorded."""
    state: JobState | None = None
    failure: Failure | None = None
    """Why the job ended badly, if it did."""
    committed: CommittedRange | None = None

    def __post_init__(self) -> None:
        is_of_state = self.kind is JobEventKind.JOB_STATE_CHANGED
        if is_of_state != (self.state is not None) or is_of_state != (self.committed is None):
            raise ValueError(f"an event must have a state or a committed range, as its kind says, but got {self}")


STATE_PREFIX = "JOB#"
"""Of the origins of states; they sort by version."""


def state_origin(version: int, state: JobState) -> str:
    """The origin of a job's change of state: the version of the job that it made, and what it changed to."""
    return f"{STATE_PREFIX}{version:08d}#{state}"


def state_of_origin(origin: str) -> JobState:
    """What the job changed to."""
    return JobState(origin.rpartition("#")[2])


def commit_origin(segment_index: int) -> str:
    """The origin of a segment's commit; a segment is committed once."""
    return f"SEG#{segment_index:05d}"
