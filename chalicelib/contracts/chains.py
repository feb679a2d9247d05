"""Chains: rows of a block that are probably one thing, frame after frame, so that their numbers hardly change.

Only the size of a block depends on them: any chains hold the same rows. Integers alone decide, so that the same rows
have the same chains on every machine.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter

from chalicelib.contracts.block_columns import Block

FRAMES_APART = 4
"""A chain goes on after a thing was missed in fewer frames than this."""
CANDIDATES = 6
"""Ends of chains that a row is compared with, on each side of it."""


class _End:
    """The last row of a chain."""

    __slots__ = ("box", "chain", "frame", "left")

    def __init__(self, frame: int, chain: list[int], box: tuple[int, int, int, int]) -> None:
        self.frame = frame
        self.chain = chain
        self.box = box
        self.left = box[0]


def find_chains(block: Block) -> list[list[int]]:
    """Every row of the block once, in chains of one label each, by label and then by first row."""
    boxes = list(zip(block.x1, block.y1, block.x2, block.y2, strict=True))
    chains_by_label: list[list[list[int]]] = [[] for _ in block.labels]
    ends_by_label: list[list[_End]] = [[] for _ in block.labels]
    first = 0
    for frame, count in enumerate(block.counts):
        rows_by_label: dict[int, list[int]] = {}
        for row in range(first, first + count):
            rows_by_label.setdefault(block.row_labels[row], []).append(row)
        first += count
        for label, rows in rows_by_label.items():
            ends = [end for end in ends_by_label[label] if frame - end.frame < FRAMES_APART]
            ends_by_label[label] = _extend(ends, frame, rows, boxes, chains_by_label[label])
    return [chain for chains in chains_by_label for chain in chains]


def _extend(
    ends: list[_End], frame: int, rows: list[int], boxes: list[tuple[int, int, int, int]], chains: list[list[int]]
) -> list[_End]:
    """Give each row to the nearest chain, or to a new one; the ends as they are then, from left to right."""
    taken: list[_End] = []
    for row in rows:
        box = boxes[row]
        x1, y1, x2, y2 = box
        nearest = -1
        # Twice the size of the box, as a sum over four sides: further away is another thing.
        least = abs(x2 - x1) + abs(y2 - y1)
        if len(ends) <= 2 * CANDIDATES:
            near = range(len(ends))
        else:
            middle = bisect_left(ends, x1, key=_LEFT)
            near = range(max(middle - CANDIDATES, 0), min(middle + CANDIDATES, len(ends)))
        for number in near:
            a1, b1, a2, b2 = ends[number].box
            distance = abs(x1 - a1) + abs(y1 - b1) + abs(x2 - a2) + abs(y2 - b2)
            if distance < least:
                nearest, least = number, distance
        if nearest >= 0:
            end = ends.pop(nearest)
            end.chain.append(row)
            end.frame, end.box, end.left = frame, box, x1
        else:
            chain = [row]
            chains.append(chain)
            end = _End(frame, chain, box)
        taken.append(end)
    return sorted(ends + taken, key=_LEFT)


_LEFT = attrgetter("left")
