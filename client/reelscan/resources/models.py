"""`client.models`."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeVar

from reelscan.files import LocalFile
from reelscan.pages import Pages
from reelscan.reading import read_record
from reelscan.records import Alias, Model, ModelManifestForm, ModelVersion, NamedModel, Upload
from reelscan.resources.base import Part
from reelscan.upload import UploadProgress, send_form, watch
from reelscan.waiting import id_of, wait_until
from reelscan.worlds import World, operation

W_co = TypeVar("W_co", bound=World, covariant=True)

TRIED = frozenset({"READY", "REJECTED"})


class Models(Part[W_co]):
    """The networks that jobs can name."""

    def list(self) -> Pages[W_co, Model]:
        """All that can be named, newest versions."""
        return self._pages("/models", Model)

    @operation
    async def get(self, model: Model | str) -> NamedModel:
        """A model with all its versions and aliases."""
        return await self._connection.get(f"/models/{id_of(model, 'name')}", NamedModel, "model")

    @operation
    async def add(
        self,
        path: str | PathLike[str],
        manifest: ModelManifestForm,
        *,
        on_progress: Callable[[UploadProgress], None] | None = None,
    ) -> ModelVersion:
        """Send an ONNX file with its manifest; the version, which a worker now compiles and tries (`wait`).

        Raises:
            Problem: the manifest is refused.
            StorageRefused: S3 refuses the file.
        """
        file = LocalFile.of(Path(fspath(path)))
        body: dict[str, Any] = {
            "filename": file.path.name,
            "size_bytes": file.size_bytes,
            "sha256": await self._world.in_thread(file.sha256),
            "manifest": dict(manifest),
        }
        answer = (await self._connection.call("POST", "/models", body=body)).json
        if answer.get("upload"):
            await send_form(self._connection, read_record(Upload, answer["upload"]), file, watch(on_progress, file))
        return read_record(ModelVersion, answer["model"])

    @operation
    async def wait(
        self,
        version: ModelVersion,
        *,
        timeout_seconds: float | None = None,
        on_progress: Callable[[ModelVersion], None] | None = None,
        poll_seconds: float | None = None,
    ) -> ModelVersion:
        """The version, once it is `READY` or `REJECTED`, then with `reasons`.

        Raises:
            WaitTimeout: not within the time.
        """

        def this_one(model: NamedModel) -> ModelVersion:
            return next((found for found in model.versions if found.version == version.version), version)

        model = await wait_until(
            self._connection,
            f"/models/{version.name}",
            NamedModel,
            "model",
            is_over=lambda model: this_one(model).state in TRIED,
            timeout_seconds=timeout_seconds,
            on_progress=(lambda model: on_progress(this_one(model))) if on_progress else None,
            poll_seconds=poll_seconds,
        )
        return this_one(model)

    @operation
    async def delete(self, name: str, version: str) -> None:
        """Remove one version."""
        await self._connection.delete(f"/models/{name}", {"version": version})

    @operation
    async def move_alias(self, name: str, alias: str, version: str, *, from_version: str | None = None) -> Alias:
        """Let `name@alias` mean another version; with `from_version` only if it means that one now."""
        body = {"version": version} | ({"from_version": from_version} if from_version else {})
        return await self._connection.put(f"/models/{name}/aliases/{alias}", body, Alias, "alias")
