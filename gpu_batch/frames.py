"""The frames of a run of cells that a job looks at, each with its place in its cell.

Which frames are sampled, and what rank each has, is decided from the sample table where there is one: a damaged GOP
changes neither. `check` is called for every frame that is decoded, sampled or not, and may raise to stop.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import av

from chalicelib.contracts.sample_table import CellSamples, DecoderConfig
from chalicelib.domain.media import MediaLimits, Pts
from chalicelib.domain.sampling import Sampling, SamplingKind, select_sampled
from gpu_batch.video.damage import Damage
from gpu_batch.video.decode import Frame, decode_cells
from gpu_batch.video.source import Source
from gpu_batch.video.whole import decode_whole


@dataclass(frozen=True, slots=True)
class FramePlace:
    """Which frame it is."""

    cell: int
    pts: Pts
    ordinal: int
    rank: int
    """Among the shown frames of its cell, from 0."""


@dataclass(frozen=True, slots=True)
class SampledFrame:
    """A decoded frame that the job looks at."""

    place: FramePlace
    image: av.VideoFrame


class RunFrames(Protocol):
    """The sampled frames of a run of cells; what is known only afterwards is asked afterwards."""

    damage: Damage

    def __iter__(self) -> Iterator[SampledFrame]:
        """The frames, in order of (pts, ordinal)."""
        ...

    def shown(self, cell: int) -> int:
        """Frames of that cell as shown, sampled or not; after the last frame."""
        ...


class TableFrames:
    """By sample table: any run of cells."""

    def __init__(
        self,
        config: DecoderConfig,
        cells: Sequence[CellSamples],
        source: Source,
        limits: MediaLimits,
        sampling: Sampling,
        check: Callable[[], None],
    ) -> None:
        self.damage = Damage()
        self._config = config
        self._cells = cells
        self._source = source
        self._limits = limits
        self._sampling = sampling
        self._check = check
        self._shown_pts = {cell.index: sorted(cell.frames.elements()) for cell in cells}

    def __iter__(self) -> Iterator[SampledFrame]:
        wanted = {cell.index: self._wanted_ranks(cell) for cell in self._cells}
        current = iter(self._cells)
        cell = next(current)
        for frame in decode_cells(self._config, self._cells, self._source, self._limits, self.damage):
            self._check()
            while frame.pts >= cell.end_pts:
                cell = next(current)
            rank = bisect_left(self._shown_pts[cell.index], frame.pts) + frame.ordinal
            if self._is_wanted(frame, rank, wanted[cell.index]):
                yield SampledFrame(FramePlace(cell.index, frame.pts, frame.ordinal, rank), frame.image)

    def shown(self, cell: int) -> int:
        """See `RunFrames`."""
        return len(self._shown_pts[cell])

    def _is_wanted(self, frame: Frame, rank: int, wanted: set[int]) -> bool:
        if self._sampling.kind is SamplingKind.PER_SECOND:
            return rank in wanted
        return self._sampling.kind is SamplingKind.EVERY_FRAME or frame.is_key

    def _wanted_ranks(self, cell: CellSamples) -> set[int]:
        """Ranks of the frames that n per second chooses, as a single pass over the whole video would."""
        if self._sampling.kind is not SamplingKind.PER_SECOND:
            return set()
        shown = self._shown_pts[cell.index]
        chosen = select_sampled(
            range(len(shown)),
            self._sampling,
            self._config.timebase,
            pts_of=lambda rank: shown[rank],
            is_key=lambda _: False,
            prev_pts=cell.prev_pts,
            next_pts=cell.next_pts,
        )
        return set(chosen)


class WholeFrames:
    """By libav's demuxer, in a single pass: a video that is one cell."""

    def __init__(
        self,
        source: Source,
        limits: MediaLimits,
        sampling: Sampling,
        timebase: Fraction,
        check: Callable[[], None],
    ) -> None:
        self.damage = Damage()
        self._source = source
        self._limits = limits
        self._sampling = sampling
        self._check = check
        self._timebase = timebase
        self._shown = 0

    def __iter__(self) -> Iterator[SampledFrame]:
        chosen = select_sampled(
            self._ranked(),
            self._sampling,
            self._timebase,
            pts_of=lambda ranked: ranked[1].pts,
            is_key=lambda ranked: ranked[1].is_key,
        )
        for rank, frame in chosen:
            yield SampledFrame(FramePlace(0, frame.pts, frame.ordinal, rank), frame.image)

    def shown(self, cell: int) -> int:  # noqa: ARG002  there is only one
        """See `RunFrames`."""
        return self._shown

    def _ranked(self) -> Iterator[tuple[int, Frame]]:
        for frame in decode_whole(self._source, self._limits, self.damage):
            self._check()
            yield self._shown, frame
            self._shown += 1
