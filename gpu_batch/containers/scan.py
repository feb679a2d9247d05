"""One pass over a container that has no index to be trusted: where each sample lies, proved byte for byte.

libav demuxes the file once, and each packet that it gives is compared with what a worker would take out of the file in
its place. What differs, or has no time of its own, or needs what a fresh decoder cannot know, speaks against a table.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import av
import numpy as np

from chalicelib.contracts.sample_table import DecoderConfig, Description, TransportPackets
from chalicelib.domain.media import INTRA_ONLY_CODECS, MediaLimits, WholeReason
from gpu_batch.containers.first_frame import shows_first
from gpu_batch.containers.limits import check_duration
from gpu_batch.containers.sequential import SequentialSource
from gpu_batch.containers.sniff import AVI, MPEGPS, MPEGTS, SNIFF_BYTES, Container, transport_layout
from gpu_batch.containers.stated_size import is_cut_off
from gpu_batch.containers.table import MAX_REORDER_DEPTH, SampleTable, find_cuts, pack_table, reorder_depth
from gpu_batch.containers.timeline import Timeline
from gpu_batch.containers.track import MAX_SAMPLES, Int64s, Track
from gpu_batch.containers.untrusted import LIBAV_ESCAPES, first_video_stream, open_untrusted
from gpu_batch.containers.whole import WholeFacts, fraction_of
from gpu_batch.video.decoders import DECODER_BY_CODEC
from gpu_batch.video.h264_sps import Unreadable
from gpu_batch.video.keyframes import Verdict, judge_keyframe, shows_picture
from gpu_batch.video.nal_units import nal_units
from gpu_batch.video.packaging import unpack_sample
from gpu_batch.video.parameter_sets import (
    RANK_BY_KIND,
    ParameterSets,
    nal_length_size_of,
    units_of_extradata,
)
from gpu_batch.video.source import Source

READ_BYTES = 1 << 20
"""What libav asks for at a time."""
MAX_HEADER_BYTES = 64
"""Between where libav says that a packet lies and its first byte, in containers that keep a packet in one piece."""
MAX_SPAN_BYTES = 256 << 20
"""A sample and what lies between its pieces."""


class NoTable(Exception):
    """Something speaks against a sample table: the video is read as a whole."""

    def __init__(self, reason: WholeReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ScannedTable:
    """A table, and the facts that it makes exact."""

    table: SampleTable
    frame_count: int
    keyframes: int
    duration_seconds: float
    whole_reason: WholeReason | None
    """Why there is only one cell; None when there are several."""


def table_by_scan(source: Source, container: Container, facts: WholeFacts, limits: MediaLimits) -> ScannedTable:
    """The sample table of a container that has no index, by one pass over the file.

    Raises:
        NoTable: it must be read as a whole.
        BadInput: RESOURCE_LIMIT.
        Passing: the source failed.
    """
    scan = scan_container(source, container, limits)
    config = replace(scan.config, rotation=facts.media.rotation)
    pts = scan.timeline.pts
    judge = partial(_look_up, scan.verdicts)
    cuts, whole_reason = find_cuts(judge, source.size_bytes, scan.track, scan.timeline)
    if cuts is None:
        raise NoTable(whole_reason or WholeReason.UNPROVED_KEYFRAMES, "no keyframe can start the video")
    first_key = min(scan.verdicts)
    if cuts.keyframes[0] != first_key or int(np.min(pts[cuts.is_shown])) != facts.first.pts:
        raise NoTable(WholeReason.UNPROVED_KEYFRAMES, "libav shows frames in front of the first proved keyframe")
    first_samples = list(zip(pts[first_key:].tolist(), scan.first_samples, strict=False))
    if not shows_first(config, first_samples, facts.first.image, limits):
        raise NoTable(WholeReason.NOT_INDEXED, "a bare decoder shows another first frame than libav")
    table = pack_table(source.size_bytes, config, scan.track, scan.timeline, cuts)
    if whole_reason is WholeReason.SHORT and scan.refuted:
        whole_reason = WholeReason.UNPROVED_KEYFRAMES
    ticks = table.cells[-1].end_pts - table.cells[0].start_pts
    return ScannedTable(
        table, int(np.count_nonzero(cuts.is_shown)), cuts.claimed, float(ticks * config.timebase), whole_reason
    )


def _look_up(verdicts: dict[int, Verdict], positions: Sequence[int]) -> dict[int, Verdict]:
    return {position: verdicts[position] for position in positions}


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a container proves."""

    config: DecoderConfig
    track: Track
    """Only proved keyframes are marked as such."""
    timeline: Timeline
    verdicts: dict[int, Verdict]
    """By position of each proved keyframe."""
    refuted: int
    """How many keyframes the container claims that a fresh decoder cannot start at."""
    first_samples: tuple[bytes, ...]
    """From the first proved keyframe on: enough for its frame to come out of a decoder."""


def scan_container(source: Source, container: Container, limits: MediaLimits) -> Scan:
    """Read the file from front to end.

    Raises:
        NoTable: it must be read as a whole.
        BadInput: RESOURCE_LIMIT.
        Passing: the source failed.
    """
    if container == MPEGPS:
        raise NoTable(WholeReason.NOT_INDEXED, "frames of a program stream start inside of its packets")
    if is_cut_off(source, container):
        raise NoTable(WholeReason.NOT_INDEXED, "the file ends before the end that it states")
    with SequentialSource(source) as ahead, open_untrusted(ahead, container, limits, READ_BYTES) as opened:
        stream = first_video_stream(opened)
        context = stream.codec_context
        codec = context.codec.canonical_name
        if codec not in DECODER_BY_CODEC:
            raise NoTable(WholeReason.NOT_INDEXED, f"decoding {codec} from the middle is not proved")
        if container == AVI and codec not in INTRA_ONLY_CODECS:
            raise NoTable(WholeReason.NOT_MONOTONIC, "AVI has no presentation times")
        packaging = _packaging_of(ahead, container, stream)
        columns = _Columns(codec, _description_of(codec, stream), packaging, has_reordering=context.has_b_frames)
        try:
            for packet, content, next_pos in _packets(opened, stream, ahead.size_bytes):
                offset, size = _place(ahead, packaging, columns.codec, packet.pos or 0, content, next_pos)
                columns.add(packet, content, offset, size)
        except LIBAV_ESCAPES as error:
            raise NoTable(WholeReason.NOT_INDEXED, "libav cannot read the file to its end") from error
        return columns.finish(stream, fraction_of(stream.time_base), limits)


def _packets(
    opened: av.container.InputContainer, stream: av.VideoStream, size_bytes: int
) -> Iterator[tuple[av.Packet[Any], bytes, int]]:
    """Each packet with its bytes, and where the next one of the stream lies (the last: where the file ends)."""
    extradata = stream.codec_context.extradata or b""
    waiting: av.Packet[Any] | None = None
    for packet in opened.demux(stream):
        if packet.size == 0 and packet.pos is None:
            # What PyAV gives at the end, to empty the decoder.
            continue
        _refuse_oddity(packet, extradata)
        if waiting is not None:
            yield waiting, bytes(waiting), packet.pos or 0
        waiting = packet
    if waiting is not None:
        yield waiting, bytes(waiting), size_bytes


def _refuse_oddity(packet: av.Packet[Any], extradata: bytes) -> None:
    if packet.pos is None or packet.size == 0:
        raise NoTable(WholeReason.NOT_INDEXED, "a packet does not say where it lies")
    if packet.pts is None:
        raise NoTable(WholeReason.NOT_MONOTONIC, "a packet has no presentation time")
    if packet.is_corrupt or packet.is_discard:
        raise NoTable(WholeReason.NOT_INDEXED, "a packet is damaged, or to be thrown away")
    # By these a demuxer tells a decoder, in the middle, what no bare decoder hears of.
    has_news = packet.has_sidedata("new_extradata") and bytes(packet.get_sidedata("new_extradata")) != extradata
    if has_news or packet.has_sidedata("param_change") or packet.has_sidedata("palette"):
        raise NoTable(WholeReason.NOT_INDEXED, "the description of the stream changes")


def _packaging_of(source: Source, container: Container, stream: av.VideoStream) -> TransportPackets | None:
    if container != MPEGTS:
        return None
    packet_size, sync_at = transport_layout(source.read(0, SNIFF_BYTES))
    return TransportPackets(stream.id, packet_size, sync_at)


def _place(
    source: Source, packaging: TransportPackets | None, codec: str, pos: int, content: bytes, next_pos: int
) -> tuple[int, int]:
    """Offset and size of the range that gives `content` by the rule that workers use."""
    if packaging is None:
        start = source.read(pos, MAX_HEADER_BYTES + len(content)).find(content)
        if start < 0:
            raise NoTable(WholeReason.NOT_INDEXED, f"the packet at byte {pos} is not in the file as it stands")
        return pos + start, len(content)
    size = next_pos - pos
    if not 0 < size <= MAX_SPAN_BYTES:
        raise NoTable(WholeReason.NOT_INDEXED, f"the packet at byte {pos} does not end before the next one")
    taken = unpack_sample(packaging, source.read(pos, size))
    # Zeros around start codes belong to no unit: libav and the encoder may part them differently.
    if taken != content and (codec not in RANK_BY_KIND or taken.strip(b"\0") != content.strip(b"\0")):
        raise NoTable(WholeReason.NOT_INDEXED, f"the packet at byte {pos} is not one sample")
    return pos, size


def _description_of(codec: str, stream: av.VideoStream) -> Description:
    context = stream.codec_context
    extradata = context.extradata or b""
    return Description(extradata, context.width, context.height, nal_length_size_of(codec, extradata))


MAX_STARTS = 1000
"""Different sets of parameter sets that keyframes start with; a file has one or two."""


class _Columns:
    """The samples of a pass, as columns; their bytes are judged and let go."""

    def __init__(
        self, codec: str, description: Description, packaging: TransportPackets | None, *, has_reordering: bool
    ) -> None:
        self.codec = codec
        self._known_depth = int(has_reordering)
        self._description = description
        self._packaging = packaging
        self._offsets, self._sizes, self._pts, self._durations = (array("q") for _ in range(4))
        self._dts: array[int] | None = array("q")
        self._is_disposable, self._is_shown = array("b"), array("b")
        self._verdicts: dict[int, Verdict] = {}
        self._refuted = 0
        self._first_samples: list[bytes] = []
        self._sets = _sets_of(codec, description)
        self._equal_starts: dict[tuple[bytes, ...], ParameterSets] = {}

    def add(self, packet: av.Packet[Any], content: bytes, offset: int, size: int) -> None:
        """Take note of the next packet in decode order."""
        position = len(self._offsets)
        if position >= MAX_SAMPLES:
            raise NoTable(WholeReason.NOT_INDEXED, f"there are more than {MAX_SAMPLES} samples")
        if self._dts is not None and packet.dts is not None:
            if self._dts and packet.dts <= self._dts[-1]:
                raise NoTable(WholeReason.NOT_MONOTONIC, "decoding times go backwards")
            self._dts.append(packet.dts)
        else:
            self._dts = None
        self._offsets.append(offset)
        self._sizes.append(size)
        self._pts.append(packet.pts or 0)
        self._is_disposable.append(packet.is_disposable)
        self._is_shown.append(shows_picture(self.codec, content))
        self._durations.append(packet.duration or 0)
        has_all_sets = self._learn_sets(content)
        if packet.is_keyframe:
            verdict = judge_keyframe(self.codec, self._description, content)
            if verdict.is_proved and has_all_sets:
                self._verdicts[position] = verdict
            else:
                self._refuted += 1
        if self._verdicts and len(self._first_samples) <= MAX_REORDER_DEPTH:
            self._first_samples.append(content)

    def _learn_sets(self, content: bytes) -> bool:
        """Whether a fresh decoder that starts here knows the parameter sets that a single pass knows by now."""
        if self._sets is None:
            return True
        try:
            units = list(nal_units(self._description.nal_length_size, content))
            if not all(units):
                raise NoTable(WholeReason.NOT_INDEXED, "a sample has empty units")
            own = tuple(unit for unit in units if self._sets.is_one(unit))
            for unit in own:
                self._sets.add(unit)
            if self.codec == "h264" and self._sets.has_lone_field(units):
                raise NoTable(WholeReason.NOT_INDEXED, "a sample is one field of a frame")
            if own not in self._equal_starts:
                if len(self._equal_starts) > MAX_STARTS:
                    return False
                fresh = _sets_of(self.codec, self._description)
                assert fresh is not None
                for unit in own:
                    fresh.add(unit)
                self._equal_starts[own] = fresh
        except Unreadable as error:
            raise NoTable(WholeReason.NOT_INDEXED, "a parameter set or a slice cannot be read") from error
        return self._equal_starts[own] == self._sets

    def finish(self, stream: av.VideoStream, timebase: Fraction, limits: MediaLimits) -> Scan:
        """The scan, when all packets are through."""
        if not self._verdicts:
            raise NoTable(WholeReason.UNPROVED_KEYFRAMES, "no keyframe is proved")
        pts = np.frombuffer(self._pts, np.int64)
        in_order = np.sort(pts)
        if (np.diff(in_order) <= 0).any():
            raise NoTable(WholeReason.NOT_MONOTONIC, "presentation times repeat")
        check_duration(int(in_order[-1] - in_order[0]) * timebase, limits)
        dts = np.frombuffer(self._dts, np.int64) if self._dts is not None else _made_up_dts(pts)
        is_key = np.zeros(len(pts), np.bool_)
        is_key[list(self._verdicts)] = True
        durations = np.frombuffer(self._durations, np.int64)
        if len(pts) > 1:
            durations = np.where(durations > 0, durations, in_order[-1] - in_order[-2])
        track = Track(
            codec_tag=stream.codec_context.codec_tag,
            descriptions=(self._description,),
            is_uniform=True,
            timescale=1 / timebase,
            movie_timescale=1,
            rotation=0,
            edits=(),
            offsets=np.frombuffer(self._offsets, np.int64),
            sizes=np.frombuffer(self._sizes, np.int64),
            dts=dts,
            pts=pts,
            durations=durations,
            is_key=is_key,
            is_disposable=np.frombuffer(self._is_disposable, np.int8) != 0,
            description_indexes=np.zeros(len(pts), np.int64),
        )
        depth = reorder_depth(pts)
        self._refuse_guesses(depth)
        config = DecoderConfig(self.codec, track.codec_tag, timebase, 0, depth, track.descriptions, self._packaging)
        timeline = Timeline(dts, pts, np.frombuffer(self._is_shown, np.int8) != 0)
        return Scan(config, track, timeline, self._verdicts, self._refuted, tuple(self._first_samples))

    def _refuse_guesses(self, depth: int) -> None:
        """Refuse a reorder depth that libav is not told: it guesses, and loses the frames before it guesses right."""
        is_known = self._sets is None or self._sets.promise_order(depth)
        # What libav found out while it opened the file is at least one frame, or none.
        if not is_known and depth > self._known_depth:
            raise NoTable(WholeReason.NOT_MONOTONIC, f"nothing says that {depth} frames must be held back")


def _sets_of(codec: str, description: Description) -> ParameterSets | None:
    """What a decoder knows before its first sample; None for codecs without parameter sets."""
    if codec not in RANK_BY_KIND:
        return None
    try:
        return ParameterSets(codec, units_of_extradata(codec, description.extradata))
    except Unreadable as error:
        raise NoTable(WholeReason.NOT_INDEXED, "the extradata cannot be read") from error


def _made_up_dts(pts: Int64s) -> Int64s:
    """Decoding times for a container that has none: rising, and none after its sample is shown."""
    in_order = np.sort(pts)
    return in_order - int(np.max(in_order - pts))
