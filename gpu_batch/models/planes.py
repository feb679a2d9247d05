"""A decoded frame where it lies: addresses of its planes, in the memory of a GPU or of the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import av
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange

Device: TypeAlias = Literal["cpu", "cuda"]

HARDWARE_FORMAT = "cuda"
"""libav's name for frames in the memory of an NVIDIA GPU; what their planes hold is their `sw_format`."""
SAMPLE_BYTES_BY_FORMAT = {"nv12": 1, "p010le": 2}


@dataclass(frozen=True, slots=True)
class Plane:
    """Samples in memory, line by line, the padding at the end of each line included."""

    address: int
    height: int
    line_samples: int


@dataclass(frozen=True, slots=True)
class FramePlanes:
    """A frame of 4:2:0 with U and V in turns; its memory is there while this is."""

    frame: av.VideoFrame
    luma: Plane
    chroma: Plane
    pixel_format: str
    """What the planes hold, in libav's words: nv12, or p010le."""
    is_full_range: bool

    @property
    def size_bytes(self) -> int:
        """Of all planes."""
        return frame_bytes(self.frame)


def frame_bytes(frame: av.VideoFrame) -> int:
    """Bytes of a frame's planes, in whatever memory they lie."""
    return sum(plane.buffer_size for plane in frame.planes)


def find_planes(frame: av.VideoFrame, device: Device) -> FramePlanes | str:
    """The planes of `frame` when `device` can work on them where they lie, else why not, in words for the log."""
    is_on_gpu = frame.format.name == HARDWARE_FORMAT
    if is_on_gpu != (device == "cuda"):
        return "frames are decoded on the CPU" if device == "cuda" else "the model runs on the CPU"
    pixel_format = (frame.sw_format or frame.format).name if is_on_gpu else frame.format.name
    sample_bytes = SAMPLE_BYTES_BY_FORMAT.get(pixel_format)
    if sample_bytes is None:
        return f"no graph takes frames of {pixel_format}"
    luma, chroma = frame.planes
    return FramePlanes(
        frame,
        _plane(luma, sample_bytes),
        _plane(chroma, sample_bytes),
        pixel_format,
        frame.color_range == ColorRange.JPEG,
    )


def _plane(plane: VideoPlane, sample_bytes: int) -> Plane:
    return Plane(plane.buffer_ptr, plane.height, plane.line_size // sample_bytes)
