"""`client.versions`."""

from __future__ import annotations

from typing import Any, TypeVar

from reelscan.detections import Detections
from reelscan.pages import Pages
from reelscan.records import Job, ResultVersion, Track, Video
from reelscan.resources.base import PAGE_LIMIT, Part
from reelscan.waiting import id_of
from reelscan.worlds import World, operation

W_co = TypeVar("W_co", bound=World, covariant=True)


class Versions(Part[W_co]):
    """Results of a video by the name of a version: `latest`, or an alias of your own, for each pipeline."""

    def list(self, video: Video | str, *, pipeline: str | None = None) -> Pages[W_co, ResultVersion]:
        """The aliases, each with its log."""
        return self._pages(f"{_path(video)}/versions", ResultVersion, {"pipeline": pipeline})

    def detections(
        self, video: Video | str, version: str = "latest", *, pipeline: str | None = None, **query: Any
    ) -> Detections[W_co]:
        """What that version found; `query` as for those of a job, in the words of the API (`label`, `score_min`, …)."""
        asked = {"version": version, "pipeline": pipeline, "limit": PAGE_LIMIT, **query}
        return Detections(self._connection, f"{_path(video)}/detections", asked)

    def tracks(
        self, video: Video | str, version: str = "latest", *, pipeline: str | None = None, label: str | None = None
    ) -> Pages[W_co, Track]:
        """The tracks of that version."""
        asked = {"version": version, "pipeline": pipeline, "label": label, "limit": PAGE_LIMIT}
        return self._pages(f"{_path(video)}/tracks", Track, asked)

    @operation
    async def promote(
        self, video: Video | str, alias: str, job: Job | str, *, cause: str, pipeline: str | None = None
    ) -> ResultVersion:
        """Let an alias mean the results of a job."""
        body = {"job_id": id_of(job, "job_id"), "cause": cause} | ({"pipeline": pipeline} if pipeline else {})
        return await self._connection.put(f"{_path(video)}/versions/{alias}", body, ResultVersion, "version")

    @operation
    async def roll_back(
        self, video: Video | str, alias: str = "latest", *, cause: str, pipeline: str | None = None
    ) -> ResultVersion:
        """Undo the newest move of an alias."""
        body = {"cause": cause} | ({"pipeline": pipeline} if pipeline else {})
        path = f"{_path(video)}/versions/{alias}/rollback"
        return await self._connection.post(path, body, ResultVersion, "version")


def _path(video: Video | str) -> str:
    return f"/videos/{id_of(video, 'video_id')}"
