"""Writing ISO base media files box by box: what no ordinary muxer writes, and tables of any length."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_batch.containers.boxes import Box
from gpu_batch.containers.track import Track, read_track
from gpu_batch.video.source import BytesSource

IDENTITY = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
NOT_SYNC, SYNC = 0x01010000, 0x02000000
FTYP_BRANDS = b"isom\0\0\2\0isomiso6mp41"


class Edit(NamedTuple):
    """An entry of an edit list: movie ticks (milliseconds here), media ticks."""

    duration: int
    media_time: int


@dataclass(frozen=True)
class Sample:
    """A coded frame; times are ticks of the track."""

    content: bytes
    duration: int
    composition: int
    is_key: bool
    description: int = 0


@dataclass(frozen=True)
class Stream:
    """A track taken out of a file."""

    entries: tuple[bytes, ...]
    """Whole boxes of the sample descriptions."""
    timescale: int
    samples: tuple[Sample, ...]

    def then(self, other: Stream) -> Stream:
        """This track followed by another, each with its own sample description."""
        shifted = (replace(one, description=one.description + len(self.entries)) for one in other.samples)
        return Stream(self.entries + other.entries, self.timescale, (*self.samples, *shifted))


@dataclass(frozen=True)
class Columns:
    """One value for each sample."""

    sizes: NDArray[np.int64]
    durations: NDArray[np.int64]
    compositions: NDArray[np.int64]
    is_key: NDArray[np.bool_]


@dataclass(frozen=True)
class Chunks:
    """Where samples lie: chunk after chunk."""

    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    descriptions: NDArray[np.int64]


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def track_in(path: Path) -> Track:
    """The video track of an ordinary MP4, as the index states it."""
    content = path.read_bytes()
    at = content.index(b"moov") - 4
    return read_track(Box(b"moov", content, at + 8, at + int.from_bytes(content[at : at + 4])), len(content))


def take_stream(video: Path | bytes) -> Stream:
    """The video track of an ordinary MP4."""
    content = video if isinstance(video, bytes) else video.read_bytes()
    at = content.index(b"moov") - 4
    size = int.from_bytes(content[at : at + 4])
    moov = Box(b"moov", content, at + 8, at + size)
    track = read_track(moov, BytesSource(content).size_bytes)
    trak = next(one for one in moov.children() if one.kind == b"trak" and b"vide" in one.content[:400])
    stsd = trak.need(b"mdia", b"minf", b"stbl", b"stsd")
    rows = zip(
        track.offsets.tolist(),
        track.sizes.tolist(),
        track.durations.tolist(),
        (track.pts - track.dts).tolist(),
        track.is_key.tolist(),
        strict=True,
    )
    samples = (
        Sample(content[offset : offset + size], duration, composition, key)
        for offset, size, duration, composition, key in rows
    )
    return Stream((stsd.content[8:],), int(track.timescale), tuple(samples))


def columns_of(samples: Sequence[Sample]) -> Columns:
    return Columns(
        np.array([len(one.content) for one in samples], np.int64),
        np.array([one.duration for one in samples], np.int64),
        np.array([one.composition for one in samples], np.int64),
        np.array([one.is_key for one in samples], np.bool_),
    )


def run_lengths(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 (runs, 2): how often, and which value."""
    starts = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    return np.stack([np.diff(np.append(starts, len(values))), values[starts]], axis=1)


def counted(kind: bytes, rows: NDArray[np.int64]) -> bytes:
    return full_box(kind, 0, 0, struct.pack(">I", len(rows)), rows.astype(">i4").tobytes())


def sample_boxes(columns: Columns, chunks: Chunks) -> bytes:
    """The boxes of a sample table, without the sample descriptions."""
    runs = np.stack([chunks.lengths, chunks.descriptions], axis=1)
    is_new = np.append(True, (np.diff(runs, axis=0) != 0).any(axis=1)) if len(runs) else np.zeros(0, np.bool_)
    stsc = np.column_stack([np.flatnonzero(is_new) + 1, runs[is_new, 0], runs[is_new, 1] + 1])
    wide = len(chunks.offsets) and int(np.max(chunks.offsets)) >= 1 << 32
    return b"".join(
        (
            counted(b"stts", run_lengths(columns.durations)),
            counted(b"ctts", run_lengths(columns.compositions)) if columns.compositions.any() else b"",
            b"" if columns.is_key.all() else counted(b"stss", np.flatnonzero(columns.is_key) + 1),
            counted(b"stsc", stsc),
            full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(columns.sizes)), columns.sizes.astype(">u4").tobytes()),
            full_box(
                b"co64" if wide else b"stco",
                0,
                0,
                struct.pack(">I", len(chunks.offsets)),
                chunks.offsets.astype(">u8" if wide else ">u4").tobytes(),
            ),
        )
    )


EMPTY_TABLE = (
    full_box(b"stts", 0, 0, bytes(4))
    + full_box(b"stsc", 0, 0, bytes(4))
    + full_box(b"stsz", 0, 0, bytes(8))
    + full_box(b"stco", 0, 0, bytes(4))
)


def trak(
    track_id: int, handler: bytes, timescale: int, entries: Sequence[bytes], table: bytes, edits: Sequence[Edit] = ()
) -> bytes:
    tkhd = struct.pack(">5I8x4H", 0, 0, track_id, 0, 0, 0, 0, 0, 0) + IDENTITY + struct.pack(">II", 160 << 16, 96 << 16)
    elst = b"".join(struct.pack(">iiI", *edit, 1 << 16) for edit in edits)
    header = b"vmhd" if handler == b"vide" else b"smhd"
    return box(
        b"trak",
        full_box(b"tkhd", 0, 3, tkhd),
        box(b"edts", full_box(b"elst", 0, 0, struct.pack(">I", len(edits)), elst)) if edits else b"",
        box(
            b"mdia",
            full_box(b"mdhd", 0, 0, struct.pack(">4IHH", 0, 0, timescale, 0, 0x55C4, 0)),
            full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(13)),
            box(
                b"minf",
                full_box(header, 0, 1, bytes(8 if handler == b"vide" else 4)),
                box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))),
                box(b"stbl", full_box(b"stsd", 0, 0, struct.pack(">I", len(entries)), *entries), table),
            ),
        ),
    )


def moov(*parts: bytes) -> bytes:
    mvhd = struct.pack(">4I", 0, 0, 1000, 0) + struct.pack(">IH10x", 1 << 16, 1 << 8) + IDENTITY
    return box(b"moov", full_box(b"mvhd", 0, 0, mvhd, bytes(24), struct.pack(">I", 99)), *parts)


def mux_plain(stream: Stream, edits: Sequence[Edit] = ()) -> bytes:
    """An ordinary MP4: media data, then the index; one chunk for each run of one sample description."""
    head = box(b"ftyp", FTYP_BRANDS)
    samples = stream.samples
    starts = [0, *(i for i in range(1, len(samples)) if samples[i].description != samples[i - 1].description)]
    ends = np.cumsum([len(one.content) for one in samples])
    chunks = Chunks(
        np.array([len(head) + 8 + (int(ends[at - 1]) if at else 0) for at in starts], np.int64),
        np.array([after - first for first, after in pairwise([*starts, len(samples)])], np.int64),
        np.array([samples[at].description for at in starts], np.int64),
    )
    table = sample_boxes(columns_of(samples), chunks)
    index = moov(trak(1, b"vide", stream.timescale, stream.entries, table, edits))
    return head + box(b"mdat", *(one.content for one in samples)) + index


def trex(track_id: int, description: int = 1, duration: int = 0, size: int = 0, flags: int = 0) -> bytes:
    return full_box(b"trex", 0, 0, struct.pack(">5I", track_id, description, duration, size, flags))


@dataclass(frozen=True)
class Style:
    """How fragments are written."""

    base: str = "moof"
    """moof (default-base-is-moof), offset (explicit), or implicit."""
    has_tfdt: bool = True
    runs: int = 1
    """Runs (trun) of each track fragment."""
    trafs: int = 1
    """Track fragments of each moof."""
    signed: bool = False
    """Version 1 of trun."""
    defaults: bool = False
    """Durations and flags by default values where they can be."""
    has_offsets: bool = True
    """Every run states where its data starts; else all but the first of a moof continue the one before."""
    sidx: str = ""
    """"", front, or tree."""
    mfra: bool = False
    tfdt_step: int = 0
    """Ticks by which each fragment's time is off from the sum of durations before it."""


def mux_fragments(
    stream: Stream,
    cuts: Sequence[int],
    style: Style = Style(),
    edits: Sequence[Edit] = (),
    table: bytes = EMPTY_TABLE,
) -> bytes:
    """A fragmented MP4 whose fragments start at the samples `cuts`."""
    duration = stream.samples[0].duration if style.defaults else 0
    index = moov(
        trak(1, b"vide", stream.timescale, stream.entries, table, edits),
        box(b"mvex", trex(1, duration=duration, flags=NOT_SYNC)),
    )
    head = box(b"ftyp", FTYP_BRANDS) + index
    bounds = [*cuts, len(stream.samples)]
    groups = [stream.samples[first:after] for first, after in pairwise(bounds)]
    sidx_size = {"": 0, "front": 32 + 12 * len(groups), "tree": (32 + 24) + 2 * 32 + 12 * len(groups)}[style.sidx]
    base, time = len(head) + sidx_size, 0
    fragments: list[bytes] = []
    places: list[tuple[int, int]] = []
    for number, group in enumerate(groups):
        fragments.append(_fragment(group, style, base, time + number * style.tfdt_step, number + 1))
        places.append((base, time))
        base, time = base + len(fragments[-1]), time + sum(one.duration for one in group)
    sizes = [len(one) for one in fragments]
    lengths = [sum(one.duration for one in group) for group in groups]
    tail = _mfra(places) if style.mfra else b""
    return head + _index_boxes(style.sidx, stream.timescale, sizes, lengths) + b"".join(fragments) + tail


def _index_boxes(kind: str, timescale: int, sizes: Sequence[int], lengths: Sequence[int]) -> bytes:
    if kind == "front":
        return sidx(timescale, 0, 0, [(0, size, length) for size, length in zip(sizes, lengths, strict=True)])
    if kind != "tree":
        return b""
    half = len(sizes) // 2
    parts = [(sizes[:half], lengths[:half]), (sizes[half:], lengths[half:])]
    starts = (0, sum(lengths[:half]))
    # Both leaves lie in front: what the second stands for starts after all that the first stands for.
    leaf_sizes = [32 + 12 * len(part) for part, _ in parts]
    leaves = [
        sidx(timescale, start, between, [(0, size, length) for size, length in zip(*part, strict=True)])
        for part, start, between in zip(parts, starts, (leaf_sizes[1], sum(sizes[:half])), strict=True)
    ]
    top = [(1, leaf_sizes[at], sum(parts[at][1])) for at in (0, 1)]
    return sidx(timescale, 0, 0, top) + b"".join(leaves)


def sidx(timescale: int, time: int, first_offset: int, references: Sequence[tuple[int, int, int]]) -> bytes:
    rows = b"".join(struct.pack(">3I", kind << 31 | size, length, 0x90000000) for kind, size, length in references)
    return full_box(b"sidx", 0, 0, struct.pack(">4IHH", 1, timescale, time, first_offset, 0, len(references)), rows)


def _mfra(places: Sequence[tuple[int, int]]) -> bytes:
    rows = b"".join(struct.pack(">2IBBB", time, place, 1, 1, 1) for place, time in places)
    tfra = full_box(b"tfra", 0, 0, struct.pack(">3I", 1, 0, len(places)), rows)
    return box(b"mfra", tfra, full_box(b"mfro", 0, 0, struct.pack(">I", 8 + len(tfra) + 16)))


def _fragment(group: Sequence[Sample], style: Style, base: int, time: int, number: int) -> bytes:
    def moof(data_start: int) -> bytes:
        trafs: list[bytes] = []
        position, now = 0, time
        for part in _parts(group, style.trafs):
            traf, position, now = _traf(part, style, base, data_start, position, now)
            trafs.append(traf)
        return box(b"moof", full_box(b"mfhd", 0, 0, struct.pack(">I", number)), *trafs)

    size = len(moof(0))
    return moof(size + 8) + box(b"mdat", *(one.content for one in group))


def _parts(group: Sequence[Sample], count: int) -> list[Sequence[Sample]]:
    size = -(-len(group) // count)
    return [group[start : start + size] for start in range(0, len(group), size)]


def _traf(
    group: Sequence[Sample], style: Style, base: int, data_start: int, position: int, time: int
) -> tuple[bytes, int, int]:
    descriptions = {one.description for one in group}
    assert len(descriptions) == 1, "a track fragment has one sample description"
    flags, fields = 0x02, struct.pack(">I", descriptions.pop() + 1)
    if style.base == "offset":
        flags, fields = flags | 0x01, struct.pack(">Q", base) + fields
    elif style.base == "moof":
        flags |= 0x020000
    parts = [full_box(b"tfhd", 0, flags, struct.pack(">I", 1), fields)]
    if style.has_tfdt:
        parts.append(full_box(b"tfdt", 1, 0, struct.pack(">Q", time)))
    # Without base flags, the second track fragment counts from the end of the first one's data.
    origin = data_start + position if style.base == "implicit" and position else 0
    for samples in _parts(group, style.runs):
        has_offset = style.has_offsets or not position
        run_flags = 0x200 | 0x800 | (0x01 if has_offset else 0)
        fields = struct.pack(">I", len(samples))
        if has_offset:
            fields += struct.pack(">i", data_start + position - origin)
        if style.defaults:
            run_flags |= 0x04
            fields += struct.pack(">I", SYNC if samples[0].is_key else NOT_SYNC)
        else:
            run_flags |= 0x500
        rows = []
        for one in samples:
            row = b"" if style.defaults else struct.pack(">I", one.duration)
            row += struct.pack(">I", len(one.content))
            row += b"" if style.defaults else struct.pack(">I", SYNC if one.is_key else NOT_SYNC)
            rows.append(row + struct.pack(">i" if one.composition < 0 else ">I", one.composition))
        parts.append(full_box(b"trun", int(style.signed), run_flags, fields, *rows))
        position += sum(len(one.content) for one in samples)
        time += sum(one.duration for one in samples)
    return box(b"traf", *parts), position, time
