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
from gpu_batch.mp4 import Encoder, new_mp4
from gpu_batch.pictures import matrix_of, to_rgb
from gpu_batch.source_frames import DecodedFrame

COPY_BYTES = 1 << 20
CAPTION_LABELS = 3
"""Of the frame as a whole, the best ones: more would not be read in the time of a frame."""
CODEC_OPTIONS = {"crf": "20", "preset": "veryfast", "g": "60"}
_LIMITED_RANGE = 1


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
    with new_mp4(path) as container:
        container.metadata["title"] = TITLE
        container.metadata["comment"] = compact_json(facts.statement(ExportFormat.MP4))
        pictures = _Pictures(container, facts)
        for frame in images:
            found = marks.take(frame.pts, frame.ordinal)
            picture = to_rgb(frame.image, (facts.width, facts.height), facts.rotation, facts.height)
            draw(picture, [mark for mark in found if not mark.is_of_frame], _caption(facts.seconds(frame.pts), found))
            pictures.write(frame, picture)
        pictures.finish()


def _caption(seconds: float, marks: Sequence[Mark]) -> str:
    """The time, and what the frame as a whole was found to be."""
    caption = f"{seconds:.3f} s"
    if any(mark.is_between for mark in marks):
        caption += " (between samples)"
    return ", ".join([caption, *[mark.text for mark in marks if mark.is_of_frame][:CAPTION_LABELS]])


class _Pictures:
    """Encodes what was drawn; the first picture is at zero."""

    def __init__(self, container: Any, facts: ExportFacts) -> None:
        # 4:2:0 needs even sides: an odd last row or column is repeated.
        self._width, self._height = facts.width + facts.width % 2, facts.height + facts.height % 2
        self._matrix = matrix_of(facts.height)
        # The source's own clock, so that a variable frame rate stays as it is.
        self._encoder = Encoder(container, (self._width, self._height), facts.timebase, self._matrix, CODEC_OPTIONS)
        self._first_pts: Pts | None = None

    def write(self, frame: DecodedFrame, picture: Image) -> None:
        """Append a frame; one that is not later than the last is left out, since a player shows no two at once."""
        if self._first_pts is None:
            self._first_pts = frame.pts
        ticks = frame.pts - self._first_pts
        if not self._encoder.is_later(ticks):
            return
        height, width = picture.shape[:2]
        if (width, height) != (self._width, self._height):
            padding = (0, self._height - height, 0, self._width - width)
            picture = np.asarray(cv2.copyMakeBorder(picture, *padding, cv2.BORDER_REPLICATE), np.uint8)
        shown = av.VideoFrame.from_ndarray(picture, format="rgb24")
        encoded = shown.reformat(format="yuv420p", dst_colorspace=self._matrix, dst_color_range=_LIMITED_RANGE)
        self._encoder.write(encoded, ticks, frame.image.duration)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._encoder.finish()
