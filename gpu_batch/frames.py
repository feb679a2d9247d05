"""The frames of a run of cells that a job looks at, each with its place in its cell.

Which frames are sampled, and what rank each has, is decided from the sample table where there is one: a damaged GOP
changes neither.
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
from chalicelib.domain.sampling import Sampling, SamplingKind, is_nearest_keyframe, select_sampled
from gpu_batch.containers.whole import decode_whole
from gpu_batch.video.damage import Damage
from gpu_batch.video.decode import Frame, decode_cells
from gpu_batch.video.decoders import DecoderChoice
from gpu_batch.video.feed import Wanted, claimed_keyframes, spans_to_read
from gpu_batch.video.run_reader import Span
from gpu_batch.video.source import Source


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
    decoded: int
    """Frames that came out of the decoder so far."""

    def decode(self, check: Callable[[], None]) -> Iterator[SampledFrame]:
        """The frames, in order of (pts, ordinal). `check` is called between frames, and may raise to stop."""
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
        load_cell: Callable[[int], CellSamples] | None = None,
        choice: DecoderChoice | None = None,
    ) -> None:
        """`load_cell` gives cells before the run, which are hardly ever needed; `choice` says where to decode."""
        self.damage = Damage()
        self.decoded = 0
        self._config = config
        self._cells = cells
        self.source = source
        """Where the bytes come from; may be replaced before `decode`."""
        self._limits = limits
        self._sampling = sampling
        self._load_cell = load_cell
        self._choice = choice
        self._shown_pts = {cell.index: sorted(cell.frames.elements()) for cell in cells}
        self._ranks = {cell.index: self._wanted_ranks(cell) for cell in cells}
        self._wanted = self._find_wanted()

    @property
    def spans(self) -> list[Span]:
        """The bytes that the frames will be made of, as far as is known before."""
        return spans_to_read(self._cells, self._wanted)

    def decode(self, check: Callable[[], None]) -> Iterator[SampledFrame]:
        """See `RunFrames`."""
        current = iter(self._cells)
        cell = next(current)
        frames = decode_cells(
            self._config,
            self._cells,
            self.source,
            self._limits,
            self.damage,
            wanted=self._wanted,
            load_cell=self._load_cell,
            choice=self._choice,
        )
        for frame in frames:
            check()
            self.decoded += 1
            while frame.pts >= cell.end_pts:
                cell = next(current)
            rank = bisect_left(self._shown_pts[cell.index], frame.pts) + frame.ordinal
            if self._sampling.kind is not SamplingKind.PER_SECOND or rank in self._ranks[cell.index]:
                yield SampledFrame(FramePlace(cell.index, frame.pts, frame.ordinal, rank), frame.image)

    def shown(self, cell: int) -> int:
        """See `RunFrames`."""
        return len(self._shown_pts[cell])

    def _find_wanted(self) -> Wanted | None:
        match self._sampling.kind:
            case SamplingKind.EVERY_FRAME:
                return None
            case SamplingKind.PER_SECOND:
                shown = self._shown_pts
                times = {index: frozenset(shown[index][rank] for rank in ranks) for index, ranks in self._ranks.items()}
                return Wanted(times, only_keyframes=False)
            case SamplingKind.KEYFRAMES:
                return Wanted(self._wanted_keyframes(), only_keyframes=True)

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

    def _wanted_keyframes(self) -> dict[int, frozenset[Pts]]:
        """By cell the keyframes that the container claims, thinned out as the sampling says."""
        before = self._last_key_before() if self._sampling.within_seconds is not None else None
        wanted: dict[int, frozenset[Pts]] = {}
        for cell in self._cells:
            keys = claimed_keyframes(cell)
            if not keys:
                continue
            after = cell.end_pts if cell.next_pts is not None else None
            last_pts = max(self._shown_pts[cell.index], default=cell.start_pts)
            wanted[cell.index] = frozenset(
                pts
                for prev_pts, pts, next_pts in zip([before, *keys[:-1]], keys, [*keys[1:], after], strict=True)
                if is_nearest_keyframe(
                    self._sampling, prev_pts, pts, next_pts, last_pts=last_pts, timebase=self._config.timebase
                )
            )
            before = keys[-1]
        return wanted

    def _last_key_before(self) -> Pts | None:
        """PTS of the last keyframe before the run that the container claims."""
        for index in reversed(range(self._cells[0].index)):
            if self._load_cell is None:
                break
            if keys := claimed_keyframes(self._load_cell(index)):
                return keys[-1]
        return None


class WholeFrames:
    """By libav's demuxer, in a single pass: a video that is one cell."""

    def __init__(
        self,
        source: Source,
        limits: MediaLimits,
        sampling: Sampling,
        timebase: Fraction,
    ) -> None:
        self.damage = Damage()
        self.decoded = 0
        self._source = source
        self._limits = limits
        self._sampling = sampling
        self._timebase = timebase
        self._shown = 0

    def decode(self, check: Callable[[], None]) -> Iterator[SampledFrame]:
        """See `RunFrames`."""
        chosen = select_sampled(
            self._ranked(check),
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

    def _ranked(self, check: Callable[[], None]) -> Iterator[tuple[int, Frame]]:
        for frame in decode_whole(self._source, self._limits, self.damage):
            check()
            self.decoded += 1
            yield self._shown, frame
            self._shown += 1
