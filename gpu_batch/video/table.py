"""Building the sample table of a track: find where it can be cut, prove it, pack one chunk for each cell."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from chalicelib.contracts.sample_table import CellSamples, DecoderConfig, SampleFlag, Samples, pack_chunk
from chalicelib.domain.cells import Cell, cut_cells
from chalicelib.domain.media import Pts, WholeReason
from gpu_batch.video.keyframes import Verdict
from gpu_batch.video.timeline import Timeline
from gpu_batch.video.track import Flags, Int64s, Track

Judge: TypeAlias = Callable[[Sequence[int]], dict[int, Verdict]]
"""Says what the bitstream holds at positions of a track, in decode order."""

MAX_PROOF_ROUNDS = 3
"""Cutting anew without the keyframes that were refuted chooses others, which need proof in their turn."""
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


def find_cuts(
    judge: Judge, size_bytes: int, track: Track, timeline: Timeline
) -> tuple[Cuts | None, WholeReason | None]:
    """Where a track of a file of `size_bytes` is cut into cells, every boundary proved, and why there is one or none.

    Gives no cuts when no keyframe at all is proved: then only libav's own way through the container is right.
    """
    pts, is_present = timeline.pts, track.offsets + track.sizes <= size_bytes
    candidates = _cut_candidates(pts, track.is_key & (track.sizes > 0) & is_present)
    shown = np.flatnonzero(timeline.is_shown)
    if not len(candidates) or not len(shown):
        return None, WholeReason.UNPROVED_KEYFRAMES
    first_shown, last_shown = int(np.min(pts[shown])), int(np.max(pts[shown]))
    before = [key for key in candidates if pts[key] <= first_shown]
    start = before[-1] if before else candidates[0]
    verdicts = judge([start])
    is_shown = _decodable(timeline, start, verdicts[start])
    if not is_shown.any():
        return None, WholeReason.UNPROVED_KEYFRAMES
    first_shown = int(np.min(pts[is_shown]))
    others = [key for key in candidates if key > start and first_shown < pts[key] <= last_shown]
    chosen = [start]
    for _ in range(MAX_PROOF_ROUNDS):
        keyframe_pts = [first_shown, *(int(pts[key]) for key in others)]
        starts = cut_cells(keyframe_pts, _end_pts(track, timeline), track.timebase)
        chosen = [start, *(others[position - 1] for position in starts[1:])]
        verdicts |= judge([key for key in chosen if key not in verdicts])
        refuted = {key for key in others if key in verdicts and not verdicts[key].is_proved}
        others = [key for key in others if key not in refuted]
        if not refuted:
            break
    else:
        chosen = [start]
    if not any(verdict.is_proved for verdict in verdicts.values()):
        return None, WholeReason.UNPROVED_KEYFRAMES
    cuts = Cuts(tuple(chosen), int(np.flatnonzero(is_shown)[-1]) + 1, 1 + len(others), is_shown)
    if len(chosen) > 1:
        return cuts, None
    if not all(verdict.is_proved for verdict in verdicts.values()):
        return cuts, WholeReason.UNPROVED_KEYFRAMES
    claims = int(np.count_nonzero(track.is_key & is_shown))
    return cuts, WholeReason.NOT_MONOTONIC if claims > 1 + len(others) else WholeReason.SHORT


def _cut_candidates(pts: Int64s, is_key: Flags) -> list[int]:
    """Keyframes that part the samples in time: what is decoded before one is displayed before it, the rest after.

    Only leading pictures may be displayed before the keyframe that they follow, yet not before the candidate before
    that.
    """
    highest_before = np.concatenate(([np.iinfo(np.int64).min], np.maximum.accumulate(pts)[:-1]))
    lowest_from = np.minimum.accumulate(pts[::-1])[::-1]
    kept: list[int] = []
    for key in np.flatnonzero(is_key & (pts > highest_before)).tolist():
        if not kept or lowest_from[key] >= pts[kept[-1]]:
            kept.append(key)
    return kept


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
    pts = timeline.pts
    shown_pts = np.sort(pts[cuts.is_shown])
    flags = (
        track.is_key * SampleFlag.KEY
        + track.is_disposable * SampleFlag.DISPOSABLE
        + cuts.is_shown * SampleFlag.SHOWN
        + (track.offsets + track.sizes > size_bytes) * SampleFlag.MISSING
    )
    columns = (track.offsets, track.sizes, timeline.dts, pts, flags, track.description_indexes)
    bounds = [*cuts.keyframes, cuts.end]
    times = [int(shown_pts[0]), *(int(pts[key]) for key in cuts.keyframes[1:]), _end_pts(track, timeline)]
    cells: list[Cell] = []
    chunks: list[bytes] = []
    table_offset = 0
    for index, (first, after) in enumerate(pairwise(bounds)):
        last_bound = bounds[min(index + 2, len(bounds) - 1)]
        tail = _tail_length(pts[after:last_bound]) if after < cuts.end else 0
        low, high = np.searchsorted(shown_pts, times[index : index + 2]).tolist()
        samples = CellSamples(
            index=index,
            start_pts=times[index],
            end_pts=times[index + 1],
            prev_pts=int(shown_pts[low - 1]) if low else None,
            next_pts=int(shown_pts[high]) if high < len(shown_pts) else None,
            own=after - first,
            samples=_slice(columns, first, after + tail),
        )
        chunk = pack_chunk(samples)
        cells.append(
            Cell(
                index,
                samples.start_pts,
                samples.end_pts,
                table_offset,
                len(chunk),
                *samples.byte_range,
                frames=high - low,
            )
        )
        chunks.append(chunk)
        table_offset += len(chunk)
    return SampleTable(config, tuple(cells), b"".join(chunks))


def _tail_length(pts: Int64s) -> int:
    """How many samples, from a keyframe on, its last leading picture needs; 0 without leading pictures."""
    leading = np.flatnonzero(pts < pts[0])
    return int(leading[-1]) + 1 if len(leading) else 0


def _slice(columns: Sequence[Int64s], first: int, after: int) -> Samples:
    return Samples(*(_array(code, column[first:after]) for code, column in zip("qIqqBB", columns, strict=True)))


def _array(typecode: str, values: Int64s) -> array[int]:
    column: array[int] = array(typecode)
    column.frombytes(values.astype(column.typecode).tobytes())
    return column
