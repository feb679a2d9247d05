"""The wire forms of versions of tracks; part of `api/schemas.py`."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from chalicelib.api.schemas import ErrorOut, In, Out, Rounded, Score, Text
from chalicelib.domain import tracking


class TrackerIn(In):
    """What a tracker is told; what is left out has its default."""

    score_high: Annotated[float, Field(ge=tracking.SCORE_MIN, le=1), Rounded] | None = None
    """Detections from here on start and confirm tracks; unset: each model's default threshold."""
    low_score_ratio: Annotated[float, Field(ge=tracking.LOW_RATIO_MIN, le=1), Rounded] | None = None
    """Detections from this share of `score_high` on may continue a track."""
    lost_seconds: Annotated[float, Field(ge=0, le=tracking.LOST_SECONDS_MAX), Rounded] | None = None
    """A track ends when it was not seen for longer than this."""
    iou_min: Score | None = None
    """Least overlap of a track's prediction with a detection from `score_high` on."""
    iou_min_low: Score | None = None
    """The same for one below it."""
    confirm_hits: Annotated[int, Field(ge=1, le=tracking.FRAMES_MAX)] | None = None
    """Detections that make a track …"""
    confirm_frames: Annotated[int, Field(ge=1, le=tracking.FRAMES_MAX)] | None = None
    """… within this many sampled frames."""
    labels: Annotated[list[Text], Field(max_length=100)] | None = None
    """Track these only; unset: all."""

    @model_validator(mode="after")
    def _hits_fit_into_frames(self) -> Self:
        if self.confirm_hits and self.confirm_frames and self.confirm_hits > self.confirm_frames:
            raise ValueError(f"confirm_hits must be at most confirm_frames but got {self.confirm_hits}")
        return self


class TrackerOut(Out):
    """What a tracker was told; everything else has its default."""

    score_high: float | None = None
    low_score_ratio: float | None = None
    lost_seconds: float | None = None
    iou_min: float | None = None
    iou_min_low: float | None = None
    confirm_hits: int | None = None
    confirm_frames: int | None = None
    labels: list[str] | None = None


class TracksIn(TrackerIn):
    """How to track the stored detections again; what is left out is as in version 0."""

    make_current: bool = False
    """Read this version, once it has succeeded, whenever no version is named."""


class TrackVersionOut(Out):
    """A version of a job's tracks: 0 is that of its finish."""

    version: int
    state: str
    """`QUEUED`, `RUNNING`, `SUCCEEDED`, `FAILED` or `CANCELLED`."""
    parameters: dict[str, Any]
    """What the tracker was told; everything else has its default."""
    is_current: bool
    """Whether it is read when no version is named."""
    created_at: str
    finished_at: str | None = None
    tracks: int | None = None
    """How many there are."""
    is_outdated: bool | None = None
    """Whether the job was retried since."""
    error: ErrorOut | None = None


class TrackVersionEnvelope(Out):
    """One version of a job's tracks."""

    tracks: TrackVersionOut


class TrackVersionsPage(Out):
    """Every version of a job's tracks."""

    items: list[TrackVersionOut]
    next_cursor: str | None


def tracking_parameters(form: TrackerIn) -> tracking.TrackingParameters:
    """What a client told the tracker, as the domain has it."""
    told = form.model_dump(include=TrackerIn.model_fields.keys() - {"labels"}, exclude_none=True)
    return tracking.TrackingParameters(**told, labels=tuple(form.labels or ()))
