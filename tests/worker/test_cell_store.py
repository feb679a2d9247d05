"""The store of cells: one truth for each cell, in one order, in pieces that a reader can afford."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from chalicelib.contracts.blocks import FLAG_OVERFLOW, MAX_BLOCK_BYTES, pack_block, unpack_block
from gpu_batch.cell_store import AnalyzedCell, AnalyzedFrame, CellStore, split_blocks, to_block
from gpu_batch.models.detect import Rows
from tests.worker.memory_cloud import MemoryCloud

TIMEBASE = Fraction(1, 12800)
LABELS = ("zebra", "ant", "dog")


def rows_of(*rows: tuple[int, int, int], overflow: bool = False) -> Rows:
    """(label index, score, x1) of each row."""
    return Rows(
        np.array([row[0] for row in rows], np.uint16),
        np.array([row[1] for row in rows], np.uint16),
        np.array([(row[2], 0, row[2] + 16, 16) for row in rows], np.int32).reshape(-1, 4),
        overflow,
    )


def a_frame(number: int, rows: Rows) -> AnalyzedFrame:
    return AnalyzedFrame(number * 512, 0, number, rows)


def a_cell(*frames: AnalyzedFrame) -> AnalyzedCell:
    return AnalyzedCell(7, list(frames), frames_shown=9)


def a_store(cloud: MemoryCloud, analysis: str = "a" * 32) -> CellStore:
    return CellStore(cloud, tenant="acme", content_digest="digest", analysis=analysis, labels=LABELS, timebase=TIMEBASE)


def a_crowd(frames: int, rows: int = 100) -> list[AnalyzedFrame]:
    """Frames of many rows that do not compress."""
    chance = np.random.default_rng(3)
    return [
        a_frame(
            number,
            Rows(
                chance.integers(0, 3, rows).astype(np.uint16),
                np.sort(chance.integers(1, 10_000, rows).astype(np.uint16))[::-1],
                chance.integers(0, 30_000, (rows, 4)).astype(np.int32),
                False,
            ),
        )
        for number in range(frames)
    ]


def test_what_was_written_is_found() -> None:
    cloud = MemoryCloud()
    written = a_store(cloud).write(a_cell(a_frame(0, rows_of((0, 9000, 5)))))
    assert a_store(cloud).find([6, 7, 8]) == {7: written}


def test_the_first_writer_wins() -> None:
    cloud = MemoryCloud()
    first = a_store(cloud).write(a_cell(a_frame(0, rows_of((0, 9000, 5)))))
    second = a_store(cloud).write(a_cell(a_frame(0, rows_of((0, 1000, 5)))))
    assert second == first
    assert a_store(cloud).find([7]) == {7: first}


def test_results_of_another_analysis_are_not_found() -> None:
    cloud = MemoryCloud()
    a_store(cloud).write(a_cell(a_frame(0, rows_of((0, 9000, 5)))))
    assert a_store(cloud, "b" * 32).find([7]) == {}


def test_a_cell_without_frames_is_stored_as_analysed() -> None:
    cloud = MemoryCloud()
    result = a_store(cloud).write(a_cell())
    assert (result.frames_shown, result.frames_analyzed, result.blocks) == (9, 0, ())
    assert a_store(cloud).find([7]) == {7: result}


def test_a_frame_without_rows_is_in_the_block() -> None:
    block = to_block([a_frame(0, rows_of()), a_frame(1, rows_of((1, 9000, 5)))], LABELS, TIMEBASE)
    assert block is not None
    assert (list(block.pts), list(block.counts)) == ([0, 512], [0, 1])


def test_a_block_names_only_the_labels_that_occur_in_order() -> None:
    block = to_block([a_frame(0, rows_of((0, 9000, 5), (2, 8000, 5)))], LABELS, TIMEBASE)
    assert block is not None
    assert block.labels == ("dog", "zebra")


def test_rows_of_one_score_are_ordered_by_the_name_of_the_label_and_then_the_box() -> None:
    rows = rows_of((0, 9000, 1), (0, 5000, 9), (0, 5000, 8), (2, 5000, 7), (1, 5000, 6), (1, 4000, 0))
    block = to_block([a_frame(0, rows)], LABELS, TIMEBASE)
    assert block is not None
    ordered = [
        (block.labels[label], score, x1)
        for label, score, x1 in zip(block.row_labels, block.row_scores, block.x1, strict=True)
    ]
    assert ordered == [
        ("zebra", 9000, 1),
        ("ant", 5000, 6),
        ("dog", 5000, 7),
        ("zebra", 5000, 8),
        ("zebra", 5000, 9),
        ("ant", 4000, 0),
    ]


def test_a_full_frame_says_so() -> None:
    block = to_block([a_frame(0, rows_of((0, 9000, 5), overflow=True)), a_frame(1, rows_of())], LABELS, TIMEBASE)
    assert block is not None
    assert list(block.flags) == [FLAG_OVERFLOW, 0]


def test_a_crowded_cell_is_stored_in_blocks_of_at_most_64_kilobytes() -> None:
    cloud = MemoryCloud()
    a_store(cloud).write(a_cell(*a_crowd(120)))
    bodies = [item["body"] for kind in ("BLOCK", "BLOCK_PART") for item in cloud.items("results", kind)]
    assert len(bodies) > 1
    assert max(map(len, bodies)) <= MAX_BLOCK_BYTES


def test_the_blocks_of_a_crowded_cell_hold_every_row_in_order_of_time() -> None:
    cloud = MemoryCloud()
    result = a_store(cloud).write(a_cell(*a_crowd(120)))
    blocks = [unpack_block(cloud.tables["results"]["acme#digest", ref.sk]["body"]) for ref in result.blocks]
    assert [pts for block in blocks for pts in block.pts] == [number * 512 for number in range(120)]
    assert sum(len(block.row_scores) for block in blocks) == 120 * 100
    assert [(ref.first_pts, ref.last_pts) for ref in result.blocks] == [(b.pts[0], b.pts[-1]) for b in blocks]


def test_a_worker_that_comes_second_leaves_the_parts_of_the_first_alone() -> None:
    cloud = MemoryCloud()
    first = a_store(cloud).write(a_cell(*a_crowd(120)))
    bodies = {ref.sk: cloud.tables["results"]["acme#digest", ref.sk]["body"] for ref in first.blocks}
    # Another machine, other floats: its rows are not the first one's.
    assert a_store(cloud).write(a_cell(*reversed(a_crowd(110)))) == first
    assert {sk: cloud.tables["results"]["acme#digest", sk]["body"] for sk in bodies} == bodies


def test_one_frame_is_never_split() -> None:
    (frame,) = a_crowd(1, rows=20_000)
    block = to_block([frame], LABELS, TIMEBASE)
    assert block is not None
    assert [len(part.pts) for part, _ in split_blocks(block)] == [1]


@pytest.mark.parametrize("frames", [1, 50])
def test_a_cell_that_fits_is_one_block(frames: int) -> None:
    block = to_block([a_frame(number, rows_of((0, 9000, number))) for number in range(frames)], LABELS, TIMEBASE)
    assert block is not None
    assert split_blocks(block) == [(block, pack_block(block))]
