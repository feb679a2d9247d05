"""`client.videos`."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeVar

from reelscan.files import LocalFile
from reelscan.journal import usual_folder
from reelscan.pages import Pages
from reelscan.reading import read_record
from reelscan.records import Job, JobForm, Source, Video
from reelscan.resources.base import Part
from reelscan.upload import DECLARED_SHA256_BYTES, PARALLEL_PARTS, Uploaded, UploadProgress, upload_video
from reelscan.waiting import ended, id_of, wait_until
from reelscan.worlds import World, operation

W_co = TypeVar("W_co", bound=World, covariant=True)

SETTLED = frozenset({"READY", "REJECTED"})


class Videos(Part[W_co]):
    """Uploaded files and their records."""

    @operation
    async def upload(
        self,
        path: str | PathLike[str],
        *,
        analyze: JobForm | None = None,
        filename: str | None = None,
        on_progress: Callable[[UploadProgress], None] | None = None,
        parallel: int = PARALLEL_PARTS,
        journal_folder: str | PathLike[str] | None = None,
    ) -> Uploaded:
        """Send a file; the video, and with `analyze` the job that starts when it has arrived.

        Large files go in parts, `parallel` of them at once. An upload that was killed goes on when the same call is
        made again within a day: parts that S3 has are not sent again. `journal_folder` is where that is remembered
        (unset: the user's state folder).

        Raises:
            Problem: the service refuses the file, or what S3 has is not what was announced.
            StorageRefused: S3 refuses the bytes, or does not answer.
            FileChanged: somebody wrote to the file meanwhile.
        """
        file = LocalFile.of(Path(fspath(path)))
        announced: dict[str, Any] = {"filename": filename or file.path.name, "size_bytes": file.size_bytes}
        if file.content_type:
            announced["content_type"] = file.content_type
        if file.size_bytes <= DECLARED_SHA256_BYTES:
            announced["sha256"] = await self._world.in_thread(file.sha256)
        if analyze is not None:
            announced["analyze"] = dict(analyze)
        folder = usual_folder() if journal_folder is None else Path(fspath(journal_folder))
        return await upload_video(self._connection, file, announced, on_progress, parallel, folder)

    @operation
    async def take(self, s3_uri: str, *, analyze: JobForm | None = None) -> Uploaded:
        """A video of an object that lies in a bucket which the deployment may read."""
        body: dict[str, Any] = {"source": {"s3_uri": s3_uri}}
        if analyze is not None:
            body["analyze"] = dict(analyze)
        answer = (await self._connection.call("POST", "/videos", body=body)).json
        job = read_record(Job, answer["job"]) if answer.get("job") else None
        return Uploaded(read_record(Video, answer["video"]), job)

    def list(self) -> Pages[W_co, Video]:
        """All videos, newest first."""
        return self._pages("/videos", Video)

    @operation
    async def get(self, video: Video | str) -> Video:
        """The video as it is now."""
        return await self._connection.get(f"/videos/{id_of(video, 'video_id')}", Video, "video")

    @operation
    async def wait(self, video: Video | str, *, timeout_seconds: float | None = None) -> Video:
        """The video, once it is `READY` or `REJECTED`.

        Raises:
            WaitTimeout: not within the time.
        """
        path = f"/videos/{id_of(video, 'video_id')}"
        return await wait_until(
            self._connection,
            path,
            Video,
            "video",
            is_over=ended(SETTLED),
            timeout_seconds=timeout_seconds,
            on_progress=None,
        )

    @operation
    async def source(self, video: Video | str) -> Source:
        """A URL that plays what was uploaded, until `expires_at`."""
        return await self._connection.get(f"/videos/{id_of(video, 'video_id')}/source", Source)

    @operation
    async def delete(self, video: Video | str) -> None:
        """Remove the bytes, the jobs and the results."""
        await self._connection.delete(f"/videos/{id_of(video, 'video_id')}")
