"""Chunks that are packed from numpy columns unpack to the samples that went in."""

from __future__ import annotations

import numpy as np
import pytest

from chalicelib.contracts.sample_table import CellSamples, chunk_header, unpack_chunks
from gpu_batch.containers.packing import Columns, pack_columns


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


def chunks_of(given: Columns, *runs: tuple[int, int]) -> list[bytes]:
    chunks = []
    packed_runs = pack_columns(given, [first for first, _ in runs], [after for _, after in runs])
    for (first, after), pieces in zip(runs, packed_runs, strict=True):
        packed = b"".join(pieces)
        header = chunk_header(
            index=3,
            start_pts=-5,
            end_pts=900,
            prev_pts=None,
            next_pts=900,
            own=1,
            count=after - first,
            packed_bytes=len(packed),
        )
        chunks.append(header + packed)
    return chunks


def assert_holds(cell: CellSamples, given: Columns, first: int, after: int) -> None:
    assert list(cell.samples.offsets) == given.offsets[first:after].tolist()
    assert list(cell.samples.sizes) == given.sizes[first:after].tolist()
    assert list(cell.samples.dts) == given.dts[first:after].tolist()
    assert list(cell.samples.pts) == given.pts[first:after].tolist()
    assert list(cell.samples.flags) == given.flags[first:after].tolist()
    assert list(cell.samples.descriptions) == given.descriptions[first:after].tolist()


# A stored block of deflate holds 65,535 bytes, so the sizes of 40,000 samples take three.
@pytest.mark.parametrize(("first", "after"), [(0, 1), (0, 40_000), (17, 39_999), (39_999, 40_000)])
def test_any_run_of_samples_survives_the_way_there_and_back(first: int, after: int) -> None:
    given = columns(40_000)
    (cell,) = unpack_chunks(chunks_of(given, (first, after))[0])
    around = (cell.index, cell.start_pts, cell.end_pts, cell.prev_pts, cell.next_pts, cell.own)
    assert around == (3, -5, 900, None, 900, 1)
    assert_holds(cell, given, first, after)


def test_runs_that_overlap_are_packed_apart() -> None:
    given, runs = columns(100), [(0, 30), (20, 50), (50, 100)]
    cells = unpack_chunks(b"".join(chunks_of(given, *runs)))
    for cell, (first, after) in zip(cells, runs, strict=True):
        assert_holds(cell, given, first, after)


def test_columns_that_repeat_are_packed_the_same_each_time() -> None:
    first, second = chunks_of(columns(100), (10, 60), (10, 60))
    assert first == second


def test_samples_that_lie_back_to_back_take_no_bytes_for_their_places() -> None:
    apart = columns(1000)
    sizes = np.full(1000, 7)
    together = Columns(np.cumsum(sizes) - sizes, sizes, apart.dts, apart.pts, apart.flags, apart.descriptions)
    (chunk,) = chunks_of(together, (0, 1000))
    (cell,) = unpack_chunks(chunk)
    assert_holds(cell, together, 0, 1000)
    assert len(chunk) < len(chunks_of(apart, (0, 1000))[0]) - 7000
