"""Probing: the facts of a video file, and its sample table where the container has a usable index."""

from __future__ import annotations

from dataclasses import dataclass, replace

import av
import numpy as np

from chalicelib.contracts.sample_table import DecoderConfig
from chalicelib.domain.cells import Cell
from chalicelib.domain.media import Media, MediaLimits, WholeReason
from gpu_batch.containers.boxes import HEAD_BYTES, Movie, malformed, read_movie
from gpu_batch.containers.fragments import read_fragments
from gpu_batch.containers.heads import SampleJudge
from gpu_batch.containers.held import HeldSource
from gpu_batch.containers.limits import check_duration, check_pixels
from gpu_batch.containers.scan import NoTable, table_by_scan
from gpu_batch.containers.sniff import MOV, MP4, SNIFF_BYTES, Container, sniff_container
from gpu_batch.containers.table import Cuts, Proof, SampleTable, find_cuts, pack_table, reorder_depth
from gpu_batch.containers.timeline import Timeline, apply_edits
from gpu_batch.containers.track import Track, TrackHeader, lists_samples, read_header, read_track
from gpu_batch.containers.whole import WholeFacts, probe_whole
from gpu_batch.video.decoders import coded_size, open_decoder, try_decode
from gpu_batch.video.source import Source

CODEC_BY_TAG = {
    "avc1": "h264",
    "avc3": "h264",
    "hvc1": "hevc",
    "hev1": "hevc",
    "vp09": "vp9",
    "av01": "av1",
    "jpeg": "mjpeg",
    "apch": "prores",
    "apcn": "prores",
    "apcs": "prores",
    "apco": "prores",
    "ap4h": "prores",
    "ap4x": "prores",
    "AVdn": "dnxhd",
    "AVdh": "dnxhd",
}
"""Sample descriptions that a table is made for; others are left to libav. MPEG-4 part 2 (mp4v) is not here: libav's
decoder gives other pixels when it starts at a later keyframe."""


MAX_KEYFRAMES_TRIED = 8
"""A file whose beginning is damaged is still worth reading."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe finds."""

    media: Media
    table: SampleTable | None
    """None: the container is opened as a whole by `decode_whole`."""
    cells: tuple[Cell, ...]
    """The table's cells; without a table one cell that stands for the whole, its times as far as the container
    tells."""
    whole_reason: WholeReason | None
    """Why the video has only one cell; None when it has several."""


def probe_video(source: Source, limits: MediaLimits) -> Probe:
    """The facts of a video, read with few small requests where its container has an index, else in one pass.

    Raises:
        BadInput: the file is empty, not allowed, malformed, without a video stream, encrypted, of an unsupported
        codec, or asks for more
            than `limits`.
        Passing: the source failed.
    """
    source = HeldSource(source)
    container = sniff_container(source.hold(0, HEAD_BYTES)[:SNIFF_BYTES])
    if container in (MP4, MOV):
        return _probe_mp4(source, container, limits)
    return _probe_by_scan(source, container, limits)


def _probe_mp4(source: HeldSource, container: Container, limits: MediaLimits) -> Probe:
    movie = read_movie(source, limits)
    header = read_header(movie.moov)
    for description in header.descriptions:
        check_pixels(description.width, description.height, limits)
    samples = read_samples(source, movie, header, limits)
    codec = CODEC_BY_TAG.get(header.codec_tag)
    if codec is None or not header.is_uniform or len(header.descriptions) > 255:
        return _whole(source, container, limits, WholeReason.NOT_INDEXED)
    if isinstance(samples, WholeReason):
        return _whole(source, container, limits, samples)
    track, timeline = samples
    config = DecoderConfig(
        codec, track.codec_tag, track.timebase, track.rotation, reorder_depth(timeline.pts), track.descriptions
    )
    judge = SampleJudge(source, config, track)
    cuts, whole_reason = find_cuts(judge, source.size_bytes, track, timeline, proof=Proof.SPOT)
    if cuts is None:
        return _whole(source, container, limits, whole_reason)
    size = _size_of_frames(source, config, track, cuts, limits)
    table = pack_table(source.size_bytes, config, track, timeline, cuts)
    media = _media_of(container, config, cuts, table, size)
    return Probe(media, table, table.cells, whole_reason)


def read_samples(
    source: HeldSource, movie: Movie, header: TrackHeader, limits: MediaLimits
) -> tuple[Track, Timeline] | WholeReason:
    """The samples of a track and when they are shown, or why only libav's own way through the file is right."""
    if movie.is_fragmented and (movie.has_fragments_before or lists_samples(header)):
        return WholeReason.NOT_INDEXED
    timeline: Timeline | None
    if movie.is_fragmented:
        found = read_fragments(source, movie, header, limits)
        if found is None:
            return WholeReason.NOT_MONOTONIC
        track, timeline = found
    else:
        track = read_track(movie.moov, source.size_bytes)
        timeline = apply_edits(track)
    check_duration(int(track.dts[-1] - track.dts[0]) * track.timebase, limits)
    if int(np.min(track.offsets)) >= source.size_bytes:
        raise malformed(
            f"the index places every frame beyond the file's {source.size_bytes} bytes",
            hint="The upload or the recording was cut off; upload the complete file",
        )
    return (track, timeline) if timeline is not None else WholeReason.NOT_MONOTONIC


def _probe_by_scan(source: Source, container: Container, limits: MediaLimits) -> Probe:
    """A container without an index to be trusted: one pass over the file shows whether it can have a table."""
    facts = probe_whole(source, container, limits)
    try:
        found = table_by_scan(source, container, facts, limits)
    except NoTable as objection:
        return _whole_of(source, facts, objection.reason)
    media = replace(
        facts.media,
        duration_seconds=found.duration_seconds,
        frame_count=found.frame_count,
        keyframes=found.keyframes,
    )
    return Probe(media, found.table, found.table.cells, found.whole_reason)


def _whole(source: Source, container: Container, limits: MediaLimits, reason: WholeReason | None) -> Probe:
    return _whole_of(source, probe_whole(source, container, limits), reason)


def _whole_of(source: Source, facts: WholeFacts, reason: WholeReason | None) -> Probe:
    cell = Cell(0, facts.first.pts, facts.end_pts, 0, 0, 0, source.size_bytes, facts.media.frame_count or 0)
    return Probe(facts.media, None, (cell,), reason)


def _media_of(
    container: Container, config: DecoderConfig, cuts: Cuts, table: SampleTable, size: tuple[int, int]
) -> Media:
    width, height = size if config.rotation in (0, 180) else size[::-1]
    duration = (table.cells[-1].end_pts - table.cells[0].start_pts) * config.timebase
    return Media(
        container=container.name,
        codec=config.codec,
        width=width,
        height=height,
        rotation=config.rotation,
        timebase=config.timebase,
        duration_seconds=float(duration),
        frame_count=int(np.count_nonzero(cuts.is_shown)),
        keyframes=cuts.claimed,
    )


def _size_of_frames(
    source: Source, config: DecoderConfig, track: Track, cuts: Cuts, limits: MediaLimits
) -> tuple[int, int]:
    """Width and height as decoded, which may be others than the header's; from the first keyframe that is not damaged.

    Raises:
        BadInput: RESOURCE_LIMIT when the bitstream asks for more pixels than allowed, MALFORMED when nothing comes out.
    """
    for position in cuts.keyframes[:MAX_KEYFRAMES_TRIED]:
        description_index = int(track.description_indexes[position])
        content = source.read(int(track.offsets[position]), int(track.sizes[position]))
        check_pixels(*coded_size(config, description_index, content), limits)
        decoder = open_decoder(config, description_index, limits)
        frames = [*(try_decode(decoder, av.Packet(content)) or ()), *(try_decode(decoder, None) or ())]
        if frames:
            return frames[0].width, frames[0].height
    raise malformed("not one of the first keyframes can be decoded")
