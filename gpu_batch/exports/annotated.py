"""Annotated MP4: every frame of the video with the boxes found in it; H.264, 4:2:0, index in front.

Frames are shown for as long as in the source, so a variable rate stays as it is; the first one is at zero. They are
turned as a player turns them. The caption is the frame's time in the source, unshifted, which is what the API
calls `time_seconds`, and up to three labels of the frame as a whole. Boxes of a track have the colour of its id.
Between two samples the boxes of a track are drawn thin, and the caption says so. The statement is the file's comment.

The bytes are those of one version of PyAV, with its x264, and of OpenCV.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from chalicelib.domain.exports import ExportFormat
from chalicelib.domain.media import Pts
from gpu_batch.exports.drawing import Image, Mark, draw
from gpu_batch.exports.facts import TITLE, ExportFacts, ExportFrame, Sink, Writer
from gpu_batch.exports.marks import MarksByFrame
from gpu_batch.exports.text import compact_json

COPY_BYTES = 1 << 20
CAPTION_LABELS = 3
"""Of the frame as a whole, the best ones: more would not be read in the time of a frame."""
CODEC = "libx264"
CODEC_OPTIONS = {"crf": "20", "preset": "veryfast", "g": "60"}
ENCODER_THREADS = 4
"""Whatever the machine has: x264 gives other bytes with another number."""

_ROTATION_BY_DEGREES = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_BT709, _BT601 = 1, 5
"""libswscale's names of colour matrices."""
_MATRIX_BY_COLORSPACE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""Of AVColorSpace; 2 is not stated. Source: libavutil/pixfmt.h and libswscale/swscale.h."""
HD_HEIGHT = 720
"""From here on a video that does not state its colours is taken for BT.709, as players do."""


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame of the video; (pts, ordinal) is its identity."""

    pts: Pts
    ordinal: int
    image: av.VideoFrame


def mp4_writer(images: Iterator[DecodedFrame]) -> Writer:
    """A writer that draws on `images`, the frames of the video in order of time."""

    def write_mp4(facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
        # The muxer opens the file a second time to move the index to its front, so it needs one with a name.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "annotated.mp4"
            _write(facts, MarksByFrame(facts, frames), images, path)
            with path.open("rb") as made:
                shutil.copyfileobj(made, sink, COPY_BYTES)

    return write_mp4


def _write(facts: ExportFacts, marks: MarksByFrame, images: Iterator[DecodedFrame], path: Path) -> None:
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        container.metadata["title"] = TITLE
        container.metadata["comment"] = compact_json(facts.statement(ExportFormat.MP4))
        encoder = _Encoder(container, facts)
        for frame in images:
            found = marks.take(frame.pts, frame.ordinal)
            picture = _to_picture(frame.image, facts)
            draw(picture, [mark for mark in found if not mark.is_of_frame], _caption(facts.seconds(frame.pts), found))
            encoder.write(frame, picture)
        encoder.finish()


def _caption(seconds: float, marks: Sequence[Mark]) -> str:
    """The time, and what the frame as a whole was found to be."""
    caption = f"{seconds:.3f} s"
    if any(mark.is_between for mark in marks):
        caption += " (between samples)"
    return ", ".join([caption, *[mark.text for mark in marks if mark.is_of_frame][:CAPTION_LABELS]])


class _Encoder:
    def __init__(self, container: Any, facts: ExportFacts) -> None:
        self._container = container
        stream = container.add_stream(CODEC, options=CODEC_OPTIONS)
        # 4:2:0 needs even sides: an odd last row or column is repeated.
        stream.width, stream.height = facts.width + facts.width % 2, facts.height + facts.height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        # The source's own clock, so that a variable frame rate stays as it is.
        context.time_base = facts.timebase
        context.thread_count = ENCODER_THREADS
        self._matrix = _BT709 if facts.height >= HD_HEIGHT else _BT601
        context.colorspace = self._matrix
        context.color_range = 1
        self._stream = stream
        self._timebase: Fraction = facts.timebase
        self._first_pts: Pts | None = None
        self._last: Pts = -1
        self._duration = 1

    def write(self, frame: DecodedFrame, picture: Image) -> None:
        """Append a frame; one that is not later than the last is left out, since a player shows no two at once."""
        if self._first_pts is None:
            self._first_pts = frame.pts
        ticks = frame.pts - self._first_pts
        if ticks <= self._last:
            return
        height, width = picture.shape[:2]
        if (width, height) != (self._stream.width, self._stream.height):
            padding = (0, self._stream.height - height, 0, self._stream.width - width)
            picture = np.asarray(cv2.copyMakeBorder(picture, *padding, cv2.BORDER_REPLICATE), np.uint8)
        shown = av.VideoFrame.from_ndarray(picture, format="rgb24")
        encoded = shown.reformat(format="yuv420p", dst_colorspace=self._matrix, dst_color_range=1)
        encoded.pts, encoded.time_base = ticks, self._timebase
        self._duration = frame.image.duration or max(ticks - self._last, 1)
        self._encode(encoded)
        self._last = ticks

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._first_pts is not None:
            self._encode(None)
        else:
            self._container.start_encoding()

    def _encode(self, picture: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(picture):
            # Only the last counts: between frames, the muxer takes the distance of their times.
            packet.duration = self._duration
            self._container.mux(packet)


def _to_picture(image: av.VideoFrame, facts: ExportFacts) -> Image:
    """The frame as shown, in RGB."""
    is_sideways = facts.rotation in (90, 270)
    width, height = (facts.height, facts.width) if is_sideways else (facts.width, facts.height)
    unstated = _BT709 if facts.height >= HD_HEIGHT else _BT601
    matrix = _MATRIX_BY_COLORSPACE.get(int(image.colorspace), unstated)
    coded = image.reformat(width=width, height=height, format="rgb24", src_colorspace=matrix).to_ndarray()
    shown = cv2.rotate(coded, _ROTATION_BY_DEGREES[facts.rotation]) if facts.rotation else coded
    return np.ascontiguousarray(shown, np.uint8)
