"""A file that was made, into the bucket: under its key, and with what whoever downloads it is told of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import IO

from chalicelib.contracts.attribute_values import Item
from gpu_batch.aws import Cloud

READ_BYTES = 1 << 20


def store_file(
    cloud: Cloud, key: str, file: IO[bytes], *, content_type: str, file_name: str, check: Callable[[], None]
) -> Item:
    """Upload the file, whole or not at all; its name, type, size and digest, as the result of a side step has them."""
    sha256, size_bytes = _digest(file, check)
    cloud.upload_file(key, file, content_type=content_type, file_name=file_name, check=check)
    return {"file_name": file_name, "content_type": content_type, "size_bytes": size_bytes, "sha256": sha256}


def _digest(file: IO[bytes], check: Callable[[], None]) -> tuple[str, int]:
    """SHA-256 in hex, and size."""
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    while piece := file.read(READ_BYTES):
        check()
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size
