"""H.264 in MP4: frames in, at times on a clock of one's own, so that a variable rate stays as it is; index in front.

The bytes are those of one version of PyAV, with its x264.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.frame import PictureType

from chalicelib.domain.media import Pts
from gpu_batch.pictures import Size

CODEC = "libx264"
ENCODER_THREADS = 4
"""Whatever the machine has: x264 gives other bytes with another number."""
CODEC_OPTIONS = {"x264-params": "mbtree=0"}
"""Macroblock trees give other bytes from run to run now and then, and objects are named by the work."""
CONTAINER_OPTIONS = {"movflags": "+faststart", "fflags": "+bitexact"}
LIMITED_RANGE = 1


@contextmanager
def new_mp4(path: Path, options: Mapping[str, str] | None = None) -> Iterator[Any]:
    """A container that is written to `path`; the muxer opens it a second time to move the index to its front."""
    with av.open(str(path), "w", format="mp4", options=CONTAINER_OPTIONS | dict(options or {})) as container:
        yield container


class Encoder:
    """The video of a container."""

    def __init__(
        self, container: Any, size: Size, timebase: Fraction, matrix: int, codec_options: Mapping[str, str]
    ) -> None:
        """`size` has even sides, as 4:2:0 needs; `matrix` is that of the pictures, by libswscale's name."""
        self.frames = 0
        """Written so far."""
        self.last_pts: Pts | None = None
        self._container = container
        stream = container.add_stream(CODEC, options=CODEC_OPTIONS | dict(codec_options))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = timebase
        context.thread_count = ENCODER_THREADS
        context.colorspace = matrix
        context.color_range = LIMITED_RANGE
        self._stream = stream
        self._timebase = timebase
        self._duration = 1

    def is_later(self, pts: Pts) -> bool:
        """Whether a frame may be written at that time: a player shows no two at once."""
        return self.last_pts is None or pts > self.last_pts

    def write(self, picture: av.VideoFrame, pts: Pts, duration: int, *, is_key: bool = False) -> None:
        """Append a frame of 8 bits 4:2:0 in limited range; `duration` counts if it is the last, 0: as the one before.

        What is no keyframe by order may become one all the same.
        """
        # What the source made of it must not bind the encoder.
        picture.pict_type = PictureType.I if is_key else PictureType.NONE
        picture.pts, picture.time_base = pts, self._timebase
        self._duration = duration or max(pts - self.last_pts if self.last_pts is not None else 1, 1)
        self._encode(picture)
        self.last_pts = pts
        self.frames += 1

    def finish(self, duration: int = 0) -> None:
        """Write what the encoder still holds; the last frame lasts for `duration`, or as it was said of it."""
        self._duration = duration or self._duration
        if self.frames:
            self._encode(None)
        else:
            self._container.start_encoding()

    def _encode(self, picture: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(picture):
            # Only the last counts: between frames, the muxer takes the distance of their times.
            packet.duration = self._duration
            self._container.mux(packet)
