"""What the routes of results answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from reelscan.records.shared import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackVersion:
    """A version of a job's tracks: 0 is that of its finish."""

    version: int
    state: str
    parameters: dict[str, Any]
    is_current: bool
    created_at: datetime
    finished_at: datetime | None = None
    tracks: int | None = None
    is_outdated: bool | None = None
    error: Failure | None = None


class TracksForm(TypedDict):
    """How to track the stored detections again; what is left out is as in version 0."""

    score_high: NotRequired[float | None]
    low_score_ratio: NotRequired[float | None]
    lost_seconds: NotRequired[float | None]
    iou_min: NotRequired[float | None]
    iou_min_low: NotRequired[float | None]
    confirm_hits: NotRequired[int | None]
    confirm_frames: NotRequired[int | None]
    labels: NotRequired[list[str] | None]
    make_current: NotRequired[bool]
