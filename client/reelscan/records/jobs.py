"""What the routes of jobs answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reelscan.records.shared import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """Something that happened to a job: a new state, or a segment whose results can be read.

    `seq` counts from 1 without a gap.
    """

    seq: int
    job_id: str
    video_id: str
    kind: str
    created_at: datetime
    state: str | None = None
    error: Failure | None = None
    segment_index: int | None = None
    start_pts: int | None = None
    end_pts: int | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None
    labels: tuple[LabelCount, ...] | None = None
    detections_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCount:
    """How often a label was found: all that is stored, down to the model's `score_floor`."""

    label: str
    detections: int
    score_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment of a job."""

    index: int
    start_pts: int
    end_pts: int
    state: str
    attempt: int
    lane: str
    provider: str | None = None
    error: Failure | None = None
