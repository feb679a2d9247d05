"""What several routes answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict


@dataclass(frozen=True, slots=True, kw_only=True)
class CostParts:
    """Dollars by what they are paid for."""

    workers_usd: float
    functions_usd: float
    tables_usd: float
    objects_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuSeconds:
    """Of a job's workers."""

    quote: float
    actual: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One detection: a box in pixels of the frame as shown, origin top left; all of it for a label of the frame."""

    pts: int
    timebase: str
    time_seconds: float
    frame_index: int | None
    model: str
    label: str
    score: float
    box: tuple[float, float, float, float]
    track_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLabel:
    """The sums of one label."""

    a_count: int
    b_count: int
    matched: int
    moved: int
    added: int
    removed: int
    agreement: float
    mean_iou: float | None
    mean_score_change: float | None
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffSums:
    """Sums of the frames that both jobs looked at.

    `agreement` is 2 · matched / (a_count + b_count), and 1 when both are 0; the means are those of the matched pairs.
    """

    a_count: int
    b_count: int
    matched: int
    moved: int
    added: int
    removed: int
    agreement: float
    mean_iou: float | None
    mean_score_change: float | None


class EveryFrameForm(TypedDict):
    """Analyse every frame."""

    kind: Literal["every_frame"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why something ended badly."""

    code: str
    title: str
    detail: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job."""

    job_id: str
    video_id: str
    state: str
    pipeline: PipelineRef | None
    promote: bool
    models: tuple[ModelRef, ...]
    sampling: dict[str, Any]
    score_min: float | None = None
    labels: tuple[str, ...] | None = None
    segment_seconds: float | None = None
    tracking: bool
    plan: Plan | None = None
    progress: Progress
    created_at: datetime
    finished_at: datetime | None = None
    summary: dict[str, Any] | None = None
    reused: Reused | None = None
    missing: tuple[Missing, ...] | None = None
    cost: JobCost | None = None
    error: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCost:
    """What a job was to cost, and once it has ended, what it took at the same prices."""

    quote_usd: float
    actual_usd: float | None = None
    parts: CostParts
    cpu_seconds: CpuSeconds
    max_cost_usd: float | None = None
    currency: str
    prices_dated: str


class KeyframesForm(TypedDict):
    """Analyse keyframes only, reading only their bytes.

    With `n` and `within_seconds`: for every 1/n of a second the keyframe nearest to it, if there is one so near.
    """

    kind: Literal["keyframes"]
    n: NotRequired[float | None]
    within_seconds: NotRequired[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A range without results, and why."""

    start_seconds: float
    end_seconds: float
    error: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """The exact model that was used.

    Of one whose `task` is `classification`, detections are labels of frames: their box is the whole frame, and they
    are on no track.
    """

    name: str
    version: str
    sha256: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReuse:
    """What one model of a job did not do again."""

    name: str
    cells: int
    cells_reused: int
    frames: int
    frames_inferred: int


class PerSecondForm(TypedDict):
    """Analyse, for every 1/n of a second, the frame that is nearest to it."""

    kind: Literal["per_second"]
    n: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRef:
    """The version of a pipeline that a job is of."""

    name: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the planner decided."""

    segments: int
    cells: int
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is."""

    segments_total: int
    segments_done: int
    segments_failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reused:
    """What a finished job did not pay again; the sums are over its models."""

    job_id: str | None = None
    cells: int
    cells_reused: int
    frames: int
    frames_inferred: int
    models: tuple[ModelReuse, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One track."""

    track_id: int
    model: str
    label: str
    first_pts: int
    last_pts: int
    first_seconds: float
    last_seconds: float
    frames: int
    score_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """How to send the bytes."""

    kind: str
    url: str | None = None
    fields: dict[str, str] | None = None
    part_size_bytes: int | None = None
    part_count: int | None = None
    expires_at: datetime
