"""How well one detector's rows match another's, or the truth's: AP50, and what lies behind it.

Two boxes match when they are of one label and their intersection is at least half of their union.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpu_batch.models.detect import BOX_STEPS_PER_PIXEL, SCORE_STEPS, Rows

MATCHING_IOU = 0.5


@dataclass(frozen=True)
class Found:
    """Detections of one frame: boxes float32 (n, 4) xyxy in pixels, scores float32 (n,) of 0..1, labels int64 (n,)."""

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    def at_least(self, score: float) -> Found:
        """What has this score or a better one."""
        is_good = self.scores >= score
        return Found(self.boxes[is_good], self.scores[is_good], self.labels[is_good])


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a detector found of the truth."""

    truth_rows: int
    ap50: float | None
    """None where the truth has no rows."""
    matched_share: float | None
    """Of the rows of the truth."""
    mean_score_difference: float | None
    """Of the rows that match, without their signs; None where none does."""


@dataclass(frozen=True, slots=True)
class _Match:
    """A row that was found, and the score of the row of the truth that it took: None when there was none."""

    score: float
    truth_score: float | None


def as_found(rows: Rows) -> Found:
    """Rows in pixels and scores of 0..1."""
    return Found(
        boxes=(rows.boxes / BOX_STEPS_PER_PIXEL).astype(np.float32),
        scores=(rows.scores / SCORE_STEPS).astype(np.float32),
        labels=rows.labels.astype(np.int64),
    )


def average_precision_50(found: Sequence[Found], truth: Sequence[Found]) -> float:
    """The area under the precision-recall curve, over all labels together; one entry per frame, boxes in one scale.

    A row counts as right when it matches a row of the truth that no better row took.

    Raises:
        ValueError: the truth has no rows.
    """
    if (ap50 := compare_found(found, truth).ap50) is None:
        raise ValueError("the truth must have rows but has none")
    return ap50


def compare_found(found: Sequence[Found], truth: Sequence[Found]) -> Agreement:
    """AP50 of `found`, and how far its rows are from those of `truth` that they match; one entry per frame."""
    truth_rows = sum(len(one.scores) for one in truth)
    if not truth_rows:
        return Agreement(0, None, None, None)
    matches = [match for pair in zip(found, truth, strict=True) for match in _match(*pair)]
    # Stable: rows of one score stay in the order of the frames.
    matches.sort(key=lambda match: -match.score)
    differences = [abs(one.score - one.truth_score) for one in matches if one.truth_score is not None]
    return Agreement(
        truth_rows,
        _area(np.array([one.truth_score is not None for one in matches], bool), truth_rows),
        len(differences) / truth_rows,
        float(np.mean(differences)) if differences else None,
    )


def _match(found: Found, truth: Found) -> list[_Match]:
    """The rows of one frame, the best first, each with what it took."""
    free = set(range(len(truth.scores)))
    matches = []
    for index in np.argsort(-found.scores, kind="stable"):
        candidates = [
            (_iou(found.boxes[index], truth.boxes[place]), place)
            for place in sorted(free)
            if truth.labels[place] == found.labels[index]
        ]
        overlap, place = max(candidates, default=(0.0, -1))
        is_right = overlap >= MATCHING_IOU
        free -= {place} if is_right else set()
        matches.append(_Match(float(found.scores[index]), float(truth.scores[place]) if is_right else None))
    return matches


def _iou(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Intersection over union of two boxes xyxy."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / (float(np.prod(a[2:] - a[:2])) + float(np.prod(b[2:] - b[:2])) - shared)


def _area(is_right: npt.NDArray[np.bool_], truth_rows: int) -> float:
    precision = np.cumsum(is_right) / np.arange(1, len(is_right) + 1)
    # Precision as the best that is reached at this recall or a higher one.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(envelope[is_right]) / truth_rows)
