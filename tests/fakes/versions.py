"""Pipelines and versions of results, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.domain.errors import NotFound
from chalicelib.domain.ids import TenantId, VideoId
from chalicelib.domain.pipelines import Pipeline
from chalicelib.domain.result_versions import ResultVersion
from chalicelib.services.ports import Owner, VersionConflict
from tests.fakes.memory import Memory


class FakePipelineStore:
    """The port `PipelineStore`."""

    def __init__(self, memory: Memory) -> None:
        self._pipelines = memory.pipelines

    def add(self, pipeline: Pipeline) -> bool:
        versions = self._pipelines.setdefault((pipeline.tenant, pipeline.name), {})
        return versions.setdefault(pipeline.version, pipeline) is pipeline

    def get(self, tenant: TenantId, name: str, version: int) -> Pipeline | None:
        return self._pipelines.get((tenant, name), {}).get(version)

    def get_newest(self, tenant: TenantId, name: str) -> Pipeline | None:
        return next(iter(self.list_versions(tenant, name, None, 1)), None)

    def list_versions(self, tenant: TenantId, name: str, before: int | None, limit: int) -> Sequence[Pipeline]:
        versions = sorted(self._pipelines.get((tenant, name), {}).items(), reverse=True)
        return [pipeline for version, pipeline in versions if before is None or version < before][:limit]

    def list(self, tenant: TenantId, after: str | None, limit: int) -> Sequence[Pipeline]:
        names = sorted(name for of, name in self._pipelines if of == tenant and (after is None or name > after))
        return [versions[max(versions)] for versions in (self._pipelines[tenant, name] for name in names[:limit])]


class FakeResultVersionStore:
    """The port `ResultVersionStore`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def get(self, tenant: TenantId, video_id: VideoId, pipeline_name: str, alias: str) -> ResultVersion | None:
        return self._memory.versions.get(Owner(tenant, video_id), {}).get((pipeline_name, alias))

    def save(self, version: ResultVersion) -> ResultVersion:
        if Owner(version.tenant, str(version.job_id)) not in self._memory.jobs:
            raise NotFound(f"job {version.job_id} is gone")
        video = Owner(version.tenant, version.video_id)
        if video not in self._memory.videos or video in self._memory.without_versions:
            raise NotFound(f"video {version.video_id} is being deleted")
        stored = self.get(version.tenant, version.video_id, version.pipeline_name, version.alias)
        if version.version != (stored.version if stored else 0):
            raise VersionConflict(f"{version.alias} of video {version.video_id} was moved")
        saved = replace(version, version=version.version + 1)
        versions = self._memory.versions.setdefault(video, {})
        versions[version.pipeline_name, version.alias] = saved
        return saved

    def list(
        self, tenant: TenantId, video_id: VideoId, pipeline_name: str | None, after: tuple[str, str] | None, limit: int
    ) -> Sequence[ResultVersion]:
        versions = sorted(self._memory.versions.get(Owner(tenant, video_id), {}).items())
        return [
            version
            for name, version in versions
            if (pipeline_name is None or name[0] == pipeline_name) and (after is None or name > after)
        ][:limit]

    def drop(self, tenant: TenantId, video_id: VideoId) -> None:
        video = Owner(tenant, video_id)
        self._memory.without_versions.add(video)
        self._memory.versions.pop(video, None)
