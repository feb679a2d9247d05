"""The wire forms of versions of results; part of `api/schemas.py`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from chalicelib.api import schemas
from chalicelib.api.pipeline_schemas import PipelineName
from chalicelib.api.schemas import In, Out, Seconds, Text
from chalicelib.domain.result_versions import LATEST

Cause = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
VersionName = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class VersionDetectionsQuery(schemas.DetectionsQuery):
    """Which detections, of which version of a video's results."""

    version: VersionName = LATEST
    """An alias, or the id of a job."""
    pipeline: PipelineName | None = None
    """Unset: with an alias, `default`; with the id of a job, whatever it is of."""


class VersionTracksQuery(schemas.PageQuery):
    """Which tracks, of which version of a video's results."""

    label: Text | None = None
    from_: Annotated[Seconds | None, Field(alias="from")] = None
    to: Seconds | None = None
    track_version: schemas.Version | None = None
    version: VersionName = LATEST
    pipeline: PipelineName | None = None


class VersionsQuery(schemas.PageQuery):
    """Which aliases of a video's results."""

    limit: Annotated[int, Field(ge=1, le=100)] = 100
    pipeline: PipelineName | None = None


class PromoteIn(In):
    """Which job an alias shall name, and why."""

    job_id: Text
    pipeline: PipelineName | None = None
    """Must be that of the job; unset: it is."""
    cause: Cause


class RollBackIn(In):
    """Why an alias shall name again what it named before."""

    pipeline: PipelineName | None = None
    """Unset: `default`."""
    cause: Cause


class MoveOut(Out):
    """One move of an alias."""

    kind: str
    """`ended`: the job ended; `promoted`; `rolled_back`."""
    from_job_id: str | None
    """Null: it named nothing before."""
    to_job_id: str
    cause: str
    by: str | None
    """The subject of the token; null: the service itself, at the end of a job."""
    at: str


class ResultVersionOut(Out):
    """An alias: which job's results it names, and its newest moves, oldest first."""

    pipeline: str
    alias: str
    job_id: str
    moves: list[MoveOut]


class ResultVersionEnvelope(Out):
    """One alias."""

    version: ResultVersionOut


class ResultVersionsPage(Out):
    """A page of aliases, by pipeline and alias."""

    items: list[ResultVersionOut]
    next_cursor: str | None


class VersionDetectionsPage(Out):
    """A page of detections of one version, in order of pts, score descending, label, box.

    It may be short, or empty, and still have a cursor, which stays with the job of the first page.
    """

    job_id: str
    """Whose results these are."""
    items: list[schemas.DetectionOut]
    next_cursor: str | None


class VersionTracksPage(Out):
    """A page of tracks of one version, in order of their first frame; its cursor stays with the job."""

    job_id: str
    items: list[schemas.TrackOut]
    next_cursor: str | None
