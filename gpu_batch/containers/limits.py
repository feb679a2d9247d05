"""Saying RESOURCE_LIMIT before the memory is gone."""

from __future__ import annotations

from fractions import Fraction

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.media import MediaLimits
from gpu_batch.errors import BadInput


def check_pixels(width: int, height: int, limits: MediaLimits) -> None:
    """Refuse frames of more than `limits.max_pixels`.

    Raises:
        BadInput: RESOURCE_LIMIT.
    """
    if width * height > limits.max_pixels:
        raise BadInput(
            f"a frame must have at most {limits.max_pixels} pixels but has {width} x {height}",
            code=ErrorCode.RESOURCE_LIMIT,
            hint="Scale the video down, then upload it again",
        )


def check_duration(seconds: Fraction | float, limits: MediaLimits) -> None:
    """Refuse videos that state more than `limits.max_duration_seconds`.

    Raises:
        BadInput: RESOURCE_LIMIT.
    """
    if seconds > limits.max_duration_seconds:
        raise BadInput(
            f"a video must last at most {limits.max_duration_seconds} s but states {int(seconds)} s",
            code=ErrorCode.RESOURCE_LIMIT,
            hint="Split the video into shorter files, then upload those",
        )
