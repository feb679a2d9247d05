"""Renditions: files made of a video's own bytes, for people to look at: a sheet of thumbnails, a copy for browsers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar

from chalicelib.domain.exports import file_stem
from chalicelib.domain.media import Media

RENDITION_VERSION = 1
"""Counts up with any change that gives another picture for the same video: what was made before is made anew."""
TILE_WIDTH_MIN, TILE_WIDTH, TILE_WIDTH_MAX = 64, 160, 320
"""Pixels of one thumbnail: the least, the usual and the most that may be asked for."""
HEIGHT_MIN, HEIGHT, HEIGHT_MAX = 144, 720, 1080
"""Pixels of a proxy, likewise. Every browser decodes H.264 up to 1080 lines."""


class RenditionKind(StrEnum):
    """What can be made."""

    THUMBNAILS = "thumbnails"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """One JPEG with a frame for each of many times."""

    kind: ClassVar[RenditionKind] = RenditionKind.THUMBNAILS
    content_type: ClassVar[str] = "image/jpeg"
    suffix: ClassVar[str] = "-thumbnails.jpg"

    width: int = TILE_WIDTH
    """Pixels of a thumbnail; its height follows from the video (`domain/tiles.py`)."""

    def __post_init__(self) -> None:
        if not TILE_WIDTH_MIN <= self.width <= TILE_WIDTH_MAX:
            raise ValueError(f"width must be from {TILE_WIDTH_MIN} to {TILE_WIDTH_MAX} but got {self.width}")


@dataclass(frozen=True, slots=True)
class Proxy:
    """An H.264 MP4 that every browser plays, with every frame at its time."""

    kind: ClassVar[RenditionKind] = RenditionKind.PROXY
    content_type: ClassVar[str] = "video/mp4"
    suffix: ClassVar[str] = "-proxy.mp4"

    height_max: int = HEIGHT
    """Pixels; a lower video is not scaled up."""

    def __post_init__(self) -> None:
        if not HEIGHT_MIN <= self.height_max <= HEIGHT_MAX:
            raise ValueError(f"height_max must be from {HEIGHT_MIN} to {HEIGHT_MAX} but got {self.height_max}")


RenditionRequest = Thumbnails | Proxy
REQUEST_BY_KIND: Mapping[RenditionKind, type[RenditionRequest]] = {kind.kind: kind for kind in (Thumbnails, Proxy)}


def options_of(request: RenditionRequest) -> dict[str, Any]:
    """What was asked for beside the kind, by name."""
    return asdict(request)


def request_of(kind: str, options: Mapping[str, Any]) -> RenditionRequest:
    """The request of a kind with these options.

    Raises:
        ValueError: there is no such kind, or an option is out of bounds.
        TypeError: the kind has no such option.
    """
    return REQUEST_BY_KIND[RenditionKind(kind)](**options)


def file_name(request: RenditionRequest, filename: str) -> str:
    """What the rendition of a video of that name is called."""
    return file_stem(filename) + request.suffix


def proxy_size(width: int, height: int, height_max: int) -> tuple[int, int]:
    """Width and height of the proxy of a video of that size as shown: even, since 4:2:0 needs it, and never larger.

    Only a side of one pixel grows, to two.
    """
    shown_height = min(height, height_max)
    return _even(width * shown_height // height), _even(shown_height)


def encoded_pixels(request: RenditionRequest, media: Media) -> int:
    """Of a frame that is encoded as video; 0 for thumbnails."""
    if isinstance(request, Thumbnails):
        return 0
    width, height = proxy_size(media.width, media.height, request.height_max)
    return width * height


def _even(pixels: int) -> int:
    return max(2, pixels // 2 * 2)
