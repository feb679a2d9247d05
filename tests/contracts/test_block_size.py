"""What results cost to write, in DynamoDB's write units, beside one item per frame and one item per detection.

The scene is that of the design's estimate: five things that move steadily in front of a noisy detector, 30 frames a
second, cells of 20 s. Real detections (`tests/tracking/bikes_detections.npz`) take about the same per row.
"""

from __future__ import annotations

import random
from fractions import Fraction

from bench.results.item_sizes import write_units
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.blocks import BOX_UNITS, SCORE_UNITS, Block, make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult
from chalicelib.contracts.job_index import IndexEntry
from tests.contracts.block_makers import FrameOf, make_block

TICKS = 512
CELLS = 6
FRAMES_PER_CELL = 600
THINGS = 5
ANALYSIS = "0" * 32
DIGEST = "0" * 64
JOB_ID = "job_01JD8GQ0M5X2R7T4V9W3Y6Z1AB"


def test_a_detection_takes_at_most_four_bytes_and_a_half() -> None:
    packed = [pack_block(block) for block in _scene()]
    assert sum(map(len, packed)) / (CELLS * FRAMES_PER_CELL * THINGS) <= 4.5


def test_results_take_less_than_a_fortieth_of_the_write_units_of_an_item_per_frame() -> None:
    assert _write_units(_scene()) <= CELLS * FRAMES_PER_CELL / 43


def test_results_take_less_than_a_two_hundredth_of_the_write_units_of_an_item_per_detection() -> None:
    assert _write_units(_scene()) <= CELLS * FRAMES_PER_CELL * THINGS / 215


def _write_units(blocks: list[Block]) -> int:
    """Of what a worker writes for one segment of these cells: a head for each, and the index of the commit."""
    items: list[Item] = []
    cells = []
    for number, block in enumerate(blocks):
        packed = pack_block(block)
        ref = make_ref(block, packed, table_keys.block_head(ANALYSIS, number))
        cells.append(CellResult(number, FRAMES_PER_CELL, FRAMES_PER_CELL, (), (ref,)))
        pk = table_keys.partition("acme", DIGEST)
        items.append({"pk": pk, "sk": ref.sk, "kind": "BLOCK", "request_id": "0" * 32, "body": packed})
        items[-1] |= cells[-1].to_item()
    entry = IndexEntry(0, 0, 1, CELLS * FRAMES_PER_CELL, (tuple(cells),))
    return sum(map(write_units, items)) + write_units(entry.to_item("acme", JOB_ID), in_transaction=True)


def _scene() -> list[Block]:
    chance = random.Random(7)
    things = [
        (
            chance.choice([0, 1]),
            chance.uniform(0.5, 0.9),
            [chance.uniform(100, 900), chance.uniform(100, 500)],
            [chance.uniform(-0.1, 0.1), chance.uniform(-0.05, 0.05)],
            [chance.uniform(40, 200), chance.uniform(40, 200)],
        )
        for _ in range(THINGS)
    ]

    def frame(index: int, rank: int) -> FrameOf:
        rows = []
        for label, score, place, speed, size in things:
            corner = [at + step * index for at, step in zip(place, speed, strict=True)]
            sides = [*corner, *(at + length for at, length in zip(corner, size, strict=True))]
            x1, y1, x2, y2 = (round((side + chance.gauss(0, 1)) * 4) * BOX_UNITS // 4 for side in sides)
            thousandths = round(min(max(chance.gauss(score, 0.03), 0), 1) * 1000)
            rows.append((label, thousandths * SCORE_UNITS // 1000, x1, y1, x2, y2))
        return (index * TICKS, 0, rank, 0, sorted(rows, key=lambda row: -row[1]))

    return [
        make_block(
            Fraction(1, 15360),
            ["bicycle", "person"],
            [frame(cell * FRAMES_PER_CELL + rank, rank) for rank in range(FRAMES_PER_CELL)],
        )
        for cell in range(CELLS)
    ]


if __name__ == "__main__":
    units, frames = _write_units(_scene()), CELLS * FRAMES_PER_CELL
    print(f"1/{frames / units:.1f} of an item per frame, 1/{frames * THINGS / units:.0f} of an item per detection")
