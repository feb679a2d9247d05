"""Building the sample table of a track: find where it can be cut, prove it, pack one chunk for each cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from chalicelib.contracts.sample_table import ChunkHead, DecoderConfig, SampleFlag
from chalicelib.domain.cells import Cell, cut_cells
from chalicelib.domain.media import Pts, WholeReason
from gpu_batch.containers.packing import ChunkPacker, Columns
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
    pts, is_present = timeline.pts, track.offsets + track.sizes <= size_bytes
    candidates = _cut_candidates(pts, track.is_key & (track.sizes > 0) & is_present)
    shown = np.flatnonzero(timeline.is_shown)
    if not len(candidates) or not len(shown):
        return None, WholeReason.UNPROVED_KEYFRAMES
    first_shown, last_shown = int(np.min(pts[shown])), int(np.max(pts[shown]))
    before = candidates[pts[candidates] <= first_shown]
    start = int(before[-1] if len(before) else candidates[0])
    verdicts = judge([start])
    is_shown = _decodable(timeline, start, verdicts[start])
    if not is_shown.any():
        return None, WholeReason.UNPROVED_KEYFRAMES
    first_shown = int(np.min(pts[is_shown]))
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
    cuts = Cuts(tuple(chosen), int(np.flatnonzero(is_shown)[-1]) + 1, 1 + len(others), is_shown)
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


def _cut_candidates(pts: Int64s, is_key: Flags) -> Int64s:
    """Keyframes that part the samples in time: what is decoded before one is displayed before it, the rest after.

    Only leading pictures may be displayed before the keyframe that they follow, yet not before the candidate before
    that.
    """
    highest_before = np.concatenate(([np.iinfo(np.int64).min], np.maximum.accumulate(pts)[:-1]))
    lowest_from = np.minimum.accumulate(pts[::-1])[::-1]
    keys = np.flatnonzero(is_key & (pts > highest_before))
    lowest, own = lowest_from[keys], pts[keys]
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


def _end_pts(track: Track, timeline: Timeline) -> Pts:
    shown = np.flatnonzero(timeline.is_shown)
    last = shown[np.argmax(timeline.pts[shown])]
    return int(timeline.pts[last] + max(1, track.durations[last]))


def reorder_depth(pts: Int64s) -> int:
    """How many frames a decoder must hold back so that PTS, given in decode order, come out rising."""
    rank = np.empty(len(pts), np.int64)
    rank[np.argsort(pts, kind="stable")] = np.arange(len(pts))
    return min(int(np.max(np.arange(len(pts)) - rank)), MAX_REORDER_DEPTH)


def pack_table(size_bytes: int, config: DecoderConfig, track: Track, timeline: Timeline, cuts: Cuts) -> SampleTable:
    """The packed table of a track that is cut at `cuts`."""
    pts, ends = timeline.pts, track.offsets + track.sizes
    shown_pts = np.sort(pts[cuts.is_shown], kind="stable")
    is_missing = ends > size_bytes
    flags = np.zeros(len(pts), np.uint8)
    for is_set, flag in (
        (track.is_key, SampleFlag.KEY),
        (track.is_disposable, SampleFlag.DISPOSABLE),
        (cuts.is_shown, SampleFlag.SHOWN),
        (is_missing, SampleFlag.MISSING),
    ):
        flags |= is_set.astype(np.uint8) * np.uint8(flag)
    packer = ChunkPacker(Columns(track.offsets, track.sizes, timeline.dts, pts, flags, track.description_indexes))
    bounds = [*cuts.keyframes, cuts.end]
    times = [int(shown_pts[0]), *(int(pts[key]) for key in cuts.keyframes[1:]), _end_pts(track, timeline)]
    places = np.searchsorted(shown_pts, times).tolist()
    shown_around = np.concatenate((shown_pts, [0]))[places].tolist(), shown_pts[np.array(places) - 1].tolist()
    tails = _tail_lengths(pts, bounds)
    starts = track.offsets
    if is_missing.any():
        starts, ends = np.where(is_missing, NOWHERE, starts), np.where(is_missing, 0, ends)
    ranges = _byte_ranges(starts, ends, bounds, tails)
    cells: list[Cell] = []
    chunks: list[bytes] = []
    table_offset = 0
    for index, (first, after) in enumerate(pairwise(bounds)):
        low, high = places[index : index + 2]
        head = ChunkHead(
            index=index,
            start_pts=times[index],
            end_pts=times[index + 1],
            prev_pts=shown_around[1][index] if low else None,
            next_pts=shown_around[0][index + 1] if high < len(shown_pts) else None,
            own=after - first,
        )
        chunk = packer.pack(head, first, after + tails[index])
        cells.append(
            Cell(index, head.start_pts, head.end_pts, table_offset, len(chunk), *ranges[index], frames=high - low)
        )
        chunks.append(chunk)
        table_offset += len(chunk)
    return SampleTable(config, tuple(cells), b"".join(chunks))


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


def _byte_ranges(starts: Int64s, ends: Int64s, bounds: Sequence[int], tails: Sequence[int]) -> list[tuple[int, int]]:
    """For each cell, its tail included: first byte, and one past the last; (0, 0) when all of its samples are missing.

    A sample that is missing starts `NOWHERE` and ends at 0.
    """
    own = bounds[:-1]
    lows = np.minimum.reduceat(starts[: bounds[-1]], own).tolist()
    highs = np.maximum.reduceat(ends[: bounds[-1]], own).tolist()
    for index, (after, tail) in enumerate(zip(bounds[1:], tails, strict=True)):
        if tail:
            lows[index] = min(lows[index], int(np.min(starts[after : after + tail])))
            highs[index] = max(highs[index], int(np.max(ends[after : after + tail])))
    return [(low, high) if high else (0, 0) for low, high in zip(lows, highs, strict=True)]


def _tail_length(pts: Int64s) -> int:
    """How many samples, from a keyframe on, its last leading picture needs; 0 without leading pictures."""
    leading = np.flatnonzero(pts < pts[0])
    return int(leading[-1]) + 1 if len(leading) else 0
