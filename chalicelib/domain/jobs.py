"""A job: one analysis of one video by one pipeline, and the states it goes through.

PENDING → PROBING → RUNNING → FINISHING → SUCCEEDED | PARTIAL | FAILED
any open state → CANCELLING → CANCELLED          any open state → FAILED
PARTIAL | FAILED → RUNNING | FINISHING (a retry of what failed)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from chalicelib.domain.costs import Quote
from chalicelib.domain.errors import Failure
from chalicelib.domain.ids import JobId, RunId, TenantId, VideoId
from chalicelib.domain.media import WholeReason
from chalicelib.domain.models import ModelTask
from chalicelib.domain.reuse import Made, ReuseReceipt
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.domain.usage import JobUsage

DEFAULT_PIPELINE = "default"
"""What jobs without a pipeline are versions for."""


class JobState(StrEnum):
    """Where a job stands; the last four are terminal."""

    PENDING = "PENDING"
    """Waits for its video to be uploaded."""
    PROBING = "PROBING"
    RUNNING = "RUNNING"
    FINISHING = "FINISHING"
    CANCELLING = "CANCELLING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    """Done, but for the ranges that are listed with their causes."""
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


STATES_WITH_RESULTS = frozenset({JobState.SUCCEEDED, JobState.PARTIAL})
TERMINAL_JOB_STATES = frozenset({JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True, slots=True)
class ModelRef:
    """The exact model that a job uses."""

    name: str
    version: str
    sha256: str
    task: ModelTask = ModelTask.DETECTION


@dataclass(frozen=True, slots=True)
class PipelineRef:
    """The version of a pipeline that a job is of."""

    name: str
    version: int


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What the client asked for; results above the model's floor are stored whatever `score_min` and `labels` say."""

    models: tuple[str, ...]
    sampling: Sampling
    score_min: float | None = None
    labels: tuple[str, ...] = ()
    segment_seconds: Fraction | None = None
    """A hint for the planner; segments are whole cells."""
    tracking: bool = True
    max_cost_nano_usd: int | None = None
    """What all work for the job may cost at the model's prices; None: as much as is asked for."""
    tracker: TrackingParameters | None = None
    """What the finish tracks with; None: its defaults."""
    pipeline: PipelineRef | None = None
    """Whose request this is: its models are those of that version, whatever their names mean by now."""
    promote: bool = True
    """Whether `latest` of the video and pipeline moves to the job when it ends with results."""


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What the planner decided, in numbers."""

    segments: int
    cells: int
    reason: WholeReason | None = None
    """Why there is only one segment."""


@dataclass(frozen=True, slots=True)
class MissingRange:
    """A part of the video without results, and why."""

    start_seconds: float
    end_seconds: float
    failure: Failure


MAX_MISSING_RANGES = 500
"""Keeps the record of a job far below DynamoDB's 400 KB item; neighbours with the same cause are one range."""


def join_missing(ranges: Iterable[MissingRange]) -> tuple[MissingRange, ...]:
    """Ranges in order of time, neighbours with the same code joined; what is over the limit is joined to the last."""
    joined: list[MissingRange] = []
    for gap in ranges:
        last = joined[-1] if joined else None
        is_neighbour = (
            last is not None and last.end_seconds >= gap.start_seconds and last.failure.code == gap.failure.code
        )
        if last is not None and (is_neighbour or len(joined) == MAX_MISSING_RANGES):
            joined[-1] = replace(last, end_seconds=max(last.end_seconds, gap.end_seconds))
        else:
            joined.append(gap)
    return tuple(joined)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is, derived from its segments' items."""

    segments_total: int = 0
    segments_done: int = 0
    segments_failed: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """The record of one job."""

    tenant: TenantId
    job_id: JobId
    video_id: VideoId
    state: JobState
    request: JobRequest
    models: tuple[ModelRef, ...]
    created_at: datetime
    deadline_at: datetime
    """A job that is still open then ends as TIMEOUT."""
    plan: PlanFacts | None = None
    finished_at: datetime | None = None
    summary: dict[str, object] | None = field(default=None, hash=False)
    """What the finish found; see `contracts/summary.py` for its form."""
    missing: tuple[MissingRange, ...] = ()
    failure: Failure | None = None
    version: int = 1
    tracks_version: int = 0
    """Which version of its tracks is read when none is named; 0 is that of the finish."""
    made: Made | None = None
    """How its results came about, when they may be taken over by a job that is alike (`services/take_over.py`)."""
    reused: ReuseReceipt | None = None
    """What was not paid again; of a job that has finished."""
    run_id: RunId | None = None
    """The run of a campaign that it is part of, which is told of its end."""
    quote: Quote | None = field(default=None, hash=False)
    """What it was to cost, once its video was known."""
    usage: JobUsage | None = field(default=None, hash=False)
    """What its workers took, once it has finished."""

    @property
    def pipeline(self) -> PipelineRef | None:
        """The version of a pipeline that it is of, if it is of one."""
        return self.request.pipeline

    @property
    def pipeline_name(self) -> str:
        """What it is a version of its video's results for."""
        return self.request.pipeline.name if self.request.pipeline else DEFAULT_PIPELINE

    @property
    def has_tracks(self) -> bool:
        """Whether there is that version of its tracks, once it has finished."""
        return self.request.tracking or self.tracks_version > 0

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended; only a retry moves it again."""
        return self.state in TERMINAL_JOB_STATES
