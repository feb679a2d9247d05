"""The wire of diffs: two jobs beside each other, in sums and change by change."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chalicelib.api.schemas import Cursor, In, Out, PageQuery, Rounded, Score, Text

Iou = Annotated[float, Field(ge=0.0001, le=1), Rounded]


class DiffQuery(In):
    """How two jobs are compared, and where to go on."""

    label: Text | None = None
    """Only this one; unset: every label that neither job was told to leave out."""
    model_a: Text | None = None
    """Of the first job; unset: all its models together."""
    model_b: Text | None = None
    score_min: Score | None = None
    """For both jobs; unset: each job's own, else each model's default threshold."""
    iou: Iou = 0.5
    """What overlaps less is not the same thing."""
    moved_below: Score = 0.8
    """A matched pair that overlaps less has moved."""
    buckets: Annotated[int, Field(ge=1, le=1000)] = 60
    """Equal parts of the video's length, for the sums over time."""
    cursor: Cursor | None = None


class DiffChangesQuery(PageQuery):
    """Which changes."""

    kind: Literal["added", "removed", "moved"] | None = None
    label: Text | None = None
    model_a: Text | None = None
    model_b: Text | None = None
    score_min: Score | None = None
    iou: Iou = 0.5
    moved_below: Score = 0.8


class DiffSumsOut(Out):
    """Sums of the frames that both jobs looked at.

    `agreement` is 2 · matched / (a_count + b_count), and 1 when both are 0; the means are those of the matched pairs.
    """

    a_count: int
    b_count: int
    matched: int
    moved: int
    """Matched, but they overlap by less than `moved_below`."""
    added: int
    removed: int
    agreement: float
    mean_iou: float | None
    mean_score_change: float | None
    """Score in the second job less that in the first."""


class DiffLabelOut(DiffSumsOut):
    """The sums of one label."""

    label: str


class DiffBucketOut(DiffSumsOut):
    """The sums of one part of the video's length, all labels together."""

    start_pts: int
    end_pts: int
    """Exclusive."""
    start_seconds: float
    end_seconds: float


class DiffFramesOut(Out):
    """How many frames the jobs looked at; what only one of them looked at is neither added nor removed."""

    both: int
    only_a: int
    only_b: int


class DiffMissingOut(Out):
    """A part of the video of which a job has no results; it is left out whole."""

    job_id: str
    start_pts: int
    end_pts: int
    """Exclusive."""
    start_seconds: float
    end_seconds: float


class DiffOut(Out):
    """The diff of two jobs of one video, or of a part of it.

    While `is_complete` is false, ask again with `next_cursor` and add: counts as they are, means by `matched`.
    """

    job_a: str
    job_b: str
    timebase: str
    is_complete: bool
    """Whether this answer comes to the end of the video."""
    total: DiffSumsOut
    labels: list[DiffLabelOut]
    frames: DiffFramesOut
    over_time: list[DiffBucketOut]
    missing: list[DiffMissingOut]
    next_cursor: str | None


class SeenDetectionOut(Out):
    """A detection as one of the jobs has it."""

    model: str
    score: float
    box: tuple[float, float, float, float]


class ChangeOut(Out):
    """A detection that is not as it was."""

    kind: str
    """added, removed or moved."""
    pts: int
    timebase: str
    time_seconds: float
    label: str
    iou: float | None = None
    """Of one that moved."""
    a: SeenDetectionOut | None = None
    """As the first job has it; absent when it was added."""
    b: SeenDetectionOut | None = None
    """As the second job has it; absent when it was removed."""


class ChangesPage(Out):
    """A page of changes in order of time. It may be short, or empty, and still have a cursor."""

    items: list[ChangeOut]
    next_cursor: str | None
