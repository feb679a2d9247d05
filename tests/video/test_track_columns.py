"""Whatever short cut the index allows, every sample gets the place, the times and the order that were written."""

from __future__ import annotations

import struct
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_batch.containers.boxes import Box
from gpu_batch.containers.table import reorder_depth
from gpu_batch.containers.track import MAX_RUNS_IN_TURN, Track, read_track
from tests.video.muxer import Chunks, Columns, box, moov, sample_boxes, trak

AVC1 = box(b"avc1", bytes(78))
CHUNK_GAP_BYTES = 100
"""Sound between the chunks."""


def track_of(columns: Columns, lengths: list[int]) -> tuple[Track, list[int]]:
    """The track as it is read back, and the offsets that were written; `lengths` are the samples of each chunk."""
    offsets, starts, position = [], [], 0
    sizes = iter(columns.sizes.tolist())
    for length in lengths:
        position += CHUNK_GAP_BYTES
        starts.append(position)
        for _ in range(length):
            offsets.append(position)
            position += next(sizes)
    chunks = Chunks(np.array(starts), np.array(lengths), np.zeros(len(lengths), np.int64))
    index = moov(trak(1, b"vide", 1000, [AVC1], sample_boxes(columns, chunks)))
    return read_track(Box(b"moov", index, 8, len(index)), position), offsets


def columns_of(count: int, seed: int) -> Columns:
    chance = np.random.default_rng(seed)
    return Columns(
        chance.integers(1, 1 << 20, count),
        chance.integers(1, 4, count),
        chance.integers(-5, 5, count),
        chance.integers(0, 2, count).astype(np.bool_),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=200), st.integers(0, 1000))
def test_samples_are_read_back_as_they_were_written(lengths: list[int], seed: int) -> None:
    columns = columns_of(sum(lengths), seed)
    track, offsets = track_of(columns, lengths)
    durations = columns.durations.tolist()
    dts = [0, *accumulate(durations)][:-1]
    assert track.offsets.tolist() == offsets
    assert track.sizes.tolist() == columns.sizes.tolist()
    assert track.durations.tolist() == durations
    assert track.dts.tolist() == dts
    assert (track.pts - track.dts).tolist() == columns.compositions.tolist()
    assert track.is_key.tolist() == columns.is_key.tolist()
    assert track.description_indexes.tolist() == [0] * len(offsets)


@pytest.mark.parametrize("runs", [1, MAX_RUNS_IN_TURN, MAX_RUNS_IN_TURN + 1, 500])
def test_any_number_of_runs_of_chunks_places_the_same_samples(runs: int) -> None:
    lengths = [1 + index % 2 for index in range(runs)]
    track, offsets = track_of(columns_of(sum(lengths), 1), lengths)
    assert track.offsets.tolist() == offsets


def test_what_the_chunks_hold_beyond_the_last_sample_does_not_count() -> None:
    columns = columns_of(7, 1)
    sizes = struct.pack(">5I", *columns.sizes[:5].tolist())
    # The size box lists five samples of the seven that the chunks hold.
    table = (
        box(b"stts", struct.pack(">4I", 0, 1, 5, 1))
        + box(b"stsc", struct.pack(">8I", 0, 2, 1, 3, 1, 2, 1, 1))
        + box(b"stsz", struct.pack(">3I", 0, 0, 5), sizes)
        + box(b"stco", struct.pack(">7I", 0, 5, 0, 10 << 20, 20 << 20, 30 << 20, 40 << 20))
    )
    index = moov(trak(1, b"vide", 1000, [AVC1], table))
    track = read_track(Box(b"moov", index, 8, len(index)), 1 << 30)
    first, second, *_ = columns.sizes.tolist()
    assert track.offsets.tolist() == [0, first, first + second, 10 << 20, 20 << 20]


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60))
def test_the_reorder_depth_is_how_many_frames_wait_for_their_turn(pts: list[int]) -> None:
    # A frame waits where one that is decoded later is displayed before it.
    overtaken = [sum(earlier > pts[at] for earlier in pts[:at]) for at in range(len(pts))]
    assert reorder_depth(np.array(pts)) == min(max(overtaken), 16)
