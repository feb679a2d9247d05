"""The wire forms of what happens to a job; part of `api/schemas.py`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chalicelib.api.schemas import ErrorOut, Out, PageQuery


class EventsQuery(PageQuery):
    """Which events of a job: those after one that was seen."""

    after: Annotated[int, Field(ge=0)] = 0
    """The last `seq` that was seen; a cursor goes on from its own."""


class LabelCountOut(Out):
    """How often a label was found: all that is stored, down to the model's `score_floor`."""

    label: str
    detections: int
    score_max: float


class JobEventOut(Out):
    """Something that happened to a job: a new state, or a segment whose results can be read.

    `seq` counts from 1 without a gap.
    """

    seq: int
    job_id: str
    video_id: str
    kind: str
    created_at: str
    state: str | None = None
    error: ErrorOut | None = None
    segment_index: int | None = None
    start_pts: int | None = None
    end_pts: int | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None
    labels: list[LabelCountOut] | None = None
    """Most detections first, 200 at most."""
    detections_cursor: str | None = None
    """With it, a list of detections without filters begins at this segment."""


class JobEventsPage(Out):
    """A page of events in order of `seq`."""

    items: list[JobEventOut]
    next_cursor: str | None
