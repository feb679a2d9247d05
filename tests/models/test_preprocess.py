"""Preprocessing against the obvious way: convert the whole frame to RGB, turn it, then resize."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from av.video.reformatter import ColorRange

from chalicelib.domain.models import InputSize, input_size
from gpu_batch.models.preprocess import preprocess
from tests.models.makers import LETTERBOX_416, STRETCH_300, a_manifest
from tests.models.opencv_reference import shown_rgb
from tests.models.pictures import colour_card

MEAN_TOLERANCE = 2.0
"""Levels of 255, averaged over the input. The two ways round differently, and differ where chroma jumps."""


def a_frame(width: int, height: int, pixel_format: str = "yuv420p") -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(colour_card(height, width), format="rgb24").reformat(format=pixel_format)


def naive(frame: av.VideoFrame, rotation: int, size: InputSize) -> npt.NDArray[np.uint8]:
    image = np.zeros((size.input_h, size.input_w, 3), np.uint8)
    shown = shown_rgb(frame, rotation)
    image[: size.content_h, : size.content_w] = cv2.resize(shown, (size.content_w, size.content_h))
    return image


def mean_difference(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(np.int16) - b).mean())


def size_for(frame: av.VideoFrame, rotation: int = 0) -> InputSize:
    width, height = (frame.height, frame.width) if rotation in (90, 270) else (frame.width, frame.height)
    return input_size(a_manifest(input=LETTERBOX_416), width, height)


@pytest.mark.parametrize(
    ("width", "height"),
    [(640, 272), (641, 273), (639, 480), (500, 283), (333, 777), (200, 700), (97, 45), (1920, 1080)],
)
def test_any_size_looks_like_the_naive_way(width: int, height: int) -> None:
    frame = a_frame(width, height)
    size = size_for(frame)
    assert mean_difference(preprocess(frame, 0, size), naive(frame, 0, size)) < MEAN_TOLERANCE


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize(("width", "height"), [(640, 272), (641, 357)])
def test_a_rotated_frame_comes_out_as_shown(width: int, height: int, rotation: int) -> None:
    frame = a_frame(width, height)
    size = size_for(frame, rotation)
    assert mean_difference(preprocess(frame, rotation, size), naive(frame, rotation, size)) < MEAN_TOLERANCE


@pytest.mark.parametrize(
    "pixel_format",
    [
        "yuvj420p",
        "yuv420p10le",
        "yuv422p",
        "yuv422p10le",
        "yuv444p",
        "nv12",
        "p010le",
        "rgb24",
        "rgba",
        "gray",
        "yuva420p",
    ],
)
@pytest.mark.parametrize(("width", "height"), [(640, 272), (641, 273)])
def test_any_pixel_format_looks_like_the_naive_way(width: int, height: int, pixel_format: str) -> None:
    frame = a_frame(width, height, pixel_format)
    size = size_for(frame)
    assert mean_difference(preprocess(frame, 0, size), naive(frame, 0, size)) < MEAN_TOLERANCE


def test_a_full_range_tag_is_heeded() -> None:
    limited = a_frame(640, 360)
    full = limited.reformat(format="yuv420p", dst_color_range=ColorRange.JPEG)
    size = size_for(limited)
    assert mean_difference(preprocess(full, 0, size), preprocess(limited, 0, size)) < 0.5


def test_grey_stays_grey() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((90, 160, 3), 128, np.uint8), format="rgb24").reformat(format="yuv420p")
    content = preprocess(frame, 0, InputSize(416, 256, 416, 234))[:234]
    np.testing.assert_allclose(content, 128, atol=1)


def test_all_around_the_content_is_black() -> None:
    frame = a_frame(100, 400)
    size = size_for(frame)
    image = preprocess(frame, 0, size)
    assert size == (416, 832, 208, 832)
    assert image.shape == (832, 416, 3)
    assert not image[:, 208:].any()


def test_stretch_fills_the_input() -> None:
    frame = a_frame(640, 272)
    size = input_size(a_manifest(input=STRETCH_300), 640, 272)
    assert mean_difference(preprocess(frame, 0, size), naive(frame, 0, size)) < MEAN_TOLERANCE


def test_other_frames_in_between_change_nothing() -> None:
    frame, other = a_frame(640, 272, "yuv420p10le"), a_frame(321, 243, "yuv444p")
    before = preprocess(frame, 0, size_for(frame))
    preprocess(other, 90, size_for(other, 90))
    assert np.array_equal(preprocess(frame, 0, size_for(frame)), before)


def test_threads_give_the_same_bytes() -> None:
    frames = [a_frame(width, 360, "yuv420p10le") for width in (640, 480)] * 8
    alone = [preprocess(frame, 0, size_for(frame)) for frame in frames]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda frame: preprocess(frame, 0, size_for(frame)), frames))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
