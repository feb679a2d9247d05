"""Which detections of two analyses of one frame are the same thing: the law by which a diff matches boxes.

Boxes of one frame and label are matched one to one, greedily: of all pairs that overlap by at least `iou_min`, the
one with the greatest IoU first. Ties go to the pair with the smaller difference of scores, then to the pair that comes
first when its two boxes are put in order. So the answer is a function of the values alone: it does not depend on the
order in which rows are stored, nor on which job is called a.

Greedy and not optimal (the assignment with the greatest sum of IoU), for two reasons. What did not change stays
together: equal rows have IoU 1 and no difference of scores, so they are matched first, whatever lies around them, and
what both jobs have in common may be left out of the matching without changing the rest of it. The optimal assignment
breaks such a pair when that makes two others fit better. And it is explained in one line. The price is small: a match
that greedy misses needs two boxes of one job that both overlap the same box of the other by half, which the
suppression of doubles inside a model seldom leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

IOU_UNITS = 10_000
"""Bounds are told in ten-thousandths, so that 0.5 means 0.5."""
MILLION = 1_000_000

SeenBox: TypeAlias = tuple[int, int, int, int, int, int]
"""Score in ten-thousandths; x1 ≤ x2 and y1 ≤ y2 as x1, y1, x2, y2 in sixteenths of a pixel; model of the job."""


@dataclass(frozen=True, slots=True)
class MatchRules:
    """The bounds of a diff, in ten-thousandths of IoU."""

    iou_min: int = 5000
    """What overlaps less is not the same thing."""
    moved_below: int = 8000
    """A matched pair that overlaps less has moved."""

    def __post_init__(self) -> None:
        if not 0 < self.iou_min <= IOU_UNITS:
            raise ValueError(f"iou_min must be over 0 and at most {IOU_UNITS} but got {self.iou_min}")
        if not 0 <= self.moved_below <= IOU_UNITS:
            raise ValueError(f"moved_below must be 0 to {IOU_UNITS} but got {self.moved_below}")


class Match(NamedTuple):
    """Two boxes that are the same thing."""

    a: int
    """Position in the boxes of a."""
    b: int
    iou: int
    """Millionths, rounded: whole numbers add up to the same sum in any order."""
    is_moved: bool


def match_boxes(a: Sequence[SeenBox], b: Sequence[SeenBox], rules: MatchRules) -> list[Match]:
    """The pairs of one frame and label, best first; each box is in one of them at most."""
    found = []
    areas_b = [(x2 - x1) * (y2 - y1) for _, x1, y1, x2, y2, _ in b]
    for i, (score_a, ax1, ay1, ax2, ay2, _) in enumerate(a):
        area_a = (ax2 - ax1) * (ay2 - ay1)
        for j, (score_b, bx1, by1, bx2, by2, _) in enumerate(b):
            if bx1 > ax2 or bx2 < ax1 or by1 > ay2 or by2 < ay1:
                continue
            shared = (min(ax2, bx2) - max(ax1, bx1)) * (min(ay2, by2) - max(ay1, by1))
            union = area_a + areas_b[j] - shared
            if union <= 0:
                # Two boxes without an area: the same one, or nothing that could overlap.
                if (ax1, ay1, ax2, ay2) != (bx1, by1, bx2, by2):
                    continue
                shared = union = 1
            if shared * IOU_UNITS >= rules.iou_min * union:
                found.append((-shared / union, abs(score_a - score_b), i, j, shared, union))
    if len(found) > 1:
        found = _one_to_one(a, b, found)
    return [
        Match(
            i,
            j,
            (2 * shared * MILLION + union) // (2 * union),
            shared * IOU_UNITS < rules.moved_below * union,
        )
        for _, _, i, j, shared, union in found
    ]


_Pair: TypeAlias = tuple[float, int, int, int, int, int]


def _one_to_one(a: Sequence[SeenBox], b: Sequence[SeenBox], pairs: list[_Pair]) -> list[_Pair]:
    """The pairs that are taken, best first."""
    pairs.sort(key=lambda pair: (pair[0], pair[1], *sorted((a[pair[2]], b[pair[3]])), pair[2], pair[3]))
    taken_a: set[int] = set()
    taken_b: set[int] = set()
    taken = []
    for pair in pairs:
        if pair[2] not in taken_a and pair[3] not in taken_b:
            taken_a.add(pair[2])
            taken_b.add(pair[3])
            taken.append(pair)
    return taken
