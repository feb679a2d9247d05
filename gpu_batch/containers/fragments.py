"""The video track of a fragmented MP4 as columns, timed as libav times it: each fragment states its own samples.

Sources: ISO/IEC 14496-12, section 8.8; FFmpeg libavformat/mov.c, `mov_read_tfhd` and `mov_read_trun`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.media import MediaLimits
from gpu_batch.containers.boxes import Box, Movie, malformed
from gpu_batch.containers.fragment_index import Places, find_places
from gpu_batch.containers.fragment_walk import walk_everywhere
from gpu_batch.containers.table import MAX_REORDER_DEPTH
from gpu_batch.containers.timeline import Timeline, delay_of_edits
from gpu_batch.containers.track import MAX_OFFSET, MAX_SAMPLES, MAX_TICKS, Int64s, Track, TrackHeader, refuse_overlaps
from gpu_batch.errors import BadInput
from gpu_batch.video.source import Source

HAS_BASE, HAS_DESCRIPTION, HAS_DURATION, HAS_SIZE, HAS_FLAGS, BASE_IS_MOOF = 0x01, 0x02, 0x08, 0x10, 0x20, 0x020000
"""Flags of a track fragment header."""
HAS_DATA_OFFSET, HAS_FIRST_FLAGS = 0x001, 0x004
"""Flags of a track run."""
ROW_FIELDS = (0x100, 0x200, 0x400, 0x800)
"""Flags of a track run: each says that a sample has a duration, a size, flags, a composition time of its own."""
DURATION, SIZE, FLAGS, COMPOSITION = range(4)
NO_SYNC = 0x01010000
"""Of a sample's flags: it depends on others, or is no sync sample."""


@dataclass(frozen=True, slots=True)
class _Defaults:
    description: int
    duration: int
    size: int
    flags: int


@dataclass(slots=True)
class _Run:
    """A track run (trun), its samples still packed."""

    start: int
    """Of its data in the file."""
    time: int | None
    """Decode time that the fragment states for its first sample; None: it follows the run before."""
    count: int
    layout: int
    """Which of `ROW_FIELDS` its rows have."""
    rows: bytes
    defaults: _Defaults
    first_flags: int | None

    @property
    def data_bytes(self) -> int:
        """Of all samples together."""
        if not self.layout & ROW_FIELDS[SIZE]:
            return self.count * self.defaults.size
        column = int(bool(self.layout & ROW_FIELDS[DURATION]))
        return int(np.sum(np.frombuffer(self.rows, ">u4")[column :: self.layout.bit_count()], dtype=np.int64))


@dataclass(slots=True)
class _Runs:
    """Takes movie fragments, and keeps the runs of one track."""

    track_id: int
    defaults_by_track: dict[int, _Defaults]
    file_size_bytes: int
    runs: list[_Run] = field(default_factory=list)
    samples: int = 0
    lacks_time: bool = False
    """Some fragment does not say when it starts."""

    def __call__(self, moof: Box, position: int) -> None:
        last: _Run | None = None
        has_own = False
        for traf in moof.children():
            if traf.kind != b"traf":
                continue
            tfhd = traf.need(b"tfhd")
            head, track_id = tfhd.unpack("II")
            defaults = self.defaults_by_track.get(track_id)
            if defaults is None:
                continue
            base, defaults = self._read_header(tfhd, head & 0xFFFFFF, position, last, defaults)
            time, is_first = _read_time(traf.find(b"tfdt")), True
            if track_id == self.track_id:
                if has_own and time is None:
                    # libav would give such a fragment the time of the one before.
                    raise Unfollowed
                has_own = True
                self.lacks_time = self.lacks_time or time is None
            for trun in traf.children():
                if trun.kind != b"trun":
                    continue
                run = self._read_run(trun, base, defaults, None if is_first else last)
                run.time, is_first, last = time if is_first else None, False, run
                if track_id == self.track_id and run.count:
                    self._keep(run)

    def _read_header(
        self, tfhd: Box, flags: int, position: int, last: _Run | None, defaults: _Defaults
    ) -> tuple[int, _Defaults]:
        at = 8
        base = position
        if flags & HAS_BASE:
            (base,) = tfhd.unpack("Q", at)
            at += 8
        elif not flags & BASE_IS_MOOF and last is not None:
            base = last.start + last.data_bytes
        numbers = [defaults.description, defaults.duration, defaults.size, defaults.flags]
        for index, flag in enumerate((HAS_DESCRIPTION, HAS_DURATION, HAS_SIZE, HAS_FLAGS)):
            if flags & flag:
                (numbers[index],) = tfhd.unpack("I", at)
                at += 4
        return base, _Defaults(*numbers)

    def _read_run(self, trun: Box, base: int, defaults: _Defaults, before: _Run | None) -> _Run:
        flags, count = trun.unpack("II")
        flags &= 0xFFFFFF
        at, start, first_flags = 8, base, None
        if flags & HAS_DATA_OFFSET:
            start, at = base + trun.unpack("i", at)[0], at + 4
        elif before is not None:
            start = before.start + before.data_bytes
        if flags & HAS_FIRST_FLAGS:
            (first_flags,), at = trun.unpack("I", at), at + 4
        layout = flags & sum(ROW_FIELDS)
        size = 4 * layout.bit_count() * count
        if trun.start + at + size > trun.end:
            raise malformed(
                f"box b'trun' states {count} samples but has only {trun.end - trun.start - at} bytes of them"
            )
        # A fixed size states any number of samples in a few bytes, so only the file itself can bear the number out.
        if not layout & ROW_FIELDS[SIZE] and count * max(1, defaults.size) > self.file_size_bytes:
            raise malformed(f"box b'trun' states {count} samples in a file of {self.file_size_bytes} bytes")
        if not -MAX_OFFSET < start < MAX_OFFSET:
            raise malformed(f"a fragment places its data at byte {start}")
        rows = trun.buffer[trun.start + at : trun.start + at + size]
        return _Run(start, None, count, layout, rows, defaults, first_flags)

    def _keep(self, run: _Run) -> None:
        self.samples += run.count
        refuse_too_many(self.samples)
        self.runs.append(run)


class Unfollowed(Exception):
    """The fragments are such that libav's way through them is not reproduced."""


def refuse_too_many(samples: int) -> None:
    """Refuse more frames than `MAX_SAMPLES`.

    Raises:
        BadInput: RESOURCE_LIMIT.
    """
    if samples > MAX_SAMPLES:
        raise BadInput(
            f"the fragments must list at most {MAX_SAMPLES} frames but list {samples} and more",
            code=ErrorCode.RESOURCE_LIMIT,
            hint="Split the video into shorter files, then upload those",
        )


def _read_time(tfdt: Box | None) -> int | None:
    if tfdt is None:
        return None
    (version,) = tfdt.unpack("B")
    (time,) = tfdt.unpack("Q" if version else "I", 4)
    if time > MAX_TICKS:
        raise malformed(f"a fragment states a time of {time} ticks")
    return time


def read_fragments(
    source: Source, movie: Movie, header: TrackHeader, limits: MediaLimits
) -> tuple[Track, Timeline] | None:
    """The track and its timeline, or None when libav's way through the fragments is not reproduced here.

    libav takes a fragment's time as it stands, moves all by the edit list's delay, and by the largest negative
    composition time; it drops no frame for an edit. What a file lost that was cut off inside a fragment's index
    stands as one more keyframe without bytes at the end, so that it is reported like missing samples are.

    Raises:
        BadInput: RESOURCE_LIMIT, or MALFORMED for fragments that contradict themselves or the size of the file.
    """
    delay = delay_of_edits(header)
    if delay is None:
        return None
    defaults_by_track = _read_defaults(movie.moov)
    if header.track_id not in defaults_by_track:
        return None
    places = find_places(source, movie.end, limits)
    try:
        takers, walked = walk_everywhere(
            source,
            movie.end,
            places.starts,
            limits,
            lambda: _Runs(header.track_id, defaults_by_track, source.size_bytes),
        )
    except Unfollowed:
        return None
    runs = [run for taker in takers for run in taker.runs]
    if not runs:
        raise malformed(
            "the fragments list no frames of the video track",
            hint="The recording or the upload was cut off before the first fragment was written; export the file anew",
        )
    refuse_too_many(sum(run.count for run in runs))
    track = _track_of(header, runs, source.size_bytes)
    if track is None or (
        places.has_sidx and (any(taker.lacks_time for taker in takers) or _shifts_late(track, runs[0].count))
    ):
        return None
    shift = max(0, -int(np.min(track.pts - track.dts)))
    if walked.is_cut_off or places.end > source.size_bytes:
        track = _with_missing_end(track, places, source.size_bytes)
    is_shown = np.ones(len(track.dts), np.bool_)
    return track, Timeline(track.dts + delay, track.pts + delay + shift, is_shown)


def _read_defaults(moov: Box) -> dict[int, _Defaults]:
    extends = moov.find(b"mvex")
    defaults: dict[int, _Defaults] = {}
    for trex in extends.children() if extends else ():
        if trex.kind == b"trex":
            track_id, *numbers = trex.unpack("5I", 4)
            defaults.setdefault(track_id, _Defaults(*numbers))
    return defaults


def _track_of(header: TrackHeader, runs: list[_Run], file_size_bytes: int) -> Track | None:
    """None for times that do not rise, samples without bytes, or several sample descriptions."""
    descriptions = {run.defaults.description for run in runs}
    if len(descriptions) > 1 or not 1 <= min(descriptions) <= len(header.descriptions):
        return None
    counts = np.array([run.count for run in runs], np.int64)
    firsts = np.cumsum(counts) - counts
    durations, sizes, flags, compositions = _unpack_rows(runs, counts, firsts)
    if not sizes.all() or int(np.max(durations)) >= 1 << 31:
        return None
    before = np.cumsum(sizes) - sizes
    starts = np.array([run.start for run in runs], np.int64)
    offsets = np.repeat(starts - before[firsts], counts) + before
    if int(np.min(offsets)) < 0:
        raise malformed("a fragment places frames before the start of the file")
    refuse_overlaps(offsets, sizes, file_size_bytes)
    dts = _decode_times(runs, counts, firsts, durations)
    is_key = flags & NO_SYNC == 0
    if (np.diff(dts) <= 0).any() or not _keeps_order(dts, durations, is_key, firsts[1:]):
        return None
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
        is_key=is_key,
        is_disposable=flags >> 22 & 3 == 2,
        description_indexes=np.full(len(dts), min(descriptions) - 1, np.int64),
    )


def _unpack_rows(runs: list[_Run], counts: Int64s, firsts: Int64s) -> list[Int64s]:
    """Durations, sizes, flags and composition times of all samples, rows of one layout at a time."""
    defaults = (
        [run.defaults.duration for run in runs],
        [run.defaults.size for run in runs],
        [run.defaults.flags for run in runs],
        [0] * len(runs),
    )
    columns = [np.repeat(np.array(values, np.int64), counts) for values in defaults]
    has_first_flags = [index for index, run in enumerate(runs) if run.first_flags is not None]
    columns[FLAGS][firsts[has_first_flags]] = [runs[index].first_flags or 0 for index in has_first_flags]
    layouts = np.array([run.layout for run in runs])
    for layout in set(layouts.tolist()) - {0}:
        of_layout = np.flatnonzero(layouts == layout)
        packed = b"".join(runs[index].rows for index in of_layout)
        rows = np.frombuffer(packed, ">u4").reshape(-1, layout.bit_count())
        places = _places(firsts[of_layout], counts[of_layout])
        present = [index for index, flag in enumerate(ROW_FIELDS) if layout & flag]
        for column, index in enumerate(present):
            # Version 0 is unsigned by the book, but libav reads composition times of both versions as signed.
            values = rows[:, column].astype(np.int64)
            columns[index][places] = values.astype(np.int32) if index == COMPOSITION else values
    return columns


def _places(firsts: Int64s, counts: Int64s) -> NDArray[np.int64]:
    """Positions of all samples of runs that start at `firsts`."""
    ends = np.cumsum(counts)
    return np.repeat(firsts - (ends - counts), counts) + np.arange(int(ends[-1]))


def _decode_times(runs: list[_Run], counts: Int64s, firsts: Int64s, durations: Int64s) -> Int64s:
    running = np.cumsum(durations) - durations
    is_timed = np.array([run.time is not None for run in runs])
    stated = np.array([run.time or 0 for run in runs], np.int64)
    last_timed = np.maximum.accumulate(np.where(is_timed, np.arange(len(runs)), -1))
    shifts: Int64s = np.where(last_timed >= 0, (stated - running[firsts])[last_timed], 0)
    times: Int64s = running + np.repeat(shifts, counts)
    return times


def _keeps_order(dts: Int64s, durations: Int64s, is_key: NDArray[np.bool_], firsts: Int64s) -> bool:
    """Whether frames that are decoded out of order are still displayed in the order that they were coded for.

    A run that does not start where the one before ends moves what follows against what came before: harmless from a
    keyframe on, to later times, or by less than a frame.
    """
    jumps = dts[firsts] - dts[firsts - 1] - durations[firsts - 1]
    is_harmless = (np.abs(jumps) < max(1, int(np.min(durations)))) | (is_key[firsts] & (jumps > 0))
    return bool(is_harmless.all())


def _shifts_late(track: Track, first_count: int) -> bool:
    """Whether the largest negative composition time comes after the first run.

    Where an index names all fragments, libav reads them one by one, and what it learns late moves only what comes
    then. Without times in the fragments it takes those of the index.
    """
    compositions = track.pts - track.dts
    lowest = int(np.min(compositions))
    return lowest < 0 and int(np.min(compositions[:first_count])) > lowest


def _with_missing_end(track: Track, places: Places, file_size_bytes: int) -> Track:
    """The track with one more keyframe that has no bytes, in place of all that is missing.

    Where frames are missing between the last ones that are there, one more sample without bytes stands for them.
    """
    last = int(np.argmax(track.pts))
    end_pts = int(track.pts[last]) + max(1, int(track.durations[last]))
    next_dts = int(track.dts[-1]) + max(1, int(track.durations[-1]))
    hole = _find_hole(track)
    times = [(next_dts, hole, 1)] if hole is not None else []
    start = max(end_pts, next_dts + len(times))
    stated_end = min(int(places.duration * track.timescale), MAX_TICKS)
    times.append((start, start, min(max(1, stated_end - start), (1 << 31) - 1)))
    dts, pts, durations = zip(*times, strict=True)
    count = len(times)
    return replace(
        track,
        offsets=np.append(track.offsets, [file_size_bytes] * count),
        sizes=np.append(track.sizes, [1] * count),
        dts=np.append(track.dts, dts),
        pts=np.append(track.pts, pts),
        durations=np.append(track.durations, durations),
        is_key=np.append(track.is_key, [*[False] * (count - 1), True]),
        is_disposable=np.append(track.is_disposable, [False] * count),
        description_indexes=np.append(track.description_indexes, [track.description_indexes[-1]] * count),
    )


def _find_hole(track: Track) -> int | None:
    """A time between the last frames at which one is missing: it is decoded later than one that is shown later."""
    pts = np.sort(track.pts[-MAX_REORDER_DEPTH - 1 :])
    step = int(np.min(track.durations[-MAX_REORDER_DEPTH - 1 :])) + 1
    # No sample that comes later is displayed before this.
    earliest = int(track.dts[-1]) + int(np.min(track.pts - track.dts))
    holes = np.flatnonzero((np.diff(pts) > step) & (pts[1:] > earliest))
    return int(pts[holes[0]]) + step if len(holes) else None
