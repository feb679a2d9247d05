"""Decoded frames as people see them: upright, of the size that is asked for, in the colours that a player shows."""

from __future__ import annotations

from typing import Any, TypeAlias

import av
import cv2
import numpy as np
import numpy.typing as npt

Picture: TypeAlias = npt.NDArray[np.uint8]
"""(height, width, 3) RGB."""
Size: TypeAlias = tuple[int, int]
"""Width and height in pixels, as shown."""

_ROTATION_BY_DEGREES = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_BT709, _BT601 = 1, 5
"""libswscale's names of colour matrices."""
_MATRIX_BY_COLORSPACE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""Of AVColorSpace; 2 is not stated. Source: libavutil/pixfmt.h and libswscale/swscale.h."""
_LIMITED_RANGE = 1
HD_HEIGHT = 720
"""From here on a video that does not state its colours is taken for BT.709, as players do."""


def matrix_of(video_height: int) -> int:
    """The colour matrix of a video of that height which states none, by libswscale's name."""
    return _BT709 if video_height >= HD_HEIGHT else _BT601


def to_rgb(image: av.VideoFrame, size: Size, rotation: int, video_height: int) -> Picture:
    """The frame as shown, scaled to `size`; `rotation` in degrees clockwise, `video_height` as shown."""
    width, height = _as_coded(size, rotation)
    matrix = _stated_matrix(image, video_height)
    coded = image.reformat(width=width, height=height, format="rgb24", src_colorspace=matrix).to_ndarray()
    shown = cv2.rotate(coded, _ROTATION_BY_DEGREES[rotation]) if rotation else coded
    return np.ascontiguousarray(shown, np.uint8)


def to_yuv(image: av.VideoFrame, size: Size, rotation: int, video_height: int) -> av.VideoFrame:
    """The same as 8 bits of 4:2:0 in the matrix of `matrix_of` and limited range; both sides of `size` are even."""
    width, height = _as_coded(size, rotation)
    coded = image.reformat(
        width=width,
        height=height,
        format="yuv420p",
        src_colorspace=_stated_matrix(image, video_height),
        dst_colorspace=matrix_of(video_height),
        dst_color_range=_LIMITED_RANGE,
    )
    return _turn(coded, rotation) if rotation else coded


def _stated_matrix(image: av.VideoFrame, video_height: int) -> int:
    return _MATRIX_BY_COLORSPACE.get(int(image.colorspace), matrix_of(video_height))


def _as_coded(size: Size, rotation: int) -> Size:
    return size[::-1] if rotation in (90, 270) else size


def _turn(image: av.VideoFrame, rotation: int) -> av.VideoFrame:
    """Each plane by itself: to RGB and back would cost time and colour."""
    width, height = image.width, image.height
    samples: npt.NDArray[Any] = image.to_ndarray().reshape(-1)
    chroma = width * height // 4
    planes = [
        samples[: width * height].reshape(height, width),
        samples[width * height : width * height + chroma].reshape(height // 2, width // 2),
        samples[width * height + chroma :].reshape(height // 2, width // 2),
    ]
    turned = [cv2.rotate(np.ascontiguousarray(plane), _ROTATION_BY_DEGREES[rotation]) for plane in planes]
    shown_height, shown_width = turned[0].shape
    stacked = np.concatenate([plane.reshape(-1) for plane in turned]).reshape(shown_height * 3 // 2, shown_width)
    return av.VideoFrame.from_ndarray(stacked, format="yuv420p")
