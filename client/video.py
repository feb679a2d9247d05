"""Frames of a video file as a player shows them, and an MP4 that keeps their times.

A frame is known by its PTS, whole ticks of the stream's timebase: the number that the service gives with a detection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""uint8 (H, W, 3) RGB, as shown."""

H264: Final = "libx264"
H264_OPTIONS = {"crf": "20", "preset": "veryfast"}

# Every build of libav has MPEG-4 part 2, whose clock is a 16-bit number.
FALLBACK: Final = "mpeg4"
FALLBACK_OPTIONS = {"qscale": "3"}
FALLBACK_MAX_TICKS = 65_535


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A frame, turned as a player turns it."""

    pts: int
    duration: int
    """How long it is shown, in ticks; 0 when the file does not say."""
    timebase: Fraction
    """Seconds per tick."""
    image: Image


def read_frames(path: Path, rotation: int) -> Iterator[ShownFrame]:
    """Every frame of the first video stream that has a PTS, in the order in which they are shown.

    Args:
        path: a file that the service has accepted.
        rotation: degrees clockwise, as the service states it for this video.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        timebase = _fraction(stream.time_base)
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                # Damaged: the service has left this range out, and said so.
                continue
            for frame in frames:
                if frame.pts is not None:
                    image = np.rot90(frame.to_ndarray(format="rgb24"), k=-rotation // 90)
                    yield ShownFrame(frame.pts, frame.duration or 0, timebase, np.ascontiguousarray(image))


class Mp4Writer:
    """Writes frames to an MP4 that plays everywhere, each for as long as it was shown; starts at zero.

    Width and height become even, as 4:2:0 needs: an odd last row or column is repeated.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open = ExitStack()
        self._stream: VideoStream | None = None
        self._first_pts = 0
        self._last_ticks = -1
        self._duration_ticks = 0
        self.frames = 0

    def __enter__(self) -> Self:
        """Open the file; what it is like is known with the first frame."""
        self._container = self._open.enter_context(av.open(str(self._path), "w", options={"movflags": "+faststart"}))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish the file."""
        if self._stream is not None and error is None:
            self._encode(self._stream, None)
        self._open.close()

    def write(self, frame: ShownFrame) -> None:
        """Append a frame; one that is not later than the last is left out, since a player shows no two at once."""
        image = _even(frame.image)
        if self._stream is None:
            self._stream = self._add_stream(image, frame.timebase)
            self._first_pts = frame.pts
        stream_timebase = _fraction(self._stream.codec_context.time_base)
        ticks = round((frame.pts - self._first_pts) * frame.timebase / stream_timebase)
        if ticks <= self._last_ticks:
            return
        picture = av.VideoFrame.from_ndarray(image, format="rgb24")
        picture.pts = ticks
        picture.time_base = stream_timebase
        self._duration_ticks = round(frame.duration * frame.timebase / stream_timebase)
        self._encode(self._stream, picture)
        self._last_ticks = ticks
        self.frames += 1

    def _encode(self, stream: VideoStream, picture: av.VideoFrame | None) -> None:
        for packet in stream.encode(picture):
            # Only the last counts: between frames, the muxer takes the distance of their times.
            packet.duration = self._duration_ticks
            self._container.mux(packet)

    def _add_stream(self, image: Image, timebase: Fraction) -> VideoStream:
        if H264 in av.codecs_available:
            stream = self._container.add_stream(H264, options=H264_OPTIONS)
        else:
            stream = self._container.add_stream(FALLBACK, options=FALLBACK_OPTIONS)
            timebase = max(timebase, Fraction(1, FALLBACK_MAX_TICKS))
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv420p"
        # The source's own clock, so that a variable frame rate stays as it is.
        stream.codec_context.time_base = timebase
        return stream


def _even(image: Image) -> Image:
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _fraction(timebase: _Ratio | None) -> Fraction:
    """PyAV 19 gives a rational type of its own, PyAV 18 a Fraction."""
    assert timebase is not None
    return Fraction(timebase.numerator, timebase.denominator)


class _Ratio(Protocol):
    @property
    def numerator(self) -> int: ...

    @property
    def denominator(self) -> int: ...
