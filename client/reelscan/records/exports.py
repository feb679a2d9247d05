"""What the routes of exports answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from reelscan.records.shared import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export of a job's results."""

    export_id: str
    format: str
    options: ExportOptions
    state: str
    created_at: datetime
    job_finished_at: datetime
    finished_at: datetime | None = None
    file_name: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    frames: int | None = None
    detections: int | None = None
    statement: dict[str, Any] | None = None
    url: str | None = None
    expires_at: datetime | None = None
    error: Failure | None = None


class ExportForm(TypedDict):
    """An export to be made."""

    format: Literal[
        "ndjson", "csv", "parquet", "coco", "yolo", "mot", "cvat", "label_studio", "fiftyone", "webvtt", "mp4"
    ]
    options: NotRequired[ExportOptionsForm]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What was asked for, beside the format."""

    score_min: float | None = None
    labels: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    track_version: int | None = None
    gzip: bool


class ExportOptionsForm(TypedDict):
    """Which rows, and how they are packed. Unset: as the job has it."""

    score_min: NotRequired[float | None]
    labels: NotRequired[list[str] | None]
    models: NotRequired[list[str] | None]
    track_version: NotRequired[int | None]
    gzip: NotRequired[bool]
