"""The port to S3; part of `services/ports.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What S3 says about an object."""

    size_bytes: int
    etag: str
    version_id: str = ""
    sha256: str = ""
    """Hex; only when S3 itself checked the bytes against it."""


@dataclass(frozen=True, slots=True)
class PostForm:
    """A presigned POST."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class SignedPart:
    """A presigned PUT of one part."""

    part_number: int
    url: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part that S3 has."""

    part_number: int
    etag: str
    size_bytes: int


class ObjectStore(Protocol):
    """S3."""

    def presign_post(self, key: str, *, size_bytes: int, content_type: str, sha256: str, seconds: int) -> PostForm:
        """A form that uploads exactly this key, size and type (and bytes, when `sha256` is given)."""
        ...

    def presign_get(self, bucket: str, key: str, *, version_id: str, seconds: int) -> str:
        """A URL that reads exactly this version; plays with Range."""
        ...

    def create_multipart(self, key: str, content_type: str) -> str:
        """The id of a new multipart upload."""
        ...

    def presign_part(
        self, key: str, upload_id: str, part_number: int, *, size_bytes: int, sha256: str, seconds: int
    ) -> SignedPart:
        """A URL that uploads one part of exactly this size (and bytes, when `sha256` is given)."""
        ...

    def list_parts(self, key: str, upload_id: str) -> Sequence[UploadedPart]:
        """The parts that S3 has, in order."""
        ...

    def complete_multipart(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make the object of its parts.

        Raises:
            InvalidRequest: S3 does not have these parts.
        """
        ...

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop the parts; an upload that is gone already is fine."""
        ...

    def head(self, bucket: str, key: str) -> StoredObject | None:
        """What is there now; None when nothing is, or nothing that we may read."""
        ...

    def put(self, key: str, body: bytes) -> None:
        """Write a small object of our own."""
        ...

    def get(self, key: str) -> bytes:
        """Read a small object of our own.

        Raises:
            NotFound: it is not there.
        """
        ...

    def delete_prefix(self, prefix: str) -> None:
        """Delete every object (and version) below it."""
        ...
