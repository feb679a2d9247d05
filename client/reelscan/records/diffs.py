"""What the routes of diffs answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass

from reelscan.records.shared import DiffLabel, DiffSums


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A detection that is not as it was."""

    kind: str
    pts: int
    timebase: str
    time_seconds: float
    label: str
    iou: float | None = None
    a: SeenDetection | None = None
    b: SeenDetection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """The diff of two jobs of one video, or of a part of it.

    While `is_complete` is false, ask again with `next_cursor` and add: counts as they are, means by `matched`.
    """

    job_a: str
    job_b: str
    timebase: str
    is_complete: bool
    total: DiffSums
    labels: tuple[DiffLabel, ...]
    frames: DiffFrames
    over_time: tuple[DiffBucket, ...]
    missing: tuple[DiffMissing, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffBucket:
    """The sums of one part of the video's length, all labels together."""

    a_count: int
    b_count: int
    matched: int
    moved: int
    added: int
    removed: int
    agreement: float
    mean_iou: float | None
    mean_score_change: float | None
    start_pts: int
    end_pts: int
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffFrames:
    """How many frames the jobs looked at; what only one of them looked at is neither added nor removed."""

    both: int
    only_a: int
    only_b: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffMissing:
    """A part of the video of which a job has no results; it is left out whole."""

    job_id: str
    start_pts: int
    end_pts: int
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDetection:
    """A detection as one of the jobs has it."""

    model: str
    score: float
    box: tuple[float, float, float, float]
