"""Decoding a run of cells from a sample table: bit for bit the frames of a single pass, however the video was cut.

Each cell is decoded on its own, by a fresh decoder that is fed the cell's samples and its tail. So what comes out of
a cell, damage included, cannot depend on the run that it is part of. Frames keep their coded orientation:
`Media.rotation` says how to turn them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av

from chalicelib.contracts.sample_table import CellSamples, DecoderConfig, SampleFlag
from chalicelib.domain.media import MediaLimits, Pts
from gpu_batch.video.damage import Damage, DamageCause, DamagedRange
from gpu_batch.video.decoders import open_decoder, try_decode
from gpu_batch.video.keyframes import judge_keyframe
from gpu_batch.video.run_reader import RunReader
from gpu_batch.video.source import Source


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame; (pts, ordinal) is its identity."""

    pts: Pts
    ordinal: int
    """Tells apart frames that repeat a PTS; 0 for nearly all."""
    is_key: bool
    image: av.VideoFrame


def decode_cells(
    config: DecoderConfig, cells: Sequence[CellSamples], source: Source, limits: MediaLimits, damage: Damage
) -> Iterator[Frame]:
    """The shown frames of consecutive cells, in presentation order.

    Reads the bytes of all cells as one range (in parts when large). A frame may come before its GOP turns out
    damaged: ask `damage` when a cell's last frame is through, and drop what it covers.

    Raises:
        Passing: the source failed.
    """
    ranges = [cell.byte_range for cell in cells]
    present = [byte_range for byte_range in ranges if byte_range[1]]
    start = min((first for first, _ in present), default=0)
    with RunReader(source, start, max((end for _, end in present), default=0)) as reader:
        for cell in cells:
            yield from _CellDecoder(config, cell, reader, limits).decode(damage)


@dataclass(frozen=True, slots=True)
class _Gop:
    """A GOP inside a cell, from sample `position` on; its frames lie from `start_pts` to the start of the next."""

    position: int
    start_pts: Pts


class _CellDecoder:
    """Decodes one cell and finds out which of its GOPs are sound."""

    def __init__(self, config: DecoderConfig, cell: CellSamples, reader: RunReader, limits: MediaLimits) -> None:
        self._config = config
        self._cell = cell
        self._reader = reader
        self._limits = limits
        self._expected = cell.frames
        self._seen: Counter[Pts] = Counter()
        self._gops = [_Gop(0, cell.start_pts)]
        self._key_pts: set[Pts] = set()
        self._failed: list[tuple[int, DamageCause]] = []
        self._corrupt: list[Pts] = []

    def decode(self, damage: Damage) -> Iterator[Frame]:
        """The cell's frames; what is wrong with it goes to `damage` after the last."""
        samples = self._cell.samples
        decoder, description, highest_pts = None, -1, -(1 << 63)
        for position in range(len(samples)):
            pts, flags = samples.pts[position], samples.flags[position]
            content = (
                b""
                if flags & SampleFlag.MISSING
                else self._reader.read(samples.offsets[position], samples.sizes[position])
            )
            starts_gop = pts > highest_pts and self._starts_gop(position, content)
            highest_pts = max(highest_pts, pts)
            if decoder is None and position and not starts_gop:
                continue
            if decoder is not None and samples.descriptions[position] != description:
                yield from self._take(position, try_decode(decoder, None))
                decoder = None
            if decoder is None:
                description = samples.descriptions[position]
                decoder = open_decoder(self._config, description, self._limits)
            if not content and not flags & SampleFlag.MISSING:
                continue
            frames = None if flags & SampleFlag.MISSING else try_decode(decoder, self._packet(position, content))
            if frames is None:
                self._failed.append(
                    (position, DamageCause.MISSING_BYTES if flags & SampleFlag.MISSING else DamageCause.UNDECODABLE)
                )
                if not self._is_leading(position):
                    yield from self._take(position, try_decode(decoder, None))
                    decoder = None
            else:
                yield from self._take(position, frames)
        if decoder is not None:
            yield from self._take(len(samples) - 1, try_decode(decoder, None))
        self._report(damage)

    def _starts_gop(self, position: int, content: bytes) -> bool:
        """Whether decoding may start at a sample; notes the GOP, and the tail as if it were one."""
        samples = self._cell.samples
        if not samples.flags[position] & SampleFlag.KEY:
            return False
        description = self._config.descriptions[samples.descriptions[position]]
        if not judge_keyframe(self._config.codec, description, content).is_proved:
            return False
        if position:
            self._gops.append(_Gop(position, samples.pts[position]))
        self._key_pts.add(samples.pts[position])
        return True

    def _packet(self, position: int, content: bytes) -> av.Packet[Any]:
        packet = av.Packet(content)
        packet.pts, packet.dts = self._cell.samples.pts[position], self._cell.samples.dts[position]
        packet.time_base = self._config.timebase
        return packet

    def _take(self, position: int, frames: list[av.VideoFrame] | None) -> Iterator[Frame]:
        """The frames that belong to the cell; the others were decoded for what refers to them."""
        if frames is None:
            self._failed.append((position, DamageCause.UNDECODABLE))
        for image in frames or ():
            pts = image.pts
            if pts is None or self._seen[pts] >= self._expected[pts]:
                continue
            ordinal = self._seen[pts]
            self._seen[pts] += 1
            if image.is_corrupt:
                self._corrupt.append(pts)
            else:
                yield Frame(pts, ordinal, pts in self._key_pts, image)

    def _is_leading(self, position: int) -> bool:
        gop = self._gops[self._gop_at(position)]
        return self._cell.samples.pts[position] < self._cell.samples.pts[gop.position]

    def _gop_at(self, position: int) -> int:
        return bisect_right([gop.position for gop in self._gops], position) - 1

    def _report(self, damage: Damage) -> None:
        """A GOP is damaged by its own samples, and by the keyframe and leading pictures that come after it in decode
        order.
        """
        cause_by_gop: dict[int, DamageCause] = {}
        for position, cause in self._failed:
            index = self._gop_at(position)
            if not self._is_leading(position):
                cause_by_gop.setdefault(index, cause)
            if self._is_leading(position) or (position == self._gops[index].position and self._has_leading(index)):
                cause_by_gop.setdefault(index - 1, cause)
        starts = [gop.start_pts for gop in self._gops]
        for pts in self._corrupt:
            cause_by_gop.setdefault(bisect_right(starts, pts) - 1, DamageCause.CORRUPT)
        for pts in (self._expected - self._seen).elements():
            cause_by_gop.setdefault(bisect_right(starts, pts) - 1, DamageCause.MISSING_FRAMES)
        ends = [*starts[1:], self._cell.end_pts]
        for index, cause in cause_by_gop.items():
            if index >= 0 and starts[index] < self._cell.end_pts:
                damage.add(DamagedRange(starts[index], min(ends[index], self._cell.end_pts), cause))

    def _has_leading(self, index: int) -> bool:
        samples, first = self._cell.samples, self._gops[index].position
        after = self._gops[index + 1].position if index + 1 < len(self._gops) else len(samples)
        return any(samples.pts[position] < samples.pts[first] for position in range(first, after))
