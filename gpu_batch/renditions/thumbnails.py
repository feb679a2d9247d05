"""A sheet of thumbnails: one JPEG with the sampled frames of a video as tiles, upright, in order of time.

Memory is bounded by the pixels of a sheet (`domain/tiles.py`), however long the video is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import cv2
import numpy as np

from chalicelib.contracts.work_order import OrderedMedia
from chalicelib.domain.media import Pts
from chalicelib.domain.tiles import EvenChoice, Tiles, grid, most_tiles, tile_size
from gpu_batch.containers.boxes import malformed
from gpu_batch.frames import RunFrames
from gpu_batch.pictures import Picture, Size, to_rgb
from gpu_batch.source_frames import DecodedFrame, frames_of_run
from gpu_batch.video.damage import DamagedRange

JPEG_QUALITY = 80


@dataclass(frozen=True, slots=True)
class Sheet:
    """The file, and what is on it."""

    jpeg: bytes
    tiles: Tiles


def make_sheet(runs: Iterable[RunFrames], media: OrderedMedia, tile_width: int, check: Callable[[], None]) -> Sheet:
    """A tile for each sampled frame that is sound; evenly fewer when there are more than a sheet takes.

    Raises:
        BadInput: MALFORMED, there is not one.
    """
    size = tile_size(media.width, media.height, tile_width)
    chosen: EvenChoice[tuple[Pts, Picture]] = EvenChoice(most_tiles(*size))
    damaged: list[DamagedRange] = []
    for run in runs:
        check()
        for frame in frames_of_run(run, check):
            chosen.add(partial(_to_tile, frame, media, size))
        damaged += run.damage.ranges
    # Where times go backwards or repeat, a time still has one tile, and tiles are in order of time.
    tile_by_pts = {pts: tile for pts, tile in reversed(chosen.items) if not _is_damaged(pts, damaged)}
    if not tile_by_pts:
        raise malformed("no frame of the video can be decoded")
    times = sorted(tile_by_pts)
    columns, rows = grid(len(times))
    sheet = np.zeros((rows * size[1], columns * size[0], 3), np.uint8)
    for number, pts in enumerate(times):
        row, column = divmod(number, columns)
        top, left = row * size[1], column * size[0]
        sheet[top : top + size[1], left : left + size[0]] = tile_by_pts[pts]
    cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR, sheet)
    _, jpeg = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return Sheet(jpeg.tobytes(), Tiles(columns, rows, *size, Fraction(media.timebase), tuple(times)))


def _to_tile(frame: DecodedFrame, media: OrderedMedia, size: Size) -> tuple[Pts, Picture]:
    return frame.pts, to_rgb(frame.image, size, media.rotation, media.height)


def _is_damaged(pts: Pts, damaged: Iterable[DamagedRange]) -> bool:
    return any(gap.start_pts <= pts < gap.end_pts for gap in damaged)
