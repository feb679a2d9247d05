"""How much there is to do, counted before anything is done: frames to decode, frames for each model, segments.

The same counts are the weights that measured CPU seconds are divided by (`domain/rates.py`), so that a quote and what a
job teaches speak of the same thing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import ceil, log2

from chalicelib.domain.media import Media
from chalicelib.domain.models import Manifest, input_size
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.units import Lane
from chalicelib.domain.videos import Index

FRAMES_PER_SECOND = 30
"""Taken for a video whose frames nobody has counted."""


@dataclass(frozen=True, slots=True)
class ModelWork:
    """What one model sees."""

    sha256: str
    input_pixels: int
    """Of one frame as the model takes it."""
    frames: float


@dataclass(frozen=True, slots=True)
class Work:
    """What some segments of a video take."""

    lane: Lane
    codec: str
    sampling: SamplingKind
    pixels: int
    """Of a frame of the video."""
    children: int
    segments: int
    cells: int
    """That some model lacks."""
    frames_decoded: float
    models: tuple[ModelWork, ...]
    frames: float
    """That the job looks at, whoever analysed them: what its finish folds over."""
    is_counted: bool = True
    """Whether the frames of the video are known and not estimated from its length."""

    @property
    def frames_prepared(self) -> float:
        """Frames that are brought to a model's size."""
        return max((model.frames for model in self.models), default=0.0)

    def on_lane(self, lane: Lane, children: int) -> Work:
        """The same, elsewhere."""
        return replace(self, lane=lane, children=children)

    def part(self, segments: int, children: int) -> Work:
        """That of some of the segments, each taken for as long as the others."""
        share = segments / max(1, self.segments)
        return replace(
            self,
            children=children,
            segments=segments,
            cells=ceil(self.cells * share),
            frames_decoded=self.frames_decoded * share,
            models=tuple(replace(model, frames=model.frames * share) for model in self.models),
        )


def count_work(
    media: Media,
    index: Index,
    sampling: Sampling,
    manifests: Sequence[Manifest],
    *,
    lane: Lane,
    segments: int,
    children: int,
    stored: Sequence[Collection[int]] = (),
) -> Work:
    """The work of a whole video; `stored` names by model the cells that need no analysis any more.

    Cells are taken for as long as each other.
    """
    seconds = max(0.0, float((index.end_pts - index.start_pts) * media.timebase)) or media.duration_seconds
    frames = float(media.frame_count or seconds * FRAMES_PER_SECOND)
    cells, keyframes = max(1, index.cell_count), max(1.0, float(media.keyframes))
    looked_at = count_sampled(sampling, frames, seconds, keyframes)
    lacking = [cells - len(of_model) for of_model in stored] or [cells] * len(manifests)
    kept_by_all = len(frozenset.intersection(*map(frozenset, stored))) if stored else 0
    return Work(
        lane=lane,
        codec=media.codec,
        sampling=sampling.kind,
        pixels=media.width * media.height,
        children=children,
        segments=segments,
        cells=cells - kept_by_all,
        frames_decoded=count_decoded(sampling, frames, seconds, keyframes) * (cells - kept_by_all) / cells,
        models=tuple(
            ModelWork(manifest.sha256, input_pixels(manifest, media), looked_at * lacks / cells)
            for manifest, lacks in zip(manifests, lacking, strict=True)
        ),
        frames=looked_at,
        is_counted=media.frame_count is not None,
    )


def input_pixels(manifest: Manifest, media: Media) -> int:
    """Pixels of a frame of this video as the model takes it."""
    size = input_size(manifest, media.width, media.height)
    return size.input_w * size.input_h


def count_sampled(sampling: Sampling, frames: float, seconds: float, keyframes: float) -> float:
    """About how many frames the sampling chooses."""
    points = max(1.0, float(sampling.n) * seconds) if sampling.n is not None else frames
    match sampling.kind:
        case SamplingKind.EVERY_FRAME:
            return frames
        case SamplingKind.PER_SECOND:
            return min(frames, points)
        case SamplingKind.KEYFRAMES:
            return min(keyframes, points)


def count_decoded(sampling: Sampling, frames: float, seconds: float, keyframes: float) -> float:
    """About how many frames are decoded for it: what a chosen frame needs comes before it in its group of pictures."""
    match sampling.kind:
        case SamplingKind.EVERY_FRAME:
            return frames
        case SamplingKind.PER_SECOND:
            assert sampling.n is not None
            points_per_group = float(sampling.n) * seconds / max(keyframes, 1.0)
            return frames * min(1.0, points_per_group)
        case SamplingKind.KEYFRAMES:
            return count_sampled(sampling, frames, seconds, keyframes)


def size_class(pixels: float) -> int:
    """Frames of about the same size share their rates: classes are half an octave of pixels wide."""
    return round(2 * log2(max(pixels, 1.0)))
