"""`client.exports`."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TypeVar, Unpack

from reelscan.download import download_file
from reelscan.errors import Conflict
from reelscan.pages import Pages
from reelscan.records import Export, ExportForm, ExportOptionsForm, Job
from reelscan.resources.base import Part
from reelscan.waiting import id_of, wait_until_made
from reelscan.worlds import World, operation

W_co = TypeVar("W_co", bound=World, covariant=True)


class Exports(Part[W_co]):
    """Results of a job as a file in the format that another tool reads."""

    @operation
    async def start(self, job: Job | str, format: str, **options: Unpack[ExportOptionsForm]) -> Export:  # noqa: A002 - the API's word
        """Have it made; what was made already is found."""
        body: ExportForm = {"format": format, "options": options}  # type: ignore[typeddict-item]  # the service knows which there are
        return await self._connection.post(f"/jobs/{id_of(job, 'job_id')}/exports", dict(body), Export, "export")

    @operation
    async def get(self, job: Job | str, export: Export | str) -> Export:
        """The export as it is now, with a fresh URL when it is made."""
        return await self._connection.get(_path(job, export), Export, "export")

    def list(self, job: Job | str) -> Pages[W_co, Export]:
        """All that were asked for."""
        return self._pages(f"/jobs/{id_of(job, 'job_id')}/exports", Export)

    @operation
    async def wait(
        self,
        job: Job | str,
        export: Export | str,
        *,
        timeout_seconds: float | None = None,
        on_progress: Callable[[Export], None] | None = None,
        poll_seconds: float | None = None,
    ) -> Export:
        """The export, once it is made.

        Raises:
            Problem: it could not be made.
            WaitTimeout: not within the time.
        """
        return await wait_until_made(
            self._connection,
            _path(job, export),
            Export,
            "export",
            timeout_seconds=timeout_seconds,
            on_progress=on_progress,
            poll_seconds=poll_seconds,
        )

    @operation
    async def download(
        self, export: Export, to: str | PathLike[str], *, on_progress: Callable[[int], None] | None = None
    ) -> Path:
        """Write the file, whole or not at all, and check it against its digest; `to` is a folder, or the file.

        Raises:
            StorageRefused: S3 does not give it, or gives other bytes.
            Conflict: it is not made yet.
        """
        if export.url is None or export.file_name is None:
            raise Conflict(f"export {export.export_id} is {export.state}", "Wait for it first")
        return await download_file(self._world, export.url, export.file_name, export.sha256, to, on_progress)


def _path(job: Job | str, export: Export | str) -> str:
    return f"/jobs/{id_of(job, 'job_id')}/exports/{id_of(export, 'export_id')}"
