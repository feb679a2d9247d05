"""Bodies on their way into S3: spooled before anyone holds a lock, and checked against the checksums sent with them."""

from __future__ import annotations

import base64
import hashlib
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Protocol

from infra.local.sigv4 import S3Refusal

SPOOL_IN_MEMORY_BYTES = 2**20
READ_SIZE = 256 * 1024

NAME_BY_HEADER = {"x-amz-checksum-sha256": "SHA256", "x-amz-checksum-crc32": "CRC32", "content-md5": "Content-MD5"}
"""The checksums that are verified. CRC32C and CRC64NVME need code outside the standard library; SHA1 has no user."""


class _Sum(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


SUM_BY_HEADER: dict[str, Callable[[], _Sum]] = {
    "x-amz-checksum-sha256": hashlib.sha256,
    "x-amz-checksum-crc32": _Crc32,
    # S3's header is what it is; nothing is secured by it.
    "content-md5": lambda: hashlib.md5(usedforsecurity=False),
}


@dataclass(frozen=True, slots=True)
class Body:
    """A whole body at position 0, and its size."""

    stream: IO[bytes]
    size_bytes: int


def spool(source: Any, length: int | None, headers: Mapping[str, str]) -> Body:
    """Read `length` bytes (None: all) from `source`; `headers` (lower-case names) may hold checksums.

    Raises:
        S3Refusal: the body ends early, or a checksum does not match it.
    """
    sums = {name: SUM_BY_HEADER[name]() for name in SUM_BY_HEADER.keys() & headers.keys()}
    stream = tempfile.SpooledTemporaryFile(SPOOL_IN_MEMORY_BYTES)  # noqa: SIM115  whoever gets the body closes it
    size = 0
    while data := source.read(READ_SIZE if length is None else min(READ_SIZE, length - size)):
        stream.write(data)
        size += len(data)
        for each in sums.values():
            each.update(data)
    if length is not None and size != length:
        raise S3Refusal(400, "IncompleteBody", f"The request promised {length} bytes but brought {size}")
    for name, each in sums.items():
        if base64.b64encode(each.digest()).decode() != headers[name]:
            raise S3Refusal(
                400, "BadDigest", f"The {NAME_BY_HEADER[name]} you specified did not match the calculated checksum."
            )
    stream.seek(0)
    return Body(stream, size)
