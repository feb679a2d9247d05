"""The video track of an MP4 or MOV index as numpy columns: one row for each sample, in decode order.

Every count in the file is checked against the size of the box that it stands in before it is believed.

Source: ISO/IEC 14496-12, sections 8.3 to 8.6; QuickTime File Format for the visual sample description.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.contracts.sample_table import Description
from chalicelib.domain.errors import ErrorCode
from gpu_batch.containers.boxes import Box, malformed
from gpu_batch.containers.rotation import quarter_turn
from gpu_batch.errors import BadInput

Int64s = NDArray[np.int64]
Flags = NDArray[np.bool_]

MAX_SAMPLES = 1 << 23
"""77 hours at 30 frames a second: about a gigabyte of columns."""
MAX_TICKS = 1 << 61
"""Far beyond any real time, and sums of a few of them are numbers of 64 bits."""
MAX_OFFSET = 1 << 61
SELF_CONTAINED = 1
MAX_RUNS_IN_TURN = 64
"""More runs of chunks than that are placed at once: passes over all samples, but none for each run."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of an edit list; media_time -1 is an empty edit."""

    duration: int
    """In ticks of the movie, not of the track."""
    media_time: int


@dataclass(frozen=True, slots=True)
class Track:
    """The first video track, as the index states it; times are raw, before any edit list."""

    codec_tag: str
    """Four characters of the first sample description."""
    descriptions: tuple[Description, ...]
    is_uniform: bool
    """All sample descriptions are of the same codec."""
    timescale: int | Fraction
    """Ticks per second; not whole in some containers."""
    movie_timescale: int
    rotation: int
    """Degrees clockwise; 0 for a matrix that is no quarter turn."""
    edits: tuple[Edit, ...]
    offsets: Int64s
    sizes: Int64s
    dts: Int64s
    pts: Int64s
    durations: Int64s
    is_key: Flags
    is_disposable: Flags
    description_indexes: Int64s

    @property
    def timebase(self) -> Fraction:
        """Seconds per tick."""
        return Fraction(1, self.timescale)


@dataclass(frozen=True, slots=True)
class TrackHeader:
    """What a movie box says of its first video track besides the samples; see `Track`."""

    track_id: int
    codec_tag: str
    descriptions: tuple[Description, ...]
    is_uniform: bool
    timescale: int
    movie_timescale: int
    rotation: int
    edits: tuple[Edit, ...]
    table: Box
    """The sample table, empty but for the descriptions where all samples lie in fragments."""


def read_header(moov: Box) -> TrackHeader:
    """The first video track of a movie, without its samples.

    Raises:
        BadInput: NO_VIDEO_STREAM, ENCRYPTED, or MALFORMED for an index that contradicts itself.
    """
    trak = _first_video(moov)
    media, header = trak.need(b"mdia"), trak.need(b"tkhd")
    (timescale,) = _by_version(media.need(b"mdhd"), 12, 20)
    (movie_timescale,) = _by_version(moov.need(b"mvhd"), 12, 20)
    if not timescale or not movie_timescale:
        raise malformed(f"a timescale must be positive but the index states {timescale} and {movie_timescale}")
    info = media.need(b"minf")
    _refuse_external_data(info)
    table = info.need(b"stbl")
    tag, descriptions, is_uniform = _read_descriptions(table.need(b"stsd"))
    return TrackHeader(
        track_id=_by_version(header, 12, 20)[0],
        codec_tag=tag,
        descriptions=descriptions,
        is_uniform=is_uniform,
        timescale=timescale,
        movie_timescale=movie_timescale,
        rotation=_rotation_of(header),
        edits=_read_edits(trak.find(b"edts", b"elst")),
        table=table,
    )


def read_track(moov: Box, file_size_bytes: int) -> Track:
    """The first video track of a movie whose samples are all listed in the movie box.

    Sample groups are not read: a random access point that only `sgpd` and `sbgp` name ('rap ', 'roll') is one more
    place where a cell could start, and cutting elsewhere is as right; those that are sync samples as well are judged
    by their bitstream like all others.

    Raises:
        BadInput: NO_VIDEO_STREAM, ENCRYPTED, RESOURCE_LIMIT for too many frames, or MALFORMED for an index that
        contradicts itself or the size of the file.
    """
    header = read_header(moov)
    table = header.table
    sizes = _read_sizes(table, file_size_bytes)
    count = len(sizes)
    if not count:
        raise malformed("the video track's index lists no frames")
    offsets, description_indexes = _read_offsets(table, sizes)
    refuse_overlaps(offsets, sizes, file_size_bytes)
    if np.max(description_indexes) >= len(header.descriptions):
        raise malformed(f"samples name description {np.max(description_indexes) + 1} of {len(header.descriptions)}")
    durations, dts = _read_durations(table.need(b"stts"), count)
    compositions = _read_compositions(table, count)
    if int(dts[-1]) > MAX_TICKS:
        raise malformed(f"the track states a duration of {int(dts[-1])} ticks")
    return Track(
        codec_tag=header.codec_tag,
        descriptions=header.descriptions,
        is_uniform=header.is_uniform,
        timescale=header.timescale,
        movie_timescale=header.movie_timescale,
        rotation=header.rotation,
        edits=header.edits,
        offsets=offsets,
        sizes=sizes,
        dts=dts,
        pts=dts + compositions,
        durations=durations,
        is_key=_read_keys(table.find(b"stss"), count),
        is_disposable=_read_disposable(table.find(b"sdtp"), count),
        description_indexes=description_indexes,
    )


def lists_samples(header: TrackHeader) -> bool:
    """Whether the movie box itself lists samples of the track."""
    box = header.table.find(b"stsz") or header.table.find(b"stz2")
    return box is not None and box.unpack("I", 8)[0] > 0


def _first_video(moov: Box) -> Box:
    for trak in moov.children():
        if trak.kind != b"trak":
            continue
        handler = trak.find(b"mdia", b"hdlr")
        if handler is not None and handler.content[8:12] == b"vide":
            return trak
    raise BadInput(
        "the file must have a video track but has none",
        code=ErrorCode.NO_VIDEO_STREAM,
        hint="Upload a file with pictures; this one has only sound or data",
    )


def _by_version(box: Box, at_version_0: int, at_version_1: int) -> tuple[int, ...]:
    (version,) = box.unpack("B")
    return box.unpack("I", at_version_1 if version else at_version_0)


def _refuse_external_data(info: Box) -> None:
    references = info.find(b"dinf", b"dref")
    for reference in references.children(skip=8) if references else ():
        if not reference.unpack("I")[0] & SELF_CONTAINED:
            raise malformed(
                "the video's data must be in the file itself but the index points to another file",
                hint="Export the video as one self-contained file, then upload that",
            )


def _read_descriptions(box: Box) -> tuple[str, tuple[Description, ...], bool]:
    entries = list(box.children(skip=8))
    if not entries:
        raise malformed("the video track has no sample description")
    for entry in entries:
        if entry.kind in (b"encv", b"drmi") or (
            len(entry.content) > 78 and any(c.kind == b"sinf" for c in entry.children(skip=78))
        ):
            raise BadInput(
                "the video track is encrypted (DRM)",
                code=ErrorCode.ENCRYPTED,
                hint="Upload a copy that is not protected",
            )
    tag = entries[0].kind.decode("latin-1")
    return tag, tuple(_read_description(entry) for entry in entries), len({entry.kind for entry in entries}) == 1


def _read_description(entry: Box) -> Description:
    width, height = entry.unpack("HH", 24)
    extradata, nal_length_size = b"", 0
    for child in entry.children(skip=78):
        if child.kind in (b"avcC", b"hvcC", b"av1C", b"vpcC"):
            extradata = child.content
        if child.kind == b"avcC":
            nal_length_size = (child.unpack("B", 4)[0] & 3) + 1
        elif child.kind == b"hvcC":
            nal_length_size = (child.unpack("B", 21)[0] & 3) + 1
    # VP9 is decoded without configuration; libav's own demuxer hands none on either.
    return Description(b"" if entry.kind == b"vp09" else extradata, width, height, nal_length_size)


def _table(box: Box, dtype: str, width: int, at: int = 4) -> NDArray[np.int64]:
    """int64 (n, width): rows of a table whose count n stands at byte `at`, checked against the box."""
    return _raw_table(box, dtype, width, at).astype(np.int64)


def _raw_table(box: Box, dtype: str, width: int, at: int = 4) -> NDArray[Any]:
    """The rows of `_table` as they stand in the box."""
    (count,) = box.unpack("I", at)
    start = box.start + at + 4
    if start + count * width * np.dtype(dtype).itemsize > box.end:
        raise malformed(f"box {box.kind!r} states {count} entries but has only {box.end - start} bytes of them")
    return np.frombuffer(box.buffer, dtype, count * width, start).reshape(count, width)


def _read_sizes(table: Box, file_size_bytes: int) -> Int64s:
    box = table.find(b"stsz")
    # The count stands at the same place in both boxes.
    (count,) = (box or table.need(b"stz2")).unpack("I", 8)
    if count > MAX_SAMPLES:
        raise BadInput(
            f"the index must list at most {MAX_SAMPLES} frames but states {count}",
            code=ErrorCode.RESOURCE_LIMIT,
            hint="Split the video into shorter files, then upload those",
        )
    if box is None:
        return _read_compact_sizes(table.need(b"stz2"))
    (fixed,) = box.unpack("I", 4)
    if not fixed:
        return _table(box, ">u4", 1, at=8)[:, 0]
    # A fixed size states any number of frames in a few bytes, so only the file itself can bear the number out.
    if fixed * count > file_size_bytes:
        raise malformed(
            f"the index states {count} frames of {fixed} bytes but the file has only {file_size_bytes} bytes",
            hint="The upload or the recording was cut off; upload the complete file",
        )
    return np.full(count, fixed, np.int64)


def _read_compact_sizes(box: Box) -> Int64s:
    field_size, count = box.unpack("xxxBI", 4)
    if field_size == 16:
        return _table(box, ">u2", 1, at=8)[:, 0]
    if field_size == 8:
        return _table(box, ">u1", 1, at=8)[:, 0]
    if field_size != 4 or count > 2 * (box.end - box.start - 12):
        raise malformed(f"box 'stz2' states {count} entries of {field_size} bits")
    pairs = np.frombuffer(box.buffer, np.uint8, (count + 1) // 2, box.start + 12)
    return np.stack([pairs >> 4, pairs & 15], axis=1).reshape(-1)[:count].astype(np.int64)


def _read_offsets(table: Box, sizes: Int64s) -> tuple[Int64s, Int64s]:
    """Offset and description index of each sample: chunks hold runs of samples, back to back."""
    box = table.find(b"stco")
    chunks = _table(box, ">u4", 1)[:, 0] if box else _table(table.need(b"co64"), ">u8", 1)[:, 0]
    runs = _table(table.need(b"stsc"), ">u4", 3)
    count = len(sizes)
    if not len(chunks) or not len(runs) or runs[0, 0] != 1:
        raise malformed("the index places no frames in the file (stsc, stco)")
    lengths = np.diff(np.append(runs[:, 0] - 1, len(chunks)))
    if (lengths < 0).any() or (runs[:, 2] < 1).any():
        raise malformed("the index places frames in chunks out of order (stsc)")
    placed = int(lengths @ runs[:, 1])
    if placed < count:
        raise malformed(f"the index lists {count} frames but places only {placed} (stsc)")
    if int(np.min(chunks)) < 0 or int(np.max(chunks)) > MAX_OFFSET:
        raise malformed("the index places frames beyond any file size (co64)")
    if len(runs) <= MAX_RUNS_IN_TURN:
        offsets = _place_in_turn(chunks, lengths.tolist(), runs[:, 1].tolist(), sizes)
    else:
        offsets = _place(chunks, np.repeat(runs[:, 1], lengths), sizes)
    if (runs[:, 2] == runs[0, 2]).all():
        # A view of one number: most videos have one description, and a column of it would only take memory.
        return offsets, np.broadcast_to(runs[0, 2] - 1, count)
    held = np.diff(_ends_of_chunks(np.repeat(runs[:, 1], lengths), count), prepend=0)
    return offsets, np.repeat(np.repeat(runs[:, 2] - 1, lengths), held)


def _place_in_turn(chunks: Int64s, lengths: list[int], samples_per_chunk: list[int], sizes: Int64s) -> Int64s:
    """What `_place` gives, run of chunks by run: with sound in between, most chunks hold one sample, and are copied."""
    offsets = np.empty(len(sizes), np.int64)
    first, first_chunk = 0, 0
    for length, per_chunk in zip(lengths, samples_per_chunk, strict=True):
        after = min(first + length * per_chunk, len(sizes))
        of_run = chunks[first_chunk : first_chunk + length]
        if per_chunk == 1:
            offsets[first:after] = of_run[: after - first]
        elif first < after:
            offsets[first:after] = _place(of_run, np.full(length, per_chunk), sizes[first:after])
        first, first_chunk = after, first_chunk + length
    return offsets


def _place(chunks: Int64s, samples_per_chunk: Int64s, sizes: Int64s) -> Int64s:
    """The offset of each sample, at least one."""
    ends = _ends_of_chunks(samples_per_chunk, len(sizes))
    held = np.diff(ends, prepend=0)
    before = np.cumsum(sizes)
    before -= sizes
    # A chunk behind the last sample holds none, so it does not matter what it starts with.
    starts = chunks - before[np.minimum(ends - held, len(sizes) - 1)]
    offsets = np.repeat(starts, held)
    offsets += before
    return offsets


def _ends_of_chunks(samples_per_chunk: Int64s, count: int) -> Int64s:
    """One past the last sample of each chunk; what chunks hold beyond `count` samples does not count."""
    return np.minimum(np.cumsum(samples_per_chunk), count)


def refuse_overlaps(offsets: Int64s, sizes: Int64s, file_size_bytes: int) -> None:
    """Refuse frames that share their bytes: a small file could ask for any amount of work.

    Frames that lie beyond the end of a file that was cut off do not count; some that are stored once are let pass.
    """
    if int(np.sum(sizes)) <= 2 * file_size_bytes:
        return
    is_present = offsets + sizes <= file_size_bytes
    present_bytes = int(np.sum(sizes[is_present]))
    if present_bytes > 2 * file_size_bytes:
        raise malformed(f"the index places {present_bytes} bytes of frames in a file of {file_size_bytes} bytes")


def _read_durations(box: Box, count: int) -> tuple[Int64s, Int64s]:
    """Ticks that each sample lasts, and all before it together."""
    runs = _need_runs(box, ">u4", "durations")
    if len(runs) == 1:
        # One duration for all: a view of it, and a product in place of a sum.
        duration, dts = np.int64(runs[0, 1]), np.arange(count)
        dts *= duration
        return np.broadcast_to(duration, count), dts
    durations = _expand(runs, count).astype(np.int64)
    dts = np.cumsum(durations)
    dts -= durations
    return durations, dts


def _read_compositions(table: Box, count: int) -> NDArray[Any]:
    """int32 (count,) ticks from decoding to display."""
    box = table.find(b"ctts")
    # Version 0 is unsigned by the book, but files with negative offsets in it exist, and libav reads both as signed.
    return _expand(_need_runs(box, ">i4", "composition times"), count) if box else np.zeros(count, np.int32)


def _need_runs(box: Box, dtype: str, what: str) -> NDArray[Any]:
    runs = _raw_table(box, dtype, 2)
    if not len(runs):
        raise malformed(f"the index gives no {what} to its frames ({box.kind!r})")
    return runs


def _expand(runs: NDArray[Any], count: int) -> NDArray[Any]:
    """Run-length pairs as one value for each sample; a list too short repeats its last value, as in libav."""
    lengths = runs.view(">u4")[:, 0].astype(np.int64)
    values = runs[:, 1].astype(runs.dtype.newbyteorder("="))
    if int(np.sum(lengths)) != count:
        ends = np.minimum(np.cumsum(np.minimum(lengths, count)), count)
        ends[-1] = count
        lengths = np.diff(ends, prepend=0)
    return np.repeat(values, lengths)


def _read_keys(box: Box | None, count: int) -> Flags:
    if box is None:
        return np.ones(count, np.bool_)
    numbers = _table(box, ">u4", 1)[:, 0]
    is_key = np.zeros(count, np.bool_)
    is_key[numbers[(numbers >= 1) & (numbers <= count)] - 1] = True
    return is_key


def _read_disposable(box: Box | None, count: int) -> Flags:
    is_disposable = np.zeros(count, np.bool_)
    if box is not None:
        entries = np.frombuffer(box.content[4 : 4 + count], np.uint8)
        is_disposable[: len(entries)] = entries >> 2 & 3 == 2
    return is_disposable


def _read_edits(box: Box | None) -> tuple[Edit, ...]:
    if box is None:
        return ()
    (version, count) = box.unpack("BxxxI")
    layout, width = ("Qq", 20) if version == 1 else ("Ii", 12)
    if 8 + count * width > box.end - box.start:
        raise malformed(f"box 'elst' states {count} entries but has only {box.end - box.start} bytes")
    return tuple(Edit(*box.unpack(layout, 8 + row * width)) for row in range(count))


def _rotation_of(header: Box) -> int:
    (version,) = header.unpack("B")
    a, b, _, c, d = header.unpack("iiiii", 52 if version else 40)
    return quarter_turn(a, b, c, d)
