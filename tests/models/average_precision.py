"""AP50: how well one detector's rows match another's, or the truth's.

The area under the precision-recall curve, where a match is an IoU of at least 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpu_batch.models.detect import Rows
from tests.models.opencv_reference import Found, iou


def as_found(rows: Rows) -> Found:
    """Rows in pixels and scores of 0..1."""
    return Found(
        boxes=(rows.boxes / 16).astype(np.float32),
        scores=(rows.scores / 10_000).astype(np.float32),
        labels=rows.labels.astype(np.int64),
    )


def average_precision_50(found: Sequence[Found], truth: Sequence[Found]) -> float:
    """AP over all labels together; `found` and `truth` have one entry per frame, boxes in the same pixels.

    A row counts as right when it overlaps a box of the truth of its label, that no better row took, by half or more.
    """
    rows = sorted(
        ((score, frame, index) for frame, one in enumerate(found) for index, score in enumerate(one.scores)),
        key=lambda row: -row[0],
    )
    taken: set[tuple[int, int]] = set()
    is_right = []
    for _, frame, index in rows:
        candidates = [
            (iou(found[frame].boxes[index], box), place)
            for place, box in enumerate(truth[frame].boxes)
            if truth[frame].labels[place] == found[frame].labels[index] and (frame, place) not in taken
        ]
        overlap, place = max(candidates, default=(0.0, -1))
        is_right.append(overlap >= 0.5)
        if overlap >= 0.5:
            taken.add((frame, place))
    return _area(np.array(is_right), sum(len(one.boxes) for one in truth))


def _area(is_right: np.ndarray, truths: int) -> float:
    right = np.cumsum(is_right)
    precision = right / np.arange(1, len(right) + 1)
    # Precision as the best that is reached at this recall or a higher one.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(envelope[is_right]) / truths)
