"""Decoding a run of cells from a sample table: bit for bit the frames of a single pass, however the video was cut.

Each cell is decoded on its own, by a fresh decoder that is fed the cell's samples and its tail. So what comes out of
a cell, damage included, cannot depend on the run that it is part of. Whether decoding may start at a cell is proved
here, by the bytes of its first sample: where the container claimed too much, decoding starts at the last cell before
that bears its claim out, and goes on from there. Frames keep their coded orientation: `Media.rotation` says how to turn
them.

When only some frames are wanted, samples that these do not need never reach the decoder: whole GOPs, what comes after
the last wanted frame of a GOP, and samples that nothing refers to. What is not decoded is not judged, but for bytes
that the file lacks.

Damage is what libav notices: an error, a corrupt flag, a frame that does not come. What it does not notice in H.264,
VP9 and AV1 it decodes to the same pixels every time; an HEVC slice that a flipped bit ends early leaves a part of its
picture undefined, and libav says nothing of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

import av
from av.video.codeccontext import VideoCodecContext

from chalicelib.contracts.sample_table import CellSamples, DecoderConfig, Description, SampleFlag, Samples, join_cells
from chalicelib.domain.media import MediaLimits, Pts
from gpu_batch.video.damage import Damage, DamageCause, DamagedRange
from gpu_batch.video.decoders import DecoderChoice, open_decoder, try_decode
from gpu_batch.video.disposable import allows_dropping, is_disposable
from gpu_batch.video.feed import Wanted, claimed_gops, mark_needed, spans_to_read
from gpu_batch.video.in_band import judge_sample
from gpu_batch.video.keyframes import Verdict
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
    config: DecoderConfig,
    cells: Sequence[CellSamples],
    source: Source,
    limits: MediaLimits,
    damage: Damage,
    *,
    wanted: Wanted | None = None,
    load_cell: Callable[[int], CellSamples] | None = None,
    choice: DecoderChoice | None = None,
) -> Iterator[Frame]:
    """The shown frames of consecutive cells, in presentation order.

    Reads the bytes of all cells as one range (in parts when large), or, when only some frames are wanted, what these
    need. A frame may come before its GOP turns out damaged: ask `damage` when a cell's last frame is through, and drop
    what it covers.

    Args:
        config: how the samples are decoded.
        cells: a run of them.
        source: the video's bytes.
        limits: what a decoder may spend.
        damage: what is not sound is noted here.
        wanted: the frames that are asked for; None: all.
        load_cell: gives the cells before the run, in case its first one has no proved keyframe.
        choice: where to decode; None: on the CPU.

    Raises:
        Passing: the source failed.
    """
    with RunReader(source, spans_to_read(cells, wanted)) as reader:
        for group in _sound_groups(config, cells, reader, wanted, load_cell):
            decoder = _CellDecoder(config, join_cells(group), reader, limits, cells[0].start_pts, choice)
            if wanted is not None:
                asked = frozenset(pts for cell in group for pts in wanted.of(cell))
                decoder.want(asked, only_keyframes=wanted.only_keyframes)
            yield from decoder.decode(damage)


def _sound_groups(
    config: DecoderConfig,
    cells: Sequence[CellSamples],
    reader: RunReader,
    wanted: Wanted | None,
    load_cell: Callable[[int], CellSamples] | None,
) -> Iterator[list[CellSamples]]:
    """Cells with wanted frames, each with the cells before it that it cannot be decoded without: nearly always none."""
    cell_by_index = {cell.index: cell for cell in cells}
    group: list[CellSamples] = []
    for cell in cells:
        if wanted is not None and not wanted.of(cell):
            continue
        chain = [cell]
        # A keyframe needs nothing before it, and one that is none is not wanted.
        needs_proof = wanted is None or not wanted.only_keyframes
        while needs_proof and not _starts_soundly(config, chain[0], reader):
            index = chain[0].index - 1
            if index in cell_by_index:
                before = cell_by_index[index]
            elif load_cell is not None and index >= 0:
                before = load_cell(index)
            else:
                break
            chain.insert(0, before)
            if group and group[-1].index == index:
                break
        if group and chain[0].index == group[-1].index:
            group += chain[1:]
            continue
        if group:
            yield group
        group = chain
    if group:
        yield group


def _starts_soundly(config: DecoderConfig, cell: CellSamples, reader: RunReader) -> bool:
    return judge_sample(config, cell.samples.descriptions[0], _read_sample(config, cell.samples, 0, reader)).is_proved


def _read_sample(config: DecoderConfig, samples: Samples, position: int, reader: RunReader) -> bytes:
    """The bytes of a sample as a decoder takes them; none when the file lacks them."""
    if samples.flags[position] & SampleFlag.MISSING:
        return b""
    return unpack_sample(config.packaging, reader.read(samples.offsets[position], samples.sizes[position]))


class _CellDecoder:
    """Decodes one cell, or several that are joined, and finds out which of its GOPs are sound."""

    def __init__(
        self,
        config: DecoderConfig,
        cell: CellSamples,
        reader: RunReader,
        limits: MediaLimits,
        from_pts: Pts,
        choice: DecoderChoice | None,
    ) -> None:
        """Frames and damage before `from_pts` are nobody's business: they are decoded for what comes after."""
        self._config = config
        self._cell = cell
        self._reader = reader
        self._limits = limits
        self._from_pts = from_pts
        self._choice = choice
        self._shown = cell.frames
        self._expected = Counter({pts: count for pts, count in self._shown.items() if pts >= from_pts})
        self._seen: Counter[Pts] = Counter()
        self._gops = claimed_gops(cell)
        self._verdict_by_gop: dict[int, Verdict] = {}
        self._wants_all = True
        self._failed: list[tuple[int, DamageCause]] = []
        self._corrupt: list[Pts] = []

    def want(self, wanted: Set[Pts], *, only_keyframes: bool) -> None:
        """Ask for these frames only; of claimed keyframes, for those that are keyframes."""
        if only_keyframes:
            positions = (gop.position for index, gop in enumerate(self._gops) if self._is_wanted_key(index, wanted))
            wanted = {self._cell.samples.pts[position] for position in positions}
        self._wants_all = False
        self._expected = Counter({pts: count for pts, count in self._expected.items() if pts in wanted})

    def _is_wanted_key(self, gop: int, wanted: Set[Pts]) -> bool:
        return self._cell.samples.pts[self._gops[gop].position] in wanted and self._verdict(gop).is_proved

    def decode(self, damage: Damage) -> Iterator[Frame]:
        """The frames that are asked for; what is wrong with the cell goes to `damage` after the last."""
        samples = self._cell.samples
        needed = self._mark_needed()
        decoder: VideoCodecContext | None = None
        may_drop = False
        for position in range(len(samples)):
            if samples.flags[position] & SampleFlag.MISSING:
                self._failed.append((position, DamageCause.MISSING_BYTES))
            starts_anew = needed[position] and not (position and needed[position - 1])
            has_new_description = position and samples.descriptions[position] != samples.descriptions[position - 1]
            if decoder is not None and (starts_anew or not needed[position] or has_new_description):
                yield from self._drain(decoder, position - 1)
                decoder = None
                if has_new_description and needed[position] and not starts_anew:
                    decoder = self._open(position)
            if not needed[position]:
                continue
            gop = self._gop_at(position)
            starts_gop = position == self._gops[gop].position
            if decoder is None:
                # After a failure, decoding goes on where it can: at the next keyframe.
                if not (starts_anew or (starts_gop and self._verdict(gop).is_proved)):
                    continue
                decoder = self._open(position)
            if not samples.sizes[position]:
                continue
            content = self._content(position)
            if not self._wants_all:
                if starts_gop:
                    may_drop = allows_dropping(self._config.codec, self._description(position), content)
                if may_drop and self._is_needless(position, content):
                    continue
            frames = try_decode(decoder, self._packet(position, content)) if content else None
            if frames is not None:
                yield from self._take(frames)
                continue
            if content:
                self._failed.append((position, DamageCause.UNDECODABLE))
            if not self._is_leading(position):
                yield from self._drain(decoder, position)
                decoder = None
        if decoder is not None:
            yield from self._drain(decoder, len(samples) - 1)
        self._report(damage)

    def _open(self, position: int) -> VideoCodecContext:
        return open_decoder(self._config, self._cell.samples.descriptions[position], self._limits, self._choice)

    def _mark_needed(self) -> bytearray:
        if self._wants_all:
            return bytearray([1]) * len(self._cell.samples)
        return mark_needed(self._cell, self._gops, self._expected.keys(), self._verdict)

    def _is_needless(self, position: int, content: bytes) -> bool:
        """Whether a sample may be dropped: it is not wanted, and nothing refers to it."""
        if self._cell.samples.pts[position] in self._expected:
            return False
        return is_disposable(self._config.codec, self._description(position), content)

    def _content(self, position: int) -> bytes:
        return _read_sample(self._config, self._cell.samples, position, self._reader)

    def _description(self, position: int) -> Description:
        return self._config.descriptions[self._cell.samples.descriptions[position]]

    def _verdict(self, gop: int) -> Verdict:
        """Whether decoding may start at a GOP, and damage before it ends there: what the bitstream says of it."""
        if gop not in self._verdict_by_gop:
            position = self._gops[gop].position
            description_index = self._cell.samples.descriptions[position]
            self._verdict_by_gop[gop] = judge_sample(self._config, description_index, self._content(position))
        return self._verdict_by_gop[gop]

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
            if pts is None or self._seen[pts] >= self._shown[pts]:
                continue
            ordinal = self._seen[pts]
            self._seen[pts] += 1
            if not image.is_corrupt and pts in self._expected:
                yield Frame(pts, ordinal, self._is_key(pts), image)

    def _is_key(self, pts: Pts) -> bool:
        gop = self._gop_of(pts)
        return pts == self._cell.samples.pts[self._gops[gop].position] and self._verdict(gop).is_proved

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
            if spreading and self._verdict(index).is_proved:
                spreading = None
            spreading = cause_by_gop.get(index) or spreading
            # The tail belongs to the next cell, which says itself whether it is sound.
            if spreading and self._from_pts <= gop.start_pts < self._cell.end_pts:
                damage.add(DamagedRange(gop.start_pts, min(end_pts, self._cell.end_pts), spreading))

    def _has_leading(self, index: int) -> bool:
        samples, gop = self._cell.samples, self._gops[index]
        return any(samples.pts[position] < samples.pts[gop.position] for position in range(gop.position, gop.end))
