"""What a model is given for a frame: pixels, or the frame itself where the model's own device can resize it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt

from chalicelib.domain.models import InputSize
from gpu_batch.log import logger
from gpu_batch.models.planes import Device, FramePlanes, find_planes
from gpu_batch.models.preprocess import preprocess

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""(H, W, 3) RGB of one frame, or (N, H, W, 3) of several, at the size of a model's input."""


@dataclass(frozen=True, slots=True)
class FrameInPlace:
    """A frame that is resized only when its place in a batch is known, without leaving its memory."""

    planes: FramePlanes
    rotation: int
    size: InputSize


ModelInput: TypeAlias = Pixels | FrameInPlace


def prepare_input(frame: av.VideoFrame, rotation: int, size: InputSize, in_place_on: Device | None) -> ModelInput:
    """`frame` for a model that resizes frames in the memory of `in_place_on`, or (None) takes nothing but pixels.

    What cannot be resized there goes through the host's memory.
    """
    if in_place_on is not None:
        planes = find_planes(frame, in_place_on)
        if isinstance(planes, FramePlanes):
            return FrameInPlace(planes, rotation, size)
        _say_once(planes)
    return preprocess(frame, rotation, size)


def size_in_bytes(one: ModelInput) -> int:
    """What an input holds, in the memory of the host or of a device."""
    return one.planes.size_bytes if isinstance(one, FrameInPlace) else one.nbytes


def input_hw(one: ModelInput) -> tuple[int, int]:
    """Height and width of an input."""
    if isinstance(one, FrameInPlace):
        return one.size.input_h, one.size.input_w
    height, width, _ = one.shape
    return height, width


@cache
def _say_once(reason: str) -> None:
    logger.info("frames go through the memory of the host", reason=reason)
