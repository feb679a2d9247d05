"""Short clips from several places of a real one, some of them mirrored: an archive of different videos."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

FRAMES, WIDTH, HEIGHT = 6, 320, 136
EVERY = 4
"""Of the frames of the real clip, one is taken of so many."""


def make_variants(clip: Path, count: int) -> list[bytes]:
    """MP4 files of `FRAMES` frames in two GOPs, no two alike."""
    with av.open(str(clip)) as source:
        frames = [
            frame.reformat(WIDTH, HEIGHT, "rgb24").to_ndarray()
            for number, frame in enumerate(source.decode(video=0))
            if number < count * FRAMES * EVERY
        ]
    clips = [frames[start::EVERY][:FRAMES] for start in range(0, len(frames), FRAMES * EVERY)]
    return [_encode([frame[:, ::-1] for frame in clip] if number % 2 else clip) for number, clip in enumerate(clips)]


def _encode(pictures: list[np.ndarray[Any, Any]]) -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as output:
        stream: Any = output.add_stream("libx264", rate=6)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "veryfast", "x264-params": "threads=1:keyint=3:min-keyint=3:scenecut=0:mbtree=0"}
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 6)
            output.mux(stream.encode(frame.reformat(format="yuv420p")))
        output.mux(stream.encode(None))
    return target.getvalue()
