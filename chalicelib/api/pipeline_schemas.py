"""The wire forms of pipelines; part of `api/schemas.py`."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import StringConstraints, model_validator

from chalicelib.api.schemas import AnalysisIn, ModelRefOut, Out
from chalicelib.api.track_schemas import TrackerIn, TrackerOut

PipelineName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class PipelineIn(AnalysisIn):
    """An analysis to be known by a name."""

    name: PipelineName
    tracker: TrackerIn | None = None
    """What the finish of its jobs tracks with; unset: the tracker's defaults."""

    @model_validator(mode="after")
    def _tracker_is_used(self) -> Self:
        if self.tracker is not None and not self.tracking:
            raise ValueError("tracker must be left out when tracking is false")
        return self


class PipelineOut(Out):
    """One version of a pipeline, which never changes."""

    name: str
    version: int
    models: list[ModelRefOut]
    """The exact models, as their names were resolved when the version was made."""
    sampling: dict[str, Any]
    score_min: float | None = None
    labels: list[str] | None = None
    segment_seconds: float | None = None
    tracking: bool
    tracker: TrackerOut | None = None
    created_at: str
    created_by: str
    """The subject of the token."""


class PipelineEnvelope(Out):
    """One version of a pipeline."""

    pipeline: PipelineOut


class PipelinesPage(Out):
    """A page of pipelines by name, each in its newest version; or of versions of one, newest first."""

    items: list[PipelineOut]
    next_cursor: str | None
