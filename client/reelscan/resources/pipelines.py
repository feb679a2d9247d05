"""`client.pipelines`."""

from __future__ import annotations

from typing import TypeVar, Unpack

from reelscan.pages import Pages
from reelscan.records import Pipeline, PipelineForm
from reelscan.resources.base import Part
from reelscan.worlds import World, operation

W_co = TypeVar("W_co", bound=World, covariant=True)


class Pipelines(Part[W_co]):
    """Analyses under a name, in versions that never change."""

    @operation
    async def make(self, **pipeline: Unpack[PipelineForm]) -> Pipeline:
        """Make the next version of a pipeline; the same content again is the version that is there."""
        return await self._connection.post("/pipelines", dict(pipeline), Pipeline, "pipeline")

    def list(self) -> Pages[W_co, Pipeline]:
        """Each in its newest version, by name."""
        return self._pages("/pipelines", Pipeline)

    def versions(self, name: str) -> Pages[W_co, Pipeline]:
        """All versions of one, newest first."""
        return self._pages(f"/pipelines/{name}", Pipeline)

    @operation
    async def get(self, name: str, version: int) -> Pipeline:
        """One version."""
        return await self._connection.get(f"/pipelines/{name}/versions/{version}", Pipeline, "pipeline")
