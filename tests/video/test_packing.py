"""Chunks that are packed from numpy columns unpack to the samples that went in."""

from __future__ import annotations

import numpy as np
import pytest

from chalicelib.contracts.sample_table import ChunkHead, unpack_chunks
from gpu_batch.containers.packing import ChunkPacker, Columns

HEAD = ChunkHead(index=3, start_pts=-5, end_pts=900, prev_pts=None, next_pts=900, own=1)


def columns(count: int) -> Columns:
    chance = np.random.default_rng(count)
    sizes = chance.integers(0, 1 << 32, count)
    dts = np.cumsum(chance.integers(1, 1 << 20, count)) - (1 << 40)
    return Columns(
        offsets=np.cumsum(sizes) + chance.integers(0, 1 << 40, count),
        sizes=sizes,
        dts=dts,
        pts=dts + chance.integers(-(1 << 31), 1 << 31, count),
        flags=chance.integers(0, 16, count).astype(np.uint8),
        descriptions=chance.integers(0, 255, count),
    )


# A stored block of deflate holds 65,535 bytes, so the sizes of 40,000 samples take three.
@pytest.mark.parametrize(("first", "after"), [(0, 1), (0, 40_000), (17, 39_999), (39_999, 40_000)])
def test_any_run_of_samples_survives_the_way_there_and_back(first: int, after: int) -> None:
    given = columns(40_000)
    (cell,) = unpack_chunks(ChunkPacker(given).pack(HEAD, first, after))
    samples = cell.samples
    assert (cell.index, cell.start_pts, cell.end_pts, cell.prev_pts, cell.next_pts, cell.own) == (
        3,
        -5,
        900,
        None,
        900,
        1,
    )
    assert list(samples.offsets) == given.offsets[first:after].tolist()
    assert list(samples.sizes) == given.sizes[first:after].tolist()
    assert list(samples.dts) == given.dts[first:after].tolist()
    assert list(samples.pts) == given.pts[first:after].tolist()
    assert list(samples.flags) == given.flags[first:after].tolist()
    assert list(samples.descriptions) == given.descriptions[first:after].tolist()


def test_columns_that_repeat_are_packed_the_same_each_time() -> None:
    packer = ChunkPacker(columns(100))
    assert packer.pack(HEAD, 10, 60) == packer.pack(HEAD, 10, 60)
