"""Frames that say of themselves what PyAV says of those that NVDEC decoded; nothing is at their addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import av
from av.video.reformatter import ColorRange

LUMA_AT = 1 << 40
WIDTH, HEIGHT, LINE_SIZE = 1920, 1080, 2048
CHROMA_AT = LUMA_AT + LINE_SIZE * HEIGHT


@dataclass
class _Format:
    name: str


@dataclass
class _Lines:
    buffer_ptr: int
    height: int
    line_size: int

    @property
    def buffer_size(self) -> int:
        return self.height * self.line_size


@dataclass
class _FrameOnGpu:
    sw_format: _Format
    format: _Format
    planes: tuple[_Lines, ...]
    width: int = WIDTH
    height: int = HEIGHT
    color_range: int = ColorRange.JPEG


def on_gpu(pixel_format: str) -> av.VideoFrame:
    """A frame of full range in the memory of a GPU."""
    planes = (_Lines(LUMA_AT, HEIGHT, LINE_SIZE), _Lines(CHROMA_AT, HEIGHT // 2, LINE_SIZE))
    return cast("av.VideoFrame", _FrameOnGpu(_Format(pixel_format), _Format("cuda"), planes))
