"""The wire of renditions; part of `schemas.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from chalicelib.api.schemas import ErrorOut, In, MissingOut, Out
from chalicelib.domain.renditions import (
    HEIGHT,
    HEIGHT_MAX,
    HEIGHT_MIN,
    TILE_WIDTH,
    TILE_WIDTH_MAX,
    TILE_WIDTH_MIN,
    RenditionKind,
)
from chalicelib.domain.side_steps import SideStepState


class ThumbnailsIn(In):
    """One JPEG with a frame for each of many times."""

    kind: Literal["thumbnails"]
    width: Annotated[int, Field(ge=TILE_WIDTH_MIN, le=TILE_WIDTH_MAX)] = TILE_WIDTH
    """Pixels of a thumbnail."""


class ProxyIn(In):
    """An H.264 MP4 that every browser plays, with every frame at its time."""

    kind: Literal["proxy"]
    height_max: Annotated[int, Field(ge=HEIGHT_MIN, le=HEIGHT_MAX)] = HEIGHT
    """Pixels; a lower video is not scaled up."""


class RenditionIn(RootModel[Annotated[ThumbnailsIn | ProxyIn, Field(discriminator="kind")]]):
    """A rendition to be made."""


class RenditionOptionsOut(Out):
    """What was asked for, beside the kind."""

    width: int | None = None
    height_max: int | None = None


class TilesOut(Out):
    """What is on a sheet of thumbnails: tile k is at column k % columns, in row k // columns."""

    columns: int
    rows: int
    width: int
    """Pixels of one tile."""
    height: int
    timebase: str
    pts: list[int]
    """Of the frame that each tile shows, rising."""


class RenditionOut(Out):
    """A rendition of a video."""

    rendition_id: str
    kind: RenditionKind
    options: RenditionOptionsOut
    state: SideStepState
    created_at: str
    finished_at: str | None = None
    file_name: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    tiles: TilesOut | None = None
    """Of thumbnails."""
    vtt: str | None = None
    """Of thumbnails: a WebVTT track whose cues name the tiles, as `file_name#xywh=…`; not in lists."""
    width: int | None = None
    """Of a proxy, in pixels."""
    height: int | None = None
    frames: int | None = None
    timebase: str | None = None
    """Of a proxy; its PTS are the same moments as those of the video, counted from its first frame."""
    first_pts: int | None = None
    """Of a proxy: when its first frame is in the video, in ticks of `timebase`. The file begins at zero: add this to
    have the times of the video."""
    missing: list[MissingOut] | None = None
    """Of a proxy: ranges of which frames may be missing, since the video is damaged there."""
    url: str | None = None
    expires_at: str | None = None
    """Of the URL; reading the rendition again gives a new one."""
    error: ErrorOut | None = None


class RenditionEnvelope(Out):
    """One rendition."""

    rendition: RenditionOut


class RenditionsPage(Out):
    """A page of renditions, oldest first."""

    items: list[RenditionOut]
    next_cursor: str | None
