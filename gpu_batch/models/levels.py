"""What a sample of a frame is worth, as an 8-bit level of limited range: tables for where no libswscale is."""

from __future__ import annotations

from functools import lru_cache

import av
import numpy as np
import numpy.typing as npt
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange

from gpu_batch.models.preprocess import to_yuv420p

Levels = npt.NDArray[np.int32]

P010_STEP = 64
"""P010 has its ten bits at the top of sixteen. Source: Microsoft, "10-bit and 16-bit YUV video formats"."""
_BLOCK = 16
"""Pixels of a side: as many as any pattern of dither has."""


@lru_cache(maxsize=8)
def find_levels(pixel_format: str, *, is_full_range: bool) -> tuple[Levels, Levels]:
    """By value of a sample of nv12 or p010le, the level of luma and of chroma that it stands for.

    They are what `preprocess` makes of them, found by asking it; where that dithers, what it makes on average.
    """
    # Every value fills a block of its own.
    side, step, sample_type = (16, 1, np.uint8) if pixel_format == "nv12" else (32, P010_STEP, np.uint16)
    values = (np.arange(side * side) * step).astype(sample_type).reshape(side, side)
    frame = av.VideoFrame(side * _BLOCK, side * _BLOCK, pixel_format)
    frame.color_range = ColorRange.JPEG if is_full_range else ColorRange.MPEG
    for plane in frame.planes:
        _fill(plane, values)
    luma, chroma, _ = to_yuv420p(frame).planes
    by_value = np.arange(1 << (8 * values.itemsize)) // step
    return _read(luma, side)[by_value], _read(chroma, side)[by_value]


def _fill(plane: VideoPlane, values: npt.NDArray[np.generic]) -> None:
    lines = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
    # U and V stand in turns: a plane of chroma has as many samples to a line as one of luma.
    columns = values.repeat(_BLOCK, axis=1)
    lines[:, : columns.shape[1]] = columns.repeat(plane.height // len(values), axis=0)
    plane.update(lines.tobytes())


def _read(plane: VideoPlane, side: int) -> Levels:
    pixels = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
    block = plane.height // side
    return np.rint(pixels.reshape(side, block, side, block).mean(axis=(1, 3))).astype(np.int32).ravel()
