"""From a decoded frame to a model's input: resize, colours, rotation.

Whatever changes a byte of an input raises `PREPROCESSING_VERSION` in `chalicelib/contracts/recipes.py`.

Planes are resized before colours are converted: a model's input has a tenth of the pixels of a video frame, and the
conversion shrinks by as much. Each chroma plane is resized straight to the size of the content, not to half of it
as 4:2:0 would have it: that costs nothing and keeps the colour of small things, worth half a point of AP50 on
far-away people (docs/models.md).

Everything that is not plain 8-bit 4:2:0 of limited range is first brought to it, once, at full size. Colours are
converted as BT.601, whatever the video is tagged with, as OpenCV does: that is what detectors are trained with and
compared to.
"""

from __future__ import annotations

import threading
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from chalicelib.domain.models import InputSize

_ROTATION_BY_DEGREES = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}

RGB_FROM_YUV = np.array(
    [
        [1.164383, 0.0, 1.596027],
        [1.164383, -0.391762, -0.812968],
        [1.164383, 2.017232, 0.0],
    ]
)
"""Limited range to full. Source: ITU-R BT.601-7, section 2.5."""
_YUV_OF_BLACK = np.array([[16.0], [128.0], [128.0]])
RGB_OFFSET = (-RGB_FROM_YUV @ _YUV_OF_BLACK).ravel()
"""What is added after: RGB of black is nought."""
_RGB_FROM_YUV1 = np.column_stack([RGB_FROM_YUV, RGB_OFFSET])

# The worker's threads each take a frame; OpenCV's own would only get in their way.
cv2.setNumThreads(1)

_of_thread = threading.local()


def preprocess(frame: av.VideoFrame, rotation: int, size: InputSize) -> npt.NDArray[np.uint8]:
    """The model's input for `frame`, uint8 (input_h, input_w, 3) RGB, black around the content.

    `rotation` is what a player turns the coded frame by: 0, 90, 180 or 270 degrees clockwise. The result depends on
    nothing but the arguments.
    """
    is_sideways = rotation in (90, 270)
    width, height = (size.content_h, size.content_w) if is_sideways else (size.content_w, size.content_h)
    # Not zeros: those come as pages that are fresh each time, and a fault for each of them.
    image = np.empty((size.input_h, size.input_w, 3), np.uint8)
    image[size.content_h :] = 0
    image[: size.content_h, size.content_w :] = 0
    content = image[: size.content_h, : size.content_w]
    yuv = _resize(to_yuv420p(frame), width, height)
    if rotation:
        cv2.rotate(cv2.transform(yuv, _RGB_FROM_YUV1), _ROTATION_BY_DEGREES[rotation], dst=content)
    else:
        cv2.transform(yuv, _RGB_FROM_YUV1, dst=content)
    return image


def to_yuv420p(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame as 8-bit 4:2:0 of limited range: itself, when it is that already."""
    # A frame that says nothing of its range has the limited one.
    if frame.format.name == "yuv420p" and frame.color_range != ColorRange.JPEG:
        return frame
    # A reformatter keeps its tables from frame to frame, and must not be shared between threads.
    if not hasattr(_of_thread, "reformatter"):
        _of_thread.reformatter = VideoReformatter()
    reformatter: VideoReformatter = _of_thread.reformatter
    return reformatter.reformat(
        frame,
        format="yuv420p",
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.BILINEAR,
        threads=1,
    )


def _resize(frame: av.VideoFrame, width: int, height: int) -> npt.NDArray[Any]:
    """The picture of a yuv420p frame at another size, uint8 (height, width, 3) YUV."""
    # PyAV makes the planes anew each time that it is asked.
    planes = frame.planes
    return cv2.merge(
        [cv2.resize(_pixels_of(plane), (width, height), interpolation=cv2.INTER_LINEAR) for plane in planes]
    )


def _pixels_of(plane: VideoPlane) -> npt.NDArray[np.uint8]:
    """A plane of a frame, uint8 (height, width), without a copy; valid while the frame lives."""
    padded = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return padded[: plane.height, : plane.width]
