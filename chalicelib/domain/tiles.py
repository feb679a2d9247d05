"""Thumbnails as tiles of one sheet: how large they are, how many, which frames they show, and where each lies.

Tile k is at column k % columns and row k // columns, and shows the frame whose PTS is exactly `pts[k]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from chalicelib.domain.media import Media, Pts
from chalicelib.domain.sampling import MAX_PER_SECOND, MAX_WITHIN_SECONDS, Sampling, SamplingKind
from chalicelib.domain.webvtt import clock, milliseconds

MAX_TILES = 400
MIN_TILES = 10
"""Of a video that has so many frames at even distances, and is short or has few keyframes."""
CHEAP_SECONDS = 60
"""Up to this length frames are decoded for their times; of a longer video, its keyframes are looked at."""
MAX_PER_SECOND_SHOWN = 1
MAX_SHEET_PIXELS = 16_000_000
"""Bounds the memory of a worker and of a page. Source: Safari on iOS draws nothing larger than 16,777,216 pixels."""
MAX_HEIGHT_PER_WIDTH = 2

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Tiles:
    """What is on a sheet."""

    columns: int
    rows: int
    width: int
    """Pixels of one tile."""
    height: int
    timebase: Fraction
    pts: tuple[Pts, ...]
    """Of each tile, rising."""

    def to_json(self) -> dict[str, Any]:
        """As the API shows them."""
        return {
            "columns": self.columns,
            "rows": self.rows,
            "width": self.width,
            "height": self.height,
            "timebase": f"{self.timebase.numerator}/{self.timebase.denominator}",
            "pts": list(self.pts),
        }

    @staticmethod
    def from_json(form: Mapping[str, Any]) -> Tiles:
        """What `to_json` wrote."""
        return Tiles(**{**form, "timebase": Fraction(form["timebase"]), "pts": tuple(form["pts"])})


def tile_size(width: int, height: int, tile_width: int) -> tuple[int, int]:
    """Width and height of a tile for a video of that size as shown.

    As wide as asked for, and narrower only where it would be more than twice as high as wide.
    """
    tile_height = max(1, round(tile_width * height / width))
    tallest = MAX_HEIGHT_PER_WIDTH * tile_width
    return (tile_width, tile_height) if tile_height <= tallest else (max(1, round(tallest * width / height)), tallest)


def most_tiles(tile_width: int, tile_height: int) -> int:
    """How many tiles of this size a sheet may have."""
    return min(MAX_TILES, MAX_SHEET_PIXELS // (tile_width * tile_height))


def grid(count: int) -> tuple[int, int]:
    """Columns and rows for so many tiles, about as many of one as of the other."""
    columns = math.isqrt(max(0, count - 1)) + 1
    return columns, -(-count // columns)


def choose_sampling(media: Media, seconds: Fraction, most: int) -> Sampling:
    """Which frames of a video that lasts so many seconds (0: unknown) become tiles: no more than `most`, one a second.

    A long video shows keyframes, since nothing else of it need be read. A short one, or one with hardly a keyframe,
    shows the frames nearest to even times, and of a short one at least `MIN_TILES`, or all that it has: as long as they
    are spread evenly.
    """
    frames = media.frame_count
    if frames is not None and frames <= min(MIN_TILES, most):
        return Sampling()
    if not seconds:
        # Nobody knows how long it is: `EvenChoice` thins them out.
        return Sampling()
    # So many points lie between the first frame and the last; one frame more stands for all points before the first.
    n = min(Fraction(MAX_PER_SECOND_SHOWN), Fraction(most - 2) / seconds)
    if seconds <= CHEAP_SECONDS:
        # The last frame is not the end of the video: that is one frame later.
        last = seconds * Fraction(frames - 1, frames) if frames else seconds * Fraction(MIN_TILES, MIN_TILES + 1)
        n = min(max(n, MIN_TILES / last), Fraction(most - 2) / seconds, Fraction(MAX_PER_SECOND))
    elif media.keyframes >= MIN_TILES:
        return Sampling(SamplingKind.KEYFRAMES, n, min(1 / n, Fraction(MAX_WITHIN_SECONDS)))
    return Sampling(SamplingKind.PER_SECOND, n)


class EvenChoice(Generic[Item]):
    """Of things that come one after the other, however many, at most so many: all, or every second, fourth, eighth.

    For what a container does not tell beforehand: how many frames a file has, and how long it is.
    """

    def __init__(self, most: int) -> None:
        self.items: list[Item] = []
        self._most = most
        self._seen = 0
        self._step = 1

    def add(self, make: Callable[[], Item]) -> None:
        """Take the next thing, which is made only when it may stay."""
        if self._seen % self._step == 0:
            if len(self.items) == self._most:
                del self.items[1::2]
                self._step *= 2
            if self._seen % self._step == 0:
                self.items.append(make())
        self._seen += 1


def to_webvtt(tiles: Tiles, end_pts: Pts, file_name: str) -> str:
    """A WebVTT track of thumbnails: each cue names the sheet and the part of it that is shown from then on.

    Times are the video's own, unshifted, in milliseconds; the first cue also stands for what comes before it, the last
    one lasts to `end_pts`.
    """
    starts = [0, *(milliseconds(pts, tiles.timebase) for pts in tiles.pts[1:])]
    ends = [*starts[1:], milliseconds(end_pts, tiles.timebase)]
    cues = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        row, column = divmod(number, tiles.columns)
        place = f"{column * tiles.width},{row * tiles.height},{tiles.width},{tiles.height}"
        cues.append(f"{clock(start)} --> {clock(max(end, start + 1))}\n{quote(file_name)}#xywh={place}\n")
    return "\n".join(["WEBVTT\n", *cues])
