"""Files that the service has made, from S3 to the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path

import httpx

from reelscan.errors import StorageRefused
from reelscan.upload import refusal
from reelscan.worlds import World


async def download_file(
    world: World,
    url: str,
    file_name: str,
    sha256: str | None,
    to: str | PathLike[str],
    on_progress: Callable[[int], None] | None,
) -> Path:
    """Write the file, whole or not at all, and check it against its digest; `to` is a folder, or the file.

    Raises:
        StorageRefused: S3 does not give it, or gives other bytes.
    """
    target = Path(fspath(to))
    target = target / file_name if target.is_dir() else target
    unfinished = target.with_name(target.name + ".part")
    digest, count = hashlib.sha256(), 0
    try:
        with unfinished.open("wb") as file:

            def take(piece: bytes) -> None:
                nonlocal count
                file.write(piece)
                digest.update(piece)
                count += len(piece)
                if on_progress is not None:
                    on_progress(count)

            await _fetch(world, url, take)
        if digest.hexdigest() != sha256:
            raise StorageRefused(
                f"expected SHA-256 {sha256} but the download has {digest.hexdigest()}", "Download it again"
            )
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target


async def _fetch(world: World, url: str, take: Callable[[bytes], None]) -> None:
    try:
        response = await world.store(httpx.Request("GET", url))
        if response.is_error:
            body = bytearray()
            await world.pieces(response, body.extend)
            raise refusal(response.status_code, body.decode(errors="replace"))
        await world.pieces(response, take)
    except httpx.TransportError as error:
        detail = f"the download broke off: {str(error) or type(error).__name__}"
        raise StorageRefused(detail, "Read it again: its URL is new then") from error
