"""The wire forms of uploads in parts; part of `api/schemas.py`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from chalicelib.api.schemas import HexSha256, In, Out, Text


class PartsIn(In):
    """Which parts to have signed."""

    part_numbers: Annotated[list[int], Field(min_length=1, max_length=100)]
    sha256_by_part: dict[int, HexSha256] | None = None


class UploadedPartIn(In):
    """A part that was sent."""

    part_number: Annotated[int, Field(ge=1, le=10_000)]
    etag: Text


class CompleteIn(In):
    """All parts of an upload."""

    parts: Annotated[list[UploadedPartIn], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _parts_are_distinct(self) -> CompleteIn:
        if len({part.part_number for part in self.parts}) != len(self.parts):
            raise ValueError("parts must have distinct part numbers")
        return self


class PartOut(Out):
    """A presigned part: PUT its bytes with exactly these headers."""

    part_number: int
    url: str
    headers: dict[str, str]


class PartsOut(Out):
    """Presigned parts."""

    items: list[PartOut]


class StoredPartOut(Out):
    """A part that S3 has."""

    part_number: int
    etag: str
    size_bytes: int


class StoredPartsOut(Out):
    """The parts that S3 has."""

    items: list[StoredPartOut]
    next_cursor: str | None
