"""Frames of videos as a model's input: what a model is calibrated and judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from chalicelib.domain.models import InputSize, Manifest, input_size
from gpu_batch.errors import BadInput
from gpu_batch.models.preprocess import preprocess

MAX_FRAMES = 64
"""Of each video. They are held in memory as the model sees them, so it need not be much larger."""


@dataclass(frozen=True, slots=True)
class SampleFrame:
    """A frame as the worker gives it to the model."""

    pixels: npt.NDArray[np.uint8]
    """(1, H, W, 3) RGB."""
    size: InputSize
    shown: tuple[int, int]
    """Width and height of the video."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of one video, in its order."""

    name: str
    frames: tuple[SampleFrame, ...]

    def every_other(self, first: int) -> Clip:
        """Half of the frames, from the first (0) or the second (1) on."""
        return Clip(self.name, self.frames[first::2])


def read_clips(videos: Sequence[Path], manifest: Manifest) -> list[Clip]:
    """Up to MAX_FRAMES frames of each video, at equal distances, preprocessed for the model.

    Raises:
        BadInput: a video that cannot be read, or that has fewer than two frames.
    """
    return [_read_clip(video, manifest) for video in videos]


def _read_clip(video: Path, manifest: Manifest) -> Clip:
    kept: list[SampleFrame] = []
    step = 1
    try:
        with av.open(str(video)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index % step:
                    continue
                if len(kept) == MAX_FRAMES:
                    # How long the video is shows only at its end: what is too much is thinned out.
                    kept, step = kept[::2], step * 2
                if index % step == 0:
                    kept.append(_sample(frame, manifest))
    except (av.FFmpegError, IndexError) as error:
        raise BadInput(f"{video} must be a video that can be decoded but: {error}") from error
    if len(kept) < 2:
        raise BadInput(f"{video} must have at least 2 frames but has {len(kept)}")
    return Clip(video.name, tuple(kept))


def _sample(frame: av.VideoFrame, manifest: Manifest) -> SampleFrame:
    # The display matrix turns counter-clockwise; what is not a quarter turn is shown as it is coded.
    clockwise = -frame.rotation % 360
    rotation = clockwise if clockwise in (90, 180, 270) else 0
    shown = (frame.height, frame.width) if rotation in (90, 270) else (frame.width, frame.height)
    size = input_size(manifest, *shown)
    return SampleFrame(preprocess(frame, rotation, size)[np.newaxis], size, shown)
