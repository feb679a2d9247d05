"""`client.renditions`."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from reelscan.download import download_file
from reelscan.errors import Conflict
from reelscan.pages import Pages
from reelscan.records import ProxyForm, Rendition, ThumbnailsForm, Video
from reelscan.resources.base import Part
from reelscan.waiting import id_of, wait_until_made
from reelscan.worlds import World, operation

W_co = TypeVar("W_co", bound=World, covariant=True)


class Renditions(Part[W_co]):
    """Files made of a video's own bytes: a sheet of thumbnails, and a copy that every browser plays."""

    @operation
    async def thumbnails(self, video: Video | str, *, width: int | None = None) -> Rendition:
        """Have a sheet of thumbnails made, each so many pixels wide; what was made already is found."""
        body: ThumbnailsForm = {"kind": "thumbnails"}
        if width is not None:
            body["width"] = width
        return await self._connection.post(_path(video), dict(body), Rendition, "rendition")

    @operation
    async def proxy(self, video: Video | str, *, height_max: int | None = None) -> Rendition:
        """Have an H.264 MP4 made, at most so many pixels high; what was made already is found."""
        body: ProxyForm = {"kind": "proxy"}
        if height_max is not None:
            body["height_max"] = height_max
        return await self._connection.post(_path(video), dict(body), Rendition, "rendition")

    @operation
    async def get(self, video: Video | str, rendition: Rendition | str) -> Rendition:
        """The rendition as it is now, with a fresh URL when it is made."""
        return await self._connection.get(_path(video, rendition), Rendition, "rendition")

    def list(self, video: Video | str) -> Pages[W_co, Rendition]:
        """All that were asked for, without the text of their tracks."""
        return self._pages(_path(video), Rendition)

    @operation
    async def wait(
        self,
        video: Video | str,
        rendition: Rendition | str,
        *,
        timeout_seconds: float | None = None,
        on_progress: Callable[[Rendition], None] | None = None,
        poll_seconds: float | None = None,
    ) -> Rendition:
        """The rendition, once it is made.

        Raises:
            Problem: it could not be made.
            WaitTimeout: not within the time.
        """
        return await wait_until_made(
            self._connection,
            _path(video, rendition),
            Rendition,
            "rendition",
            timeout_seconds=timeout_seconds,
            on_progress=on_progress,
            poll_seconds=poll_seconds,
        )

    @operation
    async def download(
        self, rendition: Rendition, to: str | PathLike[str], *, on_progress: Callable[[int], None] | None = None
    ) -> Path:
        """Write the file, whole or not at all, and check it against its digest; `to` is a folder, or the file.

        Beside thumbnails their WebVTT track is written, under the same name with the ending `.vtt`.

        Raises:
            StorageRefused: S3 does not give it, or gives other bytes.
            Conflict: it is not made yet, or comes from a list, which has no tracks.
        """
        if rendition.url is None or rendition.file_name is None:
            raise Conflict(f"rendition {rendition.rendition_id} is {rendition.state}", "Wait for it first")
        if rendition.tiles is not None and rendition.vtt is None:
            raise Conflict(f"rendition {rendition.rendition_id} comes from a list, without its track", "Get it first")
        target = await download_file(self._world, rendition.url, rendition.file_name, rendition.sha256, to, on_progress)
        if rendition.vtt is not None:
            track = rendition.vtt.replace(f"\n{quote(rendition.file_name)}#", f"\n{quote(target.name)}#")
            target.with_suffix(".vtt").write_text(track, encoding="utf-8")
        return target


def _path(video: Video | str, rendition: Any = None) -> str:
    path = f"/videos/{id_of(video, 'video_id')}/renditions"
    return path if rendition is None else f"{path}/{id_of(rendition, 'rendition_id')}"
