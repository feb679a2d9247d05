"""Pipelines and versions of results, as the use cases need them kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.domain.ids import TenantId, VideoId
from chalicelib.domain.pipelines import Pipeline
from chalicelib.domain.result_versions import ResultVersion


class PipelineStore(Protocol):
    """PIPELINE items; none of them ever changes."""

    def add(self, pipeline: Pipeline) -> bool:
        """Record a version; False when there is one of this number."""
        ...

    def get(self, tenant: TenantId, name: str, version: int) -> Pipeline | None:
        """That version."""
        ...

    def get_newest(self, tenant: TenantId, name: str) -> Pipeline | None:
        """The version with the highest number."""
        ...

    def list_versions(self, tenant: TenantId, name: str, before: int | None, limit: int) -> Sequence[Pipeline]:
        """Versions of one pipeline, newest first, from the one below `before` on."""
        ...

    def list(self, tenant: TenantId, after: str | None, limit: int) -> Sequence[Pipeline]:
        """The newest version of each pipeline, by name, from the name after `after` on."""
        ...


class ResultVersionStore(Protocol):
    """RESULT_VERSION items, which live and end with their video."""

    def get(self, tenant: TenantId, video_id: VideoId, pipeline_name: str, alias: str) -> ResultVersion | None:
        """The alias as it stands."""
        ...

    def save(self, version: ResultVersion) -> ResultVersion:
        """Replace what `version` was read as (version 0: nothing); the answer carries the next version.

        Raises:
            VersionConflict: somebody moved it since.
            NotFound: the job that it would name is gone, or the video is, or its aliases were dropped.
        """
        ...

    def list(
        self, tenant: TenantId, video_id: VideoId, pipeline_name: str | None, after: tuple[str, str] | None, limit: int
    ) -> Sequence[ResultVersion]:
        """Aliases of the video, or of one of its pipelines, by (pipeline, alias), from the one after `after` on."""
        ...

    def drop(self, tenant: TenantId, video_id: VideoId) -> None:
        """Forget every alias of the video, and let none be saved any more."""
        ...
