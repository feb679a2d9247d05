"""Building the sample table of a track: find where it can be cut, prove it, pack one chunk for each cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from chalicelib.contracts.sample_table import DecoderConfig, SampleFlag, chunk_header
from chalicelib.domain.cells import Cell, cut_cells
from chalicelib.domain.media import Pts, WholeReason
from gpu_batch.containers.packing import Columns, Piece, pack_columns
from gpu_batch.containers.timeline import Timeline
from gpu_batch.containers.track import Flags, Int64s, Track
from gpu_batch.video.keyframes import Verdict

Judge: TypeAlias = Callable[[Sequence[int]], dict[int, Verdict]]
"""Says what the bitstream holds at positions of a track, in decode order."""

MAX_PROOF_ROUNDS = 3
"""Cutting anew without the keyframes that were refuted chooses others, which need proof in their turn."""
NOWHERE = 1 << 62
MAX_REORDER_DEPTH = 16
"""Frames: the most that H.264 and HEVC allow."""


@dataclass(frozen=True, slots=True)
class SampleTable:
    """Everything that decoding a run of cells needs, packed."""

    config: DecoderConfig
    cells: tuple[Cell, ...]
    data: bytes
    """The chunks of all cells, one after the other (`contracts/sample_table.py`)."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where a track is cut: sample positions in decode order."""

    keyframes: tuple[int, ...]
    """Each starts a cell, the first one at or before the first shown frame."""
    end: int
    """One past the last sample that is needed."""
    end_pts: Pts
    """Where the last shown frame ends."""
    claimed: int
    """How many places to cut the container promised, refuted ones left out."""
    is_shown: Flags


class Proof(Enum):
    """How many of the places to cut are proved before they are believed (docs/decisions/0006)."""

    SPOT = "spot"
    """The first keyframe and one later cell boundary; every boundary where that one is refuted."""
    ALL = "all"


def find_cuts(
    judge: Judge, size_bytes: int, track: Track, timeline: Timeline, *, proof: Proof = Proof.ALL
) -> tuple[Cuts | None, WholeReason | None]:
    """Where a track of a file of `size_bytes` is cut into cells, and why there is one cell or none.

    Gives no cuts when no keyframe at all is proved: then only libav's own way through the container is right.
    """
    pts = timeline.pts
    candidates = _cut_candidates(pts, _present_keys(track, size_bytes))
    shown_pts = _where(timeline.is_shown, pts)
    if not len(candidates) or not len(shown_pts):
        return None, WholeReason.UNPROVED_KEYFRAMES
    first_shown, last_shown = int(np.min(shown_pts)), int(np.max(shown_pts))
    before = candidates[pts[candidates] <= first_shown]
    start = int(before[-1] if len(before) else candidates[0])
    verdicts = judge([start])
    is_shown = _decodable(timeline, start, verdicts[start])
    if not is_shown.any():
        return None, WholeReason.UNPROVED_KEYFRAMES
    first_shown = int(np.min(_where(is_shown, pts)))
    is_inside = (candidates > start) & (pts[candidates] > first_shown) & (pts[candidates] <= last_shown)
    others = candidates[is_inside]
    end_pts = _end_pts(track, timeline)
    chosen = _choose(pts, start, first_shown, others, end_pts, track.timebase)
    if proof is Proof.SPOT and len(chosen) > 1 and verdicts[start].is_proved:
        later = chosen[len(chosen) // 2]
        verdicts |= judge([later])
        proof = Proof.SPOT if verdicts[later].is_proved else Proof.ALL
    if proof is Proof.ALL or not verdicts[start].is_proved:
        chosen, others = _prove_all(judge, verdicts, pts, first_shown, chosen, others, end_pts, track.timebase)
    if not any(verdict.is_proved for verdict in verdicts.values()):
        return None, WholeReason.UNPROVED_KEYFRAMES
    cuts = Cuts(tuple(chosen), _end_of(is_shown), end_pts, 1 + len(others), is_shown)
    if len(chosen) > 1:
        return cuts, None
    if not all(verdict.is_proved for verdict in verdicts.values()):
        return cuts, WholeReason.UNPROVED_KEYFRAMES
    claims = int(np.count_nonzero(track.is_key & is_shown))
    return cuts, WholeReason.NOT_MONOTONIC if claims > 1 + len(others) else WholeReason.SHORT


def _choose(pts: Int64s, start: int, first_shown: Pts, others: Int64s, end_pts: Pts, timebase: Fraction) -> list[int]:
    """The keyframes that start a cell, of the first one and the others that may."""
    starts = cut_cells([first_shown, *pts[others].tolist()], end_pts, timebase)
    return [start, *(int(others[position - 1]) for position in starts[1:])]


def _prove_all(
    judge: Judge,
    verdicts: dict[int, Verdict],
    pts: Int64s,
    first_shown: Pts,
    chosen: list[int],
    others: Int64s,
    end_pts: Pts,
    timebase: Fraction,
) -> tuple[list[int], Int64s]:
    """Cuts of which every one is proved, and the keyframes that are left; adds to `verdicts`."""
    start = chosen[0]
    for _ in range(MAX_PROOF_ROUNDS):
        verdicts |= judge([key for key in chosen if key not in verdicts])
        refuted = [key for key, verdict in verdicts.items() if key != start and not verdict.is_proved]
        kept = others[~np.isin(others, refuted)]
        if len(kept) == len(others):
            return chosen, others
        others = kept
        chosen = _choose(pts, start, first_shown, others, end_pts, timebase)
    return [start], others


def _present_keys(track: Track, size_bytes: int) -> Int64s:
    """Positions of the sync samples that lie in the file."""
    keys = np.flatnonzero(track.is_key)
    sizes = track.sizes[keys]
    return keys[(sizes > 0) & (track.offsets[keys] + sizes <= size_bytes)]


def _cut_candidates(pts: Int64s, keys: Int64s) -> Int64s:
    """Keyframes that part the samples in time: what is decoded before one is displayed before it, the rest after.

    Only leading pictures may be displayed before the keyframe that they follow, yet not before the candidate before
    that.
    """
    if not len(keys):
        return keys
    # From keyframe to keyframe: much less to accumulate than from sample to sample.
    highest, lowest = np.maximum.reduceat(pts, keys), np.minimum.reduceat(pts, keys)
    before_first = np.max(pts[: keys[0]], initial=np.iinfo(np.int64).min)
    highest_before = np.maximum.accumulate(np.concatenate(([before_first], highest[:-1])))
    lowest_from = np.minimum.accumulate(lowest[::-1])[::-1]
    is_latest = pts[keys] > highest_before
    keys, lowest = keys[is_latest], lowest_from[is_latest]
    own = pts[keys]
    if (lowest[1:] >= own[:-1]).all():
        return keys
    kept: list[int] = []
    highest = np.iinfo(np.int64).min
    for position, (lowest_pts, key_pts) in enumerate(zip(lowest.tolist(), own.tolist(), strict=True)):
        if not kept or lowest_pts >= highest:
            kept.append(position)
            highest = key_pts
    return keys[kept]


def _decodable(timeline: Timeline, start: int, verdict: Verdict) -> Flags:
    """The shown samples that a decoder started at `start` can make: leading pictures may lack what they refer to."""
    is_shown = timeline.is_shown.copy()
    is_shown[:start] = False
    if verdict is not Verdict.PROVED_CLOSED:
        is_shown &= timeline.pts >= timeline.pts[start]
    return is_shown


def _where(is_shown: Flags, values: Int64s) -> Int64s:
    """The values of the shown samples; no copy where that is all."""
    return values if is_shown.all() else values[is_shown]


def _end_of(is_shown: Flags) -> int:
    """One past the last shown sample, of at least one."""
    return len(is_shown) - int(np.argmax(is_shown[::-1]))


def _end_pts(track: Track, timeline: Timeline) -> Pts:
    shown_pts = _where(timeline.is_shown, timeline.pts)
    durations = _where(timeline.is_shown, track.durations)
    last = np.argmax(shown_pts)
    return int(shown_pts[last] + max(1, durations[last]))


def reorder_depth(pts: Int64s) -> int:
    """How many frames a decoder must hold back so that PTS, given in decode order, come out rising."""
    moved = np.argsort(pts, kind="stable")
    moved -= np.arange(len(pts))
    return min(int(np.max(moved)), MAX_REORDER_DEPTH)


def pack_table(size_bytes: int, config: DecoderConfig, track: Track, timeline: Timeline, cuts: Cuts) -> SampleTable:
    """The packed table of a track that is cut at `cuts`."""
    pts, starts, ends = timeline.pts, track.offsets, track.offsets + track.sizes
    is_missing = ends > size_bytes
    flags = _flags_of(track, cuts, is_missing)
    bounds = [*cuts.keyframes, cuts.end]
    tails = _tail_lengths(pts, bounds)
    if is_missing.any():
        starts, ends = np.where(is_missing, NOWHERE, starts), np.where(is_missing, 0, ends)
    lows, highs = _byte_ranges(starts, ends, bounds, tails)
    shown_pts = np.sort(_where(cuts.is_shown, pts), kind="stable")
    times = [int(shown_pts[0]), *pts[np.array(cuts.keyframes[1:], np.int64)].tolist(), cuts.end_pts]
    found = np.searchsorted(shown_pts, times)
    places = found.tolist()
    prev_pts, next_pts = shown_pts[found - 1].tolist(), shown_pts.take(found, mode="clip").tolist()
    columns = Columns(track.offsets, track.sizes, timeline.dts, pts, flags, track.description_indexes)
    # Columns of numbers, no object for each cell before the cell itself: thousands would call the garbage collector.
    afters = [after + tail for after, tail in zip(bounds[1:], tails, strict=True)]
    cells: list[Cell] = []
    pieces: list[Piece] = []
    table_offset = 0
    for index, packed in enumerate(pack_columns(columns, bounds[:-1], afters)):
        packed_bytes = sum(map(len, packed))
        header = chunk_header(
            index=index,
            start_pts=times[index],
            end_pts=times[index + 1],
            prev_pts=prev_pts[index] if places[index] else None,
            next_pts=next_pts[index + 1] if places[index + 1] < len(shown_pts) else None,
            own=bounds[index + 1] - bounds[index],
            count=afters[index] - bounds[index],
            packed_bytes=packed_bytes,
        )
        pieces.append(header)
        pieces += packed
        size = len(header) + packed_bytes
        cells.append(
            Cell(
                index,
                times[index],
                times[index + 1],
                table_offset,
                size,
                lows[index],
                highs[index],
                places[index + 1] - places[index],
            )
        )
        table_offset += size
    return SampleTable(config, tuple(cells), b"".join(pieces))


def _flags_of(track: Track, cuts: Cuts, is_missing: Flags) -> NDArray[np.uint8]:
    flags = np.zeros(len(track.sizes), np.uint8)
    for is_set, flag in (
        (track.is_key, SampleFlag.KEY),
        (track.is_disposable, SampleFlag.DISPOSABLE),
        (cuts.is_shown, SampleFlag.SHOWN),
        (is_missing, SampleFlag.MISSING),
    ):
        if is_set.any():
            flags |= np.where(is_set, np.uint8(flag), np.uint8(0))
    return flags


def _tail_lengths(pts: Int64s, bounds: Sequence[int]) -> list[int]:
    """For each cell how many samples of the next one its last frames need."""
    lowest = np.minimum.reduceat(pts[: bounds[-1]], bounds[:-1])
    is_open = (lowest < pts[bounds[:-1]]).tolist()
    opens = [*is_open[1:], False]
    ends = [*bounds[2:], bounds[-1]]
    return [
        _tail_length(pts[after:end]) if needs_tail else 0
        for needs_tail, after, end in zip(opens, bounds[1:], ends, strict=True)
    ]


def _byte_ranges(
    starts: Int64s, ends: Int64s, bounds: Sequence[int], tails: Sequence[int]
) -> tuple[list[int], list[int]]:
    """For each cell, its tail included: first byte, and one past the last; both 0 when all of its samples are missing.

    A sample that is missing starts `NOWHERE` and ends at 0.
    """
    own = bounds[:-1]
    lows = np.minimum.reduceat(starts[: bounds[-1]], own).tolist()
    highs = np.maximum.reduceat(ends[: bounds[-1]], own).tolist()
    for index, (after, tail) in enumerate(zip(bounds[1:], tails, strict=True)):
        if tail:
            lows[index] = min(lows[index], int(np.min(starts[after : after + tail])))
            highs[index] = max(highs[index], int(np.max(ends[after : after + tail])))
    return [low if high else 0 for low, high in zip(lows, highs, strict=True)], highs


def _tail_length(pts: Int64s) -> int:
    """How many samples, from a keyframe on, its last leading picture needs; 0 without leading pictures."""
    leading = np.flatnonzero(pts < pts[0])
    return int(leading[-1]) + 1 if len(leading) else 0
