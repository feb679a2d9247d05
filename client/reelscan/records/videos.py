"""What the routes of videos answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NotRequired, TypedDict

from reelscan.records.shared import CostParts, EveryFrameForm, Failure, KeyframesForm, PerSecondForm


class CompleteForm(TypedDict):
    """All parts of an upload."""

    parts: list[UploadedPartForm]


class JobForm(TypedDict):
    """An analysis to be done: that of a pipeline, or what is told here."""

    models: NotRequired[list[str]]
    sampling: NotRequired[EveryFrameForm | PerSecondForm | KeyframesForm]
    score_min: NotRequired[float | None]
    labels: NotRequired[list[str] | None]
    segment_seconds: NotRequired[float | None]
    tracking: NotRequired[bool]
    pipeline: NotRequired[str | None]
    promote: NotRequired[bool]
    max_cost_usd: NotRequired[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """The container's facts about the video stream."""

    container: str
    codec: str
    width: int
    height: int
    rotation: int
    timebase: str
    duration_seconds: float
    frame_count: int | None = None
    keyframes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One move of an alias."""

    kind: str
    from_job_id: str | None
    to_job_id: str
    cause: str
    by: str | None
    at: datetime


class PartsForm(TypedDict):
    """Which parts to have signed."""

    part_numbers: list[int]
    sha256_by_part: NotRequired[dict[str, str] | None]


class PromoteForm(TypedDict):
    """Which job an alias shall name, and why."""

    job_id: str
    pipeline: NotRequired[str | None]
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a job would cost, everything done once, and how long it would take."""

    cost_usd: float
    parts: CostParts
    cpu_seconds: float
    gpu_seconds: float
    seconds_to_finish: float
    lane: str
    children: int
    segments: int
    cells: int
    cells_reused: int
    is_measured: bool
    is_counted: bool
    market: str
    currency: str
    prices_dated: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultVersion:
    """An alias: which job's results it names, and its newest moves, oldest first."""

    pipeline: str
    alias: str
    job_id: str
    moves: tuple[Move, ...]


class RollBackForm(TypedDict):
    """Why an alias shall name again what it named before."""

    pipeline: NotRequired[str | None]
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the source plays from."""

    url: str
    expires_at: datetime


class SourceForm(TypedDict):
    """An object that already lies in S3."""

    s3_uri: str


class UploadedPartForm(TypedDict):
    """A part that was sent."""

    part_number: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A video."""

    video_id: str
    filename: str
    state: str
    size_bytes: int
    created_at: datetime
    media: Media | None = None
    error: Failure | None = None


class VideoForm(TypedDict):
    """A video to be uploaded, or taken from where it lies."""

    filename: NotRequired[str | None]
    size_bytes: NotRequired[int | None]
    content_type: NotRequired[str | None]
    sha256: NotRequired[str | None]
    analyze: NotRequired[JobForm | None]
    source: NotRequired[SourceForm | None]
