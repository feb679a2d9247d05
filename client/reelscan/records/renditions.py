"""What the routes of renditions answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from reelscan.records.shared import Failure, Missing


class ProxyForm(TypedDict):
    """An H.264 MP4 that every browser plays, with every frame at its time."""

    kind: Literal["proxy"]
    height_max: NotRequired[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """A rendition of a video."""

    rendition_id: str
    kind: str
    options: RenditionOptions
    state: str
    created_at: datetime
    finished_at: datetime | None = None
    file_name: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    tiles: Tiles | None = None
    vtt: str | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    timebase: str | None = None
    first_pts: int | None = None
    missing: tuple[Missing, ...] | None = None
    url: str | None = None
    expires_at: datetime | None = None
    error: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionOptions:
    """What was asked for, beside the kind."""

    width: int | None = None
    height_max: int | None = None


class ThumbnailsForm(TypedDict):
    """One JPEG with a frame for each of many times."""

    kind: Literal["thumbnails"]
    width: NotRequired[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """What is on a sheet of thumbnails: tile k is at column k % columns, in row k // columns."""

    columns: int
    rows: int
    width: int
    height: int
    timebase: str
    pts: tuple[int, ...]
