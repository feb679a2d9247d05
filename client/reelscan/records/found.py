"""What the routes of found answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass

from reelscan.records.shared import Detection


@dataclass(frozen=True, slots=True, kw_only=True)
class AppearanceItem:
    """A time in which a label is seen without a pause longer than the gap."""

    video_id: str
    job_id: str
    label: str
    timebase: str
    first_pts: int
    last_pts: int
    first_seconds: float
    last_seconds: float
    detections: int
    score_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketItem:
    """How many, in a span of time (`start_seconds` ≤ t < `end_seconds`), of a label, or in all."""

    video_id: str
    job_id: str
    start_seconds: float | None = None
    end_seconds: float | None = None
    label: str | None = None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """The first detection of a track after it crossed a line for the first time."""

    pts: int
    time_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionItem:
    """A detection."""

    pts: int
    timebase: str
    time_seconds: float
    frame_index: int | None
    model: str
    label: str
    score: float
    box: tuple[float, float, float, float]
    track_id: int | None = None
    video_id: str
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DwellItem:
    """How long a track was in a region."""

    video_id: str
    job_id: str
    track_id: int
    model: str
    label: str
    timebase: str
    dwell_pts: int
    dwell_seconds: float
    visits: int
    first_pts: int
    last_pts: int
    first_seconds: float
    last_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairItem:
    """Two things in a relation; first and last are the time that they share, or for `before` that between them."""

    video_id: str
    job_id: str
    relation: str
    timebase: str
    first_pts: int
    last_pts: int
    first_seconds: float
    last_seconds: float
    distance: float | None = None
    left: PairSide
    right: PairSide


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSide:
    """One thing of a pair: an appearance (by its label and beginning), a track, or a detection."""

    label: str
    first_pts: int
    first_seconds: float
    track_id: int | None = None
    detection: Detection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackItem:
    """A track, by those of its detections that match."""

    video_id: str
    job_id: str
    track_id: int
    model: str
    label: str
    timebase: str
    first_pts: int
    last_pts: int
    first_seconds: float
    last_seconds: float
    detections: int
    score_max: float
    crossings: tuple[Crossing, ...] | None = None
