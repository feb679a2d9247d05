"""Small videos with known pictures and known times."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tools.demo.video import Image

TIMEBASE = Fraction(1, 12_800)
FRAME_TICKS = 512
"""25 frames a second."""
ONE_SECOND = tuple(range(0, 25 * FRAME_TICKS, FRAME_TICKS))


def make_clip(path: Path, pts: Sequence[int] = ONE_SECOND, size: tuple[int, int] = (160, 96)) -> Path:
    """An H.264 MP4 with a frame at each PTS: dark, its left half red, (width, height) as given."""
    picture = np.full((size[1], size[0], 3), 30, np.uint8)
    picture[:, : size[0] // 2] = (200, 30, 30)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = TIMEBASE
        for ticks in pts:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = ticks, TIMEBASE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_clip(path: Path) -> list[tuple[Fraction, Image]]:
    """Every frame of the file: its time in seconds and its picture."""
    with av.open(str(path)) as container:
        frames: list[tuple[Fraction, Image]] = []
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            seconds = frame.pts * Fraction(frame.time_base.numerator, frame.time_base.denominator)
            frames.append((seconds, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)))
        return frames
