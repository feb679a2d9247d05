"""The wire of exports; part of `schemas.py`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from chalicelib.api.schemas import ErrorOut, In, Out, Score, Text
from chalicelib.domain.exports import ExportFormat
from chalicelib.domain.side_steps import SideStepState


class ExportOptionsIn(In):
    """Which rows, and how they are packed. Unset: as the job has it."""

    score_min: Score | None = None
    labels: Annotated[list[Text], Field(max_length=100)] | None = None
    models: Annotated[list[Text], Field(max_length=8)] | None = None
    track_version: Annotated[int, Field(ge=0)] | None = None
    """Of the job's tracks; unset: the current one."""
    gzip: bool = False
    """NDJSON only."""


class ExportIn(In):
    """An export to be made."""

    format: ExportFormat
    options: ExportOptionsIn = ExportOptionsIn()

    @model_validator(mode="after")
    def _pack_only_what_is_not_packed(self) -> ExportIn:
        if self.options.gzip and self.format is not ExportFormat.NDJSON:
            raise ValueError("options.gzip is for ndjson only")
        return self


class ExportOptionsOut(Out):
    """What was asked for, beside the format."""

    score_min: float | None = None
    labels: list[str] | None = None
    models: list[str] | None = None
    track_version: int | None = None
    """Of the tracks whose ids the rows have; absent when they have none."""
    gzip: bool


class ExportOut(Out):
    """An export of a job's results."""

    export_id: str
    format: ExportFormat
    options: ExportOptionsOut
    state: SideStepState
    created_at: str
    job_finished_at: str
    """Which results it has: those of this finish of the job."""
    finished_at: str | None = None
    file_name: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    frames: int | None = None
    """Sampled frames in it, also those without a detection."""
    detections: int | None = None
    statement: dict[str, Any] | None = None
    """What it says of itself: index base, timebase, sampling, models, tracker, missing ranges."""
    url: str | None = None
    expires_at: str | None = None
    """Of the URL; reading the export again gives a new one."""
    error: ErrorOut | None = None


class ExportEnvelope(Out):
    """One export."""

    export: ExportOut


class ExportsPage(Out):
    """A page of exports, oldest first."""

    items: list[ExportOut]
    next_cursor: str | None
