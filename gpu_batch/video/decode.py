"""Decoding a run of cells from a sample table: bit for bit the frames of a single pass, however the video was cut.

Each cell is decoded on its own, by a fresh decoder that is fed the cell's samples and its tail. So what comes out of
a cell, damage included, cannot depend on the run that it is part of. Frames keep their coded orientation:
`Media.rotation` says how to turn them.

Damage is what libav notices: an error, a corrupt flag, a frame that does not come. What it does not notice in H.264,
VP9 and AV1 it decodes to the same pixels every time; an HEVC slice that a flipped bit ends early leaves a part of its
picture undefined, and libav says nothing of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av
from av.video.codeccontext import VideoCodecContext

from chalicelib.contracts.sample_table import CellSamples, DecoderConfig, SampleFlag
from chalicelib.domain.media import MediaLimits, Pts
from gpu_batch.video.damage import Damage, DamageCause, DamagedRange
from gpu_batch.video.decoders import open_decoder, try_decode
from gpu_batch.video.keyframes import judge_keyframe
from gpu_batch.video.packaging import unpack_sample
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
    """A GOP inside a cell as the container claims it; its frames lie from `start_pts` to the start of the next."""

    position: int
    """Of its keyframe among the samples."""
    start_pts: Pts
    is_proved: bool
    """The bitstream bears the claim out: decoding may start here, and damage before it ends here."""


class _CellDecoder:
    """Decodes one cell and finds out which of its GOPs are sound."""

    def __init__(self, config: DecoderConfig, cell: CellSamples, reader: RunReader, limits: MediaLimits) -> None:
        self._config = config
        self._cell = cell
        self._reader = reader
        self._limits = limits
        self._expected = cell.frames
        self._seen: Counter[Pts] = Counter()
        self._gops: list[_Gop] = []
        self._failed: list[tuple[int, DamageCause]] = []
        self._corrupt: list[Pts] = []

    def decode(self, damage: Damage) -> Iterator[Frame]:
        """The cell's frames; what is wrong with it goes to `damage` after the last."""
        samples = self._cell.samples
        decoder: VideoCodecContext | None = None
        highest_pts = -(1 << 63)
        for position in range(len(samples)):
            content = self._content(position)
            if samples.pts[position] > highest_pts:
                self._note_gop(position, content)
                highest_pts = samples.pts[position]
            gop = self._gops[-1]
            has_new_description = position and samples.descriptions[position] != samples.descriptions[position - 1]
            if decoder is not None and has_new_description:
                yield from self._drain(decoder, position - 1)
                decoder = open_decoder(self._config, samples.descriptions[position], self._limits)
            if decoder is None:
                # After a failure, decoding goes on where it can: at the next keyframe.
                if position and not (gop.position == position and gop.is_proved):
                    if not content:
                        self._failed.append((position, DamageCause.MISSING_BYTES))
                    continue
                decoder = open_decoder(self._config, samples.descriptions[position], self._limits)
            if not samples.sizes[position]:
                continue
            frames = try_decode(decoder, self._packet(position, content)) if content else None
            if frames is not None:
                yield from self._take(frames)
                continue
            self._failed.append((position, DamageCause.UNDECODABLE if content else DamageCause.MISSING_BYTES))
            if not self._is_leading(position):
                yield from self._drain(decoder, position)
                decoder = None
        if decoder is not None:
            yield from self._drain(decoder, len(samples) - 1)
        self._report(damage)

    def _content(self, position: int) -> bytes:
        samples = self._cell.samples
        if samples.flags[position] & SampleFlag.MISSING:
            return b""
        content = self._reader.read(samples.offsets[position], samples.sizes[position])
        return unpack_sample(self._config.packaging, content)

    def _note_gop(self, position: int, content: bytes) -> None:
        samples = self._cell.samples
        if position and not samples.flags[position] & SampleFlag.KEY:
            return
        description = self._config.descriptions[samples.descriptions[position]]
        is_proved = judge_keyframe(self._config.codec, description, content).is_proved
        start_pts = samples.pts[position] if position else self._cell.start_pts
        self._gops.append(_Gop(position, start_pts, is_proved))

    def _packet(self, position: int, content: bytes) -> av.Packet[Any]:
        packet = av.Packet(content)
        packet.pts, packet.dts = self._cell.samples.pts[position], self._cell.samples.dts[position]
        packet.time_base = self._config.timebase
        return packet

    def _drain(self, decoder: VideoCodecContext, position: int) -> Iterator[Frame]:
        """The frames that a decoder still holds; `position` is the last sample that it was fed."""
        frames = try_decode(decoder, None)
        if frames is None:
            self._failed.append((position, DamageCause.UNDECODABLE))
        yield from self._take(frames or [])

    def _take(self, frames: list[av.VideoFrame]) -> Iterator[Frame]:
        """The frames that belong to the cell; the others were decoded for what refers to them."""
        for image in frames:
            pts = image.pts
            # The next cell's keyframe counts: leading pictures of this cell may refer to it.
            if pts is not None and image.is_corrupt and pts >= self._cell.start_pts:
                self._corrupt.append(pts)
            if pts is None or self._seen[pts] >= self._expected[pts]:
                continue
            ordinal = self._seen[pts]
            self._seen[pts] += 1
            if not image.is_corrupt:
                yield Frame(pts, ordinal, self._is_key(pts), image)

    def _is_key(self, pts: Pts) -> bool:
        gop = self._gops[self._gop_of(pts)]
        return gop.is_proved and pts == self._cell.samples.pts[gop.position]

    def _gop_of(self, pts: Pts) -> int:
        return max(0, bisect_right(self._gops, pts, key=lambda gop: gop.start_pts) - 1)

    def _is_leading(self, position: int) -> bool:
        """Whether a sample is displayed before the keyframe that it follows."""
        samples = self._cell.samples
        return samples.pts[position] < samples.pts[self._gops[self._gop_at(position)].position]

    def _gop_at(self, position: int) -> int:
        return bisect_right(self._gops, position, key=lambda gop: gop.position) - 1

    def _report(self, damage: Damage) -> None:
        """Name the damaged GOPs: by their own samples, or by the next keyframe and its leading pictures."""
        cause_by_gop: dict[int, DamageCause] = {}
        for position, cause in self._failed:
            index = self._gop_at(position)
            is_keyframe = position == self._gops[index].position
            if not self._is_leading(position):
                cause_by_gop.setdefault(index, cause)
            if self._is_leading(position) or (is_keyframe and self._has_leading(index)):
                cause_by_gop.setdefault(index - 1, cause)
        for pts in self._corrupt:
            index = self._gop_of(pts)
            cause_by_gop.setdefault(index, DamageCause.CORRUPT)
            if pts == self._cell.samples.pts[self._gops[index].position] and self._has_leading(index):
                cause_by_gop.setdefault(index - 1, DamageCause.CORRUPT)
        for pts in (self._expected - self._seen).elements():
            cause_by_gop.setdefault(self._gop_of(pts), DamageCause.MISSING_FRAMES)
        spreading: DamageCause | None = None
        ends = [*(gop.start_pts for gop in self._gops[1:]), self._cell.end_pts]
        for index, (gop, end_pts) in enumerate(zip(self._gops, ends, strict=True)):
            # Damage goes on over a keyframe that is none.
            spreading = cause_by_gop.get(index) or (None if gop.is_proved else spreading)
            # The tail belongs to the next cell, which says itself whether it is sound.
            if spreading and gop.start_pts < self._cell.end_pts:
                damage.add(DamagedRange(gop.start_pts, min(end_pts, self._cell.end_pts), spreading))

    def _has_leading(self, index: int) -> bool:
        samples, first = self._cell.samples, self._gops[index].position
        after = self._gops[index + 1].position if index + 1 < len(self._gops) else len(samples)
        return any(samples.pts[position] < samples.pts[first] for position in range(first, after))
