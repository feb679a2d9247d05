"""What the routes of pipelines answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from reelscan.records.shared import EveryFrameForm, KeyframesForm, ModelRef, PerSecondForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One version of a pipeline, which never changes."""

    name: str
    version: int
    models: tuple[ModelRef, ...]
    sampling: dict[str, Any]
    score_min: float | None = None
    labels: tuple[str, ...] | None = None
    segment_seconds: float | None = None
    tracking: bool
    tracker: Tracker | None = None
    created_at: datetime
    created_by: str


class PipelineForm(TypedDict):
    """An analysis to be known by a name."""

    models: list[str]
    sampling: NotRequired[EveryFrameForm | PerSecondForm | KeyframesForm]
    score_min: NotRequired[float | None]
    labels: NotRequired[list[str] | None]
    segment_seconds: NotRequired[float | None]
    tracking: NotRequired[bool]
    name: str
    tracker: NotRequired[TrackerForm | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """What a tracker was told; everything else has its default."""

    score_high: float | None = None
    low_score_ratio: float | None = None
    lost_seconds: float | None = None
    iou_min: float | None = None
    iou_min_low: float | None = None
    confirm_hits: int | None = None
    confirm_frames: int | None = None
    labels: tuple[str, ...] | None = None


class TrackerForm(TypedDict):
    """What a tracker is told; what is left out has its default."""

    score_high: NotRequired[float | None]
    low_score_ratio: NotRequired[float | None]
    lost_seconds: NotRequired[float | None]
    iou_min: NotRequired[float | None]
    iou_min_low: NotRequired[float | None]
    confirm_hits: NotRequired[int | None]
    confirm_frames: NotRequired[int | None]
    labels: NotRequired[list[str] | None]
